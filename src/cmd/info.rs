//! `machado info`: a model as Keras' summary shows it, and how it was trained.

use std::io::Write;
use std::ops::Range;

use anyhow::{Context, Result};
use machado_core::model::{LayerSummary, summarize};
use machado_core::run::TrainingFacts;
use machado_core::tokenizer::{Tokenizer, TokenizerKind};
use serde_json::json;

use crate::cli::InfoArgs;
use crate::models::{self, LoadedModel};
use crate::number::{bytes, grouped, quoted};
use crate::presets;

pub(super) fn run(args: &InfoArgs) -> Result<()> {
    if let Some(name) = &args.preset {
        return Ok(write!(std::io::stdout(), "{}", presets::file_of(name)?)?);
    }
    let loaded = models::load_path(args.model.as_deref(), args.vocabulary.vocabulary.as_deref())?;
    let model = &loaded.file.model;
    let layers = summarize(&model.config, model.tokenizer.vocabulary_size())?;
    let mut out = std::io::stdout().lock();
    if args.config {
        let config = loaded.file.config.as_ref().context("this model has no config of its run")?;
        write!(out, "{}", toml::to_string(config)?)?;
    } else if args.json {
        writeln!(out, "{}", as_json(&loaded, &layers))?;
    } else {
        write!(out, "{}", as_text(&loaded, &layers))?;
    }
    Ok(())
}

fn as_json(loaded: &LoadedModel, layers: &[LayerSummary]) -> serde_json::Value {
    let model = &loaded.file.model;
    let training = loaded.file.training.as_ref();
    json!({
        "model": loaded.name,
        "parameters": model.weights.len(),
        "vocabulary_size": model.tokenizer.vocabulary_size(),
        "tokenizer": model.tokenizer.name(),
        "standardize": loaded.standardize().name(),
        "layers": layers,
        "text": training.map(|facts| json!({
            "characters": facts.characters,
            "tokens": facts.tokens,
            "files": loaded.file.config.as_ref().map(|config| &config.text.files),
        })),
        "training": training.map(|facts| json!({
            "steps": facts.steps,
            "epochs": facts.epochs,
            "batches_per_epoch": facts.batches_per_epoch,
            "loss": facts.loss,
            "accuracy": facts.accuracy,
            "val_loss": facts.val_loss,
            "val_accuracy": facts.val_accuracy,
        })),
    })
}

fn as_text(loaded: &LoadedModel, layers: &[LayerSummary]) -> String {
    let model = &loaded.file.model;
    let mut text = format!("{}\n\n{}\n", loaded.name, layer_table(layers));
    let size = bytes((model.weights.len() * size_of::<f32>()) as u64);
    text += &format!("parameters  {} ({size})\n", grouped(model.weights.len() as u64));
    let vocabulary_size = model.tokenizer.vocabulary_size() as u64;
    text += &format!(
        "vocabulary  {} tokens ({}, standardize {}): {}\n",
        grouped(vocabulary_size),
        model.tokenizer.name(),
        loaded.standardize().name(),
        some_tokens(&model.tokenizer)
    );
    if let Some(facts) = &loaded.file.training {
        text += &training_lines(facts);
    }
    if let Some(config) = &loaded.file.config {
        let training = &config.training;
        text += &format!(
            "learning    {}, learning rate {}, {}, seed {}\n",
            training.optimizer.name(),
            training.learning_rate,
            training.schedule.name(),
            training.seed
        );
    }
    text
}

/// The first characters of the vocabulary, or words, each in quotes.
fn some_tokens(tokenizer: &Tokenizer) -> String {
    let size = tokenizer.vocabulary_size() as u32;
    let (most, shown) = match tokenizer.kind() {
        TokenizerKind::Char => {
            let most = size.min(100);
            (most, format!("{:?}", tokenizer.decode(&(0..most).collect::<Vec<_>>())))
        }
        TokenizerKind::Word => (size.min(20), quoted_tokens(tokenizer, 0..size.min(20))),
        // Single bytes come first, and tell nothing.
        TokenizerKind::Bpe => {
            let first = size.min(256);
            let most = size.min(first + 20);
            (most, format!("256 bytes {}", quoted_tokens(tokenizer, first..most)))
        }
    };
    shown + if size > most { "…" } else { "" }
}

fn quoted_tokens(tokenizer: &Tokenizer, ids: Range<u32>) -> String {
    ids.map(|id| quoted(&tokenizer.token(id)) + " ").collect()
}

fn layer_table(layers: &[LayerSummary]) -> String {
    let mut table =
        format!("{:<14}{:<12}{:<20}{:>12}\n", "layer", "type", "output shape", "parameters");
    for layer in layers {
        let shape: Vec<String> = layer
            .output_shape
            .iter()
            .map(|axis| axis.map_or_else(|| "None".into(), |size| size.to_string()))
            .collect();
        table += &format!(
            "{:<14}{:<12}{:<20}{:>12}\n",
            layer.name,
            layer.layer_type,
            format!("({})", shape.join(", ")),
            grouped(layer.parameters as u64).to_string()
        );
    }
    table
}

fn training_lines(facts: &TrainingFacts) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "–".into(), |v| format!("{v:.4}"));
    let parts = &facts.parts;
    format!(
        "text        {} characters, {} tokens: {} to train, {} to validate, {} to test\n\
         trained     {} steps, {:.2} epochs of {} batches\n\
         training    loss {}, accuracy {}\n\
         validation  loss {}, accuracy {}\n",
        grouped(facts.characters),
        grouped(facts.tokens),
        grouped(parts.train.len() as u64),
        grouped(parts.validation.len() as u64),
        grouped(parts.test.len() as u64),
        grouped(facts.steps),
        facts.epochs,
        grouped(facts.batches_per_epoch),
        number(facts.loss),
        number(facts.accuracy),
        number(facts.val_loss),
        number(facts.val_accuracy),
    )
}
