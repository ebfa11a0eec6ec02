//! Features against what else could have been looked at: single units, principal components, random
//! directions. Each is judged by the rules that it finds; see [`coverage`](super::coverage()).

use super::coverage::{Coverage, Covered};
use super::pca::{principal_components, random_direction};
use super::sae::Sae;
use crate::math::buffer::Buffer;
use crate::math::matmul::{From, Packed, Rows, multiply, padded};
use crate::math::simd::VectorUnit;
use crate::rng::{Purpose, Rng};

/// Principal components that are looked at.
const COMPONENTS: usize = 64;

/// Positions that set the thresholds of directions.
const SAMPLE: usize = 4096;

/// States of a text and the rules that hold at each.
#[derive(Clone, Copy, Debug)]
pub struct RuledStates<'a> {
    /// Values of a state.
    pub d_in: usize,
    /// `[N, d_in]`.
    pub states: &'a [f32],
    /// A bit for each rule, `[N]`.
    pub masks: &'a [u64],
    /// What computes.
    pub unit: VectorUnit,
}

impl RuledStates<'_> {
    /// How well features find the rules; `max_activations` are their strongest ones.
    pub fn features(&self, sae: &Sae, max_activations: &[f32]) -> Vec<Covered> {
        let mut coverage = Coverage::of_features(max_activations);
        let mut encoder = sae.encoder(self.unit);
        let rows = 256;
        let pieces = self.states.chunks(rows * self.d_in).zip(self.masks.chunks(rows));
        for (states, masks) in pieces {
            encoder.encode(states, |row, active| coverage.add_active(masks[row], active));
        }
        coverage.finish()
    }

    /// How well single units of the state find the rules.
    pub fn units(&self) -> Vec<Covered> {
        let sample = SAMPLE.min(self.masks.len()) * self.d_in;
        let mut coverage = Coverage::new(&self.states[..sample], self.d_in);
        for (state, &mask) in self.states.chunks_exact(self.d_in).zip(self.masks) {
            coverage.add(mask, state);
        }
        coverage.finish()
    }

    /// How well the principal components of the states find the rules.
    pub fn components(&self, seed: u64) -> Vec<Covered> {
        let sample = SAMPLE.min(self.masks.len()) * self.d_in;
        let components = principal_components(&self.states[..sample], self.d_in, COMPONENTS, seed);
        self.directions(&components.concat())
    }

    /// How well as many random directions as there are features find the rules: what much looking
    /// finds by chance.
    pub fn random(&self, count: usize, seed: u64) -> Vec<Covered> {
        let mut rng = Rng::new(seed, Purpose::SaeControls, 1);
        let directions = (0..count).flat_map(|_| random_direction(&mut rng, self.d_in)).collect();
        let directions: Vec<f32> = directions;
        self.directions(&directions)
    }

    /// How well directions, `[count, d_in]`, find the rules.
    fn directions(&self, directions: &[f32]) -> Vec<Covered> {
        let count = directions.len() / self.d_in;
        let mut packed = Packed::new(self.unit, self.d_in, count);
        packed.pack_transposed(directions);
        let mut scores = Buffer::default();
        let mut score = |states: &[f32]| {
            scores.resize(states.len() / self.d_in * padded(count));
            let rows = Rows::new(states, self.d_in, self.d_in);
            multiply(rows, &packed, From::Zero, &mut scores);
            let rows = scores.chunks_exact(padded(count));
            rows.flat_map(|row| &row[..count]).copied().collect::<Vec<f32>>()
        };
        let sample = SAMPLE.min(self.masks.len()) * self.d_in;
        let mut coverage = Coverage::new(&score(&self.states[..sample]), count);
        let rows = 256;
        for (states, masks) in self.states.chunks(rows * self.d_in).zip(self.masks.chunks(rows)) {
            for (scores, &mask) in score(states).chunks_exact(count).zip(masks) {
                coverage.add(mask, scores);
            }
        }
        coverage.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::{SaeWeights, mean_f1};

    /// Rule 0 holds where x₀ + x₁ is large, which no unit alone tells, and rule 1 where x₂ is.
    #[test]
    fn who_looks_along_the_right_direction_finds_the_rule() {
        let mut rng = Rng::new(1, Purpose::SaeControls, 9);
        let states: Vec<f32> = (0..3 * 2000).map(|_| rng.normal() as f32).collect();
        let masks: Vec<u64> = states
            .chunks_exact(3)
            .map(|x| u64::from(x[0] + x[1] > 1.5) | u64::from(x[2] > 1.0) << 1)
            .collect();
        let ruled =
            RuledStates { d_in: 3, states: &states, masks: &masks, unit: VectorUnit::detect() };
        let half = 0.5f32.sqrt();
        let w_dec = vec![half, half, 0.0, 0.0, 0.0, 1.0];
        let sae = Sae::new(SaeWeights {
            d_in: 3,
            d_sae: 2,
            w_enc: w_dec.clone(),
            b_enc: vec![0.0; 2],
            threshold: vec![0.0; 2],
            w_dec,
            b_dec: vec![0.0; 3],
        })
        .unwrap();
        let by_features = ruled.features(&sae, &[4.0, 4.0]);
        assert!(by_features.iter().all(|covered| covered.f1 > 0.9), "{by_features:?}");
        assert_eq!([by_features[0].candidate, by_features[1].candidate], [0, 1]);
        let by_units = ruled.units();
        assert!(by_units[0].f1 < 0.8 && by_units[1].f1 > 0.95, "{by_units:?}");
        assert!(mean_f1(&by_features) > mean_f1(&by_units));
        // Three components span all three dimensions, but need not lie along the rules.
        assert_eq!(ruled.components(1).len(), 2);
        // Among many random directions in three dimensions some are right.
        assert!(ruled.random(500, 1).iter().all(|covered| covered.f1 > 0.85));
    }
}
