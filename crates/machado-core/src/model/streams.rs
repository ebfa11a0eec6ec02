//! Reading texts token by token, with the state kept: what generating and predicting do.

use super::Model;
use super::block::Block;
use super::network::Network;
use super::site::Intervention;
use crate::error::Result;
use crate::layers::Mode;
use crate::math::buffer::Buffer;
use crate::math::matmul::padded;
use crate::math::simd::VectorUnit;

/// Time steps computed at a time.
const STEPS_AT_A_TIME: usize = 512;

/// Some texts read side by side.
#[derive(Clone, Debug)]
pub struct Streams {
    network: Network,
    block: Block,
    rows: usize,
    interventions: Vec<Intervention>,
}

/// What the layers remember of the text read so far: enough to go on from there.
#[derive(Clone, Debug)]
pub struct StreamState(Vec<Buffer>);

impl Streams {
    /// One text, nothing of it read yet.
    ///
    /// # Errors
    /// If the layers do not fit together.
    pub fn new(model: &Model, unit: VectorUnit) -> Result<Self> {
        let mut network = Network::new(&model.config, model.tokenizer.vocabulary_size(), unit)?;
        network.load(&model.weights);
        let block = Block::new(&network);
        Ok(Self { network, block, rows: 1, interventions: Vec::new() })
    }

    /// From now on something is changed inside the model while it reads.
    ///
    /// # Errors
    /// If an intervention does not fit the model.
    pub fn intervene(&mut self, interventions: &[Intervention], model: &Model) -> Result<()> {
        interventions.iter().try_for_each(|intervention| intervention.check(&model.config))?;
        self.interventions = interventions.to_vec();
        Ok(())
    }

    /// Goes on with `rows` copies of the text read so far.
    ///
    /// # Panics
    /// If there is more than one text already.
    pub fn fork(&mut self, rows: usize) {
        assert_eq!(self.rows, 1, "only a single text can be copied");
        for state in self.block.states_mut() {
            state.set(&state.repeat(rows));
        }
        self.rows = rows;
    }

    /// Reads the next tokens, `ids: [T, B]`.
    ///
    /// # Panics
    /// If `ids` is empty or no whole number of steps, or an id is outside the vocabulary.
    pub fn read(&mut self, ids: &[u32]) {
        assert!(
            !ids.is_empty() && ids.len().is_multiple_of(self.rows),
            "{} ids for {} texts",
            ids.len(),
            self.rows
        );
        // A long prompt in pieces: the state goes on, so they change nothing but memory.
        for piece in ids.chunks(STEPS_AT_A_TIME * self.rows) {
            self.block.set_ids(&self.network, piece, self.rows);
            self.block.forward(&self.network, Mode::Inference, &self.interventions);
        }
    }

    /// The logits of the token that comes next in a text, `[V]`.
    ///
    /// # Panics
    /// If nothing was read yet, or there is no such text.
    pub fn logits(&self, row: usize) -> &[f32] {
        assert!(row < self.rows, "text {row} of {}", self.rows);
        let width = padded(self.network.vocabulary_size());
        // Copies of one text share its logits until they read something of their own.
        let logits = self.block.logits();
        let row = row.min(logits.len() / width - 1);
        &logits[row * width..][..self.network.vocabulary_size()]
    }

    /// Forgets what was read.
    pub fn clear(&mut self) {
        self.block.clear_states();
    }

    /// What is remembered now.
    pub fn state(&self) -> StreamState {
        StreamState(self.block.states().to_vec())
    }

    /// Goes back to what was remembered then. The next tokens must be read before there are logits.
    pub fn set_state(&mut self, state: &StreamState) {
        self.block.states_mut().clone_from_slice(&state.0);
    }
}
