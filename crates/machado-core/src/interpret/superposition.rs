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
