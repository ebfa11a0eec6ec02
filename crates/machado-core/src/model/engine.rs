//! What trains and evaluates: ids in, loss and gradients out.
//!
//! The rows of a batch are cut into blocks of a fixed size; a thread takes a block through the
//! whole sequence and back, so nobody waits for anybody between time steps. Then the gradients of
//! the weights are summed, cut by weight. Neither cut depends on the number of threads.

use std::ops::Range;

use super::block::{Block, ROWS_PER_BLOCK};
use super::config::ModelConfig;
use super::network::Network;
use crate::data::{Batch, Target};
use crate::error::Result;
use crate::layers::{Layer, Mode};
use crate::math::softmax::LossSum;
use crate::math::threads::Compute;
use crate::params::ParameterSpec;

/// Rows of a weight's gradient that one task sums.
const GRADIENT_ROWS: usize = 32;

/// Whether a training step's random choices are made, and from what.
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
    tasks: Vec<GradientTask>,
}

/// Some rows of one weight.
#[derive(Debug)]
struct GradientTask {
    owner: (usize, usize),
    rows: Range<usize>,
    len: usize,
}

impl Engine {
    /// An engine for models of this config and vocabulary, with weights of 0.
    ///
    /// # Errors
    /// If the layers do not fit together.
    pub fn new(config: &ModelConfig, vocabulary_size: usize, compute: Compute) -> Result<Self> {
        let network = Network::new(config, vocabulary_size, compute.unit())?;
        let specs = network.table().specs().iter().zip(network.owners());
        let tasks = specs.flat_map(|(spec, &owner)| gradient_tasks(spec, owner)).collect();
        Ok(Self { network, compute, blocks: Vec::new(), tasks })
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
        let scale = 1.0 / positions as f32;
        let loss = self.each_block(batch, target, |block, network, number, unit| {
            let draw = key.step << 16 | number as u64;
            block.forward(network, Mode::Training { seed: key.seed, draw });
            let loss = block.loss(network, unit);
            block.backward(network, scale);
            loss
        });
        self.sum_gradients(batch, gradients);
        loss
    }

    /// The loss of a batch.
    pub fn evaluate(&mut self, batch: &Batch, target: Target) -> LossSum {
        self.each_block(batch, target, |block, network, _, unit| {
            block.forward(network, Mode::Inference);
            block.loss(network, unit)
        })
    }

    /// The probabilities of a batch, `[B, T, V]`.
    pub fn probabilities(&mut self, batch: &Batch) -> Vec<f32> {
        self.evaluate(batch, Target::All);
        let vocabulary_size = self.network.vocabulary_size();
        let mut out = Vec::with_capacity(batch.tokens() * vocabulary_size);
        for row in 0..batch.rows {
            let (block, place) = (row / ROWS_PER_BLOCK, row % ROWS_PER_BLOCK);
            let rows = ROWS_PER_BLOCK.min(batch.rows - block * ROWS_PER_BLOCK);
            let probabilities = self.blocks[block].logits();
            for t in 0..batch.time {
                let position = (t * rows + place) * vocabulary_size;
                out.extend_from_slice(&probabilities[position..][..vocabulary_size]);
            }
        }
        out
    }

    /// The state that the last batch left, of all rows and layers; for
    /// [`set_states`](Self::set_states).
    pub fn states(&self) -> Vec<f32> {
        self.blocks.iter().flat_map(Block::states).flatten().copied().collect()
    }

    /// Takes up a state for the next batch, which must have the shape of the one that left it.
    /// Returns false if its size does not fit.
    pub fn set_states(&mut self, batch_size: usize, states: &[f32]) -> bool {
        self.resize(batch_size);
        let mut rest = states;
        for (number, block) in self.blocks.iter_mut().enumerate() {
            let rows = ROWS_PER_BLOCK.min(batch_size - number * ROWS_PER_BLOCK);
            for (state, layer) in block.states_mut().iter_mut().zip(self.network.layers()) {
                let Some((own, others)) = rest.split_at_checked(rows * layer.state_dim()) else {
                    return false;
                };
                state.clear();
                state.extend_from_slice(own);
                rest = others;
            }
        }
        rest.is_empty()
    }

    /// Bytes that batches of this size need beyond the weights.
    pub fn batch_bytes(&self, batch_size: usize, window: usize) -> u64 {
        let layers = self.network.layers();
        let kept: usize = layers.iter().map(Layer::values_per_position).sum();
        let widest = layers.iter().map(Layer::output_dim).max().unwrap_or(0);
        (batch_size * window * (kept + 2 * widest) * size_of::<f32>()) as u64
    }

    /// The network and its table of weights.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Cuts a batch into blocks, computes them on all threads, and adds up what they return.
    fn each_block(
        &mut self,
        batch: &Batch,
        target: Target,
        work: impl Fn(&mut Block, &Network, usize, crate::math::simd::VectorUnit) -> LossSum
        + Sync
        + Send,
    ) -> LossSum {
        self.resize(batch.rows);
        let (network, unit) = (&self.network, self.compute.unit());
        let mut blocks: Vec<_> =
            self.blocks.iter_mut().enumerate().map(|(i, b)| (i, b, LossSum::default())).collect();
        self.compute.for_each(&mut blocks, |(number, block, loss)| {
            block.set_batch(network, batch, *number * ROWS_PER_BLOCK, target);
            *loss = work(block, network, *number, unit);
        });
        let mut sum = LossSum::default();
        blocks.iter().for_each(|(_, _, loss)| sum.add(*loss));
        sum
    }

    fn resize(&mut self, rows: usize) {
        let count = rows.div_ceil(ROWS_PER_BLOCK);
        self.blocks.resize_with(count, || Block::new(&self.network));
    }

    fn sum_gradients(&self, batch: &Batch, gradients: &mut [f32]) {
        gradients.fill(0.0);
        let mut rest = gradients;
        let mut tasks = Vec::with_capacity(self.tasks.len());
        for task in &self.tasks {
            let (own, others) = rest.split_at_mut(task.len);
            tasks.push((task, own));
            rest = others;
        }
        let blocks = &self.blocks[..batch.rows.div_ceil(ROWS_PER_BLOCK)];
        self.compute.for_each(&mut tasks, |(task, out)| {
            for block in blocks {
                block.add_weight_gradient(&self.network, task.owner, task.rows.clone(), out);
            }
        });
    }
}

/// Cuts a weight into tasks. Rows are all axes but the last, flattened; a task never goes beyond
/// one index of the axes before the last two (one tap of a convolution).
fn gradient_tasks(
    spec: &ParameterSpec,
    owner: (usize, usize),
) -> impl Iterator<Item = GradientTask> + use<> {
    let columns = spec.shape[spec.shape.len() - 1];
    let rows = spec.size() / columns;
    let inner = if spec.shape.len() < 2 { 1 } else { spec.shape[spec.shape.len() - 2] };
    let starts = (0..rows).step_by(inner).flat_map(move |outer| {
        (outer..outer + inner).step_by(GRADIENT_ROWS).map(move |row| (row, outer + inner))
    });
    starts.map(move |(row, end)| {
        let rows = row..(row + GRADIENT_ROWS).min(end);
        GradientTask { owner, len: rows.len() * columns, rows }
    })
}
