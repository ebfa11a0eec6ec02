//! The gated recurrent unit.

use std::ops::Range;

use super::{BlockShape, Input};
use crate::math::gates::{gru_backward, gru_forward};
use crate::math::matmul::{Packed, add_column_sums, matmul_add, matmul_transposed_add};
use crate::math::simd::VectorUnit;
use crate::params::{Initializer, ParameterSpec};

/// Keras' `GRU` with `reset_after=True`: `kernel: [C, 3H]`, `recurrent_kernel: [H, 3H]`,
/// `bias: [2, 3H]` (the input's, then the state's). The three gates lie side by side in the order
/// z (update), r (reset), h (candidate); [`gates`](crate::math::gates) has the formulas.
#[derive(Clone, Debug)]
pub struct Gru {
    unit: VectorUnit,
    input_dim: usize,
    units: usize,
    kernel: Packed,
    kernel_transposed: Packed,
    recurrent_kernel: Packed,
    recurrent_kernel_transposed: Packed,
    bias: Vec<f32>,
}

/// What is kept of a block.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// The first state, then the state after each step: `[1 + T, B, H]`.
    states: Vec<f32>,
    /// Values of one step, `B · H`: where the outputs begin.
    step: usize,
    /// z, r and the candidate; on the way back the gradients of the input's part: `[T, B, 3H]`.
    gates_x: Vec<f32>,
    /// The state's part; on the way back its gradients: `[T, B, 3H]`.
    gates_h: Vec<f32>,
    /// Gradient of the state that the way back carries from step to step, `[B, H]`.
    d_state: Vec<f32>,
}

impl Pass {
    pub(super) fn output(&self) -> &[f32] {
        &self.states[self.step..]
    }

    pub(super) fn output_mut(&mut self) -> &mut [f32] {
        &mut self.states[self.step..]
    }
}

impl Gru {
    /// `units` units over `input_dim` inputs.
    pub fn new(unit: VectorUnit, input_dim: usize, units: usize) -> Self {
        Self {
            unit,
            input_dim,
            units,
            kernel: Packed::new(unit, input_dim, 3 * units),
            kernel_transposed: Packed::new(unit, 3 * units, input_dim),
            recurrent_kernel: Packed::new(unit, units, 3 * units),
            recurrent_kernel_transposed: Packed::new(unit, 3 * units, units),
            bias: vec![0.0; 6 * units],
        }
    }

    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        let (c, h) = (self.input_dim, self.units);
        vec![
            super::spec("kernel", &[c, 3 * h], Initializer::GlorotUniform),
            super::spec("recurrent_kernel", &[h, 3 * h], Initializer::Orthogonal),
            super::spec("bias", &[2, 3 * h], Initializer::Zeros),
        ]
    }

    pub(super) fn load(&mut self, weights: &[f32]) {
        let (kernel, rest) = weights.split_at(self.input_dim * 3 * self.units);
        let (recurrent_kernel, bias) = rest.split_at(self.units * 3 * self.units);
        self.kernel.pack(kernel);
        self.kernel_transposed.pack_transposed(kernel);
        self.recurrent_kernel.pack(recurrent_kernel);
        self.recurrent_kernel_transposed.pack_transposed(recurrent_kernel);
        self.bias.copy_from_slice(bias);
    }

    pub(super) fn output_dim(&self) -> usize {
        self.units
    }

    pub(super) fn state_dim(&self) -> usize {
        self.units
    }

    /// `input: [T, B, C]` to outputs `[T, B, H]`; `state: [B, H]`.
    pub(super) fn forward(
        &self,
        shape: BlockShape,
        input: &[f32],
        state: &mut [f32],
        pass: &mut Pass,
    ) {
        let (bias_x, bias_h) = self.bias.split_at(3 * self.units);
        let step = shape.rows * self.units;
        pass.step = step;
        super::resize(&mut pass.states, (1 + shape.time) * step);
        super::resize(&mut pass.gates_x, shape.time * 3 * step);
        super::resize(&mut pass.gates_h, shape.time * 3 * step);
        pass.states[..step].copy_from_slice(state);
        super::fill_rows(&mut pass.gates_x, bias_x);
        super::fill_rows(&mut pass.gates_h, bias_h);
        // The input's part of all steps is one product; only the state's part must go in order.
        matmul_add(input, &self.kernel, &mut pass.gates_x);
        let gates =
            pass.gates_x.chunks_exact_mut(3 * step).zip(pass.gates_h.chunks_exact_mut(3 * step));
        for (t, (gates_x, gates_h)) in gates.enumerate() {
            let (before, after) = pass.states.split_at_mut((t + 1) * step);
            let before = &before[t * step..];
            matmul_add(before, &self.recurrent_kernel, gates_h);
            gru_forward(self.unit, gates_x, gates_h, before, &mut after[..step], self.units);
        }
        state.copy_from_slice(&pass.states[shape.time * step..]);
    }

    pub(super) fn backward(
        &self,
        shape: BlockShape,
        pass: &mut Pass,
        d_output: &[f32],
        d_input: &mut [f32],
    ) {
        let step = shape.rows * self.units;
        pass.d_state.clear();
        pass.d_state.resize(step, 0.0);
        for t in (0..shape.time).rev() {
            let d_now = &d_output[t * step..][..step];
            pass.d_state.iter_mut().zip(d_now).for_each(|(d, now)| *d += now);
            let gates_x = &mut pass.gates_x[t * 3 * step..][..3 * step];
            let gates_h = &mut pass.gates_h[t * 3 * step..][..3 * step];
            let before = &pass.states[t * step..][..step];
            gru_backward(self.unit, gates_x, gates_h, before, &mut pass.d_state, self.units);
            matmul_add(gates_h, &self.recurrent_kernel_transposed, &mut pass.d_state);
        }
        d_input.fill(0.0);
        matmul_add(&pass.gates_x, &self.kernel_transposed, d_input);
    }

    pub(super) fn add_weight_gradient(
        &self,
        weight: usize,
        rows: Range<usize>,
        input: Input<'_>,
        pass: &Pass,
        out: &mut [f32],
    ) {
        let gates = 3 * self.units;
        match weight {
            0 => {
                let (input, sizes) = (input.values(), [self.input_dim, gates]);
                matmul_transposed_add(self.unit, input, sizes, rows, &pass.gates_x, out);
            }
            1 => {
                let before = &pass.states[..pass.states.len() - pass.step];
                let sizes = [self.units, gates];
                matmul_transposed_add(self.unit, before, sizes, rows, &pass.gates_h, out);
            }
            _ => {
                for (row, out) in rows.zip(out.chunks_exact_mut(gates)) {
                    add_column_sums(if row == 0 { &pass.gates_x } else { &pass.gates_h }, out);
                }
            }
        }
    }
}
