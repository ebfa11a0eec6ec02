//! How far a run is: all that a resumed one must know besides weights and moments.

use serde::{Deserialize, Serialize};

use super::config::Monitor;
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
    pub best: Option<Best>,
    /// Evaluations since then.
    pub evaluations_since_best: u64,
    /// The step of the last evaluation.
    pub evaluated_at: Option<u64>,
}

/// An evaluation that was the best.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// After which step.
    pub step: u64,
    /// Its validation loss, nats per token.
    pub val_loss: f64,
    /// Its validation accuracy.
    pub val_accuracy: f64,
}

impl Progress {
    /// Loss and accuracy of the epoch under way, or of the last one if it has just ended.
    pub fn training(&self) -> LossSum {
        if self.running.positions > 0 { self.running } else { self.last_epoch.unwrap_or_default() }
    }

    /// Notes an evaluation made now; returns whether it is the best so far by `monitor`.
    pub(crate) fn evaluated(&mut self, validation: &LossSum, monitor: Monitor) -> bool {
        let (loss, accuracy) = (validation.loss(), validation.accuracy());
        let better = self.best.is_none_or(|best| match monitor {
            Monitor::ValAccuracy => accuracy > best.val_accuracy,
            Monitor::ValLoss => loss < best.val_loss,
        });
        self.evaluated_at = Some(self.step);
        if better {
            self.evaluations_since_best = 0;
            self.best = Some(Best { step: self.step, val_loss: loss, val_accuracy: accuracy });
        } else {
            self.evaluations_since_best += 1;
        }
        better
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
