//! How far a run is: all that a resumed one must know besides weights and moments.

use serde::{Deserialize, Serialize};

use crate::data::Parts;
use crate::math::softmax::LossSum;

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// Batches done of the epoch under way.
    pub batch: u64,
    /// Loss and accuracy of these batches.
    pub running: LossSum,
    /// Loss and accuracy of the epoch completed last.
    pub last_epoch: Option<LossSum>,
    /// The best evaluation.
    pub best: Option<Evaluation>,
    /// Evaluations since then.
    pub evaluations_since_best: u64,
    /// The last evaluation.
    pub evaluation: Option<Evaluation>,
    /// The last step of which all that follows from it was done: evaluation, end of the epoch,
    /// checkpoints.
    pub settled_at: u64,
}

/// A look at the validation part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

impl Progress {
    /// Loss and accuracy of the epoch under way, or of the last one if it has just ended.
    pub fn training(&self) -> LossSum {
        if self.running.positions > 0 { self.running } else { self.last_epoch.unwrap_or_default() }
    }

    /// Notes an evaluation made now.
    pub(crate) fn note(&mut self, evaluation: Evaluation) {
        self.evaluation = Some(evaluation);
        if evaluation.is_best {
            self.evaluations_since_best = 0;
            self.best = Some(evaluation);
        } else {
            self.evaluations_since_best += 1;
        }
    }

    /// The evaluation of the weights as they are now.
    pub fn evaluation_now(&self) -> Option<Evaluation> {
        self.evaluation.filter(|evaluation| evaluation.step == self.step)
    }
}

/// How a model was trained, as its file tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingFacts {
    /// Steps until these weights.
    pub steps: u64,
    /// Epochs until these weights, the last one perhaps in part.
    pub epochs: f64,
    /// Batches of one epoch.
    pub batches_per_epoch: u64,
    /// Training loss over the epoch, nats per token.
    pub loss: Option<f64>,
    /// Training accuracy over the epoch.
    pub accuracy: Option<f64>,
    /// Validation loss of these weights, nats per token.
    pub val_loss: Option<f64>,
    /// Validation accuracy of these weights.
    pub val_accuracy: Option<f64>,
    /// Characters of the text, after standardizing.
    pub characters: u64,
    /// Tokens of the text.
    pub tokens: u64,
    /// Tells whether a text is the one trained on.
    pub fingerprint: u64,
    /// Where its parts lie, in tokens.
    pub parts: Parts,
}
