//! Reading an autoencoder of SAELens.
//!
//! SAELens lets the directions of features have any length; here each has length 1, so the lengths
//! are folded into the encoder (`fold_W_dec_norm`), which changes the unit in which a feature is
//! measured and nothing else. `topk` compares features, so it matters where that is done: with
//! `rescale_acts_by_decoder_norm` they are compared after folding, without it before.

use std::sync::Arc;

use machado_core::checkpoint::has_too_many_values;
use machado_core::interpret::{Sae, SaeWeights, Strongest};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::Value;

use super::{CONFIG, SaeFacts, SaeFiles, config_error, transposed, weights_error};
use crate::{Error, Result};

/// Lengths that differ by less are taken for one: they differ by rounding.
const SAME_LENGTH: f32 = 1e-5;

/// An autoencoder that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The autoencoder, with directions of length 1.
    pub sae: Sae,
    /// What machado knows of it, if machado made it.
    pub facts: Option<SaeFacts>,
    /// How it chooses features, in SAELens' words: `jumprelu`, `standard` or `topk`.
    pub architecture: String,
}

/// What SAELens needs of `cfg.json` to be understood here.
#[derive(Debug, Deserialize)]
struct Config {
    architecture: String,
    d_in: usize,
    d_sae: usize,
    k: Option<usize>,
    #[serde(default)]
    rescale_acts_by_decoder_norm: bool,
    #[serde(default = "yes")]
    apply_b_dec_to_input: bool,
    #[serde(default)]
    normalize_activations: Value,
    #[serde(default)]
    metadata: Value,
}

fn yes() -> bool {
    true
}

/// Reads an autoencoder.
///
/// # Errors
/// If a file is damaged, or the autoencoder is of a kind that cannot be used; it is named then.
pub fn read(files: &SaeFiles) -> Result<Found> {
    if has_too_many_values(&files.config, files.config.len() + files.weights.len()) {
        return Err(config_error("it has more values than the weights need".into()));
    }
    let config: Config = serde_json::from_slice(&files.config)
        .map_err(|source| Error::Json { file: CONFIG, source })?;
    config.check()?;
    let file = SafeTensors::deserialize(&files.weights)
        .map_err(|error| weights_error(error.to_string()))?;
    let sae = autoencoder(&config, &file)?;
    let facts = match config.metadata.get("machado") {
        None => None,
        Some(facts) => Some(
            SaeFacts::deserialize(facts).map_err(|source| Error::Json { file: CONFIG, source })?,
        ),
    };
    if let Some(facts) = &facts {
        for len in [facts.max_activations.len(), facts.active_positions.len()] {
            if len != config.d_sae {
                let d_sae = config.d_sae;
                let problem = format!("figures of {len} features, but there are {d_sae}");
                return Err(config_error(problem));
            }
        }
    }
    let strongest = facts.iter().flat_map(|facts| &facts.max_activations);
    if let Some(found) = strongest.copied().find(|strongest| !strongest.is_finite()) {
        return Err(config_error(format!("the strongest activation of a feature is {found}")));
    }
    Ok(Found { sae, facts, architecture: config.architecture })
}

impl Config {
    /// Whether it is of a kind that is known here.
    fn check(&self) -> Result<()> {
        let architecture = &self.architecture[..];
        if !["jumprelu", "standard", "topk"].contains(&architecture) {
            return Err(config_error(format!(
                "the architecture is \"{architecture}\"; machado reads \"jumprelu\", \"standard\" and \
                 \"topk\""
            )));
        }
        if let Some(found) = self.normalize_activations.as_str().filter(|&way| way != "none") {
            return Err(config_error(format!(
                "normalize_activations is \"{found}\"; machado reads \"none\" (fold the scale into \
                 the weights before saving)"
            )));
        }
        Ok(())
    }
}

/// The autoencoder, with the lengths of its directions folded in.
fn autoencoder(config: &Config, file: &SafeTensors<'_>) -> Result<Sae> {
    let tensor = |name: &str, shape: &[usize]| tensor(file, name, shape);
    let (d_in, d_sae) = (config.d_in, config.d_sae);
    let mut w_enc = tensor("W_enc", &[d_in, d_sae])?;
    let mut b_enc = tensor("b_enc", &[d_sae])?;
    let mut w_dec = tensor("W_dec", &[d_sae, d_in])?;
    let b_dec = tensor("b_dec", &[d_in])?;
    let mut threshold = match &config.architecture[..] {
        "jumprelu" => tensor("threshold", &[d_sae])?,
        _ => vec![0.0; d_sae],
    };
    if !config.apply_b_dec_to_input {
        // (x · W + b) = (x − d) · W + (b + d · W)
        for (row, d) in w_enc.chunks_exact(d_sae.max(1)).zip(&b_dec) {
            b_enc.iter_mut().zip(row).for_each(|(b, w)| *b += d * w);
        }
    }
    let lengths: Vec<f32> = w_dec.chunks_exact(d_in.max(1)).map(length).collect();
    let scale = |values: &mut [f32]| {
        let pairs = values.iter_mut().zip(lengths.iter().cycle());
        pairs.for_each(|(value, length)| *value *= length);
    };
    [&mut w_enc, &mut b_enc, &mut threshold].into_iter().for_each(|values| scale(values));
    for (row, length) in w_dec.chunks_exact_mut(d_in.max(1)).zip(&lengths) {
        row.iter_mut().for_each(|x| *x /= length);
    }
    let w_enc = transposed(&w_enc, d_sae).copied().collect();
    let sae = Sae::new(SaeWeights { d_in, d_sae, w_enc, b_enc, threshold, w_dec, b_dec })?;
    if config.architecture != "topk" {
        return Ok(sae);
    }
    let Some(k) = config.k else {
        return Err(config_error("the architecture is \"topk\", but there is no k".into()));
    };
    let (least, most) = lengths
        .iter()
        .fold((f32::MAX, 0.0f32), |(least, most), &length| (least.min(length), most.max(length)));
    let is_one_length = most - least <= SAME_LENGTH * most;
    let compared_as_they_are = config.rescale_acts_by_decoder_norm || is_one_length;
    let lengths = (!compared_as_they_are).then(|| Arc::from(lengths));
    Ok(sae.with_strongest(Strongest { k, lengths })?)
}

/// The length of a direction; that of one which does nothing is as good as any.
fn length(direction: &[f32]) -> f32 {
    let squared: f64 = direction.iter().map(|&x| f64::from(x).powi(2)).sum();
    match squared.sqrt() as f32 {
        length if (length - 1.0).abs() <= SAME_LENGTH || length == 0.0 => 1.0,
        length => length,
    }
}

/// Values of one tensor of the expected shape.
pub(super) fn tensor(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let view = file.tensor(name).map_err(|_| weights_error(format!("there is no {name}")))?;
    if view.dtype() != Dtype::F32 {
        return Err(weights_error(format!("{name} is {:?} instead of F32", view.dtype())));
    }
    if view.shape() != shape {
        let found = view.shape();
        return Err(weights_error(format!("{name} is {found:?}, but cfg.json says {shape:?}")));
    }
    let (values, _) = view.data().as_chunks::<4>();
    Ok(values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
}
