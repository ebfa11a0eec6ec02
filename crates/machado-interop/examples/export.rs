//! Writes a model for other programs, with what they must find: `tokenizer.json` and the ids of a text
//! (`ids.json`), `model.onnx` and the probabilities after its first tokens (`said.json`).
//!
//! ```text
//! cargo run -p machado-interop --example export -- model.safetensors text.txt FOLDER
//! ```

#![allow(clippy::disallowed_methods, reason = "the library opens no file, but this is a program")]

use std::error::Error;
use std::fs;
use std::path::Path;

use machado_core::checkpoint;
use machado_core::math::simd::VectorUnit;
use machado_core::model::{Model, Streams};
use machado_core::text::Standardize;
use machado_core::tokenizer::UnknownPolicy;
use machado_interop::{onnx, tokenizer_json};
use serde_json::json;

/// Tokens after which the probabilities are told.
const SAID: usize = 48;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, text, folder] = &args[..] else {
        return Err("usage: export MODEL TEXT FOLDER".into());
    };
    let file = checkpoint::read_model(&fs::read(model)?)?;
    let standardize = file.config.map_or(Standardize::None, |config| config.text.standardize);
    let text = standardize.apply(&fs::read_to_string(text)?).into_owned();
    let mut encoding = file.model.tokenizer.encoding(UnknownPolicy::Skip, "text");
    file.model.tokenizer.encode_piece(&text, &mut encoding)?;
    let ids = encoding.ids.to_vec();
    let some = &ids[..SAID.min(ids.len())];
    let said = json!({"tokens": some, "probabilities": probabilities(&file.model, some)?});
    let folder = Path::new(folder);
    fs::create_dir_all(folder)?;
    // The text as the model reads it.
    fs::write(folder.join("text.txt"), text)?;
    fs::write(folder.join("ids.json"), json!(ids).to_string())?;
    fs::write(folder.join("tokenizer.json"), tokenizer_json(&file.model.tokenizer))?;
    fs::write(folder.join("model.onnx"), onnx(&file.model)?)?;
    fs::write(folder.join("said.json"), said.to_string())?;
    Ok(())
}

/// What the model says after each of some tokens, `[time, V]`.
fn probabilities(model: &Model, ids: &[u32]) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
    let mut streams = Streams::new(model, VectorUnit::detect())?;
    let mut all = Vec::new();
    for &id in ids {
        streams.read(&[id]);
        let logits = streams.logits(0);
        let highest = logits.iter().copied().fold(f32::MIN, f32::max);
        let powers: Vec<f64> =
            logits.iter().map(|logit| f64::from(logit - highest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        all.push(powers.into_iter().map(|power| power / sum).collect());
    }
    Ok(all)
}
