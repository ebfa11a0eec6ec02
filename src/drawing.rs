//! From flags to how tokens are drawn, and back to words.

use anyhow::{Result, bail};
use machado_core::sample::{Bans, Sampler};
use serde_json::{Map, Value, json};

use crate::cli::{NgramArgs, SamplerArgs, UsageError};
use crate::models::LoadedModel;

/// The sampler that the flags name, for this model.
pub fn sampler(args: &SamplerArgs, loaded: &LoadedModel) -> Result<Sampler> {
    if args.ban.iter().any(String::is_empty) {
        bail!(UsageError("--ban must not be empty, since that would ban everything".into()));
    }
    let tokenizer = &loaded.file.model.tokenizer;
    Ok(Sampler {
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        min_p: args.min_p,
        typical_p: args.typical_p,
        repetition_penalty: args.repetition_penalty,
        repetition_window: args.repetition_window,
        bans: Bans::of_texts(tokenizer, loaded.standardize(), &args.ban)?,
    })
}

/// The settings that are in force, by the names of their flags. Bans are not among them.
pub fn settings(sampler: &Sampler) -> Vec<(&'static str, f64)> {
    let Sampler { temperature, top_k, top_p, min_p, typical_p, repetition_penalty, .. } = sampler;
    let window = repetition_penalty.map(|_| sampler.repetition_window as f64);
    let all = [
        ("temperature", Some(*temperature)),
        ("top-k", top_k.map(|k| k as f64)),
        ("top-p", *top_p),
        ("min-p", *min_p),
        ("typical-p", *typical_p),
        ("repetition-penalty", *repetition_penalty),
        ("repetition-window", window),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The settings that are in force as JSON, by the names of their flags, such as `{"temperature": 1.0,
/// "top_k": 40, "ban": ["—"]}`.
pub fn json(sampler: &Sampler, bans: &[String], ngrams: &NgramArgs) -> Value {
    let number = |name, value: f64| match name {
        "top-k" | "repetition-window" => json!(value as u64),
        _ => json!(value),
    };
    let settings = settings(sampler).into_iter();
    let mut drawing =
        Map::from_iter(settings.map(|(name, value)| (name.replace('-', "_"), number(name, value))));
    if !bans.is_empty() {
        drawing.insert("ban".into(), json!(bans));
    }
    if ngrams.ngrams {
        drawing.insert("ngrams".into(), json!(true));
        drawing.insert("ngram_order".into(), json!(ngrams.ngram_order));
    }
    Value::Object(drawing)
}

/// A seed that is another one each time, short enough to type again.
pub fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) % 1_000_000
}
