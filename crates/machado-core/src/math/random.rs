//! Random factors by the thousand, for dropout.
//!
//! Each pair of values is a function of a key and its place alone, so they can be computed in any
//! order and many at a time: the loop is plain, and compiled for each vector unit.

use fearless_simd::dispatch;
use fearless_simd::prelude::*;

use super::simd::VectorUnit;
use crate::rng::mix;

/// What is thrown: 0 with probability `rate`, else `kept`.
#[derive(Clone, Copy, Debug)]
pub struct Dice {
    /// The probability of 0.
    pub rate: f64,
    /// The other outcome.
    pub kept: f32,
}

/// Fills `out` with throws number `first`, `first + 1`, … of a `key`.
///
/// # Panics
/// If `first` or the number of throws is odd.
pub fn throw(unit: VectorUnit, dice: Dice, key: u64, first: u64, out: &mut [f32]) {
    assert!(first.is_multiple_of(2) && out.len().is_multiple_of(2), "throws come in pairs");
    dispatch!(unit.0, simd => throw_with(simd, dice, key, first, out));
}

#[inline(always)]
fn throw_with<S: Simd>(_: S, dice: Dice, key: u64, first: u64, out: &mut [f32]) {
    // Two values from each 64 random bits: 32 bits are plenty for a rate.
    let threshold = (dice.rate * (1u64 << 32) as f64) as u64;
    let value = |bits: u64| if bits >= threshold { dice.kept } else { 0.0 };
    for (pair, out) in out.chunks_exact_mut(2).enumerate() {
        let bits = mix(key.wrapping_add(first / 2 + pair as u64));
        out[0] = value(bits & 0xffff_ffff);
        out[1] = value(bits >> 32);
    }
}
