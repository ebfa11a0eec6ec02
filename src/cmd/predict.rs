//! `machado predict`: what may come next, as a table with bars.

use std::io::Write;

use anyhow::Result;
use machado_core::predict::{Candidate, Comparison, PredictConfig, compare, predict};
use machado_core::sample::Sampler;
use serde_json::json;

use crate::cli::PredictArgs;
use crate::steering::Steer;
use crate::{models, number, steering};

/// Characters of a bar that stands for certainty.
const BAR: f64 = 40.0;

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
        writeln!(out, "{}", json!({ "prompt": prompt.text, "candidates": list }))?;
        return Ok(());
    }
    let width = width(&candidates);
    for candidate in &candidates {
        writeln!(out, "{}", line(candidate, width))?;
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
    let pairs = candidates.iter().zip(unchanged);
    if args.json {
        let list: Vec<_> = pairs
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
        writeln!(out, "{figures}")?;
        return Ok(());
    }
    let width = width(candidates);
    writeln!(out, "{:width$}  steered  unsteered", "")?;
    for (candidate, unsteered) in pairs {
        let token = number::quoted(&candidate.token);
        let bar = number::bar(candidate.probability, BAR);
        let figures = format!("{:.4}   {unsteered:.4}     {bar}", candidate.probability);
        writeln!(out, "{}", format!("{token:<width$}  {figures}").trim_end())?;
    }
    writeln!(out, "KL divergence from the unsteered model: {kl_nats:.4} nats")?;
    steer.say_clipped();
    Ok(())
}

/// The width of the longest token.
fn width(candidates: &[Candidate]) -> usize {
    candidates.iter().map(|c| number::quoted(&c.token).chars().count()).max().unwrap_or(0)
}

fn line(candidate: &Candidate, width: usize) -> String {
    let token = number::quoted(&candidate.token);
    let bar = number::bar(candidate.probability, BAR);
    format!("{token:<width$}  {:.4}  {bar}", candidate.probability).trim_end().to_owned()
}
