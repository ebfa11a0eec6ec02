//! A causal convolution over time: each output sees its own and the `K − 1` steps before.

use super::{Activation, BlockShape, Panels, Piece, Stripe};
use crate::math::buffer::Buffer;
use crate::math::matmul::{From, Packed, Rows, multiply, padded};
use crate::math::outer::{PanelGroup, add_outer, add_sums};
use crate::math::simd::VectorUnit;
use crate::params::{Initializer, ParameterSpec};

/// Keras' `Conv1D` with `padding="causal"`: `kernel: [K, C, F]`, `bias: [F]`.
///
/// Tap `j` of the kernel meets the input of `K − 1 − j` steps ago. With time-major blocks the input
/// of each tap is one contiguous slice, so the convolution is `K` products without any copying.
/// The last `K − 1` inputs are its state.
#[derive(Clone, Debug)]
pub struct Conv1d {
    unit: VectorUnit,
    input_dim: usize,
    filters: usize,
    activation: Activation,
    /// `[C, F]` for each tap.
    taps: Vec<Packed>,
    taps_transposed: Vec<Packed>,
    /// Padded.
    bias: Buffer,
}

/// What is kept of a block.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// The state, then the block's inputs: `[K − 1 + T, B, C]`.
    padded_input: Buffer,
    /// `[T, B, F]`.
    output: Buffer,
    /// Gradients of the sums before the activation, `[T, B, F]`.
    d_sums: Buffer,
    /// Gradients of `padded_input`.
    d_padded: Buffer,
}

impl Pass {
    pub(super) fn output(&self) -> &[f32] {
        &self.output
    }

    pub(super) fn output_mut(&mut self) -> &mut [f32] {
        &mut self.output
    }
}

impl Conv1d {
    /// `filters` outputs from `input_dim` inputs of `kernel_size` steps.
    pub fn new(
        unit: VectorUnit,
        input_dim: usize,
        filters: usize,
        kernel_size: usize,
        activation: Activation,
    ) -> Self {
        Self {
            unit,
            input_dim,
            filters,
            activation,
            taps: vec![Packed::new(unit, input_dim, filters); kernel_size],
            taps_transposed: vec![Packed::new(unit, filters, input_dim); kernel_size],
            bias: Buffer::zeros(padded(filters)),
        }
    }

    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        let shape = [self.taps.len(), self.input_dim, self.filters];
        vec![
            super::spec("kernel", &shape, Initializer::GlorotUniform),
            super::spec("bias", &[self.filters], Initializer::Zeros),
        ]
    }

    pub(super) fn load(&mut self, weights: &[f32]) {
        let tap_size = self.input_dim * self.filters;
        let (kernel, bias) = weights.split_at(self.taps.len() * tap_size);
        let taps = self.taps.iter_mut().zip(&mut self.taps_transposed);
        for ((tap, transposed), values) in taps.zip(kernel.chunks_exact(tap_size)) {
            tap.pack(values);
            transposed.pack_transposed(values);
        }
        self.bias[..self.filters].copy_from_slice(bias);
    }

    /// Time steps that an output sees, `K`.
    pub(super) fn kernel_size(&self) -> usize {
        self.taps.len()
    }

    /// For each tap `[C, F]`.
    pub(super) fn taps(&self) -> &[Packed] {
        &self.taps
    }

    /// For each tap `[F, C]`.
    pub(super) fn taps_transposed(&self) -> &[Packed] {
        &self.taps_transposed
    }

    pub(super) fn bias(&self) -> &[f32] {
        &self.bias
    }

    pub(super) fn activation(&self) -> Activation {
        self.activation
    }

    pub(super) fn output_dim(&self) -> usize {
        self.filters
    }

    pub(super) fn input_dim(&self) -> usize {
        self.input_dim
    }

    pub(super) fn state_dim(&self) -> usize {
        (self.taps.len() - 1) * padded(self.input_dim)
    }

    /// `input: [T, B, C]` to outputs `[T, B, F]`; `state: [B, (K − 1)·C]`, oldest step first.
    pub(super) fn forward(
        &self,
        shape: BlockShape,
        input: &[f32],
        state: &mut [f32],
        pass: &mut Pass,
    ) {
        let width = padded(self.input_dim);
        let step = shape.rows * width;
        let past = (self.taps.len() - 1) * step;
        pass.padded_input.resize(past + input.len());
        self.copy_state(state, &mut pass.padded_input[..past], shape.rows, CopyState::In);
        pass.padded_input[past..].copy_from_slice(input);

        pass.output.resize(shape.positions() * padded(self.filters));
        let mut from = From::Bias(&self.bias);
        for (j, tap) in self.taps.iter().enumerate() {
            let seen = &pass.padded_input[j * step..][..input.len()];
            multiply(Rows::new(seen, self.input_dim, width), tap, from, &mut pass.output);
            from = From::Out;
        }
        self.activation.apply(self.unit, &mut pass.output);
        let last = pass.padded_input.len() - past;
        self.copy_state(state, &mut pass.padded_input[last..], shape.rows, CopyState::Out);
    }

    /// Copies between a state `[B, K − 1, C]` and steps `[K − 1, B, C]`.
    fn copy_state(&self, state: &mut [f32], steps: &mut [f32], rows: usize, way: CopyState) {
        let width = padded(self.input_dim);
        for (place, value) in steps.chunks_exact_mut(width).enumerate() {
            let (j, row) = (place / rows, place % rows);
            let kept = &mut state[(row * (self.taps.len() - 1) + j) * width..][..width];
            match way {
                CopyState::In => value.copy_from_slice(kept),
                CopyState::Out => kept.copy_from_slice(value),
            }
        }
    }

    pub(super) fn backward(
        &self,
        shape: BlockShape,
        pass: &mut Pass,
        d_output: &mut Buffer,
        d_input: &mut [f32],
    ) {
        std::mem::swap(&mut pass.d_sums, d_output);
        self.activation.backward(&pass.output, &mut pass.d_sums);
        let step = shape.rows * padded(self.input_dim);
        pass.d_padded.reset(pass.padded_input.len());
        let rows = Rows::new(&pass.d_sums, self.filters, padded(self.filters));
        for (j, tap) in self.taps_transposed.iter().enumerate() {
            let seen = &mut pass.d_padded[j * step..][..d_input.len()];
            multiply(rows, tap, From::Out, seen);
        }
        // The state is where a window begins: no gradient goes further back.
        d_input.copy_from_slice(&pass.d_padded[(self.taps.len() - 1) * step..]);
    }

    /// For each panel of columns `[C, width]` of each tap, and then `[width]` of the bias.
    pub(super) fn gradient_pieces(&self) -> Vec<usize> {
        let rows = self.taps.len() * padded(self.input_dim) + 1;
        self.panels().map(|columns| rows * columns.len()).collect()
    }

    /// The panels of its columns.
    pub(super) fn panels(&self) -> Panels {
        Panels::new(self.unit, self.filters)
    }

    pub(super) fn add_gradient(
        &self,
        number: usize,
        shape: BlockShape,
        stripe: Stripe,
        pass: &Pass,
        out: &mut [f32],
    ) {
        let columns = self.panels().columns(number);
        let width = padded(self.input_dim);
        let d_sums = stripe.steps(&pass.d_sums, shape, padded(self.filters)).from(columns.start);
        let size = [shape.time, stripe.rows];
        let (of_taps, of_bias) = out.split_at_mut(self.taps.len() * width * columns.len());
        for (tap, out) in of_taps.chunks_exact_mut(width * columns.len()).enumerate() {
            let seen = stripe.steps(&pass.padded_input, shape, width);
            let seen = seen.from(tap * shape.rows * width);
            add_outer(self.unit, seen, d_sums, size, width, PanelGroup::single(columns.len()), out);
        }
        add_sums(self.unit, d_sums, size, of_bias);
    }

    pub(super) fn unpack_gradient(&self, pieces: &[Piece], out: &mut [f32]) {
        let tap_size = self.input_dim * self.filters;
        let (of_taps, of_bias) = out.split_at_mut(self.taps.len() * tap_size);
        for (columns, piece) in self.panels().zip(pieces) {
            let tap_piece = padded(self.input_dim) * columns.len();
            let (taps, bias) = piece.values.split_at(self.taps.len() * tap_piece);
            for (tap, out) in taps.chunks_exact(tap_piece).zip(of_taps.chunks_exact_mut(tap_size)) {
                super::unpack_columns(tap, columns.clone(), self.filters, out);
            }
            super::unpack_columns(bias, columns, self.filters, of_bias);
        }
    }
}

/// Which way a state is copied.
#[derive(Clone, Copy)]
enum CopyState {
    In,
    Out,
}
