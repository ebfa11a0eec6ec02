//! A row of a table for each token id.

use super::{Piece, Stripe};
use crate::layers::BlockShape;
use crate::math::buffer::Buffer;
use crate::math::matmul::padded;
use crate::params::{Initializer, ParameterSpec};

/// Keras' `Embedding`: `embeddings: [V, E]`.
#[derive(Clone, Debug)]
pub struct Embedding {
    vocabulary_size: usize,
    output_dim: usize,
    /// Rows padded.
    table: Buffer,
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
    pub fn new(vocabulary_size: usize, output_dim: usize) -> Self {
        Self { vocabulary_size, output_dim, table: Buffer::default() }
    }

    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        let shape = [self.vocabulary_size, self.output_dim];
        vec![super::spec("embeddings", &shape, Initializer::Uniform { limit: 0.05 })]
    }

    pub(super) fn load(&mut self, weights: &[f32]) {
        let width = padded(self.output_dim);
        self.table.resize(self.vocabulary_size * width);
        let rows = self.table.chunks_exact_mut(width);
        for (row, values) in rows.zip(weights.chunks_exact(self.output_dim)) {
            row[..self.output_dim].copy_from_slice(values);
        }
    }

    pub(super) fn output_dim(&self) -> usize {
        self.output_dim
    }

    /// `ids: [T, B]` to outputs `[T, B, E]`.
    pub(super) fn forward(&self, ids: &[u32], pass: &mut Pass) {
        let width = padded(self.output_dim);
        pass.output.resize(ids.len() * width);
        for (&id, row) in ids.iter().zip(pass.output.chunks_exact_mut(width)) {
            row.copy_from_slice(&self.table[id as usize * width..][..width]);
        }
    }

    pub(super) fn backward(&self, d_output: &mut Buffer, pass: &mut Pass) {
        std::mem::swap(&mut pass.d_output, d_output);
    }

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
        for t in 0..shape.time {
            let places = t * shape.rows + stripe.first..t * shape.rows + stripe.end();
            let d_rows =
                pass.d_output[places.start * width..places.end * width].chunks_exact(width);
            for (&id, d) in ids[places].iter().zip(d_rows) {
                let row = &mut out[id as usize * width..][..width];
                row.iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
            }
        }
    }

    pub(super) fn unpack_gradient(&self, pieces: &[Piece], out: &mut [f32]) {
        super::unpack_columns(&pieces[0].values, 0..padded(self.output_dim), self.output_dim, out);
    }
}
