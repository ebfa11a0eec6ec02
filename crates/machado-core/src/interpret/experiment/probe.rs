//! A linear probe: whether something can be read off states at all.

use crate::error::Result;
use crate::interpret::harvest::Moments;
use crate::interpret::sae::{add_scaled, dot};
use crate::math::threads::Compute;
use crate::optimizer::{Betas, Optimizer, OptimizerConfig};
use crate::rng::{Purpose, Rng};

/// States of a step, and how often each is seen.
const BATCH: usize = 128;
const EPOCHS: usize = 20;
const LEARNING_RATE: f64 = 0.01;

/// Logistic regression with several classes, on states whose values are centred and scaled.
#[derive(Clone, Debug)]
pub struct Probe {
    d_in: usize,
    mean: Vec<f32>,
    factor: Vec<f32>,
    /// `[classes, d_in + 1]`, the bias last.
    weights: Vec<f32>,
}

impl Probe {
    /// Learns the classes of some states, `[N, d_in]`, from labels `[N]`.
    ///
    /// # Panics
    /// If there is not a label for each state.
    pub fn train(
        states: &[f32],
        labels: &[usize],
        classes: usize,
        seed: u64,
        compute: &Compute,
    ) -> Result<Self> {
        let d_in = states.len() / labels.len().max(1);
        assert_eq!(states.len(), labels.len() * d_in, "a label for each state");
        let mut moments = Moments::empty(d_in);
        states.chunks_exact(d_in.max(1)).for_each(|state| moments.add(state));
        let factor = |variance: &f64| (1.0 / variance.max(1e-6).sqrt()) as f32;
        let mut probe = Self {
            d_in,
            mean: moments.mean.iter().map(|&mean| mean as f32).collect(),
            factor: moments.variance.iter().map(factor).collect(),
            weights: vec![0.0; classes * (d_in + 1)],
        };
        let adam = OptimizerConfig::Adam(Betas::default());
        let mut optimizer = Optimizer::new(adam, probe.weights.len());
        let mut gradients = vec![0.0; probe.weights.len()];
        let mut rng = Rng::new(seed, Purpose::Control, 1);
        let steps = (EPOCHS * labels.len()).div_ceil(BATCH);
        for step in 0..steps {
            gradients.fill(0.0);
            for _ in 0..BATCH {
                let i = rng.below(labels.len() as u64) as usize;
                probe.add_gradient(&states[i * d_in..][..d_in], labels[i], &mut gradients);
            }
            let rate = LEARNING_RATE * (1.0 - step as f64 / steps as f64);
            optimizer.step(compute, &mut probe.weights, &gradients, 1.0 / BATCH as f32, rate);
        }
        Ok(probe)
    }

    fn scaled(&self, state: &[f32]) -> Vec<f32> {
        let parts = state.iter().zip(&self.mean).zip(&self.factor);
        parts.map(|((x, mean), factor)| (x - mean) * factor).collect()
    }

    fn logits(&self, scaled: &[f32]) -> Vec<f32> {
        let rows = self.weights.chunks_exact(self.d_in + 1);
        rows.map(|row| dot(&row[..self.d_in], scaled) + row[self.d_in]).collect()
    }

    fn add_gradient(&self, state: &[f32], label: usize, gradients: &mut [f32]) {
        let scaled = self.scaled(state);
        let logits = self.logits(&scaled);
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
        let rows = gradients.chunks_exact_mut(self.d_in + 1);
        for (class, (row, logit)) in rows.zip(&logits).enumerate() {
            let off = (logit - highest).exp() / sum - f32::from(u8::from(class == label));
            add_scaled(&mut row[..self.d_in], off, &scaled);
            row[self.d_in] += off;
        }
    }

    /// How far each class stands above the likeliest other one, in nats.
    pub fn scores(&self, state: &[f32]) -> Vec<f32> {
        let logits = self.logits(&self.scaled(state));
        let best_other = |class: usize| {
            let others = logits.iter().enumerate().filter(|&(other, _)| other != class);
            others.map(|(_, logit)| *logit).fold(f32::NEG_INFINITY, f32::max)
        };
        (0..logits.len()).map(|class| logits[class] - best_other(class)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::simd::VectorUnit;

    /// Three classes around three points of a plane, with noise; and labels that mean nothing.
    #[test]
    fn what_can_be_separated_is_and_what_cannot_is_not() {
        let mut rng = Rng::new(1, Purpose::Superposition, 0);
        let centres = [[3.0, 0.0], [-3.0, 3.0], [0.0, -3.0]];
        let labels: Vec<usize> = (0..600).map(|i| i % 3).collect();
        let states: Vec<f32> = labels
            .iter()
            .flat_map(|&label| centres[label])
            .map(|centre| (10.0 + centre + 0.5 * rng.normal()) as f32)
            .collect();
        let compute = Compute::new(1, VectorUnit::detect()).expect("sound");
        let hits = |labels: &[usize]| {
            let probe = Probe::train(&states, labels, 3, 1, &compute).expect("sound");
            let right = states
                .chunks_exact(2)
                .zip(labels)
                .filter(|(state, label)| probe.scores(state)[**label] > 0.0);
            right.count() as f64 / labels.len() as f64
        };
        assert!(hits(&labels) > 0.98, "{}", hits(&labels));
        let by_chance: Vec<usize> = (0..600).map(|_| rng.below(3) as usize).collect();
        assert!(hits(&by_chance) < 0.5, "{}", hits(&by_chance));
    }
}
