//! One token per word, number or run of signs; what is rare is spelled by characters.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::pieces::Pieces;
use super::{Encoding, PieceCounts, Rare, VocabularyConfig};
use crate::error::Result;

/// Tokens of a vocabulary of words, where no other number is given. Machado's novels have 40,000
/// different words; these 8,192 tokens are 95% of what they say.
pub(super) const MAX_VOCAB: usize = 8192;

/// How often a word must come to be a token, where no other number is given. With 1 no word of the
/// training part would ever be spelled, and the model could not learn to read one that is.
pub(super) const MIN_COUNT: u64 = 2;

/// A vocabulary of words, and of the characters that spell all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vocabulary", into = "Vocabulary")]
pub struct WordTokenizer {
    vocabulary: Vec<Box<str>>,
    ids: HashMap<Box<str>, u32>,
}

/// How a [`WordTokenizer`] is written to files.
#[derive(Serialize, Deserialize)]
struct Vocabulary {
    vocabulary: Vec<Box<str>>,
}

impl TryFrom<Vocabulary> for WordTokenizer {
    type Error = String;

    fn try_from(Vocabulary { vocabulary }: Vocabulary) -> Result<Self, String> {
        let mut ids = HashMap::with_capacity(vocabulary.len());
        for (token, id) in vocabulary.iter().zip(0..) {
            if token.is_empty() {
                return Err(format!("token {id} is empty"));
            }
            if let Some(before) = ids.insert(token.clone(), id) {
                return Err(format!("tokens {before} and {id} are both {token:?}"));
            }
        }
        Ok(Self { vocabulary, ids })
    }
}

impl From<WordTokenizer> for Vocabulary {
    fn from(tokenizer: WordTokenizer) -> Self {
        Self { vocabulary: tokenizer.vocabulary }
    }
}

impl WordTokenizer {
    /// The tokenizer for a text: all its characters (the most frequent ones, if they are more than
    /// the vocabulary may have), and the words that are most frequent in its training part.
    pub(super) fn learn(counts: &PieceCounts<'_>, config: &VocabularyConfig) -> (Self, Rare) {
        let most = config.max_vocab.unwrap_or(MAX_VOCAB);
        let least = config.min_count.unwrap_or(MIN_COUNT);
        let mut characters: HashMap<char, u64> = HashMap::new();
        for (piece, count) in counts.pieces.iter().zip(&counts.in_all) {
            piece.chars().for_each(|c| *characters.entry(c).or_default() += count);
        }
        let mut characters: Vec<(char, u64)> = characters.into_iter().collect();
        characters.sort_by_key(|&(c, count)| (Reverse(count), c));
        let left_out = characters.split_off(most.min(characters.len()));

        let is_word = |piece: &str| piece.chars().nth(1).is_some();
        let in_training = || counts.pieces.iter().zip(&counts.in_training);
        let mut words: Vec<(&str, u64)> = in_training()
            .filter(|&(piece, &count)| count >= least && is_word(piece))
            .map(|(piece, &count)| (&**piece, count))
            .collect();
        words.sort_by_key(|&(word, count)| (Reverse(count), word));
        words.truncate(most - characters.len());

        // How often each token comes in the training part: words, and what spells the others.
        let mut tokens: HashMap<Box<str>, u64> =
            words.into_iter().map(|(word, count)| (word.into(), count)).collect();
        tokens.extend(characters.iter().map(|(c, _)| (c.to_string().into(), 0)));
        let mut spelled = Vec::new();
        for (piece, &count) in in_training().filter(|&(_, &count)| count > 0) {
            if let Some(sum) = tokens.get_mut(piece)
                && is_word(piece)
            {
                *sum = count;
                continue;
            }
            if is_word(piece) {
                spelled.push((piece.to_string(), count));
            }
            let mut utf8 = [0; 4];
            for c in piece.chars() {
                if let Some(sum) = tokens.get_mut(&*c.encode_utf8(&mut utf8)) {
                    *sum += count;
                }
            }
        }
        let mut tokens: Vec<(Box<str>, u64)> = tokens.into_iter().collect();
        tokens.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
        let vocabulary: Vec<Box<str>> = tokens.into_iter().map(|(token, _)| token).collect();
        let tokenizer = Self::try_from(Vocabulary { vocabulary });
        let tokenizer = tokenizer.expect("words and characters are not empty, and differ");
        (tokenizer, Rare::new(left_out, spelled))
    }

    /// The tokens in the order of their ids.
    pub fn vocabulary(&self) -> &[Box<str>] {
        &self.vocabulary
    }

    /// The id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    pub(super) fn encode_text(&self, text: &str, encoding: &mut Encoding) -> Result<()> {
        Pieces::new(text).try_for_each(|piece| self.encode_word(piece, encoding))
    }

    /// Appends the tokens of a word, which are not looked for in another way than as a whole or by
    /// characters: alone it might be cut again, as `-lhe` without the letter before it.
    pub(super) fn encode_word(&self, word: &str, encoding: &mut Encoding) -> Result<()> {
        if let Some(id) = self.id(word) {
            encoding.characters += word.chars().count() as u64;
            encoding.ids.push(id);
            return Ok(());
        }
        let mut utf8 = [0; 4];
        for c in word.chars() {
            encoding.characters += 1;
            match self.id(c.encode_utf8(&mut utf8)) {
                Some(id) => encoding.ids.push(id),
                None => encoding.unknown(c)?,
            }
        }
        Ok(())
    }
}
