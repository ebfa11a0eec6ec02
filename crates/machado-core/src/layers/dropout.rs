//! Switches off a random share of the values while training.

use std::ops::Range;

use super::{Input, Mode};
use crate::params::ParameterSpec;
use crate::rng::{Purpose, Rng};

/// Keras' `Dropout`: values are 0 with probability `rate`, else scaled by `1 / (1 − rate)`, so that
/// their mean stays; outside training nothing happens.
#[derive(Clone, Debug)]
pub struct Dropout {
    rate: f64,
    dim: usize,
    /// Its place in the stack, so that two dropout layers draw different values.
    place: u64,
}

/// The outputs of a block and what each value was multiplied by (empty outside training).
#[derive(Clone, Debug, Default)]
pub struct Pass {
    output: Vec<f32>,
    factors: Vec<f32>,
}

impl Pass {
    pub(super) fn output(&self) -> &[f32] {
        &self.output
    }

    pub(super) fn output_mut(&mut self) -> &mut [f32] {
        &mut self.output
    }
}

impl Dropout {
    /// Dropout of `dim` channels at `rate` in `[0, 1)`; `place` is the layer's place in the stack.
    pub fn new(rate: f64, dim: usize, place: usize) -> Self {
        Self { rate, dim, place: place as u64 }
    }

    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    pub(super) fn load(&mut self, _weights: &[f32]) {}

    pub(super) fn output_dim(&self) -> usize {
        self.dim
    }

    pub(super) fn forward(&self, mode: Mode, input: &[f32], pass: &mut Pass) {
        pass.output.clear();
        pass.output.extend_from_slice(input);
        pass.factors.clear();
        let Mode::Training { seed, draw } = mode else { return };
        if self.rate == 0.0 {
            return;
        }
        let mut rng = Rng::new(seed ^ self.place << 56, Purpose::Dropout, draw);
        let kept = (1.0 / (1.0 - self.rate)) as f32;
        // Two values from each 64 random bits: 32 bits are plenty for a rate.
        let threshold = (self.rate * (1u64 << 32) as f64) as u64;
        pass.factors.resize(input.len(), 0.0);
        for pair in pass.factors.chunks_mut(2) {
            let mut bits = rng.bits();
            for factor in pair {
                *factor = if bits & 0xffff_ffff >= threshold { kept } else { 0.0 };
                bits >>= 32;
            }
        }
        pass.output.iter_mut().zip(&pass.factors).for_each(|(value, factor)| *value *= factor);
    }

    pub(super) fn backward(&self, pass: &Pass, d_output: &[f32], d_input: &mut [f32]) {
        d_input.copy_from_slice(d_output);
        d_input.iter_mut().zip(&pass.factors).for_each(|(d, factor)| *d *= factor);
    }

    pub(super) fn add_weight_gradient(
        &self,
        _weight: usize,
        _rows: Range<usize>,
        _input: Input<'_>,
        _pass: &Pass,
        _out: &mut [f32],
    ) {
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_switched_off_and_the_mean_stays() {
        let layer = Dropout::new(0.3, 8, 2);
        let input = vec![1.0; 80_000];
        let mut pass = Pass::default();
        layer.forward(Mode::Training { seed: 1, draw: 5 }, &input, &mut pass);
        let off = pass.output.iter().filter(|&&v| v == 0.0).count() as f64 / 80_000.0;
        let mean = pass.output.iter().sum::<f32>() / 80_000.0;
        assert!((off - 0.3).abs() < 0.01, "{off} switched off");
        assert!((mean - 1.0).abs() < 0.02, "mean {mean}");
        let mut d_input = vec![0.0; 80_000];
        layer.backward(&pass, &input, &mut d_input);
        assert_eq!(d_input, pass.output);
    }

    #[test]
    fn outside_training_nothing_happens() {
        let layer = Dropout::new(0.5, 2, 0);
        let mut pass = Pass::default();
        layer.forward(Mode::Inference, &[1.0, 2.0], &mut pass);
        assert_eq!(pass.output, [1.0, 2.0]);
    }

    #[test]
    fn another_step_or_layer_draws_other_values() {
        let draw = |place, draw| {
            let mut pass = Pass::default();
            let layer = Dropout::new(0.5, 1, place);
            layer.forward(Mode::Training { seed: 1, draw }, &[1.0; 64], &mut pass);
            pass.output
        };
        assert_eq!(draw(1, 1), draw(1, 1));
        assert_ne!(draw(1, 1), draw(1, 2));
        assert_ne!(draw(1, 1), draw(2, 1));
    }
}
