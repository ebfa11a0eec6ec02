//! The gated recurrent unit as it was first published: the reset gate comes before the product.

use super::{BlockShape, Panels, Piece, State, Stripe};
use crate::math::buffer::Buffer;
use crate::math::elementwise;
use crate::math::matmul::{From, Packed, Rows, multiply, padded};
use crate::math::outer::{PanelGroup, add_outer, add_sums};
use crate::math::simd::VectorUnit;
use crate::params::{Initializer, ParameterSpec};

/// Gates, in Keras' order: z (update), r (reset), h (candidate).
const GATES: usize = 3;
const Z: usize = 0;
const R: usize = 1;
const C: usize = 2;

/// Keras' `GRU` with `reset_after=False`: `kernel: [C, 3H]`, `recurrent_kernel: [H, 3H]`,
/// `bias: [3H]`, the gates side by side in the order z, r, h.
///
/// ```text
/// z = σ(x_z + h·U_z)    r = σ(x_r + h·U_r)    c = tanh(x_c + (r·h)·U_c)    h' = z·h + (1 − z)·c
/// ```
///
/// where `x_·` is the input's part of a gate with its bias. The candidate's product waits for the
/// reset gate, so that the three cannot be one: [`Gru`](super::Gru) is faster, and what Keras makes
/// unless it is asked for this one. It is here for models that others have trained.
#[derive(Clone, Debug)]
pub struct GruResetBefore {
    unit: VectorUnit,
    input_dim: usize,
    units: usize,
    /// The three.
    gates: Vec<Gate>,
}

/// The weights of one gate, packed.
#[derive(Clone, Debug)]
struct Gate {
    /// `[C, H]`.
    kernel: Packed,
    kernel_transposed: Packed,
    /// `[H, H]`.
    recurrent_kernel: Packed,
    recurrent_kernel_transposed: Packed,
    /// Padded.
    bias: Buffer,
}

/// What is kept of a block.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// The first state, then the state after each step: `[1 + T, B, H]`.
    states: Buffer,
    /// Values of one step, `B · H`: where the outputs begin.
    step: usize,
    /// For each gate `[T, B, H]`, and on the way back the gradients of the sums before it.
    gates: [Buffer; GATES],
    /// What the reset gate lets through, `[T, B, H]`.
    reset: Buffer,
    /// Gradients of the state, and of what the reset gate let through: `[B, H]`.
    d_state: Buffer,
    d_reset: Buffer,
}

impl Pass {
    pub(super) fn output(&self) -> &[f32] {
        &self.states[self.step..]
    }

    pub(super) fn output_mut(&mut self) -> &mut [f32] {
        &mut self.states[self.step..]
    }
}

impl GruResetBefore {
    /// `units` units over `input_dim` inputs.
    pub fn new(unit: VectorUnit, input_dim: usize, units: usize) -> Self {
        let gate = Gate {
            kernel: Packed::new(unit, input_dim, units),
            kernel_transposed: Packed::new(unit, units, input_dim),
            recurrent_kernel: Packed::new(unit, units, units),
            recurrent_kernel_transposed: Packed::new(unit, units, units),
            bias: Buffer::zeros(padded(units)),
        };
        Self { unit, input_dim, units, gates: vec![gate; GATES] }
    }

    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        let (c, h) = (self.input_dim, self.units);
        vec![
            super::spec("kernel", &[c, GATES * h], Initializer::GlorotUniform),
            super::spec("recurrent_kernel", &[h, GATES * h], Initializer::Orthogonal),
            super::spec("bias", &[GATES * h], Initializer::Zeros),
        ]
    }

    pub(super) fn load(&mut self, weights: &[f32]) {
        let units = self.units;
        let (kernel, rest) = weights.split_at(self.input_dim * GATES * units);
        let (recurrent_kernel, bias) = rest.split_at(units * GATES * units);
        for (place, gate) in self.gates.iter_mut().enumerate() {
            let own = |values: &[f32]| -> Vec<f32> {
                let rows = values.chunks_exact(GATES * units);
                rows.flat_map(|row| row[place * units..][..units].to_vec()).collect()
            };
            gate.kernel.pack(&own(kernel));
            gate.kernel_transposed.pack_transposed(&own(kernel));
            gate.recurrent_kernel.pack(&own(recurrent_kernel));
            gate.recurrent_kernel_transposed.pack_transposed(&own(recurrent_kernel));
            gate.bias[..units].copy_from_slice(&own(bias));
        }
    }

    pub(super) fn output_dim(&self) -> usize {
        self.units
    }

    pub(super) fn input_dim(&self) -> usize {
        self.input_dim
    }

    pub(super) fn state_dim(&self) -> usize {
        padded(self.units)
    }

    /// `input: [T, B, C]` to outputs `[T, B, H]`; the state is `[B, H]`.
    pub(super) fn forward(
        &self,
        shape: BlockShape,
        input: &[f32],
        state: State<'_>,
        pass: &mut Pass,
    ) {
        let width = padded(self.units);
        let step = shape.rows * width;
        pass.step = step;
        pass.states.resize((1 + shape.time) * step);
        pass.reset.resize(shape.time * step);
        pass.states[..step].copy_from_slice(state.values);
        let input = Rows::new(input, self.input_dim, padded(self.input_dim));
        for (gate, values) in self.gates.iter().zip(&mut pass.gates) {
            values.resize(shape.time * step);
            multiply(input, &gate.kernel, From::Bias(&gate.bias), values);
        }
        for t in 0..shape.time {
            let now = t * step..(t + 1) * step;
            let (before, after) = pass.states.split_at_mut((t + 1) * step);
            let (before, after) = (&before[t * step..], &mut after[..step]);
            let [z, r, c] = &mut pass.gates;
            let (z, r, c) = (&mut z[now.clone()], &mut r[now.clone()], &mut c[now.clone()]);
            let reset = &mut pass.reset[now];

            let state_rows = Rows::new(before, self.units, width);
            multiply(state_rows, &self.gates[Z].recurrent_kernel, From::Out, z);
            multiply(state_rows, &self.gates[R].recurrent_kernel, From::Out, r);
            elementwise::sigmoid(self.unit, z);
            elementwise::sigmoid(self.unit, r);
            for ((reset, r), h) in reset.iter_mut().zip(&*r).zip(before) {
                *reset = r * h;
            }
            let reset_rows = Rows::new(reset, self.units, width);
            multiply(reset_rows, &self.gates[C].recurrent_kernel, From::Out, c);
            elementwise::tanh(self.unit, c);
            for (((new, z), c), h) in after.iter_mut().zip(&*z).zip(&*c).zip(before) {
                *new = c + z * (h - c);
            }
            if let Some(change) = state.change {
                change(after);
            }
        }
        state.values.copy_from_slice(&pass.states[shape.time * step..]);
    }

    pub(super) fn backward(
        &self,
        shape: BlockShape,
        pass: &mut Pass,
        d_output: &[f32],
        d_input: &mut [f32],
    ) {
        let (step, width) = (pass.step, padded(self.units));
        pass.d_state.reset(step);
        pass.d_reset.resize(step);
        let (d_state, d_reset) = (&mut pass.d_state, &mut pass.d_reset);
        for t in (0..shape.time).rev() {
            let now = t * step..(t + 1) * step;
            let before = &pass.states[now.clone()];
            let [z, r, c] = &mut pass.gates;
            let (z, r, c) = (&mut z[now.clone()], &mut r[now.clone()], &mut c[now.clone()]);
            for (i, &d_above) in d_output[now].iter().enumerate() {
                let (dh, z_i, c_i) = (d_above + d_state[i], z[i], c[i]);
                d_state[i] = dh * z_i;
                z[i] = dh * (before[i] - c_i) * z_i * (1.0 - z_i);
                c[i] = dh * (1.0 - z_i) * (1.0 - c_i * c_i);
            }
            let back = |gate: usize, d: &[f32], from: From<'_>, out: &mut [f32]| {
                let rows = Rows::new(d, self.units, width);
                multiply(rows, &self.gates[gate].recurrent_kernel_transposed, from, out);
            };
            back(C, c, From::Zero, d_reset);
            for (i, &d) in d_reset.iter().enumerate() {
                let r_i = r[i];
                d_state[i] += d * r_i;
                r[i] = d * before[i] * r_i * (1.0 - r_i);
            }
            back(Z, z, From::Out, d_state);
            back(R, r, From::Out, d_state);
        }
        let mut from = From::Zero;
        for (gate, d) in self.gates.iter().zip(&pass.gates) {
            multiply(Rows::new(d, self.units, width), &gate.kernel_transposed, from, d_input);
            from = From::Out;
        }
    }

    /// For each gate and panel of its columns: `[C, width]` of the kernel, `[H, width]` of the
    /// recurrent kernel, `[width]` of the bias.
    pub(super) fn gradient_pieces(&self) -> Vec<usize> {
        let rows = padded(self.input_dim) + padded(self.units) + 1;
        let of_gate: Vec<usize> = self.panels().map(|columns| rows * columns.len()).collect();
        of_gate.repeat(GATES)
    }

    fn panels(&self) -> Panels {
        Panels::new(self.unit, self.units)
    }

    pub(super) fn add_gradient(
        &self,
        number: usize,
        shape: BlockShape,
        stripe: Stripe,
        input: &[f32],
        pass: &Pass,
        out: &mut [f32],
    ) {
        let panels = self.panels().count();
        let (gate, columns) = (number / panels, self.panels().columns(number % panels));
        let (inputs, units) = (padded(self.input_dim), padded(self.units));
        let (of_kernel, rest) = out.split_at_mut(inputs * columns.len());
        let (of_recurrent, of_bias) = rest.split_at_mut(units * columns.len());
        let d_sums = stripe.steps(&pass.gates[gate], shape, units).from(columns.start);
        // What the recurrent kernel of the gate was multiplied by.
        let before = if gate == C { &pass.reset[..] } else { &pass.states[..] };
        let (input, before) =
            (stripe.steps(input, shape, inputs), stripe.steps(before, shape, units));
        let (size, panel) = ([shape.time, stripe.rows], PanelGroup::single(columns.len()));
        add_outer(self.unit, input, d_sums, size, inputs, panel, of_kernel);
        add_outer(self.unit, before, d_sums, size, units, panel, of_recurrent);
        add_sums(self.unit, d_sums, size, of_bias);
    }

    pub(super) fn unpack_gradient(&self, pieces: &[Piece], out: &mut [f32]) {
        let (inputs, units) = (self.input_dim, self.units);
        let (of_kernel, rest) = out.split_at_mut(inputs * GATES * units);
        let (of_recurrent, of_bias) = rest.split_at_mut(units * GATES * units);
        for (gate, pieces) in pieces.chunks_exact(self.panels().count()).enumerate() {
            for (columns, piece) in self.panels().zip(pieces) {
                let width = columns.len();
                let own = columns.start.min(units)..columns.end.min(units);
                let unpack = |values: &[f32], out: &mut [f32]| {
                    let rows = values.chunks_exact(width).zip(out.chunks_exact_mut(GATES * units));
                    for (values, out) in rows {
                        out[gate * units..][own.clone()].copy_from_slice(&values[..own.len()]);
                    }
                };
                let (kernel, rest) = piece.values.split_at(padded(inputs) * width);
                let (recurrent, bias) = rest.split_at(padded(units) * width);
                unpack(kernel, of_kernel);
                unpack(recurrent, of_recurrent);
                unpack(bias, of_bias);
            }
        }
    }
}
