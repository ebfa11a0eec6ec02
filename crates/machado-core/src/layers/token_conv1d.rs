//! An embedding and the convolution over it in one.
//!
//! What a tap of the convolution makes of a token is a row of a table, `embeddings · tap`, so the
//! layer is a sum of table rows, one for each tap. The tables cost as much as the convolution of
//! `V` positions, and then nothing is left to multiply: that wins when a vocabulary is smaller than
//! a batch. On the way back the gradients are scattered to tables of the same shape, and those
//! become the gradients of embedding and kernel by products of that size again.

use super::{BlockShape, Conv1d, Embedding, Piece, Stripe};
use crate::math::buffer::Buffer;
use crate::math::lookup::{add_to_rows, sum_rows};
use crate::math::matmul::{From, Rows, multiply, padded};
use crate::math::outer::{PanelGroup, add_outer};
use crate::math::simd::VectorUnit;
use crate::math::tile::Steps;
use crate::params::ParameterSpec;

/// The largest vocabulary for which tables are made: about the positions of a batch.
const LARGEST_VOCABULARY: usize = 4096;

/// [`Embedding`] and [`Conv1d`], computed as look-ups.
///
/// The state is the last `K − 1` tokens of each row, as id + 1; 0 stands for none. So after a
/// carried state the gradient of the embedding includes the tokens of the batch before, which for
/// the two layers apart are values without a past.
#[derive(Clone, Debug)]
pub struct TokenConv1d {
    unit: VectorUnit,
    embedding: Embedding,
    conv1d: Conv1d,
    vocabulary_size: usize,
    /// For each tap `[1 + V, F]`: row 0 for no token, then one for each.
    tables: Vec<Buffer>,
}

/// What is kept of a block.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// Rows of the tables, those of the state before the block's: `[K − 1 + T, B]`.
    rows: Vec<u32>,
    /// `[T, B, F]`.
    output: Buffer,
    /// Gradients of the sums before the activation, `[T, B, F]`.
    d_sums: Buffer,
}

impl Pass {
    pub(super) fn output(&self) -> &[f32] {
        &self.output
    }

    pub(super) fn output_mut(&mut self) -> &mut [f32] {
        &mut self.output
    }
}

impl TokenConv1d {
    /// Whether look-ups are faster for a vocabulary of this size.
    pub fn pays(vocabulary_size: usize) -> bool {
        vocabulary_size <= LARGEST_VOCABULARY
    }

    /// The two layers in one.
    pub fn new(
        unit: VectorUnit,
        vocabulary_size: usize,
        embedding: Embedding,
        conv1d: Conv1d,
    ) -> Self {
        let tables = vec![Buffer::default(); conv1d.kernel_size()];
        Self { unit, embedding, conv1d, vocabulary_size, tables }
    }

    /// Those of the embedding and then those of the convolution.
    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        [self.embedding.parameters(), self.conv1d.parameters()].concat()
    }

    pub(super) fn load(&mut self, weights: &[f32]) {
        let (embeddings, of_conv1d) = weights.split_at(self.embeddings_len());
        self.embedding.load(embeddings);
        self.conv1d.load(of_conv1d);
        let width = self.width();
        let embedding_dim = self.embedding.output_dim();
        let rows = Rows::new(self.embedding.table(), embedding_dim, padded(embedding_dim));
        for (tap, table) in self.conv1d.taps().iter().zip(&mut self.tables) {
            table.resize((1 + self.vocabulary_size) * width);
            multiply(rows, tap, From::Zero, &mut table[width..]);
        }
        // The last tap always meets a token, so its table holds the bias.
        let last = self.tables.last_mut().expect("a convolution has a tap");
        for row in last[width..].chunks_exact_mut(width) {
            row.iter_mut().zip(self.conv1d.bias()).for_each(|(value, bias)| *value += bias);
        }
    }

    fn embeddings_len(&self) -> usize {
        self.vocabulary_size * self.embedding.output_dim()
    }

    fn width(&self) -> usize {
        padded(self.conv1d.output_dim())
    }

    pub(super) fn output_dim(&self) -> usize {
        self.conv1d.output_dim()
    }

    pub(super) fn state_dim(&self) -> usize {
        self.tables.len() - 1
    }

    /// Whether all values are ids + 1, or 0.
    pub(super) fn accepts_state(&self, values: &[f32]) -> bool {
        let most = self.vocabulary_size as f32;
        values.iter().all(|&value| value.fract() == 0.0 && (0.0..=most).contains(&value))
    }

    /// `ids: [T, B]` to outputs `[T, B, F]`; `state: [B, K − 1]`, oldest token first.
    pub(super) fn forward(
        &self,
        shape: BlockShape,
        ids: &[u32],
        state: &mut [f32],
        pass: &mut Pass,
    ) {
        let past = self.state_dim();
        pass.rows.clear();
        for step in 0..past {
            // Ids are whole numbers that an f32 holds exactly.
            pass.rows.extend((0..shape.rows).map(|row| state[row * past + step] as u32));
        }
        pass.rows.extend(ids.iter().map(|&id| 1 + id));
        for (place, &row) in pass.rows[shape.positions()..].iter().enumerate() {
            state[place % shape.rows * past + place / shape.rows] = row as f32;
        }
        let width = self.width();
        pass.output.resize(shape.positions() * width);
        sum_rows(self.unit, &self.tables, &pass.rows, shape.rows, width, &mut pass.output);
        self.conv1d.activation().apply(self.unit, &mut pass.output);
    }

    pub(super) fn backward(&self, pass: &mut Pass, d_output: &mut Buffer) {
        std::mem::swap(&mut pass.d_sums, d_output);
        self.conv1d.activation().backward(&pass.output, &mut pass.d_sums);
    }

    /// One piece for each tap, a table like its own.
    pub(super) fn gradient_pieces(&self) -> Vec<usize> {
        vec![(1 + self.vocabulary_size) * self.width(); self.tables.len()]
    }

    pub(super) fn add_gradient(
        &self,
        tap: usize,
        shape: BlockShape,
        stripe: Stripe,
        pass: &Pass,
        out: &mut [f32],
    ) {
        let width = self.width();
        let d_sums = stripe.steps(&pass.d_sums, shape, width);
        let rows = &pass.rows[tap * shape.rows + stripe.first..];
        let size = [shape.time, stripe.rows];
        add_to_rows(self.unit, d_sums, rows, shape.rows, size, width, out);
    }

    pub(super) fn unpack_gradient(&self, pieces: &[Piece], out: &mut [f32]) {
        let (width, filters) = (self.width(), self.output_dim());
        let embedding_dim = self.embedding.output_dim();
        let inputs = padded(embedding_dim);
        let (of_embedding, of_conv1d) = out.split_at_mut(self.embeddings_len());
        let (of_taps, of_bias) = of_conv1d.split_at_mut(pieces.len() * embedding_dim * filters);
        let mut d_embeddings = Buffer::zeros(self.vocabulary_size * inputs);
        let mut d_tap = Buffer::default();
        let transposed = self.conv1d.taps_transposed();
        let of_taps = of_taps.chunks_exact_mut(embedding_dim * filters);
        for ((piece, tap_transposed), out) in pieces.iter().zip(transposed).zip(of_taps) {
            let d_table = &piece.values[width..];
            let rows = Rows::new(d_table, filters, width);
            multiply(rows, tap_transposed, From::Out, &mut d_embeddings);
            let steps = |data, stride| Steps { data, first: 0, step: stride, stride };
            let a = steps(self.embedding.table(), inputs);
            for columns in self.conv1d.panels() {
                let b = steps(d_table, width).from(columns.start);
                d_tap.reset(inputs * columns.len());
                let size = [self.vocabulary_size, 1];
                let panel = PanelGroup::single(columns.len());
                add_outer(self.unit, a, b, size, inputs, panel, &mut d_tap);
                super::unpack_columns(&d_tap, columns, filters, out);
            }
        }
        super::unpack_columns(&d_embeddings, 0..inputs, embedding_dim, of_embedding);
        of_bias.fill(0.0);
        let last = &pieces[pieces.len() - 1].values;
        for row in last.chunks_exact(width) {
            of_bias.iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
        }
    }
}
