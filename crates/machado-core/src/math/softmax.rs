//! Softmax and cross-entropy, with the maximum subtracted, so that no logit overflows.

use fearless_simd::dispatch;
use fearless_simd::prelude::*;
use serde::{Deserialize, Serialize};

use super::elementwise::exp_vector;
use super::matmul::padded;
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

/// What [`softmax_cross_entropy`] leaves in place of the logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Leave {
    /// The logits as they are.
    Logits,
    /// The probabilities.
    Probabilities,
    /// The gradient of `scale · Σ nats` by the logits, `scale · (p − 1[target])`.
    Gradient {
        /// The factor.
        scale: f32,
    },
}

/// Compares each row of `logits: [N, V]`, padded, with its target.
///
/// A target that is `>= V` is no position: its row is left out of the sums, and has no gradient and
/// no probabilities.
/// Rows are summed in turn into `sums`: row `i` into sum `i` modulo their number.
pub fn softmax_cross_entropy(
    unit: VectorUnit,
    logits: &mut [f32],
    targets: &[u32],
    vocabulary_size: usize,
    leave: Leave,
    sums: &mut [LossSum],
) {
    let width = padded(vocabulary_size);
    assert_eq!(logits.len(), targets.len() * width, "logits for {} rows", targets.len());
    dispatch!(unit.0, simd => {
        let rows = logits.chunks_exact_mut(width).zip(targets);
        for (i, (row, &target)) in rows.enumerate() {
            if let Some(position) = cross_entropy(simd, row, target, vocabulary_size, leave) {
                sums[i % sums.len()].add(position);
            }
        }
    });
}

#[inline(always)]
fn cross_entropy<S: Simd>(
    simd: S,
    row: &mut [f32],
    target: u32,
    vocabulary_size: usize,
    leave: Leave,
) -> Option<LossSum> {
    let target = target as usize;
    if target >= vocabulary_size {
        if leave != Leave::Logits {
            row.fill(0.0);
        }
        return None;
    }
    let logit = row[target];
    row[vocabulary_size..].fill(f32::NEG_INFINITY);
    let max = largest(simd, row);
    // Ties go to the first token, as with argmax everywhere else.
    let correct = logit == max && !row[..target].contains(&max);
    let sum = match leave {
        Leave::Logits => exp_sum(simd, row, max),
        Leave::Probabilities | Leave::Gradient { .. } => exp_in_place(simd, row, max),
    };
    match leave {
        Leave::Logits => {}
        Leave::Probabilities => scale(simd, row, 1.0 / sum),
        Leave::Gradient { scale: factor } => {
            scale(simd, row, factor / sum);
            row[target] -= factor;
        }
    }
    row[vocabulary_size..].fill(0.0);
    let nats = f64::from(max) + f64::from(sum).ln() - f64::from(logit);
    Some(LossSum { nats, correct: u64::from(correct), positions: 1 })
}

/// The largest value of a padded row.
#[inline(always)]
fn largest<S: Simd>(simd: S, row: &[f32]) -> f32 {
    let mut max = S::f32s::splat(simd, f32::NEG_INFINITY);
    for chunk in row.chunks_exact(S::f32s::LEN) {
        max = max.max(S::f32s::from_slice(simd, chunk));
    }
    reduce::<S>(max, f32::max)
}

/// `Σ eˣ⁻ᵐᵃˣ` of a padded row.
#[inline(always)]
fn exp_sum<S: Simd>(simd: S, row: &[f32], max: f32) -> f32 {
    let max = S::f32s::splat(simd, max);
    let mut sum = S::f32s::splat(simd, 0.0);
    for chunk in row.chunks_exact(S::f32s::LEN) {
        sum += exp_vector(simd, S::f32s::from_slice(simd, chunk) - max);
    }
    reduce::<S>(sum, |a, b| a + b)
}

/// As [`exp_sum`], leaving each `eˣ⁻ᵐᵃˣ` in the row.
#[inline(always)]
fn exp_in_place<S: Simd>(simd: S, row: &mut [f32], max: f32) -> f32 {
    let max = S::f32s::splat(simd, max);
    let mut sum = S::f32s::splat(simd, 0.0);
    for chunk in row.chunks_exact_mut(S::f32s::LEN) {
        let e = exp_vector(simd, S::f32s::from_slice(simd, chunk) - max);
        sum += e;
        e.store_slice(chunk);
    }
    reduce::<S>(sum, |a, b| a + b)
}

#[inline(always)]
fn scale<S: Simd>(simd: S, row: &mut [f32], factor: f32) {
    for chunk in row.chunks_exact_mut(S::f32s::LEN) {
        (S::f32s::from_slice(simd, chunk) * S::f32s::splat(simd, factor)).store_slice(chunk);
    }
}

/// All lanes of a vector in one, by halves.
#[inline(always)]
fn reduce<S: Simd>(vector: S::f32s, combine: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; 16];
    let mut len = S::f32s::LEN;
    vector.store_slice(&mut lanes[..len]);
    while len > 1 {
        len /= 2;
        for i in 0..len {
            lanes[i] = combine(lanes[i], lanes[i + len]);
        }
    }
    lanes[0]
}

/// Replaces one row of logits, without padding, by its probabilities; returns `ln Σ eˣ`.
pub fn softmax(unit: VectorUnit, row: &mut [f32]) -> f64 {
    let mut logits = row.to_vec();
    logits.resize(padded(row.len()), f32::NEG_INFINITY);
    let log_sum = dispatch!(unit.0, simd => {
        let max = largest(simd, &logits);
        let sum = exp_in_place(simd, &mut logits, max);
        scale(simd, &mut logits, 1.0 / sum);
        f64::from(max) + f64::from(sum).ln()
    });
    row.copy_from_slice(&logits[..row.len()]);
    log_sum
}

/// `ln Σ eˣ` of one row of logits without padding, as the losses have it: the logarithm of a token's
/// probability is its logit less this. `padded_row` is memory to use.
pub fn log_sum(unit: VectorUnit, logits: &[f32], padded_row: &mut Vec<f32>) -> f64 {
    padded_row.clear();
    padded_row.extend_from_slice(logits);
    padded_row.resize(padded(logits.len()), f32::NEG_INFINITY);
    dispatch!(unit.0, simd => {
        let max = largest(simd, padded_row);
        f64::from(max) + f64::from(exp_sum(simd, padded_row, max)).ln()
    })
}

/// `weights = eˣ⁻ᵐᵃˣ` of each logit divided by `temperature`, with padding of 0: what the
/// probabilities are proportional to. At a temperature too low for an `f32` only the likeliest ones
/// have a weight.
pub fn softmax_weights(unit: VectorUnit, logits: &[f32], temperature: f32, weights: &mut Vec<f32>) {
    weights.clear();
    weights.resize(padded(logits.len()), f32::NEG_INFINITY);
    weights[..logits.len()].copy_from_slice(logits);
    // An infinite factor would make the difference 0 of the largest logit no number.
    let factor = (1.0 / temperature).min(f32::MAX);
    dispatch!(unit.0, simd => exp_scaled(simd, weights, factor));
    weights[logits.len()..].fill(0.0);
}

#[inline(always)]
fn exp_scaled<S: Simd>(simd: S, row: &mut [f32], factor: f32) {
    let max = S::f32s::splat(simd, largest(simd, row));
    for chunk in row.chunks_exact_mut(S::f32s::LEN) {
        let x = (S::f32s::from_slice(simd, chunk) - max) * S::f32s::splat(simd, factor);
        exp_vector(simd, x).store_slice(chunk);
    }
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
