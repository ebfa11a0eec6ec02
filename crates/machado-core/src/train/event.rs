//! What a training tells while it goes on.

use crate::math::softmax::LossSum;

/// Something that happened. Each comes once, in this order where several fall on one step.
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

/// A look at the validation part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// After which step.
    pub step: u64,
    /// In which epoch, from 1.
    pub epoch: u64,
    /// Mean loss over windows, in nats per token.
    pub loss: f64,
    /// Accuracy.
    pub accuracy: f64,
    /// Loss in bits per character of the text.
    pub bits_per_character: f64,
    /// Whether it is the best so far.
    pub is_best: bool,
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
