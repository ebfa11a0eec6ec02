//! Between text and token ids.
//!
//! Ids run from 0 without gaps, the most frequent token first.

mod char;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use self::char::{CharEncoder, CharTokenizer};
use crate::error::Result;
use crate::ids::TokenIds;

/// Turns text into ids and back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Tokenizer {
    /// One token per character.
    Char(CharTokenizer),
}

/// What to do with a character that is not in the vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownPolicy {
    /// Leave it out, and count it.
    #[default]
    Skip,
    /// Stop with an error that names it.
    Error,
}

/// A text being encoded piece by piece: the ids so far and what was left out.
#[derive(Debug)]
pub struct Encoding {
    /// The ids.
    pub ids: TokenIds,
    /// What to do with unknown characters.
    pub policy: UnknownPolicy,
    /// `prompt` or `text`, for messages.
    pub source_name: &'static str,
    /// Characters read.
    pub characters: u64,
    /// The unknown characters that were left out, in order of appearance, and how often.
    pub skipped: Vec<(char, u64)>,
    /// Where each of them stands in `skipped`.
    places: HashMap<char, usize>,
}

impl Encoding {
    fn skip(&mut self, character: char) {
        let next = self.skipped.len();
        let place = *self.places.entry(character).or_insert(next);
        if place == next {
            self.skipped.push((character, 0));
        }
        self.skipped[place].1 += 1;
    }
}

impl Tokenizer {
    /// The number of tokens, `V`.
    pub fn vocabulary_size(&self) -> usize {
        match self {
            Self::Char(tokenizer) => tokenizer.vocabulary().len(),
        }
    }

    /// Its kind, as in `--tokenizer char`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Char(_) => "char",
        }
    }

    /// An encoding to which [`encode_piece`](Self::encode_piece) appends.
    pub fn encoding(&self, policy: UnknownPolicy, source_name: &'static str) -> Encoding {
        let ids = TokenIds::for_vocabulary(self.vocabulary_size());
        Encoding {
            ids,
            policy,
            source_name,
            characters: 0,
            skipped: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// Appends the ids of a piece of text.
    ///
    /// # Errors
    /// If a character is not in the vocabulary and the policy says that this is an error.
    pub fn encode_piece(&self, text: &str, encoding: &mut Encoding) -> Result<()> {
        match self {
            Self::Char(tokenizer) => tokenizer.encode_piece(text, encoding),
        }
    }

    /// The token that stands for an empty prompt: the end of a line, or the most frequent one.
    pub fn start(&self) -> u32 {
        match self {
            Self::Char(tokenizer) => tokenizer.id('\n').unwrap_or(0),
        }
    }

    /// The text of some ids.
    ///
    /// # Panics
    /// If an id is outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut text = String::new();
        ids.iter().for_each(|&id| self.push_token(id, &mut text));
        text
    }

    /// Appends the text of one token.
    ///
    /// # Panics
    /// If `id` is outside the vocabulary.
    pub fn push_token(&self, id: u32, text: &mut String) {
        match self {
            Self::Char(tokenizer) => text.push(tokenizer.vocabulary()[id as usize]),
        }
    }

    /// The text of one token.
    ///
    /// # Panics
    /// If `id` is outside the vocabulary.
    pub fn token(&self, id: u32) -> String {
        self.decode(&[id])
    }
}
