//! One text being written: logits come in, tokens and text come out.

use std::sync::Arc;

use super::{FinishReason, GrowingText};
use crate::error::Result;
use crate::math::simd::VectorUnit;
use crate::rng::Rng;
use crate::sample::{Draw, History, LogitChanger, Sampler};
use crate::tokenizer::Tokenizer;

/// Draws the tokens of one text. Who owns it has the model read them and brings the logits.
#[derive(Clone, Debug)]
pub struct Writer {
    draw: Draw,
    changer: LogitChanger,
    rng: Rng,
    /// The last tokens, as many as the sampler looks at.
    history: History,
    text: GrowingText,
    /// The bytes of one token.
    token: Vec<u8>,
}

impl Writer {
    /// Goes on from `prompt`, which has the token that stands for an empty one.
    ///
    /// # Errors
    /// If a number of the sampler is outside its range.
    pub fn new(
        sampler: impl Into<Arc<Sampler>>,
        unit: VectorUnit,
        prompt: &[u32],
        rng: Rng,
        text: GrowingText,
    ) -> Result<Self> {
        let sampler = sampler.into();
        let history = History::new(sampler.memory(), prompt);
        let draw = Draw::new(sampler, unit)?;
        let changer = LogitChanger::default();
        Ok(Self { draw, changer, rng, history, text, token: Vec::new() })
    }

    /// The same with changes of the logits, which must have been checked.
    pub fn with_changes(self, changer: LogitChanger) -> Self {
        Self { changer, ..self }
    }

    /// Draws the next token from its logits, `[V]`; returns it, and what can be given out now.
    ///
    /// # Panics
    /// If the logits are not of this tokenizer's vocabulary.
    pub fn write(&mut self, logits: &[f32], tokenizer: &Tokenizer) -> (u32, &str) {
        let logits = self.changer.change(logits);
        let id = self.draw.draw(logits, self.history.ids(), &mut self.rng);
        self.history.push(id);
        self.changer.push(id);
        self.token.clear();
        tokenizer.push_token(id, &mut self.token);
        (id, self.text.push(&self.token))
    }

    /// The text so far.
    pub fn text(&self) -> &GrowingText {
        &self.text
    }

    /// Why the text ended, if it has.
    pub fn finished(&self) -> Option<FinishReason> {
        self.text.finished()
    }
}
