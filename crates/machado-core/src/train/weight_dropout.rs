//! Switching off weights: DropConnect on the recurrent kernels (Wan et al. 2013; in language models
//! Merity et al. 2017).
//!
//! A GRU that may not rely on any single connection between its units learns a text less by heart.
//! The weights of a step are the model's with some of them 0 and the others scaled up, the same for
//! all rows and times, so layers and gradients know nothing of it.

use std::ops::Range;

use crate::math::random::{self, Dice};
use crate::math::simd::VectorUnit;
use crate::model::StepKey;
use crate::rng::{Purpose, Rng};

/// Switches off a share of some of the weights, others in each step.
#[derive(Clone, Debug)]
pub(super) struct WeightDropout {
    /// Which, and which share.
    parts: Vec<(Range<usize>, f64)>,
    /// For each part what its weights are multiplied by.
    factors: Vec<Vec<f32>>,
    weights: Vec<f32>,
}

impl WeightDropout {
    pub(super) fn new(parts: &[(Range<usize>, f64)]) -> Self {
        // Throws come in pairs.
        let factors =
            parts.iter().map(|(part, _)| vec![0.0; part.len().next_multiple_of(2)]).collect();
        Self { parts: parts.to_vec(), factors, weights: Vec::new() }
    }

    /// Whether nothing is ever switched off.
    pub(super) fn is_off(&self) -> bool {
        self.parts.is_empty()
    }

    /// The weights of a step.
    pub(super) fn weights<'a>(
        &'a mut self,
        unit: VectorUnit,
        key: StepKey,
        weights: &'a [f32],
    ) -> &'a [f32] {
        if self.is_off() {
            return weights;
        }
        self.weights.clear();
        self.weights.extend_from_slice(weights);
        for (number, ((part, rate), factors)) in
            self.parts.iter().zip(&mut self.factors).enumerate()
        {
            let dice = Dice { rate: *rate, kept: (1.0 / (1.0 - rate)) as f32 };
            let index = key.step << 16 | number as u64;
            let mut rng = Rng::new(key.seed, Purpose::WeightDropout, index);
            random::throw(unit, dice, rng.bits(), 0, factors);
            multiply(&mut self.weights[part.clone()], factors);
        }
        &self.weights
    }

    /// From the gradient by the weights of the step to that by the model's.
    pub(super) fn backward(&self, gradients: &mut [f32]) {
        for ((part, _), factors) in self.parts.iter().zip(&self.factors) {
            multiply(&mut gradients[part.clone()], factors);
        }
    }
}

fn multiply(values: &mut [f32], factors: &[f32]) {
    values.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(step: u64) -> StepKey {
        StepKey { seed: 1, step }
    }

    #[test]
    fn a_share_of_the_part_is_off_and_the_rest_of_the_weights_stay() {
        let mut dropout = WeightDropout::new(&[(10..10_011, 0.5)]);
        let weights = vec![1.0; 10_020];
        let unit = VectorUnit::detect();
        let first = dropout.weights(unit, key(1), &weights).to_vec();
        let off = first.iter().filter(|&&weight| weight == 0.0).count();
        assert!((4_800..5_200).contains(&off), "{off} of 10,001 switched off");
        assert!(first.iter().all(|weight| [0.0, 1.0, 2.0].contains(weight)));
        assert_eq!((&first[..10], &first[10_011..]), (&weights[..10], &weights[10_011..]));
        // A gradient flows where the weight was there, and as strongly.
        let mut gradients = weights.clone();
        dropout.backward(&mut gradients);
        assert_eq!(gradients, first);
        assert_ne!(dropout.weights(unit, key(2), &weights), first);
    }

    #[test]
    fn without_a_part_the_weights_are_not_even_copied() {
        let weights = [1.0, 2.0];
        let mut dropout = WeightDropout::new(&[]);
        let unit = VectorUnit::detect();
        assert_eq!(dropout.weights(unit, key(1), &weights).as_ptr(), weights.as_ptr());
    }
}
