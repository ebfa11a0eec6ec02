//! What an autoencoder makes of a whole text: exact figures, nothing sampled.

use super::harvest::Moments;
use super::sae::{Active, Sae, SaeEncoder};
use crate::math::simd::VectorUnit;

/// States encoded at a time.
const ROWS: usize = 256;

/// Figures of an autoencoder over many states, and of each feature.
#[derive(Clone, Debug, PartialEq)]
pub struct SaeMeasure {
    /// Mean and spread of the states.
    pub moments: Moments,
    /// 1 − mean squared error / variance: 0 for who always says the mean, 1 for who says all.
    pub explained_variance: f64,
    /// Active features of a state, on average.
    pub l0: f64,
    /// The sum of the activations of a state, on average.
    pub l1: f64,
    /// The length of the decoded states in those of the states, on average, both without the mean:
    /// below 1 the autoencoder shrinks.
    pub length_ratio: f64,
    /// For each feature the positions at which it is active.
    pub active_positions: Vec<u64>,
    /// For each feature its strongest activation.
    pub max_activations: Vec<f32>,
}

impl SaeMeasure {
    /// States.
    pub fn positions(&self) -> u64 {
        self.moments.positions
    }

    /// Features that are never active.
    pub fn dead(&self) -> usize {
        self.active_positions.iter().filter(|&&count| count == 0).count()
    }

    /// Features that are active at more than a tenth of the positions.
    pub fn dense(&self) -> usize {
        let many = self.positions() / 10;
        self.active_positions.iter().filter(|&&count| count > many).count()
    }
}

/// Takes up states one by one and measures how an autoencoder encodes them.
#[derive(Debug)]
pub struct SaeMeter<'a> {
    sae: &'a Sae,
    encoder: SaeEncoder,
    /// `[up to ROWS, d_in]`.
    waiting: Vec<f32>,
    moments: Moments,
    squared_error: f64,
    activations: f64,
    lengths: [f64; 2],
    active_positions: Vec<u64>,
    max_activations: Vec<f32>,
}

impl<'a> SaeMeter<'a> {
    /// Nothing measured yet.
    pub fn new(sae: &'a Sae, unit: VectorUnit) -> Self {
        Self {
            sae,
            encoder: sae.encoder(unit),
            waiting: Vec::new(),
            moments: Moments::empty(sae.d_in()),
            squared_error: 0.0,
            activations: 0.0,
            lengths: [0.0; 2],
            active_positions: vec![0; sae.d_sae()],
            max_activations: vec![0.0; sae.d_sae()],
        }
    }

    /// Takes up a state, `[d_in]`.
    pub fn add(&mut self, state: &[f32]) {
        self.moments.add(state);
        self.waiting.extend_from_slice(state);
        if self.waiting.len() == ROWS * self.sae.d_in() {
            self.encode();
        }
    }

    fn encode(&mut self) {
        let Self { sae, encoder, waiting, .. } = self;
        let d_in = sae.d_in();
        let b_dec = &sae.weights().b_dec;
        let mut decoded = vec![0.0; d_in];
        encoder.encode(waiting, |row, active| {
            sae.decode(active, &mut decoded);
            let state = &waiting[row * d_in..][..d_in];
            for ((x, decoded), b) in state.iter().zip(&decoded).zip(b_dec) {
                self.squared_error += f64::from(x - decoded).powi(2);
                self.lengths[0] += f64::from(decoded - b).powi(2);
                self.lengths[1] += f64::from(x - b).powi(2);
            }
            for &Active { feature, value } in active {
                let feature = feature as usize;
                self.activations += f64::from(value);
                self.active_positions[feature] += 1;
                self.max_activations[feature] = self.max_activations[feature].max(value);
            }
        });
        waiting.clear();
    }

    /// The figures.
    pub fn finish(mut self) -> SaeMeasure {
        self.encode();
        let count = self.moments.positions.max(1) as f64;
        let variance = self.moments.total_variance().max(f64::MIN_POSITIVE);
        let active: u64 = self.active_positions.iter().sum();
        SaeMeasure {
            explained_variance: 1.0 - self.squared_error / count / variance,
            l0: active as f64 / count,
            l1: self.activations / count,
            length_ratio: (self.lengths[0] / self.lengths[1].max(f64::MIN_POSITIVE)).sqrt(),
            active_positions: self.active_positions,
            max_activations: self.max_activations,
            moments: self.moments,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::SaeWeights;

    /// Features e₀, e₁ and −e₀, −e₁ of two values, so that every state decodes to itself if its
    /// threshold is 0, and to `b_dec` if it is out of reach.
    fn sae(threshold: f32) -> Sae {
        let both = vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0];
        Sae::new(SaeWeights {
            d_in: 2,
            d_sae: 4,
            w_enc: both.clone(),
            b_enc: vec![0.0; 4],
            threshold: vec![threshold; 4],
            w_dec: both,
            b_dec: vec![2.0, 3.0],
        })
        .unwrap()
    }

    fn measured(sae: &Sae) -> SaeMeasure {
        let mut meter = SaeMeter::new(sae, VectorUnit::detect());
        // Their mean is (2, 3).
        for i in 0..1000 {
            let x = (i % 5) as f32;
            meter.add(&[x, 3.0 + (2.0 - x) * 0.5]);
        }
        meter.finish()
    }

    #[test]
    fn who_says_the_mean_explains_nothing_and_who_says_all_everything() {
        let mean = measured(&sae(1e9));
        assert!(mean.explained_variance.abs() < 1e-5, "{mean:?}");
        assert_eq!((mean.l0, mean.dead(), mean.dense()), (0.0, 4, 0));
        assert_eq!(mean.length_ratio, 0.0);
        let all = measured(&sae(0.0));
        assert!((all.explained_variance - 1.0).abs() < 1e-5, "{all:?}");
        // One of five states is the mean itself, with no feature; the others have two.
        assert_eq!((all.positions(), all.l0), (1000, 1.6));
        assert_eq!(all.active_positions, [400, 400, 400, 400]);
        assert_eq!(all.max_activations, [2.0, 1.0, 2.0, 1.0]);
        assert!((all.length_ratio - 1.0).abs() < 1e-6);
        // (2 + 1 + 0 + 1 + 2) / 5 of the first value, half of it of the second.
        assert!((all.l1 - 1.8).abs() < 1e-6, "{}", all.l1);
    }
}
