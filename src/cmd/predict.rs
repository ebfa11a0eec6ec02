//! `machado predict`: what may come next, as a table with bars.

use std::io::Write;

use anyhow::Result;
use machado_core::predict::{Comparison, PredictConfig, compare, predict};
use machado_core::sample::Sampler;
use serde_json::json;

use crate::candidates::{Drawing, rows};
use crate::cli::PredictArgs;
use crate::steering::Steer;
use crate::{models, steering, visible};

/// Characters of a bar that stands for certainty.
const BAR: usize = 40;

pub(super) fn run(args: &PredictArgs) -> Result<()> {
    let loaded = models::load(&args.model)?;
    let compute = super::compute(&args.compute)?;
    let prompt = loaded.encode_prompt(&args.prompt, args.model.unknown)?;
    let sampler = Sampler { temperature: args.temperature, ..Sampler::default() };
    let model = &loaded.file.model;
    let mut config = PredictConfig::new(&sampler, args.top);
    let steer = steering::read(&args.steering, &loaded, args.model.model.as_deref(), &compute)?;
    if let Some(steer) = &steer {
        config.interventions = steer.interventions.clone();
        let comparison = compare(model, compute.unit(), &prompt.ids, &config)?;
        return print_beside(args, &prompt.text, &comparison, steer);
    }
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

/// Prints what the steered model says beside what it says by itself.
fn print_beside(
    args: &PredictArgs,
    prompt: &str,
    comparison: &Comparison,
    steer: &Steer,
) -> Result<()> {
    let Comparison { candidates, unchanged, kl_nats } = comparison;
    let mut out = std::io::stdout().lock();
    if args.json {
        let list: Vec<_> = candidates
            .iter()
            .zip(unchanged)
            .map(|(c, unsteered)| {
                json!({
                    "token": c.token,
                    "id": c.id,
                    "probability": c.probability,
                    "unsteered_probability": unsteered,
                })
            })
            .collect();
        let figures = json!({
            "prompt": prompt,
            "candidates": list,
            "kl_nats": kl_nats,
            "steering": steer.json(),
        });
        writeln!(out, "{}", visible::json_on(&out, &figures))?;
        return Ok(());
    }
    let rows = rows(candidates, usize::MAX, Drawing::Any);
    let width = rows.first().map_or(0, |row| row.token.chars().count());
    writeln!(out, "{:width$}  steered  unsteered", "")?;
    for (row, unsteered) in rows.iter().zip(unchanged) {
        let line = format!("{}  {}   {unsteered:.4}     {}", row.token, row.number, row.bar(BAR));
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out, "KL divergence from the unsteered model: {kl_nats:.4} nats")?;
    steer.say_clipped();
    Ok(())
}
