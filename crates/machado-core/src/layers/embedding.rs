//! A row of a table for each token id.

use std::ops::Range;

use super::Input;
use crate::params::{Initializer, ParameterSpec};

/// Keras' `Embedding`: `embeddings: [V, E]`.
#[derive(Clone, Debug)]
pub struct Embedding {
    vocabulary_size: usize,
    output_dim: usize,
    table: Vec<f32>,
}

/// The outputs of a block, and their gradients after the way back.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    output: Vec<f32>,
    d_output: Vec<f32>,
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
        Self { vocabulary_size, output_dim, table: Vec::new() }
    }

    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        let shape = [self.vocabulary_size, self.output_dim];
        vec![super::spec("embeddings", &shape, Initializer::Uniform { limit: 0.05 })]
    }

    pub(super) fn load(&mut self, weights: &[f32]) {
        self.table.clear();
        self.table.extend_from_slice(weights);
    }

    pub(super) fn output_dim(&self) -> usize {
        self.output_dim
    }

    /// `ids: [T, B]` to outputs `[T, B, E]`.
    pub(super) fn forward(&self, ids: &[u32], pass: &mut Pass) {
        let width = self.output_dim;
        super::resize(&mut pass.output, ids.len() * width);
        for (&id, row) in ids.iter().zip(pass.output.chunks_exact_mut(width)) {
            row.copy_from_slice(&self.table[id as usize * width..][..width]);
        }
    }

    pub(super) fn backward(&self, d_output: &[f32], pass: &mut Pass) {
        pass.d_output.clear();
        pass.d_output.extend_from_slice(d_output);
    }

    /// The gradient of a table row is the sum over the places where its token stood.
    pub(super) fn add_weight_gradient(
        &self,
        _weight: usize,
        rows: Range<usize>,
        input: Input<'_>,
        pass: &Pass,
        out: &mut [f32],
    ) {
        let width = self.output_dim;
        for (&id, d) in input.ids().iter().zip(pass.d_output.chunks_exact(width)) {
            if rows.contains(&(id as usize)) {
                let row = &mut out[(id as usize - rows.start) * width..][..width];
                row.iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
            }
        }
    }
}
