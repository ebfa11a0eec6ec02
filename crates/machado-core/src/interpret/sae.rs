//! A sparse autoencoder at work: states in, features out, and back.

use crate::error::{Error, Result};
use crate::math::buffer::Buffer;
use crate::math::matmul::{From, Packed, Rows, multiply, padded};
use crate::math::simd::VectorUnit;

/// The weights of an autoencoder, as SAELens' `JumpReLU` has them, for values as they come: nothing
/// has to be centred or scaled.
///
/// ```text
/// u = x − b_dec    p = u · w_enc + b_enc    f = p where p > threshold, else 0    x̂ = f · w_dec + b_dec
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SaeWeights {
    /// Values of a state.
    pub d_in: usize,
    /// Features.
    pub d_sae: usize,
    /// The encoder, a row for each feature: `[d_sae, d_in]`, the transpose of SAELens' `W_enc`.
    pub w_enc: Vec<f32>,
    /// `[d_sae]`.
    pub b_enc: Vec<f32>,
    /// `[d_sae]`, at least 0.
    pub threshold: Vec<f32>,
    /// The directions of the features, `[d_sae, d_in]`, each of length 1.
    pub w_dec: Vec<f32>,
    /// `[d_in]`.
    pub b_dec: Vec<f32>,
}

/// A feature that is active somewhere, and how strongly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Active {
    /// Its number.
    pub feature: u32,
    /// Its activation, greater than 0.
    pub value: f32,
}

/// A sparse autoencoder of the values at one site.
#[derive(Clone, Debug, PartialEq)]
pub struct Sae(SaeWeights);

impl Sae {
    /// An autoencoder with these weights.
    ///
    /// # Errors
    /// If their sizes do not fit together, a weight is no finite number, or a threshold is negative.
    pub fn new(weights: SaeWeights) -> Result<Self> {
        let SaeWeights { d_in, d_sae, w_enc, b_enc, threshold, w_dec, b_dec } = &weights;
        let (d_in, d_sae) = (*d_in, *d_sae);
        for (name, values, len) in [
            ("W_enc", w_enc, d_sae * d_in),
            ("b_enc", b_enc, d_sae),
            ("threshold", threshold, d_sae),
            ("W_dec", w_dec, d_sae * d_in),
            ("b_dec", b_dec, d_in),
        ] {
            if values.len() != len || len == 0 {
                let problem = format!(
                    "{name} has {} values instead of {len} (d_in {d_in}, d_sae {d_sae})",
                    values.len()
                );
                return Err(Error::Sae { problem });
            }
            if let Some(place) = values.iter().position(|value| !value.is_finite()) {
                let problem = format!("value {place} of {name} is {}", values[place]);
                return Err(Error::Sae { problem });
            }
        }
        if let Some(feature) = threshold.iter().position(|&threshold| threshold < 0.0) {
            let problem = format!("the threshold of feature {feature} is negative");
            return Err(Error::Sae { problem });
        }
        Ok(Self(weights))
    }

    /// The weights.
    pub fn weights(&self) -> &SaeWeights {
        &self.0
    }

    /// Values of a state.
    pub fn d_in(&self) -> usize {
        self.0.d_in
    }

    /// Features.
    pub fn d_sae(&self) -> usize {
        self.0.d_sae
    }

    /// The direction that a feature adds to a state, `[d_in]`, of length 1.
    pub fn direction(&self, feature: usize) -> &[f32] {
        &self.0.w_dec[feature * self.0.d_in..][..self.0.d_in]
    }

    /// An autoencoder of some of the features only, in the given order: encoding costs as little as
    /// there are features.
    ///
    /// # Errors
    /// If there is no such feature, or none is named.
    pub fn with_features(&self, features: &[usize]) -> Result<Self> {
        let w = &self.0;
        if let Some(feature) = features.iter().find(|&&feature| feature >= w.d_sae) {
            return Err(no_feature(*feature, w.d_sae));
        }
        let rows = |values: &[f32]| -> Vec<f32> {
            features.iter().flat_map(|&i| &values[i * w.d_in..][..w.d_in]).copied().collect()
        };
        let values = |values: &[f32]| features.iter().map(|&i| values[i]).collect();
        Self::new(SaeWeights {
            d_in: w.d_in,
            d_sae: features.len(),
            w_enc: rows(&w.w_enc),
            b_enc: values(&w.b_enc),
            threshold: values(&w.threshold),
            w_dec: rows(&w.w_dec),
            b_dec: w.b_dec.clone(),
        })
    }

    /// The activation of one feature for a state `[d_in]`: one scalar product.
    pub fn activation(&self, feature: usize, state: &[f32]) -> f32 {
        let w = &self.0;
        let row = &w.w_enc[feature * w.d_in..][..w.d_in];
        let sum: f32 =
            row.iter().zip(state.iter().zip(&w.b_dec)).map(|(row, (x, b))| row * (x - b)).sum();
        jump(sum + w.b_enc[feature], w.threshold[feature])
    }

    /// The state `[d_in]` that some features stand for.
    pub fn decode(&self, active: &[Active], out: &mut [f32]) {
        out.copy_from_slice(&self.0.b_dec);
        for &Active { feature, value } in active {
            add_scaled(out, value, self.direction(feature as usize));
        }
    }

    /// What encodes many states at once.
    pub fn encoder(&self, unit: VectorUnit) -> SaeEncoder {
        let w = &self.0;
        let mut packed = Packed::new(unit, w.d_in, w.d_sae);
        packed.pack_transposed(&w.w_enc);
        let mut bias = Buffer::zeros(padded(w.d_sae));
        bias[..w.d_sae].copy_from_slice(&w.b_enc);
        let (threshold, b_dec) = (w.threshold.clone(), w.b_dec.clone());
        SaeEncoder {
            packed,
            bias,
            threshold,
            b_dec,
            centred: Buffer::default(),
            sums: Buffer::default(),
        }
    }
}

/// An encoder with its weights packed and its memory at hand.
#[derive(Clone, Debug)]
pub struct SaeEncoder {
    packed: Packed,
    bias: Buffer,
    threshold: Vec<f32>,
    b_dec: Vec<f32>,
    centred: Buffer,
    sums: Buffer,
}

impl SaeEncoder {
    /// Calls `visit` with the number and the active features, in the order of their numbers, of each
    /// of some states, `[rows, d_in]`.
    pub fn encode(&mut self, states: &[f32], mut visit: impl FnMut(usize, &[Active])) {
        let (d_in, d_sae) = (self.b_dec.len(), self.threshold.len());
        let rows = states.len() / d_in;
        self.centred.set(states);
        for row in self.centred.chunks_exact_mut(d_in) {
            row.iter_mut().zip(&self.b_dec).for_each(|(x, b)| *x -= b);
        }
        let width = padded(d_sae);
        self.sums.resize(rows * width);
        let input = Rows::new(&self.centred, d_in, d_in);
        multiply(input, &self.packed, From::Bias(&self.bias), &mut self.sums);
        let mut active = Vec::new();
        for (row, sums) in self.sums.chunks_exact(width).enumerate() {
            active.clear();
            for (feature, (&sum, &threshold)) in sums.iter().zip(&self.threshold).enumerate() {
                let value = jump(sum, threshold);
                if value > 0.0 {
                    active.push(Active { feature: feature as u32, value });
                }
            }
            visit(row, &active);
        }
    }
}

/// The error where there is no such feature.
fn no_feature(feature: usize, d_sae: usize) -> Error {
    Error::OutOfRange {
        what: "a feature".into(),
        expected: format!("from 0 to {}", d_sae - 1),
        found: feature.to_string(),
    }
}

/// `JumpReLU`.
fn jump(sum: f32, threshold: f32) -> f32 {
    if sum > threshold { sum } else { 0.0 }
}

/// `out += factor · values`.
pub(super) fn add_scaled(out: &mut [f32], factor: f32, values: &[f32]) {
    out.iter_mut().zip(values).for_each(|(out, value)| *out += factor * value);
}

/// The scalar product.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Sums side by side, so that the compiler may use vectors.
    let mut sums = [0.0; 16];
    let (a_whole, a_rest) = a.as_chunks::<16>();
    let (b_whole, b_rest) = b.as_chunks::<16>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two features of three values: p = [u₀ + 1, 2·u₁], thresholds ½ and 0.
    fn sae() -> Sae {
        Sae::new(SaeWeights {
            d_in: 3,
            d_sae: 2,
            w_enc: vec![1.0, 0.0, 0.0, 0.0, 2.0, 0.0],
            b_enc: vec![1.0, 0.0],
            threshold: vec![0.5, 0.0],
            w_dec: vec![1.0, 0.0, 0.0, 0.0, 0.6, 0.8],
            b_dec: vec![10.0, 20.0, 30.0],
        })
        .unwrap()
    }

    /// x = (9.75, 21, 0): u = (−¼, 1, −30), p = (¾, 2), f = (¾, 2), x̂ = b + ¾·e₀ + 2·(0, 0.6, 0.8).
    #[test]
    fn codes_by_hand() {
        let sae = sae();
        let states = [9.75, 21.0, 0.0, 9.25, 20.0, 0.0];
        let mut codes = Vec::new();
        sae.encoder(VectorUnit::detect()).encode(&states, |_, active| codes.push(active.to_vec()));
        let active = |feature, value| Active { feature, value };
        // The second state has p = (¼, 0), below both thresholds.
        assert_eq!(codes, [vec![active(0, 0.75), active(1, 2.0)], vec![]]);
        assert_eq!([0, 1].map(|i| sae.activation(i, &states[..3])), [0.75, 2.0]);
        let mut decoded = [0.0; 3];
        sae.decode(&codes[0], &mut decoded);
        assert_eq!(decoded, [10.75, 21.2, 31.6]);
    }

    #[test]
    fn some_features_are_those_of_the_whole() {
        let (sae, state) = (sae(), [9.75, 21.0, 0.0]);
        let second = sae.with_features(&[1]).unwrap();
        assert_eq!(second.direction(0), sae.direction(1));
        assert_eq!(second.activation(0, &state), sae.activation(1, &state));
        let error = sae.with_features(&[0, 2]).unwrap_err().to_string();
        assert_eq!(error, "a feature must be from 0 to 1, not 2");
    }

    #[test]
    fn broken_weights_are_errors_that_say_what_is_wrong() {
        let error = |change: fn(&mut SaeWeights)| {
            let mut weights = sae().0;
            change(&mut weights);
            Sae::new(weights).unwrap_err().to_string()
        };
        assert_eq!(
            error(|w| w.b_enc.truncate(1)),
            "the autoencoder is damaged: b_enc has 1 values instead of 2 (d_in 3, d_sae 2)"
        );
        assert_eq!(
            error(|w| w.w_dec[4] = f32::NAN),
            "the autoencoder is damaged: value 4 of W_dec is NaN"
        );
        assert_eq!(
            error(|w| w.threshold[1] = -1.0),
            "the autoencoder is damaged: the threshold of feature 1 is negative"
        );
    }
}
