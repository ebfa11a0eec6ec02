//! Functions applied to each element: exponential, sigmoid and tanh.
//!
//! All come from one polynomial for `eˣ − 1` (Taylor's series to the seventh power on
//! `|x| ≤ ln 2 / 2`, error below 2⁻²⁷) and exact powers of two. Against the `f64` functions of
//! [`mod@super::reference`] sigmoid and tanh are within 4 units in the last place.

use fearless_simd::dispatch;
use fearless_simd::prelude::*;

use super::simd::VectorUnit;

/// Beyond this `eˣ` would overflow (or vanish); sigmoid and tanh are flat long before.
const EXP_LIMIT: f32 = 87.0;

/// `eˣ − 1` and `2ⁿ` of one vector, the pieces of all functions here: `eˣ = 2ⁿ·(p + 1)`.
#[inline(always)]
fn expm1_parts<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let constant = |value: f32| S::f32s::splat(simd, value);
    let x = x.min(constant(EXP_LIMIT)).max(constant(-EXP_LIMIT));
    let n = (x * constant(std::f32::consts::LOG2_E)).round_ties_even();
    // ln 2 in two parts, the first with trailing zero bits, so that n·ln 2 loses nothing.
    let r = n.mul_add(constant(-0.693_359_4), x);
    let r = n.mul_add(constant(2.121_944_4e-4), r);
    let mut p = constant(1.0 / 5040.0);
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0] {
        p = p.mul_add(r, constant(coefficient));
    }
    let exponent: S::i32s = n.to_int();
    let bits = (exponent + S::i32s::splat(simd, 127)) << S::i32s::splat(simd, 23);
    (p * r, bits.bitcast())
}

/// `eˣ`, for `|x|` up to 87; beyond that the value at 87.
#[inline(always)]
pub(super) fn exp_vector<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (p, power) = expm1_parts(simd, x);
    p.mul_add(power, power)
}

#[inline(always)]
pub(super) fn sigmoid_vector<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = S::f32s::splat(simd, 1.0);
    one / (one + exp_vector(simd, -x))
}

/// tanh x = e / (e + 2) with e = e²ˣ − 1, which keeps small arguments exact.
#[inline(always)]
pub(super) fn tanh_vector<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let limit = S::f32s::splat(simd, 20.0);
    let doubled = (x + x).min(limit).max(-limit);
    let (p, power) = expm1_parts(simd, doubled);
    let e = p.mul_add(power, power - S::f32s::splat(simd, 1.0));
    e / (e + S::f32s::splat(simd, 2.0))
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
