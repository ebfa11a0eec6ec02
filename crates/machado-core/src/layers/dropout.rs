//! Switches off a random share of the values while training.

use serde::{Deserialize, Serialize};

use super::factors::Factors;
use super::{BlockShape, Mode};
use crate::math::buffer::Buffer;
use crate::math::simd::VectorUnit;
use crate::rng::Purpose;

/// How long a channel stays switched off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DropoutPer {
    /// Each time step draws anew: Keras' `Dropout`.
    #[default]
    Step,
    /// One draw holds for all time steps of a window (variational dropout): Keras' `Dropout` with
    /// `noise_shape=(batch, 1, channels)`.
    Window,
}

/// Keras' `Dropout`: values are 0 with probability `rate`, else scaled by `1 / (1 − rate)`, so that
/// their mean stays; outside training nothing happens.
#[derive(Clone, Debug)]
pub struct Dropout {
    factors: Factors,
    per: DropoutPer,
    dim: usize,
}

/// The outputs of a block and what each value was multiplied by (empty outside training).
#[derive(Clone, Debug, Default)]
pub struct Pass {
    output: Buffer,
    factors: Buffer,
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
    pub fn new(unit: VectorUnit, rate: f64, per: DropoutPer, dim: usize, place: usize) -> Self {
        Self { factors: Factors::new(unit, rate, Purpose::Dropout, place), per, dim }
    }

    pub(super) fn output_dim(&self) -> usize {
        self.dim
    }

    /// `input: [T, B, C]` to outputs of the same shape.
    pub(super) fn forward(&self, shape: BlockShape, mode: Mode, input: &[f32], pass: &mut Pass) {
        pass.output.set(input);
        self.factors.draw(shape, mode, self.dim, self.per, &mut pass.factors);
        pass.output
            .iter_mut()
            .zip(pass.factors.iter())
            .for_each(|(value, factor)| *value *= factor);
    }

    pub(super) fn backward(&self, pass: &Pass, d_output: &[f32], d_input: &mut [f32]) {
        d_input.copy_from_slice(d_output);
        d_input.iter_mut().zip(pass.factors.iter()).for_each(|(d, factor)| *d *= factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(rate: f64, place: usize) -> Dropout {
        Dropout::new(VectorUnit::detect(), rate, DropoutPer::Step, 16, place)
    }

    #[test]
    fn a_share_is_switched_off_and_the_mean_stays() {
        let layer = layer(0.3, 2);
        let mut pass = Pass::default();
        let mode = Mode::Training { seed: 1, step: 5, first_row: 0 };
        layer.forward(BlockShape { time: 1000, rows: 5 }, mode, &[1.0; 80_000], &mut pass);
        let off = pass.output.iter().filter(|&&v| v == 0.0).count() as f64 / 80_000.0;
        let mean = pass.output.iter().sum::<f32>() / 80_000.0;
        assert!((off - 0.3).abs() < 0.01, "{off} switched off");
        assert!((mean - 1.0).abs() < 0.02, "mean {mean}");
        let mut d_input = vec![0.0; 80_000];
        layer.backward(&pass, &vec![1.0; 80_000], &mut d_input);
        assert_eq!(d_input[..], pass.output[..]);
    }

    #[test]
    fn outside_training_nothing_happens() {
        let mut pass = Pass::default();
        let shape = BlockShape { time: 1, rows: 1 };
        layer(0.5, 0).forward(shape, Mode::Inference, &[1.0; 16], &mut pass);
        assert_eq!(pass.output[..], [1.0; 16]);
    }
}
