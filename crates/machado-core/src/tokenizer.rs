//! Between text and token ids.
//!
//! Ids run from 0 without gaps: characters and words the most frequent first, parts of words in the
//! order in which they were learnt.

mod joiner;
mod pieces;
mod char;
mod word;
mod bpe;
mod learn;

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use self::bpe::BpeTokenizer;
pub use self::char::{CharEncoder, CharTokenizer};
pub use self::joiner::CharacterJoiner;
use self::learn::PieceCounts;
pub use self::learn::{PieceEncoder, PieceText, Rare, TokenizerKind, VocabularyConfig};
pub use self::word::WordTokenizer;
use crate::error::{Error, Result};
use crate::ids::TokenIds;

/// Turns text into ids and back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Tokenizer {
    /// One token per character.
    Char(CharTokenizer),
    /// One token per word, with the space before it.
    Word(WordTokenizer),
    /// Parts of words.
    Bpe(Box<BpeTokenizer>),
}

/// How words and parts of words cut a text before all else, as a regular expression that finds one piece
/// after the other, in the syntax that Hugging Face's `tokenizers` reads.
pub fn piece_pattern() -> String {
    pieces::pattern()
}

/// How much text a token, or some tokens, stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenSize {
    /// Characters that begin in it.
    pub characters: u64,
    /// Bytes in UTF-8.
    pub bytes: u64,
}

impl TokenSize {
    /// That of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let begins = bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80);
        Self { characters: begins.count() as u64, bytes: bytes.len() as u64 }
    }
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
    /// Words whose tokens took work to find, with their places in `remembered_ids`.
    remembered: HashMap<Box<str>, Range<usize>>,
    remembered_ids: Vec<u32>,
}

/// Words remembered at a time; a text with more different ones has them found again.
const MOST_REMEMBERED: usize = 1 << 18;

impl Encoding {
    /// How many characters were left out.
    pub fn skipped_in_all(&self) -> u64 {
        self.skipped.iter().map(|(_, count)| count).sum()
    }

    /// Appends the tokens of a word, if they are known.
    fn push_remembered(&mut self, word: &str) -> bool {
        let Some(range) = self.remembered.get(word) else { return false };
        self.remembered_ids[range.clone()].iter().for_each(|&id| self.ids.push(id));
        true
    }

    fn remember_and_push(&mut self, word: &str, ids: impl Iterator<Item = u32>) {
        if self.remembered.len() == MOST_REMEMBERED {
            self.remembered.clear();
            self.remembered_ids.clear();
        }
        let begin = self.remembered_ids.len();
        self.remembered_ids.extend(ids);
        self.remembered.insert(word.into(), begin..self.remembered_ids.len());
        self.push_remembered(word);
    }

    /// Does what the policy says with a character that is not in the vocabulary, the last one of
    /// those read.
    fn unknown(&mut self, character: char) -> Result<()> {
        if self.policy == UnknownPolicy::Skip {
            self.skip(character);
            return Ok(());
        }
        Err(Error::UnknownCharacter {
            character,
            code: character.into(),
            position: self.characters,
            source_name: self.source_name,
        })
    }

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
            Self::Word(tokenizer) => tokenizer.vocabulary().len(),
            Self::Bpe(tokenizer) => tokenizer.tokens().len(),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> TokenizerKind {
        match self {
            Self::Char(_) => TokenizerKind::Char,
            Self::Word(_) => TokenizerKind::Word,
            Self::Bpe(_) => TokenizerKind::Bpe,
        }
    }

    /// The name of its kind, as in `--tokenizer char`.
    pub fn name(&self) -> &'static str {
        self.kind().name()
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
            remembered: HashMap::new(),
            remembered_ids: Vec::new(),
        }
    }

    /// Appends the ids of a piece of text: a whole text, or what a
    /// [`Decoder`](crate::text::Decoder) has cut.
    ///
    /// # Errors
    /// If a character is not in the vocabulary and the policy says that this is an error.
    pub fn encode_piece(&self, text: &str, encoding: &mut Encoding) -> Result<()> {
        match self {
            Self::Char(tokenizer) => tokenizer.encode_piece(text, encoding),
            Self::Word(tokenizer) => tokenizer.encode_text(text, encoding),
            Self::Bpe(tokenizer) => {
                tokenizer.encode_text(text, encoding);
                Ok(())
            }
        }
    }

    /// Whether the space before a word is part of a token.
    pub fn joins_spaces(&self) -> bool {
        self.kind() != TokenizerKind::Char
    }

    /// What of a prompt is read. Where a token is a word, the space that a prompt may end with
    /// belongs to the word that comes next, so the model is to say it.
    pub fn read_of_prompt<'p>(&self, prompt: &'p str) -> &'p str {
        let without = prompt.strip_suffix(' ').filter(|_| self.joins_spaces());
        without.unwrap_or(prompt)
    }

    /// The token that stands for an empty prompt: the end of a line, or the most frequent one.
    pub fn start(&self) -> u32 {
        match self {
            Self::Char(tokenizer) => tokenizer.id('\n').unwrap_or(0),
            Self::Word(tokenizer) => tokenizer.id("\n").unwrap_or(0),
            Self::Bpe(tokenizer) => tokenizer.newline(),
        }
    }

    /// The text of some ids; U+FFFD stands for characters of which only a part is there.
    ///
    /// # Panics
    /// If an id is outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::new();
        ids.iter().for_each(|&id| self.push_token(id, &mut bytes));
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// Appends the bytes of one token, which may be a part of a character; see
    /// [`CharacterJoiner`].
    ///
    /// # Panics
    /// If `id` is outside the vocabulary.
    pub fn push_token(&self, id: u32, bytes: &mut Vec<u8>) {
        let id = id as usize;
        match self {
            Self::Char(tokenizer) => {
                let mut utf8 = [0; 4];
                let token = tokenizer.vocabulary()[id].encode_utf8(&mut utf8);
                bytes.extend_from_slice(token.as_bytes());
            }
            Self::Word(tokenizer) => {
                bytes.extend_from_slice(tokenizer.vocabulary()[id].as_bytes());
            }
            Self::Bpe(tokenizer) => bytes.extend_from_slice(&tokenizer.tokens()[id]),
        }
    }

    /// One token for people: its text, and bytes that are but a part of a character as `<0xC3>`.
    ///
    /// # Panics
    /// If `id` is outside the vocabulary.
    pub fn token(&self, id: u32) -> String {
        let mut bytes = Vec::new();
        self.push_token(id, &mut bytes);
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            chunk.invalid().iter().for_each(|byte| text.push_str(&format!("<0x{byte:02X}>")));
        }
        text
    }

    /// How much text the tokens of a range stand for.
    pub fn size_of(&self, ids: &TokenIds, range: Range<usize>) -> TokenSize {
        let sizes = self.token_sizes();
        let mut sum = TokenSize::default();
        ids.for_each(range, |id| {
            sum.characters += sizes[id as usize].characters;
            sum.bytes += sizes[id as usize].bytes;
        });
        sum
    }

    /// A prompt, or what stands for an empty one.
    pub fn begin(&self, prompt: &[u32]) -> Vec<u32> {
        if prompt.is_empty() { vec![self.start()] } else { prompt.to_vec() }
    }

    /// How much text each token stands for, in the order of their ids.
    fn token_sizes(&self) -> Vec<TokenSize> {
        let mut bytes = Vec::new();
        let size = |id: u32| {
            bytes.clear();
            self.push_token(id, &mut bytes);
            TokenSize::of(&bytes)
        };
        (0..self.vocabulary_size() as u32).map(size).collect()
    }
}
