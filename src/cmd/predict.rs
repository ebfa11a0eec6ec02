//! `machado predict`: what may come next, as a table with bars.

use std::io::Write;

use anyhow::Result;
use machado_core::predict::{PredictConfig, predict};
use machado_core::sample::Sampler;
use serde_json::json;

use crate::candidates::{Drawing, rows};
use crate::cli::PredictArgs;
use crate::{models, visible};

/// Characters of a bar that stands for certainty.
const BAR: usize = 40;

pub(super) fn run(args: &PredictArgs) -> Result<()> {
    let loaded = models::load(&args.model)?;
    let compute = super::compute(&args.compute)?;
    let prompt = loaded.encode_prompt(&args.prompt, args.model.unknown)?;
    let sampler = Sampler { temperature: args.temperature, ..Sampler::default() };
    let model = &loaded.file.model;
    let config = PredictConfig::new(&sampler, args.top);
    let candidates = predict(model, compute.unit(), &prompt.ids, &config)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let list: Vec<_> = candidates
            .iter()
            .map(|c| json!({ "token": c.token, "id": c.id, "probability": c.probability }))
            .collect();
        let json = json!({ "prompt": prompt.text, "candidates": list });
        writeln!(out, "{}", visible::json_on(&out, &json))?;
        return Ok(());
    }
    for row in rows(&candidates, usize::MAX, Drawing::Any) {
        let line = format!("{}  {}  {}", row.token, row.number, row.bar(BAR));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
