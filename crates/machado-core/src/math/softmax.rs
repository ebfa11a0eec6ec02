//! Softmax and cross-entropy, with the maximum subtracted, so that no logit overflows.

use fearless_simd::dispatch;
use fearless_simd::prelude::*;
use serde::{Deserialize, Serialize};

use super::elementwise::{exp_vector, load, store};
use super::simd::VectorUnit;

/// Loss and hits summed over some positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LossSum {
    /// Cross-entropy in nats, summed.
    pub nats: f64,
    /// Positions where the likeliest token was the right one.
    pub correct: u64,
    /// Positions.
    pub positions: u64,
}

impl LossSum {
    /// Adds the sums of other positions.
    pub fn add(&mut self, other: Self) {
        self.nats += other.nats;
        self.correct += other.correct;
        self.positions += other.positions;
    }

    /// Mean cross-entropy in nats per token; NaN without positions.
    pub fn loss(&self) -> f64 {
        self.nats / self.positions as f64
    }

    /// Share of positions where the likeliest token was the right one; NaN without positions.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.positions as f64
    }
}

/// Replaces each row of `logits: [N, V]` by its probabilities and compares it with its target.
///
/// A target that is `>= V` is no position: its row is left out of the sums.
pub fn softmax_cross_entropy(
    unit: VectorUnit,
    logits: &mut [f32],
    targets: &[u32],
    vocabulary_size: usize,
) -> LossSum {
    assert_eq!(logits.len(), targets.len() * vocabulary_size, "logits for {} rows", targets.len());
    let mut sum = LossSum::default();
    for (row, &target) in logits.chunks_exact_mut(vocabulary_size).zip(targets) {
        let target = target as usize;
        if target >= vocabulary_size {
            continue;
        }
        let logit = row[target];
        // Ties go to the first token, as with argmax everywhere else.
        let best = argmax(row);
        let log_sum = softmax(unit, row);
        sum.nats += log_sum - f64::from(logit);
        sum.correct += u64::from(best == target);
        sum.positions += 1;
    }
    sum
}

/// Turns the probabilities left by [`softmax_cross_entropy`] into the gradient of
/// `scale · Σ nats` by the logits: `scale · (p − 1[target])`.
pub fn cross_entropy_gradient(
    probabilities: &mut [f32],
    targets: &[u32],
    vocabulary_size: usize,
    scale: f32,
) {
    for (row, &target) in probabilities.chunks_exact_mut(vocabulary_size).zip(targets) {
        let target = target as usize;
        if target >= vocabulary_size {
            row.fill(0.0);
            continue;
        }
        row[target] -= 1.0;
        for value in row {
            *value *= scale;
        }
    }
}

/// Replaces one row of logits by its probabilities; returns `ln Σ eˣ`.
pub fn softmax(unit: VectorUnit, row: &mut [f32]) -> f64 {
    dispatch!(unit.0, simd => softmax_with(simd, row))
}

#[inline(always)]
fn softmax_with<S: Simd>(simd: S, row: &mut [f32]) -> f64 {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for chunk in row.chunks_mut(S::f32s::LEN) {
        let shifted = load::<S>(simd, chunk) - S::f32s::splat(simd, max);
        store(exp_vector(simd, shifted), chunk);
        sum += chunk.iter().map(|&e| f64::from(e)).sum::<f64>();
    }
    let scale = (1.0 / sum) as f32;
    for value in row {
        *value *= scale;
    }
    f64::from(max) + sum.ln()
}

/// The index of the largest value, the first one of equals; 0 for an empty slice.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, &value) in values.iter().enumerate() {
        if value > values[best] {
            best = i;
        }
    }
    best
}
