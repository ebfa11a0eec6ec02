//! The layers: each one file, with its weights, its forward and its backward pass.
//!
//! A layer computes a *block*: some rows of a batch over all time steps, time-major `[T, B, C]`
//! (letters in [`math`](crate::math)). A [`Pass`] holds what one block needs: the outputs, and what
//! the way back wants to know. Blocks share the layer, so several threads can compute them.
//!
//! The way back has two halves. [`Layer::backward`] goes through time, block by block: it turns the
//! gradient of the output into the gradient of the input and leaves in the pass the gradients of
//! the sums that the weights took part in. [`Layer::add_weight_gradient`] then sums these over all
//! rows and steps, for some rows of one weight: that half is split by weight, not by row, so no
//! thread needs a copy of the gradients, and the order of each sum is fixed.

mod activation;
mod conv1d;
mod dense;
mod dropout;
mod embedding;
mod gru;

use std::ops::Range;

pub use self::activation::Activation;
pub use self::conv1d::Conv1d;
pub use self::dense::Dense;
pub use self::dropout::Dropout;
pub use self::embedding::Embedding;
pub use self::gru::Gru;
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
}

/// Whether a forward pass is part of training, and if so, where its random choices come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Dropout does nothing.
    Inference,
    /// Dropout is on.
    Training {
        /// The run's seed.
        seed: u64,
        /// A number that no other step and block of the run has.
        draw: u64,
    },
}

/// What goes into a layer.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Token ids `[T, B]`, for the first layer.
    Ids(&'a [u32]),
    /// Values `[T, B, C]`.
    Values(&'a [f32]),
}

impl<'a> Input<'a> {
    fn ids(self) -> &'a [u32] {
        match self {
            Self::Ids(ids) => ids,
            Self::Values(_) => panic!("an embedding was given values instead of ids"),
        }
    }

    fn values(self) -> &'a [f32] {
        match self {
            Self::Values(values) => values,
            Self::Ids(_) => panic!("a layer was given ids instead of values"),
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
    /// See [`Gru`].
    Gru(Gru),
    /// See [`Dropout`].
    Dropout(Dropout),
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
    /// Of a [`Gru`].
    Gru(gru::Pass),
    /// Of a [`Dropout`].
    Dropout(dropout::Pass),
    /// Of a [`Dense`].
    Dense(dense::Pass),
}

/// Evaluates `$body` with the layer inside, whatever its type.
macro_rules! each {
    ($layer:expr, $inner:ident => $body:expr) => {
        match $layer {
            Layer::Embedding($inner) => $body,
            Layer::Conv1d($inner) => $body,
            Layer::Gru($inner) => $body,
            Layer::Dropout($inner) => $body,
            Layer::Dense($inner) => $body,
        }
    };
}

/// As [`each`], with a layer and its pass.
macro_rules! both {
    ($layer:expr, $pass:expr, $inner:ident, $own:ident => $body:expr) => {
        match ($layer, $pass) {
            (Layer::Embedding($inner), Pass::Embedding($own)) => $body,
            (Layer::Conv1d($inner), Pass::Conv1d($own)) => $body,
            (Layer::Gru($inner), Pass::Gru($own)) => $body,
            (Layer::Dropout($inner), Pass::Dropout($own)) => $body,
            (Layer::Dense($inner), Pass::Dense($own)) => $body,
            (layer, pass) => panic!("{layer:?} was given the pass {pass:?} of another layer"),
        }
    };
}

impl Layer {
    /// Its weights; the names lack the layer's own name and slash.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        each!(self, layer => layer.parameters())
    }

    /// Takes over the values of its weights, all of them one behind the other.
    pub fn load(&mut self, weights: &[f32]) {
        each!(self, layer => layer.load(weights));
    }

    /// Channels of its output.
    pub fn output_dim(&self) -> usize {
        each!(self, layer => layer.output_dim())
    }

    /// Values per row that it carries from one step to the next.
    pub fn state_dim(&self) -> usize {
        match self {
            Self::Conv1d(layer) => layer.state_dim(),
            Self::Gru(layer) => layer.state_dim(),
            Self::Embedding(_) | Self::Dropout(_) | Self::Dense(_) => 0,
        }
    }

    /// `f32` values that a [`Pass`] keeps per position, to plan memory with.
    pub fn values_per_position(&self) -> usize {
        match self {
            Self::Embedding(layer) => 2 * layer.output_dim(),
            Self::Conv1d(layer) => 2 * layer.output_dim() + 2 * layer.input_dim(),
            Self::Gru(layer) => 7 * layer.output_dim(),
            Self::Dropout(layer) => 2 * layer.output_dim(),
            Self::Dense(layer) => 2 * layer.output_dim(),
        }
    }

    /// An empty pass for blocks of this layer.
    pub fn new_pass(&self) -> Pass {
        match self {
            Self::Embedding(_) => Pass::Embedding(embedding::Pass::default()),
            Self::Conv1d(_) => Pass::Conv1d(conv1d::Pass::default()),
            Self::Gru(_) => Pass::Gru(gru::Pass::default()),
            Self::Dropout(_) => Pass::Dropout(dropout::Pass::default()),
            Self::Dense(_) => Pass::Dense(dense::Pass::default()),
        }
    }

    /// Computes the output of a block, to be read with [`Pass::output`].
    ///
    /// `state: [B, S]` with `S` = [`state_dim`](Self::state_dim) is where the block starts from,
    /// and receives where it ends.
    pub fn forward(
        &self,
        shape: BlockShape,
        mode: Mode,
        input: Input<'_>,
        state: &mut [f32],
        pass: &mut Pass,
    ) {
        match (self, pass) {
            (Self::Embedding(layer), Pass::Embedding(pass)) => layer.forward(input.ids(), pass),
            (Self::Conv1d(layer), Pass::Conv1d(pass)) => {
                layer.forward(shape, input.values(), state, pass);
            }
            (Self::Gru(layer), Pass::Gru(pass)) => {
                layer.forward(shape, input.values(), state, pass);
            }
            (Self::Dropout(layer), Pass::Dropout(pass)) => {
                layer.forward(mode, input.values(), pass);
            }
            (Self::Dense(layer), Pass::Dense(pass)) => layer.forward(input.values(), pass),
            (layer, pass) => panic!("{layer:?} was given the pass {pass:?} of another layer"),
        }
    }

    /// The way back through a block: from `d_output: [T, B, C]` to `d_input`, which is overwritten.
    /// An embedding has no gradient of its input; its `d_input` is left alone.
    pub fn backward(
        &self,
        shape: BlockShape,
        pass: &mut Pass,
        d_output: &[f32],
        d_input: &mut [f32],
    ) {
        match (self, pass) {
            (Self::Embedding(layer), Pass::Embedding(pass)) => layer.backward(d_output, pass),
            (Self::Conv1d(layer), Pass::Conv1d(pass)) => {
                layer.backward(shape, pass, d_output, d_input);
            }
            (Self::Gru(layer), Pass::Gru(pass)) => layer.backward(shape, pass, d_output, d_input),
            (Self::Dropout(layer), Pass::Dropout(pass)) => layer.backward(pass, d_output, d_input),
            (Self::Dense(layer), Pass::Dense(pass)) => layer.backward(pass, d_output, d_input),
            (layer, pass) => panic!("{layer:?} was given the pass {pass:?} of another layer"),
        }
    }

    /// Adds this block's part of the gradient of weight number `weight` to `out`, for some of its
    /// `rows` (all axes but the last, flattened). To be called after [`backward`](Self::backward).
    pub fn add_weight_gradient(
        &self,
        weight: usize,
        rows: Range<usize>,
        input: Input<'_>,
        pass: &Pass,
        out: &mut [f32],
    ) {
        both!(self, pass, layer, pass => layer.add_weight_gradient(weight, rows, input, pass, out));
    }
}

impl Pass {
    /// The output of the block, `[T, B, C]`.
    pub fn output(&self) -> &[f32] {
        match self {
            Self::Embedding(pass) => pass.output(),
            Self::Conv1d(pass) => pass.output(),
            Self::Gru(pass) => pass.output(),
            Self::Dropout(pass) => pass.output(),
            Self::Dense(pass) => pass.output(),
        }
    }

    /// The output, to be changed in place.
    pub fn output_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Embedding(pass) => pass.output_mut(),
            Self::Conv1d(pass) => pass.output_mut(),
            Self::Gru(pass) => pass.output_mut(),
            Self::Dropout(pass) => pass.output_mut(),
            Self::Dense(pass) => pass.output_mut(),
        }
    }
}

/// The weight `name` of a layer.
fn spec(name: &str, shape: &[usize], initializer: crate::params::Initializer) -> ParameterSpec {
    ParameterSpec { name: name.to_owned(), shape: shape.to_vec(), initializer }
}

/// Sets the length of a buffer whose old values do not matter.
fn resize(buffer: &mut Vec<f32>, len: usize) {
    buffer.resize(len, 0.0);
}

/// Fills `out: [N, C]` with copies of a bias `[C]`.
fn fill_rows(out: &mut [f32], bias: &[f32]) {
    for row in out.chunks_exact_mut(bias.len()) {
        row.copy_from_slice(bias);
    }
}
