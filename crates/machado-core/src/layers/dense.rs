//! A fully connected layer.

use super::{Activation, BlockShape, Panels, Piece, Stripe};
use crate::math::buffer::Buffer;
use crate::math::matmul::{From, Packed, Rows, multiply, padded};
use crate::math::outer::{PanelGroup, add_outer, add_sums};
use crate::math::simd::VectorUnit;
use crate::params::{Initializer, ParameterSpec};

/// Keras' `Dense`: `activation(x · kernel + bias)` with `kernel: [C, units]`, `bias: [units]`.
#[derive(Clone, Debug)]
pub struct Dense {
    unit: VectorUnit,
    input_dim: usize,
    units: usize,
    activation: Activation,
    kernel: Packed,
    kernel_transposed: Packed,
    /// Padded.
    bias: Buffer,
}

/// The outputs of a block and, after the way back, the gradients of the sums before the activation.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    output: Buffer,
    d_sums: Buffer,
}

impl Pass {
    pub(super) fn output(&self) -> &[f32] {
        &self.output
    }

    pub(super) fn output_mut(&mut self) -> &mut [f32] {
        &mut self.output
    }

    /// Exchanges the outputs with `other`.
    pub(super) fn swap_output(&mut self, other: &mut Buffer) {
        std::mem::swap(&mut self.output, other);
    }
}

impl Dense {
    /// `units` outputs from `input_dim` inputs.
    pub fn new(unit: VectorUnit, input_dim: usize, units: usize, activation: Activation) -> Self {
        Self {
            unit,
            input_dim,
            units,
            activation,
            kernel: Packed::new(unit, input_dim, units),
            kernel_transposed: Packed::new(unit, units, input_dim),
            bias: Buffer::zeros(padded(units)),
        }
    }

    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        vec![
            super::spec("kernel", &[self.input_dim, self.units], Initializer::GlorotUniform),
            super::spec("bias", &[self.units], Initializer::Zeros),
        ]
    }

    pub(super) fn load(&mut self, weights: &[f32]) {
        let (kernel, bias) = weights.split_at(self.input_dim * self.units);
        self.kernel.pack(kernel);
        self.kernel_transposed.pack_transposed(kernel);
        self.bias[..self.units].copy_from_slice(bias);
    }

    pub(super) fn output_dim(&self) -> usize {
        self.units
    }

    /// `input: [N, C]` to outputs `[N, units]`.
    pub(super) fn forward(&self, input: &[f32], pass: &mut Pass) {
        let stride = padded(self.input_dim);
        pass.output.resize(input.len() / stride * padded(self.units));
        let rows = Rows::new(input, self.input_dim, stride);
        multiply(rows, &self.kernel, From::Bias(&self.bias), &mut pass.output);
        self.activation.apply(self.unit, &mut pass.output);
    }

    pub(super) fn backward(&self, pass: &mut Pass, d_output: &mut Buffer, d_input: &mut [f32]) {
        std::mem::swap(&mut pass.d_sums, d_output);
        self.activation.backward(&pass.output, &mut pass.d_sums);
        let rows = Rows::new(&pass.d_sums, self.units, padded(self.units));
        multiply(rows, &self.kernel_transposed, From::Zero, d_input);
    }

    /// One piece for each panel of columns: `[C, width]` of the kernel, `[width]` of the bias.
    pub(super) fn gradient_pieces(&self) -> Vec<usize> {
        let rows = padded(self.input_dim) + 1;
        self.panels().map(|columns| rows * columns.len()).collect()
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
        let columns = self.panels().columns(number);
        let input = stripe.steps(input, shape, padded(self.input_dim));
        let d_sums = stripe.steps(&pass.d_sums, shape, padded(self.units)).from(columns.start);
        let (of_kernel, of_bias) = out.split_at_mut(padded(self.input_dim) * columns.len());
        let size = [shape.time, stripe.rows];
        let panel = PanelGroup::single(columns.len());
        add_outer(self.unit, input, d_sums, size, padded(self.input_dim), panel, of_kernel);
        add_sums(self.unit, d_sums, size, of_bias);
    }

    pub(super) fn unpack_gradient(&self, pieces: &[Piece], out: &mut [f32]) {
        let (of_kernel, of_bias) = out.split_at_mut(self.input_dim * self.units);
        for (columns, piece) in self.panels().zip(pieces) {
            let (kernel, bias) = piece.values.split_at(padded(self.input_dim) * columns.len());
            super::unpack_columns(kernel, columns.clone(), self.units, of_kernel);
            super::unpack_columns(bias, columns, self.units, of_bias);
        }
    }
}
