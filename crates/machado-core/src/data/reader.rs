//! Reading a text to learn from, piece by piece, while its vocabulary is still being found.

use super::corpus::Corpus;
use super::split::{Parts, Split};
use crate::error::{Error, Result};
use crate::tokenizer::{
    CharEncoder, PieceEncoder, Rare, Tokenizer, TokenizerKind, VocabularyConfig,
};

/// Reads a text once; its tokens are known at the end.
///
/// A vocabulary of characters is that of the whole text, as that of Keras' `TextVectorization`. One
/// of words or parts of words is learnt from the training part alone, so that validation is honest.
#[derive(Debug)]
pub struct CorpusReader {
    config: VocabularyConfig,
    encoder: Encoder,
}

#[derive(Debug)]
enum Encoder {
    Characters(CharEncoder),
    Pieces(PieceEncoder),
}

/// A text that was read.
#[derive(Debug)]
pub struct ReadText {
    /// Its ids and parts.
    pub corpus: Corpus,
    /// What made the ids.
    pub tokenizer: Tokenizer,
    /// Characters, without those that were left out.
    pub characters: u64,
    /// What is no token of its own.
    pub rare: Rare,
}

impl CorpusReader {
    /// A reader for such a vocabulary, with room for a text of so many characters.
    pub fn new(config: VocabularyConfig, characters: usize) -> Self {
        let encoder = match config.kind {
            TokenizerKind::Char => Encoder::Characters(CharEncoder::with_capacity(characters)),
            TokenizerKind::Word | TokenizerKind::Bpe => Encoder::Pieces(PieceEncoder::default()),
        };
        Self { config, encoder }
    }

    /// Reads one more piece, cut as a [`Decoder`](crate::text::Decoder) cuts it.
    pub fn add(&mut self, text: &str) {
        match &mut self.encoder {
            Encoder::Characters(encoder) => encoder.add(text),
            Encoder::Pieces(encoder) => encoder.add(text),
        }
    }

    /// Characters so far.
    pub fn characters(&self) -> u64 {
        match &self.encoder {
            Encoder::Characters(encoder) => encoder.total(),
            Encoder::Pieces(encoder) => encoder.characters(),
        }
    }

    /// Learns the vocabulary. A run that goes on, or begins with a trained model, has one already,
    /// `known`: then nothing is learnt, and characters that it does not have are left out.
    ///
    /// # Errors
    /// If the text has no token, or fewer characters than the split asks for, or if a single word
    /// leaves nothing of the validation part that the split asks for.
    pub fn finish(self, split: &Split, known: Option<&Tokenizer>) -> Result<ReadText> {
        if self.characters() == 0 {
            return Err(Error::EmptyText { after: String::new() });
        }
        let encoder = match self.encoder {
            Encoder::Pieces(encoder) => encoder,
            Encoder::Characters(encoder) => {
                let (tokenizer, ids, rare) = match known {
                    Some(Tokenizer::Char(known)) => {
                        let (ids, rare) = encoder.finish_with(known);
                        (known.clone(), ids, rare)
                    }
                    _ => encoder.finish_within(&self.config),
                };
                if ids.is_empty() {
                    return Err(Error::EmptyText { after: String::new() });
                }
                let corpus = Corpus::new(ids, split)?;
                let characters = corpus.ids().len() as u64;
                let tokenizer = Tokenizer::Char(tokenizer);
                return Ok(ReadText { corpus, tokenizer, characters, rare });
            }
        };
        let parts = split.parts(encoder.characters() as usize)?;
        let text = encoder.finish();
        let ends = [parts.train.end, parts.validation.end, parts.test.end];
        let ends = text.pieces_before(&ends);
        // Nobody would notice: the run would only have no validation. One that goes on has begun so.
        if known.is_none() && !parts.validation.is_empty() && ends[0] == ends[1] {
            let length = text.length(ends[0] - 1);
            return Err(Error::NothingToValidate { split: split.to_string(), length });
        }
        let known = known.filter(|tokenizer| tokenizer.kind() == self.config.kind);
        let (tokenizer, rare) = match known {
            Some(tokenizer) => (tokenizer.clone(), Rare::default()),
            None => text.learn(ends[0], &self.config),
        };
        let (ids, ends) = text.encode(&tokenizer, &ends);
        let (train, validation, test) = (0..ends[0], ends[0]..ends[1], ends[1]..ends[2]);
        let parts = Parts { train, validation, test };
        let corpus = Corpus::with_parts(ids, parts)?;
        let characters = tokenizer.size_of(corpus.ids(), 0..corpus.ids().len()).characters;
        Ok(ReadText { corpus, tokenizer, characters, rare })
    }
}
