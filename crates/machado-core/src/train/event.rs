//! What a training tells while it goes on.

use crate::math::softmax::LossSum;
use crate::run::Evaluation;

/// Something that happened. Where several fall on one step they come in this order, but that a
/// checkpoint of the best model follows at once upon the evaluation that found it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A batch was learnt from.
    Step(Step),
    /// A sample was written.
    Sample(Sample),
    /// Part of an evaluation is done: `done` of `total` windows.
    Evaluating {
        /// Windows done.
        done: u64,
        /// Windows in all.
        total: u64,
    },
    /// The validation part was evaluated.
    Evaluated(Evaluation),
    /// An epoch is over; its training loss is the mean over its batches as they were learnt from.
    Epoch {
        /// Its number, from 1.
        epoch: u64,
        /// Its training loss and accuracy.
        training: LossSum,
        /// The validation at its end, if there is a validation part.
        validation: Option<Evaluation>,
    },
    /// Now is the time to save.
    Checkpoint(CheckpointKind),
    /// The run is over; nothing comes after.
    Done(DoneReason),
}

/// One batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Its number, from 1.
    pub step: u64,
    /// The epoch it belongs to, from 1.
    pub epoch: u64,
    /// Its number in the epoch, from 1.
    pub batch: u64,
    /// Its loss and accuracy, before learning from it.
    pub training: LossSum,
    /// Tokens that went in.
    pub tokens: u64,
    /// The learning rate.
    pub learning_rate: f64,
    /// The norm of all gradients together, before clipping.
    pub gradient_norm: f64,
}

/// A text written along the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// After which step.
    pub step: u64,
    /// In which epoch, from 1.
    pub epoch: u64,
    /// At which temperature.
    pub temperature: f64,
    /// What it begins with.
    pub prompt: String,
    /// What follows.
    pub text: String,
}

/// What to save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointKind {
    /// The model as it is now, the best so far.
    Best,
    /// Everything that is needed to go on.
    Last,
}

/// Why a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoneReason {
    /// It had as many epochs as it should.
    Epochs,
    /// It had as many steps as it should.
    Steps,
    /// Its time was up.
    Minutes,
    /// It got no better for as many evaluations as it should.
    Patience,
}

impl DoneReason {
    /// `epochs`, `steps`, `minutes` or `patience`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epochs => "epochs",
            Self::Steps => "steps",
            Self::Minutes => "minutes",
            Self::Patience => "patience",
        }
    }
}
