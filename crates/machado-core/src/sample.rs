//! Drawing the next token from its probabilities.
//!
//! What a [`Sampler`] says applies in one order, that of Hugging Face's `generate`:
//!
//! 1. repetition penalty, on the logits,
//! 2. bans,
//! 3. temperature,
//! 4. top-k, 5. top-p, 6. min-p, 7. typical-p, each on what the one before left, made to sum to 1.
//!
//! Each leaves at least one token, so that there is always something to draw.

mod ban;
mod changes;
mod history;
mod penalty;
mod shape;

pub use ban::Bans;
pub use changes::{LogitChanger, LogitChanges};
pub use history::History;

use std::cmp::Ordering;
use std::sync::Arc;

use self::shape::{Kept, shape};
use crate::error::{Error, Result};
use crate::math::simd::VectorUnit;
use crate::math::softmax::{argmax, softmax_weights};
use crate::rng::Rng;

/// How the next token is drawn. `docs/sampling.md` explains each in plain words.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    /// The logits are divided by it: below 1 the likely tokens become likelier, above 1 less so;
    /// 0 always takes the likeliest. Default 1.
    pub temperature: f64,
    /// Only the `k` likeliest tokens.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens that together reach this probability.
    pub top_p: Option<f64>,
    /// Only tokens with at least this share of the likeliest one's probability.
    pub min_p: Option<f64>,
    /// Only the tokens whose surprise (−ln p) is nearest to the entropy, which is the surprise to be
    /// expected, until together they reach this probability: Meister et al., "Locally typical
    /// sampling".
    pub typical_p: Option<f64>,
    /// Logits of tokens that came lately are divided by it where they are positive, and multiplied
    /// where they are negative, as in CTRL and Hugging Face: above 1 they come less often, below 1
    /// more often.
    pub repetition_penalty: Option<f64>,
    /// How many of the last tokens, those of the prompt among them, the penalty looks at. Default
    /// [`REPETITION_WINDOW`].
    pub repetition_window: usize,
    /// Tokens, and ends of sequences of tokens, that are never drawn.
    pub bans: Bans,
}

/// The window of the repetition penalty where none is given, that of llama.cpp.
pub const REPETITION_WINDOW: usize = 64;

/// The largest repetition penalty: one that no logit withstands.
const STRONGEST_PENALTY: f64 = 1e6;

impl Default for Sampler {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
            typical_p: None,
            repetition_penalty: None,
            repetition_window: REPETITION_WINDOW,
            bans: Bans::default(),
        }
    }
}

impl Sampler {
    /// Checks each number.
    ///
    /// # Errors
    /// If one is outside its range; the error names its flag.
    pub fn check(&self) -> Result<()> {
        let error = |what: &str, expected: &str, found: String| {
            Err(Error::OutOfRange { what: what.into(), expected: expected.into(), found })
        };
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return error("--temperature", "0 or more", self.temperature.to_string());
        }
        if self.top_k == Some(0) {
            return error("--top-k", "at least 1", "0".into());
        }
        for (name, value) in
            [("--top-p", self.top_p), ("--min-p", self.min_p), ("--typical-p", self.typical_p)]
        {
            if let Some(value) = value
                && !(value > 0.0 && value <= 1.0)
            {
                return error(name, "greater than 0 and at most 1", value.to_string());
            }
        }
        if let Some(penalty) = self.repetition_penalty
            && !(penalty > 0.0 && penalty <= STRONGEST_PENALTY)
        {
            let expected = "greater than 0 and at most 1000000";
            return error("--repetition-penalty", expected, penalty.to_string());
        }
        if self.repetition_window == 0 {
            return error("--repetition-window", "at least 1", "0".into());
        }
        Ok(())
    }

    /// The probability of each token, given the logits and the tokens that came before (all of them
    /// or at least the last [`memory`](Self::memory)).
    ///
    /// # Panics
    /// If `history` or the bans have a token that has no logit.
    pub fn distribution(&self, logits: &[f32], history: &[u32]) -> Vec<f64> {
        let mut adjusted = Vec::new();
        let mut kept = Vec::new();
        shape(self, self.adjusted(logits, history, &mut adjusted), &mut kept);
        let mut probabilities = vec![0.0; logits.len()];
        kept.iter().for_each(|token| probabilities[token.id as usize] = token.share);
        probabilities
    }

    /// How many of the last tokens have an influence on the next one's probability, beside the one
    /// that they have by way of the model.
    pub fn memory(&self) -> usize {
        let window = if self.repetition_penalty.is_some() { self.repetition_window } else { 0 };
        window.max(self.bans.memory())
    }

    /// The logits after penalty and bans, in `buffer` if they differ.
    fn adjusted<'a>(
        &self,
        logits: &'a [f32],
        history: &[u32],
        buffer: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        if self.repetition_penalty.is_none() && self.bans.is_empty() {
            return logits;
        }
        buffer.clear();
        buffer.extend_from_slice(logits);
        if let Some(penalty) = self.repetition_penalty {
            let window = history.len().saturating_sub(self.repetition_window);
            penalty::apply(penalty, logits, &history[window..], buffer);
        }
        self.bans.each(history, |id| buffer[id as usize] = f32::NEG_INFINITY);
        buffer
    }

    /// Whether tokens are left out by their probabilities.
    fn filters(&self) -> bool {
        self.top_k.is_some()
            || self.top_p.is_some()
            || self.min_p.is_some()
            || self.typical_p.is_some()
    }
}

/// The `count` likeliest tokens of a distribution with their probabilities, the likeliest first, of
/// equals the smaller id; those that cannot come are left out.
pub fn likeliest(probabilities: &[f64], count: usize) -> Vec<(u32, f64)> {
    let mut found: Vec<(u32, f64)> =
        (0..).zip(probabilities.iter().copied()).filter(|&(_, p)| p > 0.0).collect();
    keep_first(&mut found, count, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    found
}

/// Leaves the `count` first items of an order that has no ties, sorted.
pub fn keep_first<T>(items: &mut Vec<T>, count: usize, order: impl Fn(&T, &T) -> Ordering) {
    if count == 0 {
        items.clear();
    }
    // Vocabularies may have tens of thousands of tokens: only those that are shown are sorted.
    if count < items.len() {
        items.select_nth_unstable_by(count - 1, &order);
        items.truncate(count);
    }
    items.sort_unstable_by(order);
}

/// Draws tokens; keeps its buffers.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Shared by all texts of a request.
    sampler: Arc<Sampler>,
    unit: VectorUnit,
    /// Logits after penalty and bans.
    adjusted: Vec<f32>,
    /// Tokens that the filters left.
    kept: Vec<Kept>,
    /// What the probabilities are proportional to.
    weights: Vec<f32>,
}

/// Weights summed at a time when the place of a random number is looked for.
const SUMMED: usize = 16;

impl Draw {
    /// Draws as `sampler` says.
    ///
    /// # Errors
    /// If one of its numbers is outside its range.
    pub fn new(sampler: impl Into<Arc<Sampler>>, unit: VectorUnit) -> Result<Self> {
        let sampler = sampler.into();
        sampler.check()?;
        Ok(Self { sampler, unit, adjusted: Vec::new(), kept: Vec::new(), weights: Vec::new() })
    }

    /// Draws a token, given the logits and the tokens that came before (all of them or at least the
    /// last [`Sampler::memory`]).
    ///
    /// # Panics
    /// If `history` or the bans have a token that has no logit.
    pub fn draw(&mut self, logits: &[f32], history: &[u32], rng: &mut Rng) -> u32 {
        let adjusted = self.sampler.adjusted(logits, history, &mut self.adjusted);
        let weights = &mut self.weights;
        if self.sampler.temperature == 0.0 {
            return argmax(adjusted) as u32;
        } else if self.sampler.filters() {
            shape(&self.sampler, adjusted, &mut self.kept);
            weights.clear();
            weights.resize(logits.len(), 0.0);
            self.kept.iter().for_each(|token| weights[token.id as usize] = token.share as f32);
        } else {
            softmax_weights(self.unit, adjusted, self.sampler.temperature as f32, weights);
            if !self.sampler.bans.is_empty() {
                // Fast arithmetic makes of e^-∞ a very small number. Never is never.
                let banned = adjusted.iter().map(|&logit| logit == f32::NEG_INFINITY);
                weights.iter_mut().zip(banned).for_each(|(weight, banned)| {
                    *weight = if banned { 0.0 } else { *weight };
                });
            }
        }
        place_of(weights, rng.uniform()) as u32
    }
}

/// Where `share` of the sum of all weights is reached: each index comes with a probability
/// proportional to its weight. `share` is in `[0, 1)`.
fn place_of(weights: &[f32], share: f64) -> usize {
    let sum = |chunk: &[f32]| f64::from(chunk.iter().sum::<f32>());
    let mut rest = share * weights.chunks(SUMMED).map(sum).sum::<f64>();
    for (number, chunk) in weights.chunks(SUMMED).enumerate() {
        let whole = sum(chunk);
        if rest >= whole {
            rest -= whole;
            continue;
        }
        for (place, &weight) in chunk.iter().enumerate() {
            rest -= f64::from(weight);
            if rest < 0.0 {
                return number * SUMMED + place;
            }
        }
    }
    // If rounding left a little over, the last possible token takes it.
    weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0)
}

#[cfg(test)]
mod tests;
