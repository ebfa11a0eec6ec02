//! `machado sae find --like`: what fires in a piece of text, and rarely elsewhere.

use std::io::Write as _;

use anyhow::{Result, bail};
use machado_core::ids::TokenIds;
use machado_core::interpret::{Active, Reading};
use machado_core::tokenizer::UnknownPolicy;
use serde_json::{Value, json};

use super::super::inside::Inside;
use super::names;
use crate::cli::SaeFindArgs;

pub(super) fn run(args: &SaeFindArgs, inside: &Inside, like: &str) -> Result<()> {
    let prompt = inside.loaded.encode_prompt(like, UnknownPolicy::Skip)?;
    if prompt.ids.is_empty() {
        bail!("--like has no text that the model knows: {like:?}");
    }
    let mut ids = TokenIds::for_vocabulary(inside.loaded.file.model.tokenizer.vocabulary_size());
    prompt.ids.iter().for_each(|&id| ids.push(id));
    let reading = Reading {
        model: &inside.loaded.file.model,
        compute: &inside.compute,
        site: &inside.site,
        ids: &ids,
    };
    let mut encoder = inside.sae.encoder(inside.compute.unit());
    let mut sums = vec![0.0; inside.sae.d_sae()];
    reading.for_each(0..ids.len(), |_, state| {
        encoder.encode(state, |_, active| {
            for &Active { feature, value } in active {
                sums[feature as usize] += f64::from(value);
            }
        });
    })?;
    let facts = &inside.facts;
    let score = |feature: usize| {
        let density = facts.active_positions[feature].max(1) as f64 / facts.positions.max(1) as f64;
        // What fires everywhere says nothing about this text.
        -sums[feature] / ids.len() as f64 * density.min(1.0).ln()
    };
    let mut ranked: Vec<(usize, f64)> = (0..sums.len()).map(|i| (i, score(i))).collect();
    ranked.retain(|(_, score)| *score > 0.0);
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked.truncate(args.top);
    if ranked.is_empty() {
        bail!("no feature fires in that text\nhint: give a longer piece");
    }
    let numbers: Vec<usize> = ranked.iter().map(|(feature, _)| *feature).collect();
    let names = names(inside, &inside.read(&args.inside.text)?, &numbers)?;
    let mut out = std::io::stdout().lock();
    let name = |feature: &usize| names.get(feature).map_or("", |name| name);
    let mean = |feature: usize| sums[feature] / ids.len() as f64;
    if args.json {
        let features: Vec<Value> = ranked.iter().map(|(feature, score)| json!({
            "feature": feature, "score": score, "mean": mean(*feature), "label": name(feature),
        })).collect();
        writeln!(out, "{}", json!({"best": numbers[0], "features": features}))?;
        return Ok(());
    }
    writeln!(out, "feature     score      mean  fires at")?;
    for (feature, score) in &ranked {
        writeln!(out, "{feature:>7}  {score:>8.3}  {:>8.3}  {}", mean(*feature), name(feature))?;
    }
    Ok(())
}
