//! Evaluating the validation part a few batches at a time, so that somebody can watch or stop it.

use std::sync::Arc;

use crate::data::{BatchPlan, Corpus, Prefetch, Target};
use crate::error::Result;
use crate::math::softmax::LossSum;
use crate::model::Engine;

/// Batches between two looks at the clock.
const BATCHES_A_TURN: usize = 8;

/// An evaluation under way.
#[derive(Debug)]
pub(super) struct Validation {
    batches: Prefetch<crate::data::Batch>,
    target: Target,
    sum: LossSum,
    done: u64,
    total: u64,
}

impl Validation {
    pub(super) fn new(plan: &BatchPlan, corpus: Arc<Corpus>, target: Target) -> Result<Self> {
        let total = plan.windows();
        let batches = Prefetch::new(plan.epoch(corpus, 0, 0), 2)?;
        Ok(Self { batches, target, sum: LossSum::default(), done: 0, total })
    }

    /// Does some batches; returns the sums when all are done.
    pub(super) fn advance(&mut self, engine: &mut Engine) -> Option<LossSum> {
        for _ in 0..BATCHES_A_TURN {
            let Some(batch) = self.batches.next() else {
                return Some(self.sum);
            };
            self.sum.add(engine.evaluate(&batch, self.target));
            self.done += batch.rows as u64;
        }
        None
    }

    /// Windows done, and windows in all.
    pub(super) fn done_and_total(&self) -> (u64, u64) {
        (self.done, self.total)
    }
}
