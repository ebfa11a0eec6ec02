//! `machado predict`: what may come next, as a table with bars.

use std::io::Write;

use anyhow::Result;
use machado_core::predict::{Candidate, predict};
use machado_core::sample::Sampler;
use serde_json::json;

use crate::cli::PredictArgs;
use crate::{models, number, visible};

/// Characters of a bar that stands for certainty.
const BAR: f64 = 40.0;

pub(super) fn run(args: &PredictArgs) -> Result<()> {
    let loaded = models::load(&args.model)?;
    let compute = super::compute(&args.compute)?;
    let prompt = loaded.encode_prompt(&args.prompt, args.model.unknown)?;
    let sampler = Sampler { temperature: args.temperature, ..Sampler::default() };
    let model = &loaded.file.model;
    let candidates = predict(model, compute.unit(), &prompt.ids, &sampler, args.top)?;
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
    let width = candidates.iter().map(|c| number::quoted(&c.token).chars().count()).max();
    for candidate in &candidates {
        writeln!(out, "{}", line(candidate, width.unwrap_or(0)))?;
    }
    Ok(())
}

fn line(candidate: &Candidate, width: usize) -> String {
    let token = number::quoted(&candidate.token);
    let bar = number::bar(candidate.probability, BAR);
    format!("{token:<width$}  {:.4}  {bar}", candidate.probability).trim_end().to_owned()
}
