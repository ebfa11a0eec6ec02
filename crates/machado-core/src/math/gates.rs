//! The element-wise half of a GRU: from gate sums to the new state, and back.
//!
//! Keras' `reset_after=True`, gates in the order z (update), r (reset), h (candidate):
//!
//! ```text
//! z = σ(x_z + h_z)    r = σ(x_r + h_r)    c = tanh(x_h + r·h_h)    h' = z·h + (1 − z)·c
//! ```
//!
//! where `x_·` is the input's part of a gate and `h_·` the state's part, biases included.

use fearless_simd::dispatch;
use fearless_simd::prelude::*;

use super::elementwise::{load, sigmoid_vector, store, tanh_vector};
use super::simd::VectorUnit;

/// One step forward for `B` rows of `units` each.
///
/// `gates_x: [B, 3H]` holds the input's parts and receives z, r, c; `gates_h: [B, 3H]` the
/// state's parts; `state: [B, H]` the old state; `new_state: [B, H]` receives the new one.
pub fn gru_forward(
    unit: VectorUnit,
    gates_x: &mut [f32],
    gates_h: &[f32],
    state: &[f32],
    new_state: &mut [f32],
    units: usize,
) {
    dispatch!(unit.0, simd => {
        let rows = gates_x.chunks_exact_mut(3 * units).zip(gates_h.chunks_exact(3 * units));
        let states = state.chunks_exact(units).zip(new_state.chunks_exact_mut(units));
        for ((gates_x, gates_h), (state, new_state)) in rows.zip(states) {
            forward_row(simd, gates_x, gates_h, state, new_state);
        }
    });
}

#[inline(always)]
fn forward_row<S: Simd>(
    simd: S,
    gates_x: &mut [f32],
    gates_h: &[f32],
    state: &[f32],
    new_state: &mut [f32],
) {
    let units = state.len();
    let (z_x, rest) = gates_x.split_at_mut(units);
    let (r_x, c_x) = rest.split_at_mut(units);
    let (z_h, rest) = gates_h.split_at(units);
    let (r_h, c_h) = rest.split_at(units);
    for start in (0..units).step_by(S::f32s::LEN) {
        let lanes = start..(start + S::f32s::LEN).min(units);
        let at = |values: &[f32]| load(simd, &values[lanes.clone()]);
        let z = sigmoid_vector(simd, at(z_x) + at(z_h));
        let r = sigmoid_vector(simd, at(r_x) + at(r_h));
        let c = tanh_vector(simd, r.mul_add(at(c_h), at(c_x)));
        let h = z.mul_add(at(state) - c, c);
        store(z, &mut z_x[lanes.clone()]);
        store(r, &mut r_x[lanes.clone()]);
        store(c, &mut c_x[lanes.clone()]);
        store(h, &mut new_state[lanes]);
    }
}

/// One step backward for `B` rows.
///
/// `gates_x: [B, 3H]` holds z, r, c and receives the gradients of the input's parts; `gates_h`
/// holds the state's parts and receives their gradients; `state: [B, H]` is the old state;
/// `d_state: [B, H]` holds the gradient of the new state and receives its direct share `z·dh'` for
/// the old one, to which the product with the recurrent kernel is still to be added.
pub fn gru_backward(
    unit: VectorUnit,
    gates_x: &mut [f32],
    gates_h: &mut [f32],
    state: &[f32],
    d_state: &mut [f32],
    units: usize,
) {
    dispatch!(unit.0, simd => {
        let rows = gates_x.chunks_exact_mut(3 * units).zip(gates_h.chunks_exact_mut(3 * units));
        let states = state.chunks_exact(units).zip(d_state.chunks_exact_mut(units));
        for ((gates_x, gates_h), (state, d_state)) in rows.zip(states) {
            backward_row(simd, gates_x, gates_h, state, d_state);
        }
    });
}

#[inline(always)]
fn backward_row<S: Simd>(
    simd: S,
    gates_x: &mut [f32],
    gates_h: &mut [f32],
    state: &[f32],
    d_state: &mut [f32],
) {
    let units = state.len();
    let one = S::f32s::splat(simd, 1.0);
    let (z_x, rest) = gates_x.split_at_mut(units);
    let (r_x, c_x) = rest.split_at_mut(units);
    let (z_h, rest) = gates_h.split_at_mut(units);
    let (r_h, c_h) = rest.split_at_mut(units);
    for start in (0..units).step_by(S::f32s::LEN) {
        let lanes = start..(start + S::f32s::LEN).min(units);
        let at = |values: &[f32]| load(simd, &values[lanes.clone()]);
        let (z, r, c, dh) = (at(z_x), at(r_x), at(c_x), at(d_state));
        let d_c = dh * (one - z) * (one - c * c);
        let d_z = dh * (at(state) - c) * z * (one - z);
        let d_r = d_c * at(c_h) * r * (one - r);
        store(d_z, &mut z_x[lanes.clone()]);
        store(d_r, &mut r_x[lanes.clone()]);
        store(d_c, &mut c_x[lanes.clone()]);
        store(d_z, &mut z_h[lanes.clone()]);
        store(d_r, &mut r_h[lanes.clone()]);
        store(d_c * r, &mut c_h[lanes.clone()]);
        store(dh * z, &mut d_state[lanes]);
    }
}
