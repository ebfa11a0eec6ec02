//! SAELens' folder of an autoencoder: `cfg.json` and `sae_weights.safetensors` (SAELens 6).
//!
//! Written is always the inference form `jumprelu` with everything folded in, which
//! `SAE.load_from_disk(folder)` opens: `x` is the state as the model has it. What machado itself
//! knows beyond that lies in `metadata.machado` and is ignored by SAELens.
//!
//! ```text
//! W_enc [d_in, d_sae]   b_enc [d_sae]   W_dec [d_sae, d_in]   b_dec [d_in]   threshold [d_sae]
//! ```
//!
//! Read are `jumprelu` and `standard` (ReLU, a threshold of 0). `topk` and the others choose
//! among features in a way that a threshold does not tell.

use machado_core::interpret::{Sae, SaeWeights};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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

/// What SAELens needs of `cfg.json` to be understood here.
#[derive(Debug, Deserialize)]
struct Config {
    architecture: String,
    d_in: usize,
    d_sae: usize,
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

/// The files of an autoencoder. The same autoencoder gives the same bytes.
///
/// # Errors
/// If the weights cannot be laid out, which no size that fits into memory causes.
pub fn write(sae: &Sae, facts: &SaeFacts) -> Result<SaeFiles> {
    let w = sae.weights();
    let config = json!({
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
    let tensors = [
        ("W_dec", vec![w.d_sae, w.d_in], bytes(w.w_dec.iter())),
        ("W_enc", vec![w.d_in, w.d_sae], bytes(transposed(&w.w_enc, w.d_in))),
        ("b_dec", vec![w.d_in], bytes(w.b_dec.iter())),
        ("b_enc", vec![w.d_sae], bytes(w.b_enc.iter())),
        ("threshold", vec![w.d_sae], bytes(w.threshold.iter())),
    ];
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

/// Reads an autoencoder, and what machado knows of it if machado made it.
///
/// # Errors
/// If a file is damaged, or the autoencoder is of a kind that cannot be used.
pub fn read(files: &SaeFiles) -> Result<(Sae, Option<SaeFacts>)> {
    let config: Config = serde_json::from_slice(&files.config)
        .map_err(|source| Error::Json { file: CONFIG, source })?;
    let has_threshold = match &config.architecture[..] {
        "jumprelu" => true,
        "standard" => false,
        other => {
            return Err(config_error(format!(
                "the architecture is \"{other}\"; machado reads \"jumprelu\" and \"standard\""
            )));
        }
    };
    if let Some(found) = config.normalize_activations.as_str().filter(|&way| way != "none") {
        return Err(config_error(format!(
            "normalize_activations is \"{found}\"; machado reads \"none\" (fold the scale into the \
             weights before saving)"
        )));
    }
    let file = SafeTensors::deserialize(&files.weights)
        .map_err(|error| weights_error(error.to_string()))?;
    let tensor = |name: &str, shape: &[usize]| tensor(&file, name, shape);
    let (d_in, d_sae) = (config.d_in, config.d_sae);
    let w_enc = tensor("W_enc", &[d_in, d_sae])?;
    let mut b_enc = tensor("b_enc", &[d_sae])?;
    let b_dec = tensor("b_dec", &[d_in])?;
    let threshold = if has_threshold { tensor("threshold", &[d_sae])? } else { vec![0.0; d_sae] };
    if !config.apply_b_dec_to_input {
        // (x · W + b) = (x − d) · W + (b + d · W)
        for (row, d) in w_enc.chunks_exact(d_sae.max(1)).zip(&b_dec) {
            b_enc.iter_mut().zip(row).for_each(|(b, w)| *b += d * w);
        }
    }
    let sae = Sae::new(SaeWeights {
        d_in,
        d_sae,
        w_enc: transposed(&w_enc, d_sae).copied().collect(),
        b_enc,
        threshold,
        w_dec: tensor("W_dec", &[d_sae, d_in])?,
        b_dec,
    })?;
    let facts = match config.metadata.get("machado") {
        None => None,
        Some(facts) => Some(
            SaeFacts::deserialize(facts).map_err(|source| Error::Json { file: CONFIG, source })?,
        ),
    };
    if let Some(facts) = &facts {
        for len in [facts.max_activations.len(), facts.active_positions.len()] {
            if len != d_sae {
                return Err(config_error(format!(
                    "figures of {len} features, but there are {d_sae}"
                )));
            }
        }
    }
    Ok((sae, facts))
}

/// Values of one tensor of the expected shape.
fn tensor(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
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
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn sae() -> Sae {
        let value = |place: usize| (place * 7 % 11) as f32 - 4.5;
        Sae::new(SaeWeights {
            d_in: 3,
            d_sae: 5,
            w_enc: (0..15).map(value).collect(),
            b_enc: (0..5).map(value).collect(),
            threshold: (0..5).map(|i| 0.1 * i as f32).collect(),
            w_dec: (3..18).map(value).collect(),
            b_dec: (0..3).map(value).collect(),
        })
        .unwrap()
    }

    fn facts() -> SaeFacts {
        SaeFacts {
            tool_version: "0.1.0".into(),
            site: "gru".into(),
            model_fingerprint: "0123".into(),
            architecture: "batchtopk".into(),
            k: 2,
            prefixes: vec![2, 5],
            seed: 7,
            batch_size: 8,
            steps: 100,
            learning_rate: Some(7e-4 / 3.0),
            positions: 1000,
            explained_variance: 0.875,
            l0: 1.5,
            max_activations: vec![0.1, 0.2, 0.3, 0.4, 0.5],
            active_positions: vec![1, 2, 3, 4, 5],
        }
    }

    fn changed(change: impl FnOnce(&mut Value)) -> SaeFiles {
        let files = write(&sae(), &facts()).unwrap();
        let mut config: Value = serde_json::from_slice(&files.config).unwrap();
        change(&mut config);
        SaeFiles { config: config.to_string().into_bytes(), ..files }
    }

    fn error(files: &SaeFiles) -> String {
        read(files).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_again_bit_for_bit() {
        let files = write(&sae(), &facts()).unwrap();
        assert_eq!(read(&files).unwrap(), (sae(), Some(facts())));
        let again = write(&sae(), &facts()).unwrap();
        assert_eq!((files.config, files.weights), (again.config, again.weights));
    }

    #[test]
    fn files_of_before_the_learning_rate_was_kept_are_read() {
        let older = changed(|config| {
            let facts = config["metadata"]["machado"].as_object_mut().unwrap();
            drop(facts.remove("learning_rate").unwrap());
        });
        let (_, found) = read(&older).unwrap();
        assert_eq!(found, Some(SaeFacts { learning_rate: None, ..facts() }));
    }

    /// What SAELens' loader looks at: names, shapes, and a version from 6 on.
    #[test]
    fn the_layout_is_that_of_saelens() {
        let files = write(&sae(), &facts()).unwrap();
        let config: Value = serde_json::from_slice(&files.config).unwrap();
        assert_eq!(config["architecture"], "jumprelu");
        assert_eq!(config["normalize_activations"], "none");
        assert_eq!(config["metadata"]["sae_lens_version"], "6.18.0");
        assert_eq!(config["metadata"]["hook_name"], "gru");
        let file = SafeTensors::deserialize(&files.weights).unwrap();
        let mut names = file.names();
        names.sort_unstable();
        assert_eq!(names, ["W_dec", "W_enc", "b_dec", "b_enc", "threshold"]);
        assert_eq!(file.tensor("W_enc").unwrap().shape(), [3, 5]);
        // Feature 1 is the second column of W_enc and the second row of ours.
        let w_enc = tensor(&file, "W_enc", &[3, 5]).unwrap();
        assert_eq!([w_enc[1], w_enc[6], w_enc[11]], sae().weights().w_enc[3..6]);
    }

    #[test]
    fn a_standard_one_has_no_threshold_and_may_not_centre() {
        let mut files = changed(|config| {
            config["architecture"] = "standard".into();
            config["apply_b_dec_to_input"] = false.into();
            config["metadata"] = json!({"sae_lens_version": "6.0.0"});
        });
        let (found, facts) = read(&files).unwrap();
        assert_eq!(facts, None);
        assert_eq!(found.weights().threshold, [0.0; 5]);
        // u · w + b with u = x − b_dec must be x · w + b of the file.
        let x = [0.3, -0.7, 1.1];
        let w = sae().weights().clone();
        for feature in 0..5 {
            let row = &w.w_enc[feature * 3..][..3];
            let sum: f32 = row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>() + w.b_enc[feature];
            assert!((found.activation(feature, &x) - sum.max(0.0)).abs() < 1e-4);
        }
        files.weights.truncate(100);
        assert!(error(&files).starts_with("sae_weights.safetensors: "), "{}", error(&files));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let topk = changed(|config| config["architecture"] = "topk".into());
        assert_eq!(
            error(&topk),
            "cfg.json: the architecture is \"topk\"; machado reads \"jumprelu\" and \"standard\""
        );
        let scaled = changed(|config| {
            config["normalize_activations"] = "expected_average_only_in".into();
        });
        assert!(error(&scaled).contains("fold the scale into the weights"), "{}", error(&scaled));
        let wider = changed(|config| config["d_in"] = 4.into());
        assert_eq!(
            error(&wider),
            "sae_weights.safetensors: W_enc is [3, 5], but cfg.json says [4, 5]"
        );
        let short = changed(|config| {
            config["metadata"]["machado"]["max_activations"] = json!([1.0]);
        });
        assert_eq!(error(&short), "cfg.json: figures of 1 features, but there are 5");
        let lacking = changed(|config| drop(config.as_object_mut().unwrap().remove("d_sae")));
        assert_eq!(error(&lacking), "cfg.json");
    }
}
