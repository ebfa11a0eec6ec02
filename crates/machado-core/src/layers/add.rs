//! The sum of two layers' outputs.

use crate::math::buffer::Buffer;

/// Keras' `Add` over the layer before it and an earlier one: what goes around the layers in between
/// reaches the output, and the gradient the input, without loss (a residual connection).
#[derive(Clone, Debug)]
pub struct Add {
    source: usize,
    dim: usize,
}

/// The outputs of a block.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    output: Buffer,
}

impl Pass {
    pub(super) fn output(&self) -> &[f32] {
        &self.output
    }

    pub(super) fn output_mut(&mut self) -> &mut [f32] {
        &mut self.output
    }
}

impl Add {
    /// Adds the output of the layer at place `source` of the stack, which has `dim` channels as the
    /// one before has.
    pub fn new(source: usize, dim: usize) -> Self {
        Self { source, dim }
    }

    /// The place of the earlier layer.
    pub fn source(&self) -> usize {
        self.source
    }

    /// Channels of the output.
    pub fn output_dim(&self) -> usize {
        self.dim
    }

    /// Two inputs `[T, B, C]` to their sum.
    pub(super) fn forward(&self, input: &[f32], earlier: &[f32], pass: &mut Pass) {
        pass.output.set(input);
        pass.output.iter_mut().zip(earlier).for_each(|(sum, value)| *sum += value);
    }
}
