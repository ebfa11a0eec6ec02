//! What values are multiplied by while some of them are switched off.

use super::{BlockShape, DropoutPer, Mode};
use crate::math::buffer::Buffer;
use crate::math::matmul::padded;
use crate::math::random::{self, Dice};
use crate::math::simd::VectorUnit;
use crate::rng::{Purpose, Rng};

/// Draws factors for values `[T, B, C]`: 0 with probability `rate`, else `1 / (1 − rate)`, so that
/// the mean of the values stays.
///
/// Each row of a batch draws by itself, so that it does not matter which rows a block has.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    unit: VectorUnit,
    rate: f64,
    purpose: Purpose,
    /// The layer's place in the stack, so that two layers draw different values.
    place: u64,
}

impl Factors {
    /// Factors at `rate` in `[0, 1)` of the layer at a `place` in the stack.
    pub(super) fn new(unit: VectorUnit, rate: f64, purpose: Purpose, place: usize) -> Self {
        Self { unit, rate, purpose, place: place as u64 }
    }

    /// Those of a block of `channels` channels; none, which stands for ones, outside training and
    /// at rate 0.
    pub(super) fn draw(
        &self,
        shape: BlockShape,
        mode: Mode,
        channels: usize,
        per: DropoutPer,
        out: &mut Buffer,
    ) {
        out.resize(0);
        let Mode::Training { seed, step, first_row } = mode else { return };
        if self.rate == 0.0 {
            return;
        }
        let width = padded(channels);
        let dice = Dice { rate: self.rate, kept: (1.0 / (1.0 - self.rate)) as f32 };
        let key = |row| Rng::new(seed ^ self.place << 56, self.purpose, step << 20 | row).bits();
        let keys: Vec<u64> = (first_row..first_row + shape.rows as u64).map(key).collect();
        out.resize(shape.positions() * width);
        let drawn = match per {
            DropoutPer::Step => out.len(),
            DropoutPer::Window => shape.rows * width,
        };
        let (drawn, repeated) = out.split_at_mut(drawn);
        for (place, factors) in drawn.chunks_exact_mut(width).enumerate() {
            let (t, row) = (place / shape.rows, place % shape.rows);
            random::throw(self.unit, dice, keys[row], (t * width) as u64, factors);
        }
        for step in repeated.chunks_exact_mut(shape.rows * width) {
            step.copy_from_slice(drawn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(place: usize) -> Factors {
        Factors::new(VectorUnit::detect(), 0.5, Purpose::Dropout, place)
    }

    /// Those of the rows from `first_row` on, `[T, B, 16]`.
    fn drawn(factors: &Factors, step: u64, first_row: u64, [time, rows]: [usize; 2]) -> Vec<f32> {
        let mut out = Buffer::default();
        let mode = Mode::Training { seed: 1, step, first_row };
        factors.draw(BlockShape { time, rows }, mode, 16, DropoutPer::Step, &mut out);
        out.to_vec()
    }

    #[test]
    fn another_step_layer_purpose_row_or_time_draws_other_values() {
        let first = drawn(&factors(1), 1, 0, [4, 1]);
        assert_eq!(first, drawn(&factors(1), 1, 0, [4, 1]));
        assert_ne!(first, drawn(&factors(1), 2, 0, [4, 1]));
        assert_ne!(first, drawn(&factors(2), 1, 0, [4, 1]));
        assert_ne!(first, drawn(&factors(1), 1, 1, [4, 1]));
        let other = Factors { purpose: Purpose::RecurrentDropout, ..factors(1) };
        assert_ne!(first, drawn(&other, 1, 0, [4, 1]));
        assert_ne!(first[..16], first[16..32]);
    }

    #[test]
    fn per_window_all_steps_draw_the_same_and_rows_do_not() {
        let window = |step| {
            let mut out = Buffer::default();
            let mode = Mode::Training { seed: 1, step, first_row: 0 };
            let shape = BlockShape { time: 3, rows: 2 };
            factors(1).draw(shape, mode, 16, DropoutPer::Window, &mut out);
            out.to_vec()
        };
        let values = window(1);
        assert_eq!(values[..32], values[32..64]);
        assert_eq!(values[..32], values[64..]);
        assert_ne!(values[..16], values[16..32]);
        assert_ne!(values, window(2));
    }

    #[test]
    fn a_row_draws_the_same_in_any_block() {
        let together = drawn(&factors(1), 1, 0, [1, 3]);
        let alone = drawn(&factors(1), 1, 2, [1, 1]);
        assert_eq!(together[32..], alone);
    }
}
