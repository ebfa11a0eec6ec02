//! States whose features are known, to see whether an autoencoder finds them (toy superposition:
//! Elhage et al. 2022).
//!
//! More directions than a state has values, each active now and then: a state is the sum of those
//! that are active, and a little noise. Whoever looks at single values sees nothing; an autoencoder
//! should find the directions.

use super::sae::{Sae, dot};
use crate::rng::{Purpose, Rng};

/// The directions, and how often each is active.
#[derive(Clone, Debug)]
pub struct Superposition {
    d_in: usize,
    /// `[features, d_in]`, each of length 1.
    directions: Vec<f32>,
    /// The probability that each is active.
    probabilities: Vec<f64>,
    rng: Rng,
}

/// Standard deviation of the noise on each value.
const NOISE: f64 = 0.01;

/// How well an autoencoder found the directions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovery {
    /// For each true direction the cosine of the feature that is most like it, on average.
    pub mean_max_cosine: f64,
    /// The share of true directions with a feature above a cosine of 0.9.
    pub recovered: f64,
    /// The share of these features that stand for one true direction only: different ones for
    /// different directions.
    pub unique: f64,
}

impl Superposition {
    /// `features` random directions in `d_in` dimensions, of which `active` are active at a time on
    /// average, the first ones more often than the last (Zipf's law with the exponent ½).
    pub fn new(d_in: usize, features: usize, active: f64, seed: u64) -> Self {
        let mut rng = Rng::new(seed, Purpose::Superposition, 0);
        let mut directions: Vec<f32> = (0..features * d_in).map(|_| rng.normal() as f32).collect();
        for direction in directions.chunks_exact_mut(d_in) {
            let length = dot(direction, direction).sqrt();
            direction.iter_mut().for_each(|x| *x /= length);
        }
        let weights: Vec<f64> = (1..=features).map(|rank| (rank as f64).powf(-0.5)).collect();
        let sum: f64 = weights.iter().sum();
        let probabilities = weights.iter().map(|w| (active * w / sum).min(1.0)).collect();
        Self { d_in, directions, probabilities, rng }
    }

    /// Appends `count` states, each `[d_in]`: active directions times strengths from ½ to 1½.
    pub fn draw(&mut self, count: usize, out: &mut Vec<f32>) {
        for _ in 0..count {
            let first = out.len();
            out.extend((0..self.d_in).map(|_| (NOISE * self.rng.normal()) as f32));
            let directions = self.directions.chunks_exact(self.d_in);
            for (direction, &probability) in directions.zip(&self.probabilities) {
                if self.rng.uniform() < probability {
                    let strength = (0.5 + self.rng.uniform()) as f32;
                    super::sae::add_scaled(&mut out[first..], strength, direction);
                }
            }
        }
    }

    /// How well an autoencoder found the directions.
    pub fn recovery(&self, sae: &Sae) -> Recovery {
        let best: Vec<(usize, f32)> = self
            .directions
            .chunks_exact(self.d_in)
            .map(|truth| {
                let cosines = (0..sae.d_sae()).map(|i| (i, dot(truth, sae.direction(i))));
                cosines.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
            })
            .collect();
        let count = best.len() as f64;
        let mut found: Vec<usize> =
            best.iter().filter(|(_, cosine)| *cosine > 0.9).map(|(i, _)| *i).collect();
        let recovered = found.len() as f64;
        found.sort_unstable();
        found.dedup();
        Recovery {
            mean_max_cosine: best.iter().map(|(_, cosine)| f64::from(*cosine)).sum::<f64>() / count,
            recovered: recovered / count,
            unique: found.len() as f64 / recovered.max(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::SaeWeights;

    /// An autoencoder with these directions, each from 0 to 1 times as long as it should be.
    fn sae(d_in: usize, w_dec: Vec<f32>) -> Sae {
        let d_sae = w_dec.len() / d_in;
        Sae::new(SaeWeights {
            d_in,
            d_sae,
            w_enc: w_dec.clone(),
            b_enc: vec![0.0; d_sae],
            threshold: vec![0.0; d_sae],
            w_dec,
            b_dec: vec![0.0; d_in],
        })
        .unwrap()
    }

    #[test]
    fn who_has_the_directions_has_found_them_and_who_has_others_has_not() {
        let truth = Superposition::new(16, 40, 3.0, 1);
        let found = truth.recovery(&sae(16, truth.directions.clone()));
        assert!((found.mean_max_cosine - 1.0).abs() < 1e-5, "{found:?}");
        assert_eq!((found.recovered, found.unique), (1.0, 1.0));
        let other = Superposition::new(16, 40, 3.0, 2);
        let found = truth.recovery(&sae(16, other.directions));
        assert!(found.mean_max_cosine < 0.75 && found.recovered < 0.1, "{found:?}");
        // One direction twice stands for one true one.
        let twice = truth.directions[..16].repeat(2);
        let found = truth.recovery(&sae(16, twice));
        assert_eq!((found.recovered, found.unique), (1.0 / 40.0, 1.0));
    }

    #[test]
    fn as_many_are_active_as_was_asked_for() {
        let mut truth = Superposition::new(200, 30, 3.0, 1);
        // In 200 dimensions 30 directions hardly overlap, so the square of a state counts them.
        let mut states = Vec::new();
        truth.draw(2000, &mut states);
        let squared: f32 = states.iter().map(|x| x * x).sum::<f32>() / 2000.0;
        // The mean square of a strength from ½ to 1½ is 13/12.
        let expected = 3.0 * 13.0 / 12.0;
        assert!((squared / expected - 1.0).abs() < 0.1, "{squared} instead of {expected}");
    }
}
