//! A row of a table for each token id.

use super::{BlockShape, Piece, Stripe};
use crate::math::buffer::Buffer;
use crate::math::lookup::{add_to_rows, sum_rows};
use crate::math::matmul::padded;
use crate::math::simd::VectorUnit;
use crate::params::{Initializer, ParameterSpec};

/// Keras' `Embedding`: `embeddings: [V, E]`.
#[derive(Clone, Debug)]
pub struct Embedding {
    unit: VectorUnit,
    vocabulary_size: usize,
    output_dim: usize,
    /// A single table, `[V, E]`.
    table: [Buffer; 1],
}

/// The outputs of a block, and their gradients after the way back.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    output: Buffer,
    d_output: Buffer,
}

impl Pass {
    pub(super) fn output(&self) -> &[f32] {
        &self.output
    }

    pub(super) fn output_mut(&mut self) -> &mut [f32] {
        &mut self.output
    }
}

impl Embedding {
    /// A table of `vocabulary_size` rows of `output_dim` values.
    pub fn new(unit: VectorUnit, vocabulary_size: usize, output_dim: usize) -> Self {
        Self { unit, vocabulary_size, output_dim, table: [Buffer::default()] }
    }

    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        let shape = [self.vocabulary_size, self.output_dim];
        vec![super::spec("embeddings", &shape, Initializer::Uniform { limit: 0.05 })]
    }

    pub(super) fn load(&mut self, weights: &[f32]) {
        let width = padded(self.output_dim);
        let [table] = &mut self.table;
        table.resize(self.vocabulary_size * width);
        for (row, values) in
            table.chunks_exact_mut(width).zip(weights.chunks_exact(self.output_dim))
        {
            row[..self.output_dim].copy_from_slice(values);
        }
    }

    pub(super) fn output_dim(&self) -> usize {
        self.output_dim
    }

    /// The table, `[V, E]`.
    pub(super) fn table(&self) -> &[f32] {
        &self.table[0]
    }

    /// `ids: [T, B]` to outputs `[T, B, E]`.
    pub(super) fn forward(&self, ids: &[u32], pass: &mut Pass) {
        let width = padded(self.output_dim);
        pass.output.resize(ids.len() * width);
        sum_rows(self.unit, &self.table, ids, 0, width, &mut pass.output);
    }

    pub(super) fn backward(&self, d_output: &mut Buffer, pass: &mut Pass) {
        std::mem::swap(&mut pass.d_output, d_output);
    }

    /// A single piece, `[V, E]`.
    pub(super) fn gradient_pieces(&self) -> Vec<usize> {
        vec![self.vocabulary_size * padded(self.output_dim)]
    }

    /// The gradient of a table row is the sum over the places where its token stood.
    pub(super) fn add_gradient(
        &self,
        shape: BlockShape,
        stripe: Stripe,
        ids: &[u32],
        pass: &Pass,
        out: &mut [f32],
    ) {
        let width = padded(self.output_dim);
        let (d_output, ids) = (stripe.steps(&pass.d_output, shape, width), &ids[stripe.first..]);
        let size = [shape.time, stripe.rows];
        add_to_rows(self.unit, d_output, ids, shape.rows, size, width, out);
    }

    pub(super) fn unpack_gradient(&self, pieces: &[Piece], out: &mut [f32]) {
        let columns = 0..padded(self.output_dim);
        super::unpack_columns(&pieces[0].values, columns, self.output_dim, out);
    }
}
