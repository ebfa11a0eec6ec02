//! A fully connected layer.

use std::ops::Range;

use super::{Activation, Input};
use crate::math::matmul::{Packed, add_column_sums, matmul_add, matmul_transposed_add};
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
    bias: Vec<f32>,
}

/// The outputs of a block and, after the way back, the gradients of the sums before the activation.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    output: Vec<f32>,
    d_sums: Vec<f32>,
}

impl Pass {
    pub(super) fn output(&self) -> &[f32] {
        &self.output
    }

    pub(super) fn output_mut(&mut self) -> &mut [f32] {
        &mut self.output
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
            bias: vec![0.0; units],
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
        self.bias.copy_from_slice(bias);
    }

    pub(super) fn output_dim(&self) -> usize {
        self.units
    }

    /// `input: [N, C]` to outputs `[N, units]`.
    pub(super) fn forward(&self, input: &[f32], pass: &mut Pass) {
        super::resize(&mut pass.output, input.len() / self.input_dim * self.units);
        super::fill_rows(&mut pass.output, &self.bias);
        matmul_add(input, &self.kernel, &mut pass.output);
        self.activation.apply(self.unit, &mut pass.output);
    }

    pub(super) fn backward(&self, pass: &mut Pass, d_output: &[f32], d_input: &mut [f32]) {
        pass.d_sums.clear();
        pass.d_sums.extend_from_slice(d_output);
        self.activation.backward(&pass.output, &mut pass.d_sums);
        d_input.fill(0.0);
        matmul_add(&pass.d_sums, &self.kernel_transposed, d_input);
    }

    pub(super) fn add_weight_gradient(
        &self,
        weight: usize,
        rows: Range<usize>,
        input: Input<'_>,
        pass: &Pass,
        out: &mut [f32],
    ) {
        match weight {
            0 => {
                let sizes = [self.input_dim, self.units];
                matmul_transposed_add(self.unit, input.values(), sizes, rows, &pass.d_sums, out);
            }
            _ => add_column_sums(&pass.d_sums, out),
        }
    }
}
