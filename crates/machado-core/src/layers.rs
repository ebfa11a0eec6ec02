//! The layers: each one file, with its weights, its forward and its backward pass.
//!
//! A layer computes a *block*: some rows of a batch over all time steps, time-major `[T, B, C]`
//! (letters in [`math`](crate::math)). A [`Pass`] holds what one block needs: the outputs, and what
//! the way back wants to know. Blocks share the layer, so several threads can compute them.
//!
//! The way back has two halves. [`Layer::backward`] goes through time, block by block: it turns the
//! gradient of the output into the gradient of the input and leaves in the pass the gradients of
//! the sums that the weights took part in. [`Layer::add_gradient`] then sums these over all rows and
//! steps, for one piece of the weights: that half is split by weight, not by row, so no thread needs
//! a copy of the gradients, and the order of each sum is fixed.
//!
//! All values `[T, B, C]` have rows padded with zeros to a multiple of [`PADDING`](crate::math::matmul::PADDING) values.

mod activation;
mod add;
mod conv1d;
mod dense;
mod dropout;
mod embedding;
mod gru;
mod gru_reset_before;
mod token_conv1d;

use std::ops::Range;

pub use self::activation::Activation;
pub use self::add::Add;
pub use self::conv1d::Conv1d;
pub use self::dense::Dense;
pub use self::dropout::{Dropout, DropoutPer};
pub use self::embedding::Embedding;
pub use self::gru::Gru;
pub use self::gru_reset_before::GruResetBefore;
pub use self::token_conv1d::TokenConv1d;
use crate::math::buffer::Buffer;
use crate::math::matmul::padded;
use crate::math::outer::STRIPE;
use crate::math::simd::VectorUnit;
use crate::math::tile::{self, Steps};
use crate::params::ParameterSpec;

/// The size of a block: `T` time steps of `B` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockShape {
    /// Time steps, `T`.
    pub time: usize,
    /// Rows, `B`.
    pub rows: usize,
}

impl BlockShape {
    /// Positions, `T · B`.
    pub fn positions(self) -> usize {
        self.time * self.rows
    }

    /// The rows in stripes, whose gradients are summed one stripe after the other.
    pub fn stripes(self) -> impl Iterator<Item = Stripe> {
        let rows = self.rows;
        (0..rows).step_by(STRIPE).map(move |first| Stripe { first, rows: STRIPE.min(rows - first) })
    }
}

/// The rows of a batch in blocks, one for each thread, of whole stripes. How they are cut changes
/// no result: rows do not influence each other, and gradients are summed by stripes.
pub fn cut_rows(rows: usize, threads: usize) -> impl Iterator<Item = Range<usize>> {
    let stripes = rows.div_ceil(STRIPE);
    let size = STRIPE * stripes.div_ceil(threads).max(1);
    (0..rows).step_by(size).map(move |first| first..(first + size).min(rows))
}

/// Some neighbouring rows of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripe {
    /// The first one.
    pub first: usize,
    /// How many.
    pub rows: usize,
}

impl Stripe {
    /// Its rows in values `[T, B, width]`.
    fn steps(self, data: &[f32], shape: BlockShape, width: usize) -> Steps<'_> {
        Steps { data, first: self.first * width, step: shape.rows * width, stride: width }
    }
}

/// Part of the gradient of a layer's weights, in an order that suits the arithmetic.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The layer's place in the stack.
    pub layer: usize,
    /// The piece's number in the layer.
    pub number: usize,
    /// Its values.
    pub values: Buffer,
}

/// Whether a forward pass is part of training, and if so, where its random choices come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Dropout does nothing, and nothing is kept for a way back.
    Inference,
    /// Dropout is on.
    Training {
        /// The run's seed.
        seed: u64,
        /// The number of the step in the run.
        step: u64,
        /// The number of the block's first row in the batch.
        first_row: u64,
    },
}

/// Changes states, `[B, S]`.
pub type ChangeStates<'a> = &'a dyn Fn(&mut [f32]);

/// What a layer carries from one block to the next.
pub struct State<'a> {
    /// `[B, S]` with `S` = [`Layer::state_dim`].
    pub values: &'a mut [f32],
    /// Called with the new states of each step, `[B, S]`, of a recurrent layer, which goes on from
    /// what it leaves there.
    pub change: Option<ChangeStates<'a>>,
}

impl<'a> From<&'a mut [f32]> for State<'a> {
    /// A state that nobody changes.
    fn from(values: &'a mut [f32]) -> Self {
        Self { values, change: None }
    }
}

/// What goes into a layer.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Token ids `[T, B]`, for the first layer.
    Ids(&'a [u32]),
    /// Values `[T, B, C]`.
    Values(&'a [f32]),
    /// Those of the layer before and of an earlier one, for an [`Add`].
    Pair(&'a [f32], &'a [f32]),
}

impl<'a> Input<'a> {
    fn ids(self) -> &'a [u32] {
        match self {
            Self::Ids(ids) => ids,
            _ => panic!("an embedding was given values instead of ids"),
        }
    }

    fn values(self) -> &'a [f32] {
        match self {
            Self::Values(values) => values,
            _ => panic!("a layer was given something else than the values of one other"),
        }
    }

    fn pair(self) -> [&'a [f32]; 2] {
        match self {
            Self::Pair(input, earlier) => [input, earlier],
            _ => panic!("a sum was given one input"),
        }
    }
}

/// A layer of any type, with its weights in the form that its arithmetic wants.
#[derive(Clone, Debug)]
pub enum Layer {
    /// See [`Embedding`].
    Embedding(Embedding),
    /// See [`Conv1d`].
    Conv1d(Conv1d),
    /// See [`TokenConv1d`].
    TokenConv1d(TokenConv1d),
    /// See [`Gru`].
    Gru(Gru),
    /// See [`GruResetBefore`].
    GruResetBefore(GruResetBefore),
    /// See [`Dropout`].
    Dropout(Dropout),
    /// See [`Add`].
    Add(Add),
    /// See [`Dense`].
    Dense(Dense),
}

/// What a layer keeps of one block between its forward and its backward pass.
#[derive(Clone, Debug)]
pub enum Pass {
    /// Of an [`Embedding`].
    Embedding(embedding::Pass),
    /// Of a [`Conv1d`].
    Conv1d(conv1d::Pass),
    /// Of a [`TokenConv1d`].
    TokenConv1d(token_conv1d::Pass),
    /// Of a [`Gru`].
    Gru(gru::Pass),
    /// Of a [`GruResetBefore`].
    GruResetBefore(gru_reset_before::Pass),
    /// Of a [`Dropout`].
    Dropout(dropout::Pass),
    /// Of an [`Add`].
    Add(add::Pass),
    /// Of a [`Dense`].
    Dense(dense::Pass),
}

impl Layer {
    /// Its weights; the names lack the layer's own name and slash.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        match self {
            Self::Embedding(layer) => layer.parameters(),
            Self::Conv1d(layer) => layer.parameters(),
            Self::TokenConv1d(layer) => layer.parameters(),
            Self::Gru(layer) => layer.parameters(),
            Self::GruResetBefore(layer) => layer.parameters(),
            Self::Dense(layer) => layer.parameters(),
            Self::Dropout(_) | Self::Add(_) => Vec::new(),
        }
    }

    /// Takes over the values of its weights, all of them one behind the other.
    pub fn load(&mut self, weights: &[f32]) {
        match self {
            Self::Embedding(layer) => layer.load(weights),
            Self::Conv1d(layer) => layer.load(weights),
            Self::TokenConv1d(layer) => layer.load(weights),
            Self::Gru(layer) => layer.load(weights),
            Self::GruResetBefore(layer) => layer.load(weights),
            Self::Dense(layer) => layer.load(weights),
            Self::Dropout(_) | Self::Add(_) => {}
        }
    }

    /// Channels of its output.
    pub fn output_dim(&self) -> usize {
        match self {
            Self::Embedding(layer) => layer.output_dim(),
            Self::Conv1d(layer) => layer.output_dim(),
            Self::TokenConv1d(layer) => layer.output_dim(),
            Self::Gru(layer) => layer.output_dim(),
            Self::GruResetBefore(layer) => layer.output_dim(),
            Self::Dropout(layer) => layer.output_dim(),
            Self::Add(layer) => layer.output_dim(),
            Self::Dense(layer) => layer.output_dim(),
        }
    }

    /// The place of the earlier layer whose output it adds to that of the one before.
    pub fn adds(&self) -> Option<usize> {
        match self {
            Self::Add(layer) => Some(layer.source()),
            _ => None,
        }
    }

    /// Values per row that it carries from one step to the next.
    pub fn state_dim(&self) -> usize {
        match self {
            Self::Conv1d(layer) => layer.state_dim(),
            Self::TokenConv1d(layer) => layer.state_dim(),
            Self::Gru(layer) => layer.state_dim(),
            Self::GruResetBefore(layer) => layer.state_dim(),
            Self::Embedding(_) | Self::Dropout(_) | Self::Add(_) | Self::Dense(_) => 0,
        }
    }

    /// Whether these values, read from a file, can be a state.
    pub fn accepts_state(&self, values: &[f32]) -> bool {
        match self {
            Self::TokenConv1d(layer) => layer.accepts_state(values),
            _ => values.iter().all(|value| value.is_finite()),
        }
    }

    /// `f32` values that a [`Pass`] keeps per position, to plan memory with.
    pub fn values_per_position(&self) -> usize {
        match self {
            Self::Embedding(_)
            | Self::TokenConv1d(_)
            | Self::Dropout(_)
            | Self::Add(_)
            | Self::Dense(_) => 2 * padded(self.output_dim()),
            Self::Conv1d(layer) => 2 * padded(layer.output_dim()) + 2 * padded(layer.input_dim()),
            Self::Gru(layer) => 5 * padded(layer.output_dim()),
            // Its inputs are multiplied for all steps at once, as those of a convolution.
            Self::GruResetBefore(layer) => {
                5 * padded(layer.output_dim()) + padded(layer.input_dim())
            }
        }
    }

    /// Multiply-adds per position on the way forward, without any that look-ups save; the way back
    /// takes twice as many.
    pub fn multiply_adds(&self) -> usize {
        match self {
            Self::Embedding(_) | Self::Dropout(_) | Self::Add(_) => 0,
            Self::Conv1d(_)
            | Self::TokenConv1d(_)
            | Self::Gru(_)
            | Self::GruResetBefore(_)
            | Self::Dense(_) => {
                let is_matrix = |spec: &ParameterSpec| spec.name.ends_with("kernel");
                let matrices = self.parameters().into_iter().filter(is_matrix);
                matrices.map(|spec| spec.size()).sum()
            }
        }
    }

    /// An empty pass for blocks of this layer.
    pub fn new_pass(&self) -> Pass {
        match self {
            Self::Embedding(_) => Pass::Embedding(embedding::Pass::default()),
            Self::Conv1d(_) => Pass::Conv1d(conv1d::Pass::default()),
            Self::TokenConv1d(_) => Pass::TokenConv1d(token_conv1d::Pass::default()),
            Self::Gru(_) => Pass::Gru(gru::Pass::default()),
            Self::GruResetBefore(_) => Pass::GruResetBefore(gru_reset_before::Pass::default()),
            Self::Dropout(_) => Pass::Dropout(dropout::Pass::default()),
            Self::Add(_) => Pass::Add(add::Pass::default()),
            Self::Dense(_) => Pass::Dense(dense::Pass::default()),
        }
    }

    /// Computes the output of a block, to be read with [`Pass::output`].
    ///
    /// `state` is where the block starts from, and receives where it ends.
    pub fn forward(
        &self,
        shape: BlockShape,
        mode: Mode,
        input: Input<'_>,
        state: State<'_>,
        pass: &mut Pass,
    ) {
        match (self, pass) {
            (Self::Embedding(layer), Pass::Embedding(pass)) => layer.forward(input.ids(), pass),
            (Self::Conv1d(layer), Pass::Conv1d(pass)) => {
                layer.forward(shape, input.values(), state.values, pass);
            }
            (Self::TokenConv1d(layer), Pass::TokenConv1d(pass)) => {
                layer.forward(shape, input.ids(), state.values, pass);
            }
            (Self::Gru(layer), Pass::Gru(pass)) => {
                layer.forward(shape, mode, input.values(), state, pass);
            }
            (Self::GruResetBefore(layer), Pass::GruResetBefore(pass)) => {
                layer.forward(shape, input.values(), state, pass);
            }
            (Self::Dropout(layer), Pass::Dropout(pass)) => {
                layer.forward(shape, mode, input.values(), pass);
            }
            (Self::Add(layer), Pass::Add(pass)) => {
                let [input, earlier] = input.pair();
                layer.forward(input, earlier, pass);
            }
            (Self::Dense(layer), Pass::Dense(pass)) => layer.forward(input.values(), pass),
            (layer, pass) => panic!("{layer:?} was given the pass {pass:?} of another layer"),
        }
    }

    /// The way back through a block: from `d_output: [T, B, C]` to `d_input`, which is overwritten.
    /// A layer that begins with an embedding has no gradient of its input; its `d_input` is left
    /// alone. The layer may keep `d_output` and leave another buffer in its place.
    pub fn backward(
        &self,
        shape: BlockShape,
        pass: &mut Pass,
        d_output: &mut Buffer,
        d_input: &mut [f32],
    ) {
        match (self, pass) {
            (Self::Embedding(layer), Pass::Embedding(pass)) => layer.backward(d_output, pass),
            (Self::Conv1d(layer), Pass::Conv1d(pass)) => {
                layer.backward(shape, pass, d_output, d_input);
            }
            (Self::TokenConv1d(layer), Pass::TokenConv1d(pass)) => layer.backward(pass, d_output),
            (Self::Gru(layer), Pass::Gru(pass)) => layer.backward(shape, pass, d_output, d_input),
            (Self::GruResetBefore(layer), Pass::GruResetBefore(pass)) => {
                layer.backward(shape, pass, d_output, d_input);
            }
            (Self::Dropout(layer), Pass::Dropout(pass)) => layer.backward(pass, d_output, d_input),
            // The earlier layer gets the same gradient: see `model/block.rs`.
            (Self::Add(_), Pass::Add(_)) => d_input.copy_from_slice(d_output),
            (Self::Dense(layer), Pass::Dense(pass)) => layer.backward(pass, d_output, d_input),
            (layer, pass) => panic!("{layer:?} was given the pass {pass:?} of another layer"),
        }
    }

    /// The lengths of the pieces in which the gradient of its weights is summed. Pieces can be
    /// computed on different threads.
    pub fn gradient_pieces(&self) -> Vec<usize> {
        match self {
            Self::Embedding(layer) => layer.gradient_pieces(),
            Self::Conv1d(layer) => layer.gradient_pieces(),
            Self::TokenConv1d(layer) => layer.gradient_pieces(),
            Self::Gru(layer) => layer.gradient_pieces(),
            Self::GruResetBefore(layer) => layer.gradient_pieces(),
            Self::Dropout(_) | Self::Add(_) => Vec::new(),
            Self::Dense(layer) => layer.gradient_pieces(),
        }
    }

    /// Adds some rows' share to a piece of the gradient. To be called after
    /// [`backward`](Self::backward).
    pub fn add_gradient(
        &self,
        shape: BlockShape,
        stripe: Stripe,
        input: Input<'_>,
        pass: &Pass,
        piece: &mut Piece,
    ) {
        let (number, out) = (piece.number, &mut piece.values[..]);
        match (self, pass) {
            (Self::Embedding(layer), Pass::Embedding(pass)) => {
                layer.add_gradient(shape, stripe, input.ids(), pass, out);
            }
            (Self::Conv1d(layer), Pass::Conv1d(pass)) => {
                layer.add_gradient(number, shape, stripe, pass, out);
            }
            (Self::TokenConv1d(layer), Pass::TokenConv1d(pass)) => {
                layer.add_gradient(number, shape, stripe, pass, out);
            }
            (Self::Gru(layer), Pass::Gru(pass)) => {
                layer.add_gradient(number, shape, stripe, input.values(), pass, out);
            }
            (Self::GruResetBefore(layer), Pass::GruResetBefore(pass)) => {
                layer.add_gradient(number, shape, stripe, input.values(), pass, out);
            }
            (Self::Dense(layer), Pass::Dense(pass)) => {
                layer.add_gradient(number, shape, stripe, input.values(), pass, out);
            }
            (layer, pass) => panic!("{layer:?} has no gradient with the pass {pass:?}"),
        }
    }

    /// Puts the pieces into the order of the weights.
    pub fn unpack_gradient(&self, pieces: &[Piece], out: &mut [f32]) {
        match self {
            Self::Embedding(layer) => layer.unpack_gradient(pieces, out),
            Self::Conv1d(layer) => layer.unpack_gradient(pieces, out),
            Self::TokenConv1d(layer) => layer.unpack_gradient(pieces, out),
            Self::Gru(layer) => layer.unpack_gradient(pieces, out),
            Self::GruResetBefore(layer) => layer.unpack_gradient(pieces, out),
            Self::Dropout(_) | Self::Add(_) => {}
            Self::Dense(layer) => layer.unpack_gradient(pieces, out),
        }
    }
}

impl Pass {
    /// The output of the block, `[T, B, C]`.
    pub fn output(&self) -> &[f32] {
        match self {
            Self::Embedding(pass) => pass.output(),
            Self::Conv1d(pass) => pass.output(),
            Self::TokenConv1d(pass) => pass.output(),
            Self::Gru(pass) => pass.output(),
            Self::GruResetBefore(pass) => pass.output(),
            Self::Dropout(pass) => pass.output(),
            Self::Add(pass) => pass.output(),
            Self::Dense(pass) => pass.output(),
        }
    }

    /// The output, to be changed in place.
    pub fn output_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Embedding(pass) => pass.output_mut(),
            Self::Conv1d(pass) => pass.output_mut(),
            Self::TokenConv1d(pass) => pass.output_mut(),
            Self::Gru(pass) => pass.output_mut(),
            Self::GruResetBefore(pass) => pass.output_mut(),
            Self::Dropout(pass) => pass.output_mut(),
            Self::Add(pass) => pass.output_mut(),
            Self::Dense(pass) => pass.output_mut(),
        }
    }

    /// Exchanges the output of a dense layer with another buffer.
    ///
    /// # Panics
    /// If the layer is no dense one.
    pub fn swap_output(&mut self, other: &mut Buffer) {
        match self {
            Self::Dense(pass) => pass.swap_output(other),
            pass => panic!("{pass:?} is not the pass of a dense layer"),
        }
    }
}

/// The weight `name` of a layer.
fn spec(name: &str, shape: &[usize], initializer: crate::params::Initializer) -> ParameterSpec {
    ParameterSpec { name: name.to_owned(), shape: shape.to_vec(), initializer }
}

/// The columns of a weight with `n` columns in panels as wide as a register tile, padding included.
#[derive(Clone, Debug)]
struct Panels {
    width: usize,
    next: usize,
    end: usize,
}

impl Panels {
    fn new(unit: VectorUnit, n: usize) -> Self {
        Self { width: tile::VECTORS * unit.lanes(), next: 0, end: padded(n) }
    }

    /// The columns of one panel.
    fn columns(self, number: usize) -> Range<usize> {
        number * self.width..((number + 1) * self.width).min(self.end)
    }
}

impl Iterator for Panels {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let columns = self.next..(self.next + self.width).min(self.end);
        self.next = columns.end;
        (!columns.is_empty()).then_some(columns)
    }
}

/// Copies a panel `[K or more, width]` to its columns, padding left out, of `out: [K, n]`.
fn unpack_columns(panel: &[f32], columns: Range<usize>, n: usize, out: &mut [f32]) {
    // A narrow panel can lie in the padding alone.
    let own = columns.start.min(n)..columns.end.min(n);
    for (row, out) in panel.chunks_exact(columns.len()).zip(out.chunks_exact_mut(n)) {
        out[own.clone()].copy_from_slice(&row[..own.len()]);
    }
}
