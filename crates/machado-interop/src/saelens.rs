//! SAELens' folder of an autoencoder: `cfg.json` and `sae_weights.safetensors` (SAELens 6).
//!
//! Written is the inference form with everything folded in, which `SAE.load_from_disk(folder)` opens:
//! `x` is the state as the model has it. That form is `jumprelu`, or `topk` where only so many
//! features of a state count. What machado itself knows beyond that lies in `metadata.machado` and is
//! ignored by SAELens.
//!
//! ```text
//! W_enc [d_in, d_sae]   b_enc [d_sae]   W_dec [d_sae, d_in]   b_dec [d_in]   threshold [d_sae]
//! ```
//!
//! - [`write()`]: the two files of an autoencoder.
//! - [`read()`]: those that machado wrote and those of others.
//! - [`Example`]: some states and what the autoencoder makes of them, for who computes it again.
//! - [`States`]: the states of a text, for who trains an autoencoder elsewhere.

mod read;
mod states;

pub use read::{Found, read};
pub use states::{Example, States};

use machado_core::interpret::Sae;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Error, Result};

/// The name of the file with the sizes and what is known of the training.
pub const CONFIG: &str = "cfg.json";
/// The name of the file with the weights.
pub const WEIGHTS: &str = "sae_weights.safetensors";

/// The version of SAELens whose format this is. SAELens takes files without one for those of
/// versions before 6, which had another.
const SAELENS_VERSION: &str = "6.18.0";

/// What is known of an autoencoder beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaeFacts {
    /// The version of machado that trained it.
    pub tool_version: String,
    /// The site whose values it encodes: a layer's name.
    pub site: String,
    /// A fingerprint of the weights of the model, by which a wrong one is noticed.
    pub model_fingerprint: String,
    /// How features were chosen in training: `batchtopk`, `topk` or `l1`.
    pub architecture: String,
    /// Features of a state on average that the training aimed at.
    pub k: usize,
    /// The prefixes that had to describe a state by themselves.
    pub prefixes: Vec<usize>,
    /// The seed.
    pub seed: u64,
    /// States of a step, and steps.
    pub batch_size: usize,
    /// Steps.
    pub steps: u64,
    /// The learning rate at its highest. Files of before it was kept have none.
    #[serde(default)]
    pub learning_rate: Option<f64>,
    /// States that were measured afterwards.
    pub positions: u64,
    /// The share of their variance that the autoencoder explains.
    pub explained_variance: f64,
    /// Features of a state, on average.
    pub l0: f64,
    /// The strongest activation of each feature there, the unit of steering.
    pub max_activations: Vec<f32>,
    /// At how many of the positions each feature is active.
    pub active_positions: Vec<u64>,
}

/// The two files of an autoencoder.
#[derive(Clone, Debug)]
pub struct SaeFiles {
    /// The contents of [`CONFIG`].
    pub config: Vec<u8>,
    /// The contents of [`WEIGHTS`].
    pub weights: Vec<u8>,
}

/// The files of an autoencoder. The same autoencoder gives the same bytes.
///
/// # Errors
/// If SAELens has no such autoencoder: one of the strongest features that have thresholds besides.
pub fn write(sae: &Sae, facts: &SaeFacts) -> Result<SaeFiles> {
    let w = sae.weights();
    let mut config = json!({
        "d_in": w.d_in,
        "d_sae": w.d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": true,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "architecture": "jumprelu",
        "metadata": {
            "sae_lens_version": SAELENS_VERSION,
            "sae_lens_training_version": null,
            "model_name": "machado",
            "model_class_name": "machado",
            "hook_name": facts.site,
            "context_size": null,
            "prepend_bos": false,
            "training_architecture": facts.architecture,
            "machado": facts,
        },
    });
    let mut tensors = vec![
        ("W_dec", vec![w.d_sae, w.d_in], bytes(w.w_dec.iter())),
        ("W_enc", vec![w.d_in, w.d_sae], bytes(transposed(&w.w_enc, w.d_in))),
        ("b_dec", vec![w.d_in], bytes(w.b_dec.iter())),
        ("b_enc", vec![w.d_sae], bytes(w.b_enc.iter())),
    ];
    match sae.strongest() {
        None => tensors.push(("threshold", vec![w.d_sae], bytes(w.threshold.iter()))),
        Some(rule) => {
            if w.threshold.iter().any(|&threshold| threshold > 0.0) {
                let problem = "SAELens has no topk with thresholds above 0".into();
                return Err(config_error(problem));
            }
            config["architecture"] = "topk".into();
            config["k"] = rule.k.into();
            config["rescale_acts_by_decoder_norm"] = false.into();
            if let Some(lengths) = &rule.lengths {
                // Back to the lengths at which features are compared.
                let scaled = |values: &[f32], by: &dyn Fn(usize) -> f32| {
                    let columns = values.len() / w.d_sae;
                    let value = |(i, x): (usize, &f32)| x * by(i / columns);
                    values.iter().enumerate().map(value).collect::<Vec<f32>>()
                };
                let shorter = |feature: usize| 1.0 / lengths[feature];
                let w_enc = scaled(&w.w_enc, &shorter);
                tensors[0].2 = bytes(scaled(&w.w_dec, &|feature| lengths[feature]).iter());
                tensors[1].2 = bytes(transposed(&w_enc, w.d_in));
                tensors[3].2 = bytes(scaled(&w.b_enc, &shorter).iter());
            }
        }
    }
    let damaged = |error: safetensors::SafeTensorError| weights_error(error.to_string());
    let views: Result<Vec<(&str, TensorView<'_>)>> = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(damaged)?))
        })
        .collect();
    Ok(SaeFiles {
        config: format!("{config:#}\n").into_bytes(),
        weights: safetensors::serialize(views?, None).map_err(damaged)?,
    })
}

/// `[rows, columns]` read column by column.
fn transposed(values: &[f32], columns: usize) -> impl Iterator<Item = &f32> {
    (0..columns).flat_map(move |column| values.iter().skip(column).step_by(columns))
}

fn bytes<'a>(values: impl Iterator<Item = &'a f32>) -> Vec<u8> {
    values.flat_map(|value| value.to_le_bytes()).collect()
}

fn config_error(problem: String) -> Error {
    Error::Format { file: CONFIG, problem }
}

fn weights_error(problem: String) -> Error {
    Error::Format { file: WEIGHTS, problem }
}

#[cfg(test)]
mod tests;
