//! How well a model knows a text: one pass over it, the state carried from beginning to end.

use std::ops::Range;

use crate::data::{Batch, Start, Target};
use crate::error::{Error, Result};
use crate::ids::TokenIds;
use crate::math::softmax::LossSum;
use crate::math::threads::Compute;
use crate::model::{Engine, Model};

/// Tokens computed at a time. The state goes on, so it changes nothing but memory.
const CHUNK: usize = 1024;

/// How well a model knows a text. The first token has nothing before it and is not counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextScore {
    /// Loss and hits over the tokens.
    pub sum: LossSum,
    /// Characters of these tokens.
    pub characters: u64,
    /// Bytes of these tokens in UTF-8.
    pub bytes: u64,
}

impl TextScore {
    /// Mean loss in nats per token.
    pub fn loss_nats(&self) -> f64 {
        self.sum.loss()
    }

    /// e to the loss: between how many equally likely tokens the model hesitates.
    pub fn perplexity(&self) -> f64 {
        self.sum.loss().exp()
    }

    /// Nats per character, comparable between tokenizers.
    pub fn nats_per_character(&self) -> f64 {
        self.sum.nats / self.characters as f64
    }

    /// Bits per character, comparable between tokenizers.
    pub fn bits_per_character(&self) -> f64 {
        self.nats_per_character() / std::f64::consts::LN_2
    }

    /// Bits per byte of UTF-8, comparable with a compressor's.
    pub fn bits_per_byte(&self) -> f64 {
        self.sum.nats / std::f64::consts::LN_2 / self.bytes as f64
    }
}

/// Scores the tokens of a range. `watch` is told how many are done, and says whether to go on.
///
/// # Errors
/// If there are fewer than two tokens.
pub fn evaluate(
    model: &Model,
    compute: &Compute,
    ids: &TokenIds,
    range: Range<usize>,
    mut watch: impl FnMut(u64) -> bool,
) -> Result<Option<TextScore>> {
    if range.len() < 2 {
        return Err(Error::OutOfRange {
            what: "the text to evaluate".into(),
            expected: "at least 2 tokens long".into(),
            found: range.len().to_string(),
        });
    }
    let tokenizer = &model.tokenizer;
    let mut engine = Engine::new(&model.config, tokenizer.vocabulary_size(), compute.clone())?;
    engine.load(&model.weights);
    let sizes = tokenizer.token_sizes();
    let mut score = TextScore { sum: LossSum::default(), characters: 0, bytes: 0 };
    ids.for_each(range.start + 1..range.end, |id| {
        score.characters += sizes[id as usize].characters;
        score.bytes += sizes[id as usize].bytes;
    });
    let last = range.end - 1;
    for first in range.clone().step_by(CHUNK).take_while(|&first| first < last) {
        let start = if first == range.start { Start::Fresh } else { Start::Carried };
        let batch = Batch::gather(ids, &[first], CHUNK.min(last - first), start);
        score.sum.add(engine.evaluate(&batch, Target::All));
        if !watch(score.sum.positions) {
            return Ok(None);
        }
    }
    Ok(Some(score))
}
