//! Functions applied to each element: exponential, sigmoid and tanh.
//!
//! All come from one polynomial for `eˣ − 1` on `|x| ≤ ln 2 / 2` (the minimax one of the sixth
//! power, relative error below 2⁻²⁶) and exact powers of two. Against the `f64` functions of
//! [`mod@super::reference`] sigmoid and tanh are within 4 units in the last place.

use fearless_simd::dispatch;
use fearless_simd::prelude::*;

use super::simd::VectorUnit;

/// Beyond this `eˣ` would overflow (or vanish); sigmoid is flat long before.
const EXP_LIMIT: f32 = 87.0;

/// Beyond this tanh, of half of it, is ±1.
const TANH_LIMIT: f32 = 20.0;

/// Added to a number, it leaves that number, rounded, in the last bits of the sum: 1.5 · 2²³.
const ROUNDING: f32 = 12_582_912.0;

/// `(eˣ − 1) / x` by powers of `x`, the highest first; found by Remez' method.
const EXPM1: [f32; 6] = [0.001_388_887_3, 0.008_369_104, 0.041_667_137, 0.166_665_06, 0.5, 1.0];

/// `eʳ − 1` and `2ⁿ` of one vector, the pieces of all functions here: `eˣ = 2ⁿ·(p + 1)`. `x` must
/// be within [`EXP_LIMIT`].
#[inline(always)]
fn expm1_parts<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let constant = |value: f32| S::f32s::splat(simd, value);
    let sum = x.mul_add(constant(std::f32::consts::LOG2_E), constant(ROUNDING));
    let n = sum - constant(ROUNDING);
    // ln 2 in two parts, the first with trailing zero bits, so that n·ln 2 loses nothing.
    let r = n.mul_add(constant(-0.693_359_4), x);
    let r = n.mul_add(constant(2.121_944_4e-4), r);
    let mut q = constant(EXPM1[0]);
    for coefficient in &EXPM1[1..] {
        q = q.mul_add(r, constant(*coefficient));
    }
    // The last bits of the sum, moved to where the exponent is; all others fall off.
    let bits: S::i32s = sum.bitcast();
    let power = (bits << S::i32s::splat(simd, 23)) + S::i32s::splat(simd, 127 << 23);
    (q * r, power.bitcast())
}

#[inline(always)]
fn clamp<S: Simd>(simd: S, x: S::f32s, limit: f32) -> S::f32s {
    x.min(S::f32s::splat(simd, limit)).max(S::f32s::splat(simd, -limit))
}

/// `eˣ`, for `|x|` up to 87; beyond that the value at 87.
#[inline(always)]
pub(super) fn exp_vector<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (p, power) = expm1_parts(simd, clamp(simd, x, EXP_LIMIT));
    p.mul_add(power, power)
}

/// `1 / x`. Where there is a good first guess (14 bits, with AVX-512) one of Newton's steps is
/// several times faster than a division.
#[inline(always)]
fn reciprocal<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    if S::f32s::LEN == 16 {
        let guess = x.approximate_recip();
        guess * (-x).mul_add(guess, S::f32s::splat(simd, 2.0))
    } else {
        S::f32s::splat(simd, 1.0) / x
    }
}

#[inline(always)]
pub(super) fn sigmoid_vector<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    reciprocal(simd, S::f32s::splat(simd, 1.0) + exp_vector(simd, -x))
}

/// tanh x = e / (e + 2) with e = e²ˣ − 1, which keeps small arguments exact.
#[inline(always)]
pub(super) fn tanh_vector<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (p, power) = expm1_parts(simd, clamp(simd, x + x, TANH_LIMIT));
    let e = p.mul_add(power, power - S::f32s::splat(simd, 1.0));
    e * reciprocal(simd, e + S::f32s::splat(simd, 2.0))
}

/// Up to one register of values; missing lanes are zero.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    if values.len() >= S::f32s::LEN {
        S::f32s::from_slice(simd, &values[..S::f32s::LEN])
    } else {
        let mut padded = [0.0; 16];
        padded[..values.len()].copy_from_slice(values);
        S::f32s::from_slice(simd, &padded[..S::f32s::LEN])
    }
}

/// The reverse of [`load`]: lanes beyond the slice are dropped.
#[inline(always)]
pub(super) fn store<S: Simd, V: SimdBase<S, Element = f32>>(vector: V, out: &mut [f32]) {
    if out.len() >= V::LEN {
        vector.store_slice(&mut out[..V::LEN]);
    } else {
        let len = out.len();
        out.copy_from_slice(&vector.as_slice()[..len]);
    }
}

/// Replaces each value by its sigmoid.
pub fn sigmoid(unit: VectorUnit, values: &mut [f32]) {
    dispatch!(unit.0, simd => map(simd, values, sigmoid_vector));
}

/// Replaces each value by its hyperbolic tangent.
pub fn tanh(unit: VectorUnit, values: &mut [f32]) {
    dispatch!(unit.0, simd => map(simd, values, tanh_vector));
}

/// Replaces each value `x` by `max(x, 0)`.
pub fn relu(values: &mut [f32]) {
    for value in values {
        *value = value.max(0.0);
    }
}

/// Whether no value is infinite or no number.
pub fn all_finite(unit: VectorUnit, values: &[f32]) -> bool {
    dispatch!(unit.0, simd => all_finite_with(simd, values))
}

#[inline(always)]
fn all_finite_with<S: Simd>(_: S, values: &[f32]) -> bool {
    // Those that are not have all bits of the exponent set.
    let exponent = f32::INFINITY.to_bits();
    values.iter().fold(0, |most: u32, value| most.max(value.to_bits() & exponent)) < exponent
}

#[inline(always)]
fn map<S: Simd>(simd: S, values: &mut [f32], function: impl Fn(S, S::f32s) -> S::f32s) {
    for chunk in values.chunks_mut(S::f32s::LEN) {
        store(function(simd, load(simd, chunk)), chunk);
    }
}
