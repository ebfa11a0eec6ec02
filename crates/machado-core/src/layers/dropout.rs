//! Switches off a random share of the values while training.

use serde::{Deserialize, Serialize};

use super::{BlockShape, Mode};
use crate::math::buffer::Buffer;
use crate::math::matmul::padded;
use crate::math::random::{self, Dice};
use crate::math::simd::VectorUnit;
use crate::rng::{Purpose, Rng};

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
///
/// Each row of a batch draws by itself, so that it does not matter which rows a block has.
#[derive(Clone, Debug)]
pub struct Dropout {
    unit: VectorUnit,
    rate: f64,
    per: DropoutPer,
    dim: usize,
    /// Its place in the stack, so that two dropout layers draw different values.
    place: u64,
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
        Self { unit, rate, per, dim, place: place as u64 }
    }

    pub(super) fn output_dim(&self) -> usize {
        self.dim
    }

    /// `input: [T, B, C]` to outputs of the same shape.
    pub(super) fn forward(&self, shape: BlockShape, mode: Mode, input: &[f32], pass: &mut Pass) {
        pass.output.set(input);
        pass.factors.resize(0);
        let Mode::Training { seed, step, first_row } = mode else { return };
        if self.rate == 0.0 {
            return;
        }
        let width = padded(self.dim);
        let dice = Dice { rate: self.rate, kept: (1.0 / (1.0 - self.rate)) as f32 };
        let keys: Vec<u64> = (first_row..first_row + shape.rows as u64)
            .map(|row| Rng::new(seed ^ self.place << 56, Purpose::Dropout, step << 20 | row).bits())
            .collect();
        pass.factors.resize(input.len());
        let drawn = match self.per {
            DropoutPer::Step => input.len(),
            DropoutPer::Window => shape.rows * width,
        };
        let (drawn, repeated) = pass.factors.split_at_mut(drawn);
        for (place, factors) in drawn.chunks_exact_mut(width).enumerate() {
            let (t, row) = (place / shape.rows, place % shape.rows);
            random::throw(self.unit, dice, keys[row], (t * width) as u64, factors);
        }
        for step in repeated.chunks_exact_mut(shape.rows * width) {
            step.copy_from_slice(drawn);
        }
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

    /// The pass for ones, `[T, B, 16]`, of the rows from `first_row` on.
    fn pass(layer: &Dropout, step: u64, first_row: u64, [time, rows]: [usize; 2]) -> Pass {
        let mut pass = Pass::default();
        let mode = Mode::Training { seed: 1, step, first_row };
        let ones = vec![1.0; time * rows * 16];
        layer.forward(BlockShape { time, rows }, mode, &ones, &mut pass);
        pass
    }

    /// Its outputs.
    fn drawn(layer: &Dropout, step: u64, first_row: u64, size: [usize; 2]) -> Vec<f32> {
        pass(layer, step, first_row, size).output.to_vec()
    }

    #[test]
    fn a_share_is_switched_off_and_the_mean_stays() {
        let layer = layer(0.3, 2);
        let pass = pass(&layer, 5, 0, [1000, 5]);
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

    #[test]
    fn another_step_layer_row_or_time_draws_other_values() {
        let first = drawn(&layer(0.5, 1), 1, 0, [4, 1]);
        assert_eq!(first, drawn(&layer(0.5, 1), 1, 0, [4, 1]));
        assert_ne!(first, drawn(&layer(0.5, 1), 2, 0, [4, 1]));
        assert_ne!(first, drawn(&layer(0.5, 2), 1, 0, [4, 1]));
        assert_ne!(first, drawn(&layer(0.5, 1), 1, 1, [4, 1]));
        assert_ne!(first[..16], first[16..32]);
    }

    #[test]
    fn per_window_all_steps_draw_the_same_and_rows_do_not() {
        let layer = Dropout { per: DropoutPer::Window, ..layer(0.5, 1) };
        let values = drawn(&layer, 1, 0, [3, 2]);
        assert_eq!(values[..32], values[32..64]);
        assert_eq!(values[..32], values[64..]);
        assert_ne!(values[..16], values[16..32]);
        assert_ne!(values, drawn(&layer, 2, 0, [3, 2]));
    }

    #[test]
    fn a_row_draws_the_same_in_any_block() {
        let together = drawn(&layer(0.5, 1), 1, 0, [1, 3]);
        let alone = drawn(&layer(0.5, 1), 1, 2, [1, 1]);
        assert_eq!(together[32..], alone);
    }
}
