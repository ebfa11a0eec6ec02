//! A text that is being written for a request.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use machado_core::generate::{FinishReason, Writer};
use machado_core::math::simd::VectorUnit;
use machado_core::math::softmax::log_sum;
use machado_core::sample::keep_first;
use machado_core::tokenizer::Tokenizer;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::event::{Burst, Event, Step, TokenScore};
use super::job::{Pace, Wanted};
use super::waiting::{Places, Waiting};

/// Tokens that a text may be ahead of a reader who does not take what is sent.
const MOST_AHEAD: usize = 256;

/// What all texts of a job have in common.
#[derive(Debug)]
pub(super) struct Common {
    pub wanted: Option<Wanted>,
    pub pace: Pace,
    /// See [`Job::space_is_there`](super::Job::space_is_there).
    pub space_is_there: bool,
    pub events: Sender<Event>,
}

/// A text.
#[derive(Debug)]
pub(super) struct Row {
    common: Arc<Common>,
    writer: Writer,
    /// What was not sent yet.
    burst: Burst,
    /// Scores of tokens whose text is held back, with the places where they begin and end in it.
    held: VecDeque<(TokenScore, [usize; 2])>,
    /// Whether a space that the text begins with is there already.
    space_is_there: bool,
    sent_at: Instant,
    /// Not while it waits for its reader, so that it keeps nobody else out.
    place: Option<Places>,
}

/// What became of what was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It was, or there is nothing.
    Yes,
    /// There is no room.
    Full,
    /// Nobody wants it any more.
    Gone,
}

/// Memory for scores.
#[derive(Debug)]
pub(super) struct Scorer {
    unit: VectorUnit,
    padded: Vec<f32>,
    order: Vec<u32>,
}

impl Row {
    pub fn new(
        common: Arc<Common>,
        number: usize,
        writer: Writer,
        place: Places,
        now: Instant,
    ) -> Self {
        let space_is_there = common.space_is_there;
        Self {
            common,
            writer,
            burst: Burst { choice: number, ..Burst::default() },
            held: VecDeque::new(),
            space_is_there,
            sent_at: now,
            place: Some(place),
        }
    }

    /// Whether the receiver is gone.
    pub fn is_gone(&self) -> bool {
        self.common.events.is_closed()
    }

    /// Gives its place to others while it waits for its reader.
    pub fn leave_place(&mut self) {
        self.place = None;
    }

    /// Takes a place again, at once: for a moment there may be more than there are to be.
    pub fn take_place(&mut self, waiting: &Arc<Waiting>) {
        self.place = Some(waiting.place());
    }

    /// Whether the text has ended.
    pub fn is_finished(&self) -> bool {
        self.writer.finished().is_some()
    }

    /// Whether the reader has so much left to take that writing should wait.
    pub fn is_ahead(&self) -> bool {
        self.burst.steps.len() >= MOST_AHEAD
    }

    /// When something was sent last.
    pub fn sent_at(&self) -> Instant {
        self.sent_at
    }

    /// Draws a token.
    pub fn write(&mut self, logits: &[f32], tokenizer: &Tokenizer, scorer: &mut Scorer) -> u32 {
        let begin = self.writer.text().len();
        let (id, piece) = self.writer.write(logits, tokenizer);
        let mut piece = piece;
        if self.space_is_there && !piece.is_empty() {
            piece = piece.strip_prefix(' ').unwrap_or(piece);
            self.space_is_there = false;
        }
        self.burst.text.push_str(piece);
        let finished = self.writer.finished();
        if let Some(wanted) = self.common.wanted {
            let text = self.writer.text();
            let score = scorer.score(Some(logits), id, wanted);
            self.held.push_back((score, [begin, text.len()]));
            // A token goes out with the last of its text; before a stop string if some of it went out.
            let (released, stopped) = (text.released(), finished == Some(FinishReason::Stop));
            while let Some((_, [begin, end])) = self.held.front()
                && (if stopped { *begin < released } else { *end <= released })
            {
                let (score, _) = self.held.pop_front().expect("the one that was looked at");
                self.burst.tokens.push(score);
            }
        }
        let (text_end, tokens_end) = (self.burst.text.len(), self.burst.tokens.len());
        self.burst.steps.push(Step { text_end, tokens_end });
        self.burst.finished = finished;
        id
    }

    /// Sends what was written if it is time for it.
    pub fn send_if_due(&mut self, now: Instant) -> Sent {
        let Pace { tokens, time } = self.common.pace;
        let is_first = self.writer.text().tokens() == 1;
        let steps = self.burst.steps.len();
        if is_first || self.is_finished() || steps >= tokens || now - self.sent_at >= time {
            self.send(now)
        } else {
            Sent::Yes
        }
    }

    /// Sends what was written.
    pub fn send(&mut self, now: Instant) -> Sent {
        let burst = &mut self.burst;
        if burst.steps.is_empty() && burst.finished.is_none() {
            return if self.is_gone() { Sent::Gone } else { Sent::Yes };
        }
        let choice = burst.choice;
        let whole = std::mem::replace(burst, Burst { choice, ..Burst::default() });
        match self.common.events.try_send(Event::Written(whole)) {
            Ok(()) => {
                self.sent_at = now;
                Sent::Yes
            }
            Err(TrySendError::Full(Event::Written(whole))) => {
                self.burst = whole;
                Sent::Full
            }
            Err(_) => Sent::Gone,
        }
    }
}

impl Scorer {
    pub fn new(unit: VectorUnit) -> Self {
        Self { unit, padded: Vec::new(), order: Vec::new() }
    }

    /// The score of a token, given the logits of its place; without them it has nothing before it.
    pub fn score(&mut self, logits: Option<&[f32]>, id: u32, wanted: Wanted) -> TokenScore {
        let nothing =
            TokenScore { id, logprob: None, rank: None, entropy_nats: None, top: Vec::new() };
        let Some(logits) = logits else { return nothing };
        let log_sum = log_sum(self.unit, logits, &mut self.padded);
        // The same arithmetic for each, so that the likeliest token is found by its number.
        let logprob = |id: u32| (f64::from(logits[id as usize]) - log_sum) as f32;
        let own = logits[id as usize];
        let before = |place: usize, logit: f32| logit > own || logit == own && place < id as usize;
        let rank =
            || logits.iter().enumerate().filter(|&(place, &logit)| before(place, logit)).count();
        let entropy = || -> f64 {
            let term = |&logit: &f32| {
                let logprob = f64::from(logit) - log_sum;
                -logprob.exp() * logprob
            };
            logits.iter().map(term).sum()
        };
        TokenScore {
            id,
            logprob: Some(logprob(id)),
            rank: wanted.details.then(|| rank() + 1),
            entropy_nats: wanted.details.then(entropy),
            top: self.likeliest(logits, wanted.top).map(|id| (id, logprob(id))).collect(),
        }
    }

    /// The likeliest tokens, of equals the smaller id first.
    fn likeliest(&mut self, logits: &[f32], count: usize) -> impl Iterator<Item = u32> {
        self.order.clear();
        if count > 0 {
            self.order.extend(0..logits.len() as u32);
        }
        let logit = |id: &u32| logits[*id as usize];
        keep_first(&mut self.order, count, |a, b| logit(b).total_cmp(&logit(a)).then(a.cmp(b)));
        self.order.iter().copied()
    }
}
