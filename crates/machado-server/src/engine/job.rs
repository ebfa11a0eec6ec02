//! What the engine is to do: read one prompt, and write some texts after it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use machado_core::error::Result;
use machado_core::generate::{Ending, GrowingText, Writer};
use machado_core::math::simd::VectorUnit;
use machado_core::model::Intervention;
use machado_core::rng::{Purpose, Rng};
use machado_core::sample::{LogitChanger, LogitChanges, Sampler};
use tokio::sync::mpsc::Sender;

use super::event::Event;
use crate::served::ServedModel;

/// One prompt and the texts after it. All of it is done by one thread.
#[derive(Debug)]
pub struct Job {
    /// Its number within the request.
    pub number: usize,
    /// With whom it can be read and written.
    pub lane: LaneKey,
    /// The prompt, with the token that stands for an empty one.
    pub prompt: Arc<[u32]>,
    /// What is wanted of the prompt.
    pub prompt_scores: PromptScores,
    /// The numbers of the texts within the request.
    pub choices: Range<usize>,
    /// How they are written.
    pub writing: Arc<Writing>,
    /// The number of the first one among those of its prompt.
    pub first: usize,
    /// Whether the prompt ended with a space that was not read, since it belongs to the next word: then
    /// one that a text begins with is there already.
    pub space_is_there: bool,
    /// What is wanted of each token that is written.
    pub wanted: Option<Wanted>,
    /// How often news are sent.
    pub pace: Pace,
    /// Who wants to hear of it.
    pub events: Sender<Event>,
}

/// How the texts of a request are written. All of them share it: there may be a hundred thousand, and a
/// bias for each token.
#[derive(Clone, Debug, Default)]
pub struct Writing {
    sampler: Arc<Sampler>,
    changes: Arc<LogitChanges>,
    ending: Arc<Ending>,
    seed: u64,
}

impl Writing {
    /// Draws as `sampler` says from logits with these changes.
    ///
    /// # Errors
    /// If a number is outside its range.
    pub fn new(
        sampler: Sampler,
        changes: LogitChanges,
        ending: Ending,
        seed: u64,
        vocabulary_size: usize,
    ) -> Result<Self> {
        sampler.check()?;
        changes.check(vocabulary_size)?;
        let (sampler, changes, ending) = (sampler.into(), changes.into(), ending.into());
        Ok(Self { sampler, changes, ending, seed })
    }

    /// Who writes one text of a prompt: the one that `machado generate` writes with the same seed.
    pub(super) fn writer(&self, unit: VectorUnit, prompt: &[u32], number: usize) -> Writer {
        let rng = Rng::new(self.seed, Purpose::Generate, number as u64);
        let text = GrowingText::new(self.ending.clone());
        let writer = Writer::new(self.sampler.clone(), unit, prompt, rng, text);
        let writer = writer.expect("a sampler that was checked");
        writer.with_changes(LogitChanger::new(self.changes.clone()))
    }
}

/// What is wanted of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptScores {
    /// Nothing.
    None,
    /// How likely each token was.
    Each(Wanted),
    /// The logits of what comes next.
    Next,
}

/// What is wanted of a token, beside the logarithm of its probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// So many of the likeliest tokens.
    pub top: usize,
    /// Its rank, and the entropy.
    pub details: bool,
}

/// When news of a text are sent: the first token at once, and then what came meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// After so many tokens,
    pub tokens: usize,
    /// or so much time.
    pub time: Duration,
}

impl Pace {
    /// For somebody who reads along. Nobody sees ten milliseconds, and sending is what
    /// costs.
    pub const STREAM: Self = Self { tokens: 64, time: Duration::from_millis(10) };
    /// For somebody who waits for the end.
    pub const WHOLE: Self = Self { tokens: 128, time: Duration::from_millis(100) };
}

/// What is read and written side by side: the same model with the same changes inside.
#[derive(Clone, Debug)]
pub struct LaneKey {
    /// The model.
    pub model: Arc<ServedModel>,
    /// The changes, in a form that tells them apart; empty without changes.
    pub changes: Arc<str>,
    /// The changes.
    pub interventions: Arc<[Intervention]>,
}

impl PartialEq for LaneKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.model, &other.model) && self.changes == other.changes
    }
}

impl Job {
    /// Only reads a prompt.
    pub fn reading(
        lane: LaneKey,
        prompt: Arc<[u32]>,
        prompt_scores: PromptScores,
        events: Sender<Event>,
    ) -> Self {
        Self {
            number: 0,
            lane,
            prompt,
            prompt_scores,
            choices: 0..0,
            writing: Arc::default(),
            first: 0,
            space_is_there: false,
            wanted: None,
            pace: Pace::WHOLE,
            events,
        }
    }

    /// Places that it takes: one for each text, and one while only a prompt is read.
    pub(super) fn places(&self) -> usize {
        self.choices.len().max(1)
    }
}
