//! States of a text as a file: for who computes features again, and for who trains an autoencoder
//! elsewhere.

use machado_core::interpret::{Active, Sae};
use machado_core::math::simd::VectorUnit;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::json;

use super::{bytes, weights_error};
use crate::Result;

/// States of a model while it reads a text, one for each token, in the order of the text.
#[derive(Clone, Debug, PartialEq)]
pub struct States {
    /// The site: a layer's name.
    pub site: String,
    /// A fingerprint of the weights of the model.
    pub model_fingerprint: String,
    /// The tokens, `[N]`.
    pub tokens: Vec<u32>,
    /// The state after each, `[N, d_in]`.
    pub states: Vec<f32>,
}

impl States {
    /// The key of the metadata.
    pub const FACTS: &str = "machado.states";

    /// A file with `states` (F32, `[N, d_in]`) and `tokens` (I64, `[N]`). Its metadata has the key
    /// [`FACTS`](Self::FACTS), with a JSON object of `site` and `model_fingerprint`.
    ///
    /// # Errors
    /// If there are no tokens, or not as many states.
    pub fn write(&self) -> Result<Vec<u8>> {
        let rows = self.tokens.len();
        if rows == 0 || !self.states.len().is_multiple_of(rows) {
            let values = self.states.len();
            return Err(weights_error(format!("{values} values of states for {rows} tokens")));
        }
        let d_in = self.states.len() / rows;
        let tokens = self.tokens.iter().flat_map(|&id| i64::from(id).to_le_bytes()).collect();
        let facts = json!({"site": self.site, "model_fingerprint": self.model_fingerprint});
        file(
            &[
                ("states", Dtype::F32, vec![rows, d_in], bytes(self.states.iter())),
                ("tokens", Dtype::I64, vec![rows], tokens),
            ],
            Some((Self::FACTS, facts.to_string())),
        )
    }
}

/// Some states, and what an autoencoder makes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Of a state and of its features.
    d_in: usize,
    d_sae: usize,
    /// `[N, d_in]`.
    states: Vec<f32>,
    /// `[N, d_sae]`.
    feature_acts: Vec<f32>,
    /// `[N, d_in]`.
    sae_out: Vec<f32>,
}

impl Example {
    /// The name of the file beside an autoencoder.
    pub const NAME: &str = "example.safetensors";

    /// What `sae` makes of some states, `[N, d_in]`.
    pub fn of(sae: &Sae, unit: VectorUnit, states: &[f32]) -> Self {
        let (d_in, d_sae) = (sae.d_in(), sae.d_sae());
        let rows = states.len() / d_in;
        let mut feature_acts = vec![0.0; rows * d_sae];
        let mut sae_out = vec![0.0; rows * d_in];
        sae.encoder(unit).encode(states, |row, active| {
            sae.decode(active, &mut sae_out[row * d_in..][..d_in]);
            for &Active { feature, value } in active {
                feature_acts[row * d_sae + feature as usize] = value;
            }
        });
        Self { d_in, d_sae, states: states.to_vec(), feature_acts, sae_out }
    }

    /// A file with `states` (`[N, d_in]`), `feature_acts` (`[N, d_sae]`) and `sae_out`
    /// (`[N, d_in]`), all F32: what SAELens' `encode` and `decode` must give.
    ///
    /// # Errors
    /// If it cannot be laid out, which no size that fits into memory causes.
    pub fn write(&self) -> Result<Vec<u8>> {
        let rows = self.states.len() / self.d_in;
        let tensor = |name, width, values: &[f32]| {
            (name, Dtype::F32, vec![rows, width], bytes(values.iter()))
        };
        file(
            &[
                tensor("feature_acts", self.d_sae, &self.feature_acts),
                tensor("sae_out", self.d_in, &self.sae_out),
                tensor("states", self.d_in, &self.states),
            ],
            None,
        )
    }
}

/// Name, type, shape and bytes.
type Tensor = (&'static str, Dtype, Vec<usize>, Vec<u8>);

/// One entry of metadata at most: the order of several would be left to chance.
fn file(tensors: &[Tensor], metadata: Option<(&str, String)>) -> Result<Vec<u8>> {
    let damaged = |error: safetensors::SafeTensorError| weights_error(error.to_string());
    let views: Result<Vec<_>> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((*name, TensorView::new(*dtype, shape.clone(), bytes).map_err(damaged)?))
        })
        .collect();
    let metadata = metadata.map(|(key, value)| [(key.to_owned(), value)].into_iter().collect());
    safetensors::serialize(views?, metadata).map_err(damaged)
}
