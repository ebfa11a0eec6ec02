//! How fast this machine can multiply and add: what a product could reach at best.

use fearless_simd::dispatch;
use fearless_simd::prelude::*;

use super::simd::VectorUnit;

/// Sums side by side: enough to keep all multipliers busy while each waits for its last result.
const SUMS: usize = 12;

/// Does so many rounds of multiply-adds that touch no memory; returns the floating-point operations
/// done (two for each multiply-add).
pub fn multiply_add(unit: VectorUnit, rounds: u64) -> f64 {
    let sum = dispatch!(unit.0, simd => multiply_add_with(simd, rounds));
    // The result is looked at, so that the work cannot be optimised away.
    assert!(std::hint::black_box(sum).is_finite(), "sums of small numbers");
    2.0 * (rounds as f64) * (SUMS * unit.lanes()) as f64
}

#[inline(always)]
fn multiply_add_with<S: Simd>(simd: S, rounds: u64) -> f32 {
    simd.vectorize(
        #[inline(always)]
        || {
            let mut sums = [S::f32s::splat(simd, 1.0); SUMS];
            let factor = S::f32s::splat(simd, std::hint::black_box(0.999));
            let addend = S::f32s::splat(simd, std::hint::black_box(0.001));
            for _ in 0..rounds {
                for sum in &mut sums {
                    *sum = sum.mul_add(factor, addend);
                }
            }
            sums.iter().map(|sum| sum.as_slice()[0]).sum()
        },
    )
}
