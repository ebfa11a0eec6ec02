//! Clipping by the norm of all gradients together, Keras' `global_clipnorm`.

use fearless_simd::dispatch;
use fearless_simd::prelude::*;

use crate::math::simd::VectorUnit;

/// Values whose squares are summed in `f32` before they go into the sum in `f64`.
const BLOCK: usize = 1024;

/// The norm of all gradients together; not finite if one of them is not.
pub fn global_norm(unit: VectorUnit, gradients: &[f32]) -> f64 {
    let squares = gradients.chunks(BLOCK).map(|block| {
        let sum = dispatch!(unit.0, simd => sum_of_squares(simd, block));
        f64::from(sum)
    });
    squares.sum::<f64>().sqrt()
}

/// Sixteen sums side by side, the same for each vector unit.
#[inline(always)]
fn sum_of_squares<S: Simd>(_: S, values: &[f32]) -> f32 {
    let mut sums = [0.0; 16];
    for chunk in values.chunks(16) {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value * value;
        }
    }
    sums.iter().sum()
}

/// What gradients with this norm are to be multiplied by, so that it becomes at most `limit`.
pub fn clip_factor(norm: f64, limit: Option<f64>) -> f32 {
    match limit {
        Some(limit) if norm > limit => (limit / norm) as f32,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_of_gradients() {
        let unit = VectorUnit::detect();
        assert_eq!(global_norm(unit, &[3.0, 4.0]), 5.0);
        let many: Vec<f32> = (0..5000).map(|i| (i % 7) as f32).collect();
        let expected = many.iter().map(|&g| f64::from(g * g)).sum::<f64>().sqrt();
        assert!((global_norm(unit, &many) / expected - 1.0).abs() < 1e-6);
        assert!(global_norm(unit, &[f32::NAN]).is_nan());
        assert!(global_norm(unit, &[f32::INFINITY]).is_infinite());
        // The square is beyond an f32, but the norm still tells that something went wrong.
        assert!(global_norm(unit, &[1e30]).is_infinite());
    }

    #[test]
    fn only_a_norm_above_the_limit_is_scaled() {
        assert_eq!(clip_factor(5.0, Some(10.0)), 1.0);
        assert_eq!(clip_factor(5.0, Some(1.0)), 0.2);
        assert_eq!(clip_factor(5.0, None), 1.0);
    }
}
