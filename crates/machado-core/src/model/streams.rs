//! Reading texts token by token, with the state kept: what generating and predicting do.

use std::sync::Arc;

use super::Model;
use super::block::Block;
use super::network::Network;
use super::site::Intervention;
use crate::data::Target;
use crate::error::Result;
use crate::layers::{Layer, Mode};
use crate::math::buffer::Buffer;
use crate::math::matmul::padded;
use crate::math::simd::VectorUnit;

/// Time steps computed at a time.
const STEPS_AT_A_TIME: usize = 512;

/// Some texts read side by side.
#[derive(Clone, Debug)]
pub struct Streams {
    /// Shared with all that read with the same model.
    network: Arc<Network>,
    block: Block,
    rows: usize,
    /// Whether the logits are those of the texts that there are now.
    has_logits: bool,
    interventions: Vec<Intervention>,
}

/// What the layers remember of the texts read so far: enough to go on from there.
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
        Ok(Self {
            network: Arc::new(network),
            block,
            rows: 1,
            has_logits: false,
            interventions: Vec::new(),
        })
    }

    /// One text, nothing of it read yet, with the weights and interventions of these, which lie in
    /// memory once.
    pub fn another(&self) -> Self {
        Self {
            network: self.network.clone(),
            block: Block::new(&self.network),
            rows: 1,
            has_logits: false,
            interventions: self.interventions.clone(),
        }
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

    /// The number of texts, `B`.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Leaves every text.
    pub fn leave_all(&mut self) {
        self.block.states_mut().iter_mut().for_each(|state| state.resize(0));
        self.rows = 0;
        self.has_logits = false;
    }

    /// Goes on with one more text, the last one from now on, from what was remembered of it. There are
    /// no logits of any text before the next tokens are read.
    ///
    /// # Panics
    /// If the state is not that of one text of this model.
    pub fn join(&mut self, one: &StreamState) {
        let widths = self.network.layers().iter().map(Layer::state_dim);
        let states = self.block.states_mut().iter_mut().zip(&one.0).zip(widths);
        for ((state, one), width) in states {
            assert_eq!(one.len(), width, "the state of one text");
            let end = state.len();
            state.resize(end + width);
            state[end..].copy_from_slice(one);
        }
        self.rows += 1;
        self.has_logits = false;
    }

    /// Leaves a text; the last one takes its place. There are no logits of any text before the next
    /// tokens are read.
    ///
    /// # Panics
    /// If there is no such text.
    pub fn leave(&mut self, row: usize) {
        assert!(row < self.rows, "text {row} of {}", self.rows);
        let last = self.rows - 1;
        for state in self.block.states_mut() {
            let width = state.len() / self.rows;
            state.copy_within(last * width.., row * width);
            state.resize(last * width);
        }
        self.rows = last;
        self.has_logits = false;
    }

    /// What is remembered of one text.
    ///
    /// # Panics
    /// If there is no such text.
    pub fn state_of(&self, row: usize) -> StreamState {
        assert!(row < self.rows, "text {row} of {}", self.rows);
        let of_row = |state: &Buffer| {
            let width = state.len() / self.rows;
            let mut one = Buffer::default();
            one.set(&state[row * width..][..width]);
            one
        };
        StreamState(self.block.states().iter().map(of_row).collect())
    }

    /// Reads the next tokens, `ids: [T, B]`.
    ///
    /// # Panics
    /// If `ids` is empty or no whole number of steps, or an id is outside the vocabulary.
    pub fn read(&mut self, ids: &[u32]) {
        self.check(ids);
        // A long prompt in pieces: the state goes on, so they change nothing but memory.
        for piece in ids.chunks(STEPS_AT_A_TIME * self.rows) {
            self.read_piece(piece, Target::Last);
        }
    }

    fn check(&self, ids: &[u32]) {
        assert!(
            !ids.is_empty() && ids.len().is_multiple_of(self.rows),
            "{} ids for {} texts",
            ids.len(),
            self.rows
        );
    }

    fn read_piece(&mut self, ids: &[u32], target: Target) {
        self.block.set_ids(&self.network, ids, self.rows, target);
        self.block.forward(&self.network, Mode::Inference, &self.interventions);
        self.has_logits = true;
    }

    /// Reads the next tokens, `ids: [T, B]`, and calls `visit` after each of each text with its place
    /// in `ids` and the logits of what comes next, `[V]`.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    pub fn read_each(&mut self, ids: &[u32], mut visit: impl FnMut(usize, &[f32])) {
        self.check(ids);
        let vocabulary_size = self.network.vocabulary_size();
        let piece_len = STEPS_AT_A_TIME * self.rows;
        for (number, piece) in ids.chunks(piece_len).enumerate() {
            self.read_piece(piece, Target::All);
            let places = self.block.logits().chunks_exact(padded(vocabulary_size));
            for (place, logits) in places.enumerate() {
                visit(number * piece_len + place, &logits[..vocabulary_size]);
            }
        }
    }

    /// The logits of the token that comes next in a text, `[V]`.
    ///
    /// # Panics
    /// If nothing was read since a text came or went, or there is no such text.
    pub fn logits(&self, row: usize) -> &[f32] {
        assert!(self.has_logits && row < self.rows, "logits of text {row} of {}", self.rows);
        // Copies of one text share its logits until they read something of their own.
        let rows = self.block.rows_read();
        let row = row.min(rows - 1);
        let width = padded(self.network.vocabulary_size());
        let logits = self.block.logits();
        // Of all steps or of the last one.
        let last_step = logits.len() - rows * width;
        &logits[last_step + row * width..][..self.network.vocabulary_size()]
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
