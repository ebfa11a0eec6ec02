//! A sparse autoencoder at work: states in, features out, and back.

use std::cmp::Ordering;
use std::sync::Arc;

use super::strongest::Strongest;
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

/// A sparse autoencoder of the values at one site. Cloning it copies no weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Sae {
    weights: Arc<SaeWeights>,
    strongest: Option<Strongest>,
}

impl Sae {
    /// An autoencoder with these weights, whose features are chosen by their thresholds alone.
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
        Ok(Self { weights: Arc::new(weights), strongest: None })
    }

    /// The same autoencoder, but of the features that pass their thresholds only the strongest are
    /// active in a state.
    ///
    /// # Errors
    /// If `k` is 0 or more than there are features, or there is not a positive length for each.
    pub fn with_strongest(self, rule: Strongest) -> Result<Self> {
        if rule.k == 0 || rule.k > self.d_sae() {
            return Err(Error::OutOfRange {
                what: "k, the features of a state,".into(),
                expected: format!("from 1 to {}", self.d_sae()),
                found: rule.k.to_string(),
            });
        }
        let lengths = rule.lengths.as_deref().unwrap_or_default();
        if rule.lengths.is_some() && lengths.len() != self.d_sae() {
            let problem = format!("{} lengths of {} features", lengths.len(), self.d_sae());
            return Err(Error::Sae { problem });
        }
        if let Some(feature) = lengths.iter().position(|&length| length.is_nan() || length <= 0.0) {
            let problem = format!("the length of feature {feature} is {}", lengths[feature]);
            return Err(Error::Sae { problem });
        }
        Ok(Self { strongest: Some(rule), ..self })
    }

    /// The weights.
    pub fn weights(&self) -> &SaeWeights {
        &self.weights
    }

    /// How many features a state may have, if there is such a rule beside the thresholds.
    pub fn strongest(&self) -> Option<&Strongest> {
        self.strongest.as_ref()
    }

    /// Values of a state.
    pub fn d_in(&self) -> usize {
        self.weights.d_in
    }

    /// Features.
    pub fn d_sae(&self) -> usize {
        self.weights.d_sae
    }

    /// The direction that a feature adds to a state, `[d_in]`, of length 1.
    pub fn direction(&self, feature: usize) -> &[f32] {
        &self.weights.w_dec[feature * self.weights.d_in..][..self.weights.d_in]
    }

    /// The activation of one feature for a state `[d_in]`: one scalar product, or up to one for each
    /// feature where only the `k` strongest count.
    pub fn activation(&self, feature: usize, state: &[f32]) -> f32 {
        let centred: Vec<f32> = state.iter().zip(self.b_dec()).map(|(x, b)| x - b).collect();
        let own = self.passed(feature, &centred);
        let Some(rule) = self.strongest.as_ref().filter(|_| own.value > 0.0) else {
            return own.value;
        };
        let before = (0..self.d_sae())
            .map(|other| self.passed(other, &centred))
            .filter(|other| other.value > 0.0 && rule.order(other, &own) == Ordering::Less);
        if before.take(rule.k).count() == rule.k { 0.0 } else { own.value }
    }

    /// What passes the threshold of one feature, for a state without `b_dec`.
    fn passed(&self, feature: usize, centred: &[f32]) -> Active {
        let w = &self.weights;
        let row = &w.w_enc[feature * w.d_in..][..w.d_in];
        let value = jump(dot(row, centred) + w.b_enc[feature], w.threshold[feature]);
        Active { feature: feature as u32, value }
    }

    /// The state `[d_in]` that some features stand for.
    pub fn decode(&self, active: &[Active], out: &mut [f32]) {
        out.copy_from_slice(self.b_dec());
        for &Active { feature, value } in active {
            add_scaled(out, value, self.direction(feature as usize));
        }
    }

    fn b_dec(&self) -> &[f32] {
        &self.weights.b_dec
    }

    /// What encodes many states at once.
    pub fn encoder(&self, unit: VectorUnit) -> SaeEncoder {
        let w = &self.weights;
        let mut packed = Packed::new(unit, w.d_in, w.d_sae);
        packed.pack_transposed(&w.w_enc);
        let mut bias = Buffer::zeros(padded(w.d_sae));
        bias[..w.d_sae].copy_from_slice(&w.b_enc);
        SaeEncoder {
            packed,
            bias,
            threshold: w.threshold.clone(),
            b_dec: w.b_dec.clone(),
            strongest: self.strongest.clone(),
            wanted: None,
            centred: Buffer::default(),
            sums: Buffer::default(),
        }
    }

    /// What encodes many states at once by some of the features only, which count from 0 in the given
    /// order. By thresholds alone that costs as little as there are features.
    ///
    /// # Errors
    /// If there is no such feature, or none is named.
    pub fn encoder_of(&self, features: &[usize], unit: VectorUnit) -> Result<SaeEncoder> {
        let w = &self.weights;
        if let Some(feature) = features.iter().find(|&&feature| feature >= w.d_sae) {
            return Err(no_feature(*feature, w.d_sae));
        }
        if self.strongest.is_some() {
            // Which are the strongest only all of them together tell.
            let wanted = Some(features.iter().map(|&feature| feature as u32).collect());
            return Ok(SaeEncoder { wanted, ..self.encoder(unit) });
        }
        let rows = |values: &[f32]| -> Vec<f32> {
            features.iter().flat_map(|&i| &values[i * w.d_in..][..w.d_in]).copied().collect()
        };
        let values = |values: &[f32]| features.iter().map(|&i| values[i]).collect();
        let some = Self::new(SaeWeights {
            d_in: w.d_in,
            d_sae: features.len(),
            w_enc: rows(&w.w_enc),
            b_enc: values(&w.b_enc),
            threshold: values(&w.threshold),
            w_dec: rows(&w.w_dec),
            b_dec: w.b_dec.clone(),
        })?;
        Ok(some.encoder(unit))
    }
}

/// An encoder with its weights packed and its memory at hand.
#[derive(Clone, Debug)]
pub struct SaeEncoder {
    packed: Packed,
    bias: Buffer,
    threshold: Vec<f32>,
    b_dec: Vec<f32>,
    strongest: Option<Strongest>,
    /// The features that are told, by new numbers; `None` for all by their own.
    wanted: Option<Vec<u32>>,
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
            if let Some(rule) = &self.strongest {
                rule.keep(&mut active);
            }
            match &self.wanted {
                None => visit(row, &active),
                Some(wanted) => visit(row, &renumbered(&active, wanted)),
            }
        }
    }
}

/// Those of the active features that are wanted, with their places among the wanted ones as numbers.
fn renumbered(active: &[Active], wanted: &[u32]) -> Vec<Active> {
    let place = |(number, feature): (usize, &u32)| {
        let found = active.binary_search_by_key(feature, |active| active.feature).ok()?;
        Some(Active { feature: number as u32, value: active[found].value })
    };
    wanted.iter().enumerate().filter_map(place).collect()
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

    fn encoded(mut encoder: SaeEncoder, states: &[f32]) -> Vec<Vec<(u32, f32)>> {
        let mut codes = Vec::new();
        encoder.encode(states, |_, active| {
            codes.push(active.iter().map(|a| (a.feature, a.value)).collect());
        });
        codes
    }

    #[test]
    fn some_features_are_those_of_the_whole() {
        let (sae, state) = (sae(), [9.75, 21.0, 0.0]);
        let unit = VectorUnit::detect();
        let of = |features: &[usize]| encoded(sae.encoder_of(features, unit).unwrap(), &state);
        assert_eq!(of(&[1]), [[(0, 2.0)]]);
        assert_eq!(of(&[1, 0, 1]), [[(0, 2.0), (1, 0.75), (2, 2.0)]]);
        let error = sae.encoder_of(&[0, 2], unit).unwrap_err().to_string();
        assert_eq!(error, "a feature must be from 0 to 1, not 2");
        assert!(sae.encoder_of(&[], unit).is_err());
    }

    /// Four features of one value: p = (x, 2x, 2x, −x).
    fn with_k(k: usize, lengths: Option<&[f32]>) -> Result<Sae> {
        let weights = SaeWeights {
            d_in: 1,
            d_sae: 4,
            w_enc: vec![1.0, 2.0, 2.0, -1.0],
            b_enc: vec![0.0; 4],
            threshold: vec![0.0; 4],
            w_dec: vec![1.0; 4],
            b_dec: vec![0.0],
        };
        Sae::new(weights)?.with_strongest(Strongest { k, lengths: lengths.map(Arc::from) })
    }

    #[test]
    fn only_the_k_strongest_are_active() {
        let unit = VectorUnit::detect();
        // Of −3 only one feature is positive, whatever k is.
        for (k, of_3) in [(1, vec![(1, 6.0)]), (2, vec![(1, 6.0), (2, 6.0)])] {
            let sae = with_k(k, None).unwrap();
            let codes = encoded(sae.encoder(unit), &[3.0, -3.0, 0.0]);
            assert_eq!(codes, [of_3.clone(), vec![(3, 3.0)], vec![]]);
            for feature in 0..4 {
                let known = of_3.iter().find(|(number, _)| *number as usize == feature);
                assert_eq!(sae.activation(feature, &[3.0]), known.map_or(0.0, |(_, value)| *value));
            }
            // A feature that is asked for alone is still one of many.
            let of = |features: &[usize]| encoded(sae.encoder_of(features, unit).unwrap(), &[3.0]);
            assert_eq!(of(&[0]), [vec![]]);
            assert_eq!(of(&[3, 1]), [[(1, 6.0)]]);
        }
        let error = |k, lengths| with_k(k, lengths).unwrap_err().to_string();
        assert_eq!(error(5, None), "k, the features of a state, must be from 1 to 4, not 5");
        assert!(error(0, None).ends_with("not 0"));
        assert!(error(1, Some(&[1.0])).ends_with("1 lengths of 4 features"));
        assert!(error(1, Some(&[1.0, 0.0, 1.0, 1.0])).ends_with("the length of feature 1 is 0"));
    }

    /// Of 3 the activations are (3, 6, 6, 0), compared by 6, 2, 3.
    #[test]
    fn features_are_compared_at_the_lengths_that_they_had() {
        let sae = with_k(2, Some(&[0.5, 3.0, 2.0, 1.0])).unwrap();
        assert_eq!(encoded(sae.encoder(VectorUnit::detect()), &[3.0]), [[(0, 3.0), (2, 6.0)]]);
        let each = [0, 1, 2, 3].map(|feature| sae.activation(feature, &[3.0]));
        assert_eq!(each, [3.0, 0.0, 6.0, 0.0]);
    }

    #[test]
    fn broken_weights_are_errors_that_say_what_is_wrong() {
        let error = |change: fn(&mut SaeWeights)| {
            let mut weights = sae().weights().clone();
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
