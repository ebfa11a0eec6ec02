//! A text cut into pieces while it is read, and the vocabulary that is learnt from it.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::pieces::Pieces;
use super::{BpeTokenizer, Tokenizer, UnknownPolicy, WordTokenizer};
use crate::ids::TokenIds;

/// What a token is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    /// A character.
    #[default]
    Char,
    /// A word with the space before it; rare words are spelled by characters.
    Word,
    /// A part of a word, down to single bytes: byte pair encoding.
    Bpe,
}

impl TokenizerKind {
    /// `char`, `word` or `bpe`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Char => "char",
            Self::Word => "word",
            Self::Bpe => "bpe",
        }
    }
}

/// What a vocabulary is made of, and how large it may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VocabularyConfig {
    /// What a token is.
    pub kind: TokenizerKind,
    /// At most so many tokens, the most frequent ones. Default: all characters, 8,192 words, or
    /// 2,048 parts of words.
    pub max_vocab: Option<usize>,
    /// Characters or words that come less often are no tokens, pairs of parts are not joined.
    /// Default 1 for characters, else 2.
    pub min_count: Option<u64>,
}

/// What is too rare to be a token, each list with the most frequent first, and how often it comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rare {
    /// Characters that are left out of the text.
    pub left_out: Vec<(char, u64)>,
    /// Words of the training part that are spelled by characters.
    pub spelled: Vec<(String, u64)>,
}

impl Rare {
    pub(super) fn new(mut left_out: Vec<(char, u64)>, mut spelled: Vec<(String, u64)>) -> Self {
        left_out.sort_by_key(|&(c, count)| (Reverse(count), c));
        spelled.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
        Self { left_out, spelled }
    }
}

/// The different pieces of a text, and how often each comes.
#[derive(Debug)]
pub(super) struct PieceCounts<'t> {
    pub(super) pieces: &'t [Box<str>],
    pub(super) in_training: Vec<u64>,
    pub(super) in_all: Vec<u64>,
}

/// Cuts a text into pieces (words, numbers, runs of signs) and numbers them as they come, so that
/// the text is read once: what a token is shows only when all pieces are counted.
#[derive(Debug, Default)]
pub struct PieceEncoder {
    numbers: HashMap<Box<str>, u32>,
    text: Vec<u32>,
    characters: u64,
}

impl PieceEncoder {
    /// Adds one more piece of text, cut as a [`Decoder`](crate::text::Decoder) cuts it.
    pub fn add(&mut self, text: &str) {
        for piece in Pieces::new(text) {
            let number = match self.numbers.get(piece) {
                Some(&number) => number,
                None => {
                    let number = self.numbers.len() as u32;
                    self.numbers.insert(piece.into(), number);
                    number
                }
            };
            self.text.push(number);
        }
        self.characters += text.chars().count() as u64;
    }

    /// Characters of the text.
    pub fn characters(&self) -> u64 {
        self.characters
    }

    /// The whole text.
    pub fn finish(self) -> PieceText {
        let mut pieces = vec![Box::default(); self.numbers.len()];
        for (piece, number) in self.numbers {
            pieces[number as usize] = piece;
        }
        PieceText { pieces, text: self.text }
    }
}

/// A text as numbers of pieces.
#[derive(Debug)]
pub struct PieceText {
    pieces: Vec<Box<str>>,
    text: Vec<u32>,
}

impl PieceText {
    /// How many pieces begin before each of some places, which are given in characters and in
    /// order.
    pub fn pieces_before(&self, characters: &[usize]) -> Vec<usize> {
        let lengths: Vec<usize> = self.pieces.iter().map(|piece| piece.chars().count()).collect();
        let mut begin = 0;
        let mut begins = self.text.iter().map(|&number| {
            let here = begin;
            begin += lengths[number as usize];
            here
        });
        let mut found = Vec::with_capacity(characters.len());
        let (mut pieces, mut next) = (0, begins.next());
        for &place in characters {
            while next.is_some_and(|begin| begin < place) {
                pieces += 1;
                next = begins.next();
            }
            found.push(pieces);
        }
        found
    }

    /// Characters of a piece of the text.
    ///
    /// # Panics
    /// If there are not so many pieces.
    pub fn length(&self, place: usize) -> usize {
        self.pieces[self.text[place] as usize].chars().count()
    }

    /// The tokenizer that is learnt from the first pieces, which are the training part. Only the
    /// characters are those of the whole text, so that all of it can be told in tokens.
    ///
    /// # Panics
    /// If a token is a character: a [`CharEncoder`](super::CharEncoder) is for that.
    pub fn learn(&self, training: usize, config: &VocabularyConfig) -> (Tokenizer, Rare) {
        let count = |text: &[u32]| {
            let mut counts = vec![0; self.pieces.len()];
            text.iter().for_each(|&number| counts[number as usize] += 1);
            counts
        };
        let counts = PieceCounts {
            pieces: &self.pieces,
            in_training: count(&self.text[..training]),
            in_all: count(&self.text),
        };
        match config.kind {
            TokenizerKind::Char => unreachable!("characters are no pieces"),
            TokenizerKind::Word => {
                let (tokenizer, rare) = WordTokenizer::learn(&counts, config);
                (Tokenizer::Word(tokenizer), rare)
            }
            TokenizerKind::Bpe => {
                (Tokenizer::Bpe(Box::new(BpeTokenizer::learn(&counts, config))), Rare::default())
            }
        }
    }

    /// The ids of the text, and where in them each of some pieces begins, given in order.
    /// Characters that the tokenizer does not know are left out.
    ///
    /// # Panics
    /// If a token is a character: a [`CharEncoder`](super::CharEncoder) is for that.
    pub fn encode(&self, tokenizer: &Tokenizer, places: &[usize]) -> (TokenIds, Vec<usize>) {
        let mut known = tokenizer.encoding(UnknownPolicy::Skip, "text");
        let mut ends = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            match tokenizer {
                Tokenizer::Char(_) => unreachable!("characters are no pieces"),
                Tokenizer::Word(tokenizer) => tokenizer
                    .encode_word(piece, &mut known)
                    .expect("unknown characters are left out"),
                Tokenizer::Bpe(tokenizer) => tokenizer.encode_word(piece, &mut known),
            }
            ends.push(known.ids.len());
        }
        let known = known.ids.to_vec();
        let tokens_of = |number: u32| {
            let number = number as usize;
            let begin = if number == 0 { 0 } else { ends[number - 1] };
            &known[begin..ends[number]]
        };
        let mut ids = TokenIds::for_vocabulary(tokenizer.vocabulary_size());
        ids.reserve_exact(self.text.iter().map(|&number| tokens_of(number).len()).sum());
        let mut begins = Vec::with_capacity(places.len());
        for (piece, &number) in self.text.iter().enumerate() {
            while begins.len() < places.len() && places[begins.len()] == piece {
                begins.push(ids.len());
            }
            tokens_of(number).iter().for_each(|&id| ids.push(id));
        }
        begins.resize(places.len(), ids.len());
        (ids, begins)
    }
}
