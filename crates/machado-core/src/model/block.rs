//! Some rows of a batch on their way through the network and back.

use std::ops::Range;

use super::network::Network;
use super::site::{Intervention, Reach};
use crate::data::{Batch, Start, Target};
use crate::layers::{BlockShape, Input, Layer, Mode, Pass, Piece, State};
use crate::math::buffer::Buffer;
use crate::math::matmul::padded;
use crate::math::simd::VectorUnit;
use crate::math::softmax::{Leave, LossSum, softmax_cross_entropy};

/// Everything that one block needs. Its buffers are used again for the next batch.
#[derive(Clone, Debug)]
pub(super) struct Block {
    rows: Range<usize>,
    shape: BlockShape,
    /// `[T, B]`.
    ids: Vec<u32>,
    /// The tokens to predict: `[T, B]`, or `[1, B]` for [`Target::Last`].
    targets: Vec<u32>,
    target: Target,
    passes: Vec<Pass>,
    /// For each layer `[B, S]`.
    states: Vec<Buffer>,
    /// For each row.
    losses: Vec<LossSum>,
    d_output: Buffer,
    d_input: Buffer,
    /// For each layer the gradient of its output from sums further on, not from the next layer;
    /// empty if there are none.
    d_skipped: Vec<Buffer>,
}

impl Block {
    pub(super) fn new(network: &Network) -> Self {
        Self {
            rows: 0..0,
            shape: BlockShape { time: 0, rows: 0 },
            ids: Vec::new(),
            targets: Vec::new(),
            target: Target::All,
            passes: network.layers().iter().map(|layer| layer.new_pass()).collect(),
            // Of one row, which has read nothing.
            states: network.layers().iter().map(|layer| Buffer::zeros(layer.state_dim())).collect(),
            losses: Vec::new(),
            d_output: Buffer::default(),
            d_input: Buffer::default(),
            d_skipped: vec![Buffer::default(); network.layers().len()],
        }
    }

    /// Chooses the rows of the next batches that are computed here.
    pub(super) fn set_rows(&mut self, rows: Range<usize>) {
        self.rows = rows;
    }

    /// Rows of the last pass, `B`.
    pub(super) fn rows_read(&self) -> usize {
        self.shape.rows
    }

    /// Which rows of a batch are computed here.
    pub(super) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Takes over its rows of a batch, time-major.
    pub(super) fn set_batch(&mut self, network: &Network, batch: &Batch, target: Target) {
        let rows = self.rows();
        self.set_shape(network, BlockShape { time: batch.time, rows: rows.len() });
        if batch.start == Start::Fresh {
            self.clear_states();
        }
        self.target = target;
        self.targets.clear();
        for t in 0..batch.time {
            for row in rows.clone() {
                self.ids.push(batch.row(row)[t]);
                if target == Target::All || t + 1 == batch.time {
                    self.targets.push(batch.row(row)[t + 1]);
                }
            }
        }
    }

    /// Takes over ids `[T, B]`; the logits of all steps are wanted, or only those of the last one.
    pub(super) fn set_ids(&mut self, network: &Network, ids: &[u32], rows: usize, target: Target) {
        self.set_shape(network, BlockShape { time: ids.len() / rows, rows });
        self.target = target;
        self.ids.extend_from_slice(ids);
    }

    fn set_shape(&mut self, network: &Network, shape: BlockShape) {
        self.shape = shape;
        self.ids.clear();
        for (state, layer) in self.states.iter_mut().zip(network.layers()) {
            state.resize(shape.rows * layer.state_dim());
        }
    }

    pub(super) fn clear_states(&mut self) {
        self.states.iter_mut().for_each(|state| state.fill(0.0));
    }

    /// The state of each layer, `[B, S]`.
    pub(super) fn states(&self) -> &[Buffer] {
        &self.states
    }

    pub(super) fn states_mut(&mut self) -> &mut [Buffer] {
        &mut self.states
    }

    /// Computes the logits.
    pub(super) fn forward(
        &mut self,
        network: &Network,
        mode: Mode,
        interventions: &[Intervention],
    ) {
        for (i, layer) in network.layers().iter().enumerate() {
            let head = self.steps_of(network, i);
            let (before, rest) = self.passes.split_at_mut(i);
            let (input, shape) = layer_input(layer, before, &self.ids, self.shape, head);
            let width = padded(layer.output_dim());
            let reaching = |reach: Reach| {
                let here =
                    move |it: &&Intervention| it.reach == reach && network.number_of(&it.site) == i;
                interventions.iter().filter(here)
            };
            let of_state = |values: &mut [f32]| {
                reaching(Reach::State).for_each(|it| it.apply(values, width));
            };
            let changes_state = reaching(Reach::State).next().is_some();
            let change = changes_state.then_some(&of_state as &dyn Fn(&mut [f32]));
            let state = State { values: &mut self.states[i], change };
            layer.forward(shape, mode, input, state, &mut rest[0]);
            reaching(Reach::Output).for_each(|it| it.apply(rest[0].output_mut(), width));
        }
    }

    /// What layer `i` has computed, `[T, B, C]` padded.
    pub(super) fn output(&self, i: usize) -> &[f32] {
        self.passes[i].output()
    }

    /// The logits, `[T, B, V]` padded, or `[1, B, V]` for the last step only.
    pub(super) fn logits(&self) -> &[f32] {
        self.passes[self.passes.len() - 1].output()
    }

    /// Compares the logits with the targets; the result is in [`losses`](Self::losses).
    pub(super) fn compare(&mut self, network: &Network, unit: VectorUnit, leave: Leave) {
        let last = self.passes.len() - 1;
        let logits = self.passes[last].output_mut();
        self.losses.clear();
        self.losses.resize(self.shape.rows, LossSum::default());
        let vocabulary_size = network.vocabulary_size();
        let losses = &mut self.losses;
        softmax_cross_entropy(unit, logits, &self.targets, vocabulary_size, leave, losses);
    }

    /// Loss and hits of each row.
    pub(super) fn losses(&self) -> &[LossSum] {
        &self.losses
    }

    /// The way back, after [`compare`](Self::compare) has left the gradient by the logits.
    pub(super) fn backward(&mut self, network: &Network) {
        let last = self.passes.len() - 1;
        self.passes[last].swap_output(&mut self.d_output);
        for (i, layer) in network.layers().iter().enumerate().rev() {
            let head = self.steps_of(network, i);
            let (before, rest) = self.passes.split_at_mut(i);
            let (_, shape) = layer_input(layer, before, &self.ids, self.shape, head);
            let skipped = &mut self.d_skipped[i];
            self.d_output.iter_mut().zip(skipped.iter()).for_each(|(d, other)| *d += other);
            skipped.resize(0);
            if let Some(source) = layer.adds() {
                add_to(&mut self.d_skipped[source], &self.d_output);
            }
            let whole = before.last().map_or(0, |pass| pass.output().len());
            self.d_input.resize(whole);
            // Where only the last step was computed, the steps before get no gradient.
            let unseen = whole - whole / self.shape.time.max(1) * shape.time;
            self.d_input[..unseen].fill(0.0);
            let d_input = &mut self.d_input[unseen..];
            layer.backward(shape, &mut rest[0], &mut self.d_output, d_input);
            std::mem::swap(&mut self.d_output, &mut self.d_input);
        }
    }

    /// Adds this block's share of a piece of the gradient.
    pub(super) fn add_gradient(&self, network: &Network, piece: &mut Piece) {
        let layer = piece.layer;
        let head = self.steps_of(network, layer);
        let (before, inner) = (&self.passes[..layer], &network.layers()[layer]);
        let (input, shape) = layer_input(inner, before, &self.ids, self.shape, head);
        for stripe in shape.stripes() {
            inner.add_gradient(shape, stripe, input, &self.passes[layer], piece);
        }
    }

    /// Which steps layer `i` computes: the last layer may compute the last step only.
    fn steps_of(&self, network: &Network, i: usize) -> Target {
        let last = i + 1 == network.layers().len();
        if last { self.target } else { Target::All }
    }
}

/// Adds values to those of a buffer, which may be empty.
fn add_to(sum: &mut Buffer, values: &[f32]) {
    if sum.is_empty() {
        sum.set(values);
    } else {
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
}

/// What goes into a layer, given the passes of those before it.
fn layer_input<'a>(
    layer: &Layer,
    before: &'a [Pass],
    ids: &'a [u32],
    shape: BlockShape,
    target: Target,
) -> (Input<'a>, BlockShape) {
    let Some(pass) = before.last() else {
        return (Input::Ids(ids), shape);
    };
    let output = pass.output();
    if let Some(source) = layer.adds() {
        return (Input::Pair(output, before[source].output()), shape);
    }
    match target {
        Target::All => (Input::Values(output), shape),
        Target::Last => {
            let step = output.len() / shape.time.max(1);
            let shape = BlockShape { time: 1, ..shape };
            (Input::Values(&output[output.len() - step..]), shape)
        }
    }
}
