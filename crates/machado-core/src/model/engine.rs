//! What trains and evaluates: ids in, loss and gradients out.
//!
//! The rows of a batch are cut into one block for each thread, which takes it through the whole
//! sequence and back, so nobody waits for anybody between time steps. Then the gradients of the
//! weights are summed, cut by weight. How rows and weights are cut changes no result.

use super::block::Block;
use super::config::ModelConfig;
use super::network::Network;
use super::site::{Intervention, Site};
use crate::data::{Batch, Target};
use crate::error::Result;
use crate::layers::{Layer, Mode, Piece, cut_rows};
use crate::math::matmul::padded;
use crate::math::simd::VectorUnit;
use crate::math::softmax::{Leave, LossSum};
use crate::math::threads::Compute;

/// Where the random choices of a training step come from.
#[derive(Clone, Copy, Debug)]
pub struct StepKey {
    /// The run's seed.
    pub seed: u64,
    /// The number of the step.
    pub step: u64,
}

/// Computes batches on the CPU.
#[derive(Debug)]
pub struct Engine {
    network: Network,
    compute: Compute,
    blocks: Vec<Block>,
    /// The pieces in which gradients are summed.
    pieces: Vec<Piece>,
    interventions: Vec<Intervention>,
}

impl Engine {
    /// An engine for models of this config and vocabulary, with weights of 0.
    ///
    /// # Errors
    /// If the layers do not fit together.
    pub fn new(config: &ModelConfig, vocabulary_size: usize, compute: Compute) -> Result<Self> {
        let network = Network::new(config, vocabulary_size, compute.unit())?;
        let (blocks, pieces, interventions) = Default::default();
        Ok(Self { network, compute, blocks, pieces, interventions })
    }

    /// Takes over the values of all weights.
    pub fn load(&mut self, weights: &[f32]) {
        self.network.load(weights);
    }

    /// The loss of a batch, and the gradient of its mean by each weight in `gradients`, which is
    /// overwritten. `key` decides what dropout switches off.
    pub fn gradients(
        &mut self,
        batch: &Batch,
        target: Target,
        key: StepKey,
        gradients: &mut [f32],
    ) -> LossSum {
        let positions = match target {
            Target::All => batch.tokens(),
            Target::Last => batch.rows,
        };
        let leave = Leave::Gradient { scale: 1.0 / positions as f32 };
        let loss = self.each_block(batch, target, |block, network, first_row, unit| {
            let first_row = first_row as u64;
            let mode = Mode::Training { seed: key.seed, step: key.step, first_row };
            block.forward(network, mode, &[]);
            block.compare(network, unit, leave);
            block.backward(network);
        });
        self.sum_gradients(gradients);
        loss
    }

    /// The loss of a batch.
    pub fn evaluate(&mut self, batch: &Batch, target: Target) -> LossSum {
        self.evaluate_and_leave(batch, target, Leave::Logits)
    }

    fn evaluate_and_leave(&mut self, batch: &Batch, target: Target, leave: Leave) -> LossSum {
        let interventions = std::mem::take(&mut self.interventions);
        let loss = self.each_block(batch, target, |block, network, _, unit| {
            block.forward(network, Mode::Inference, &interventions);
            block.compare(network, unit, leave);
        });
        self.interventions = interventions;
        loss
    }

    /// Changes something inside the model whenever it is evaluated; learning knows nothing of it.
    pub fn intervene(&mut self, interventions: Vec<Intervention>) {
        self.interventions = interventions;
    }

    /// Calls `visit` with row, time step and values `[dim]` for each position of the last batch, step
    /// by step and in a step row by row.
    pub fn outputs(&self, site: &Site, mut visit: impl FnMut(usize, usize, &[f32])) {
        let (width, layer) = (padded(site.dim), self.network.number_of(site));
        let Some(first) = self.blocks.first() else { return };
        let time = first.output(layer).len() / (first.rows().len() * width);
        for t in 0..time {
            for block in &self.blocks {
                let rows = block.rows();
                let step = &block.output(layer)[t * rows.len() * width..];
                for (row, values) in rows.zip(step.chunks_exact(width)) {
                    visit(row, t, &values[..site.dim]);
                }
            }
        }
    }

    /// The probabilities of a batch, `[B, T, V]`.
    pub fn probabilities(&mut self, batch: &Batch) -> Vec<f32> {
        self.evaluate_and_leave(batch, Target::All, Leave::Probabilities);
        let vocabulary_size = self.network.vocabulary_size();
        let width = padded(vocabulary_size);
        let mut out = Vec::with_capacity(batch.tokens() * vocabulary_size);
        for block in &self.blocks {
            let rows = block.rows().len();
            for row in 0..rows {
                for t in 0..batch.time {
                    let position = (t * rows + row) * width;
                    out.extend_from_slice(&block.logits()[position..][..vocabulary_size]);
                }
            }
        }
        out
    }

    /// The state that the last batch left, layer by layer and row by row; for
    /// [`set_states`](Self::set_states).
    pub fn states(&self) -> Vec<f32> {
        let layers = 0..self.network.layers().len();
        let of_layer =
            |layer: usize| self.blocks.iter().flat_map(move |b| b.states()[layer].iter());
        layers.flat_map(of_layer).copied().collect()
    }

    /// Takes up a state for the next batch, which must have the shape of the one that left it.
    /// Returns false if its size does not fit, or no batch can have left it.
    pub fn set_states(&mut self, batch_size: usize, states: &[f32]) -> bool {
        self.arrange(batch_size);
        let mut rest = states;
        for (number, layer) in self.network.layers().iter().enumerate() {
            for block in &mut self.blocks {
                let len = block.rows().len() * layer.state_dim();
                let Some((own, others)) = rest.split_at_checked(len) else {
                    return false;
                };
                if !layer.accepts_state(own) {
                    return false;
                }
                block.states_mut()[number].set(own);
                rest = others;
            }
        }
        rest.is_empty()
    }

    /// Bytes that batches of this size need beyond the weights.
    pub fn batch_bytes(&self, batch_size: usize, window: usize) -> u64 {
        let layers = self.network.layers();
        let kept: usize = layers.iter().map(Layer::values_per_position).sum();
        let widest = layers.iter().map(|layer| padded(layer.output_dim())).max().unwrap_or(0);
        (batch_size * window * (kept + 2 * widest) * size_of::<f32>()) as u64
    }

    /// The network and its table of weights.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Computes the blocks of a batch on all threads, and adds up their losses row by row. `work`
    /// is given the number of the block's first row.
    fn each_block(
        &mut self,
        batch: &Batch,
        target: Target,
        work: impl Fn(&mut Block, &Network, usize, VectorUnit) + Sync + Send,
    ) -> LossSum {
        self.arrange(batch.rows);
        let (network, unit) = (&self.network, self.compute.unit());
        self.compute.for_each(&mut self.blocks, |block| {
            block.set_batch(network, batch, target);
            let first_row = block.rows().start;
            work(block, network, first_row, unit);
        });
        let mut sum = LossSum::default();
        self.blocks.iter().flat_map(Block::losses).for_each(|loss| sum.add(*loss));
        sum
    }

    /// As many blocks as a batch of so many rows needs, each with its rows.
    fn arrange(&mut self, rows: usize) {
        let cut = || cut_rows(rows, self.compute.threads());
        self.blocks.resize_with(cut().count(), || Block::new(&self.network));
        for (block, rows) in self.blocks.iter_mut().zip(cut()) {
            block.set_rows(rows);
        }
    }

    /// Sums the gradients over all blocks, piece by piece on all threads.
    fn sum_gradients(&mut self, gradients: &mut [f32]) {
        if self.pieces.is_empty() {
            self.pieces = self.network.gradient_pieces();
        }
        let (network, blocks) = (&self.network, &self.blocks);
        self.compute.for_each(&mut self.pieces, |piece| {
            piece.values.fill(0.0);
            blocks.iter().for_each(|block| block.add_gradient(network, piece));
        });
        network.unpack_gradients(&self.pieces, gradients);
    }
}
