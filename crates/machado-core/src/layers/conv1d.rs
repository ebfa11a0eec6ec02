//! A causal convolution over time: each output sees its own and the `K − 1` steps before.

use std::ops::Range;

use super::{Activation, BlockShape, Input};
use crate::math::matmul::{Packed, add_column_sums, matmul_add, matmul_transposed_add};
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
    bias: Vec<f32>,
}

/// What is kept of a block.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// The state, then the block's inputs: `[K − 1 + T, B, C]`.
    padded_input: Vec<f32>,
    /// `[T, B, F]`.
    output: Vec<f32>,
    /// Gradients of the sums before the activation, `[T, B, F]`.
    d_sums: Vec<f32>,
    /// Gradients of `padded_input`.
    d_padded: Vec<f32>,
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
            bias: vec![0.0; filters],
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
        self.bias.copy_from_slice(bias);
    }

    pub(super) fn output_dim(&self) -> usize {
        self.filters
    }

    pub(super) fn input_dim(&self) -> usize {
        self.input_dim
    }

    pub(super) fn state_dim(&self) -> usize {
        (self.taps.len() - 1) * self.input_dim
    }

    /// `input: [T, B, C]` to outputs `[T, B, F]`; `state: [B, (K − 1)·C]`, oldest step first.
    pub(super) fn forward(
        &self,
        shape: BlockShape,
        input: &[f32],
        state: &mut [f32],
        pass: &mut Pass,
    ) {
        let step = shape.rows * self.input_dim;
        let past = (self.taps.len() - 1) * step;
        super::resize(&mut pass.padded_input, past + input.len());
        self.copy_state(state, &mut pass.padded_input[..past], shape.rows, CopyState::In);
        pass.padded_input[past..].copy_from_slice(input);

        super::resize(&mut pass.output, shape.positions() * self.filters);
        super::fill_rows(&mut pass.output, &self.bias);
        for (j, tap) in self.taps.iter().enumerate() {
            let seen = &pass.padded_input[j * step..][..input.len()];
            matmul_add(seen, tap, &mut pass.output);
        }
        self.activation.apply(self.unit, &mut pass.output);
        let last = pass.padded_input.len() - past;
        self.copy_state(state, &mut pass.padded_input[last..], shape.rows, CopyState::Out);
    }

    /// Copies between a state `[B, K − 1, C]` and steps `[K − 1, B, C]`.
    fn copy_state(&self, state: &mut [f32], steps: &mut [f32], rows: usize, way: CopyState) {
        let width = self.input_dim;
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
        d_output: &[f32],
        d_input: &mut [f32],
    ) {
        pass.d_sums.clear();
        pass.d_sums.extend_from_slice(d_output);
        self.activation.backward(&pass.output, &mut pass.d_sums);
        let step = shape.rows * self.input_dim;
        pass.d_padded.clear();
        pass.d_padded.resize(pass.padded_input.len(), 0.0);
        for (j, tap) in self.taps_transposed.iter().enumerate() {
            let seen = &mut pass.d_padded[j * step..][..d_input.len()];
            matmul_add(&pass.d_sums, tap, seen);
        }
        // The state is where a window begins: no gradient goes further back.
        d_input.copy_from_slice(&pass.d_padded[(self.taps.len() - 1) * step..]);
    }

    /// Rows of the kernel are `[K·C]`: tap by tap.
    pub(super) fn add_weight_gradient(
        &self,
        weight: usize,
        rows: Range<usize>,
        input: Input<'_>,
        pass: &Pass,
        out: &mut [f32],
    ) {
        if weight == 1 {
            return add_column_sums(&pass.d_sums, out);
        }
        let block = input.values().len();
        let step = (pass.padded_input.len() - block) / (self.taps.len() - 1).max(1);
        let (width, filters) = (self.input_dim, self.filters);
        let mut row = rows.start;
        while row < rows.end {
            let (tap, first) = (row / width, row % width);
            let count = (width - first).min(rows.end - row);
            let seen = &pass.padded_input[tap * step..][..block];
            let out = &mut out[(row - rows.start) * filters..][..count * filters];
            let sizes = [width, filters];
            matmul_transposed_add(self.unit, seen, sizes, first..first + count, &pass.d_sums, out);
            row += count;
        }
    }
}

/// Which way a state is copied.
#[derive(Clone, Copy)]
enum CopyState {
    In,
    Out,
}
