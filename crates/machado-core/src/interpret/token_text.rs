//! A text beside its tokens: which characters each token ends, and which tokens a piece is made of.

use std::ops::Range;

use crate::ids::TokenIds;
use crate::tokenizer::{CharacterJoiner, Tokenizer, TokenizerKind};

/// The text of some tokens, and where in it each of them ends.
///
/// A token that is but a part of a character has nothing of the text; the character belongs to the
/// token that completes it.
#[derive(Clone, Debug)]
pub struct TokenText {
    text: String,
    /// `[T]`, in bytes.
    ends: Vec<usize>,
    of_characters: bool,
}

impl TokenText {
    /// The text of a range of ids.
    ///
    /// # Panics
    /// If an id is outside the vocabulary, or the range goes beyond the end.
    pub fn new(tokenizer: &Tokenizer, ids: &TokenIds, range: Range<usize>) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::with_capacity(range.len()));
        let (mut joiner, mut bytes) = (CharacterJoiner::default(), Vec::new());
        ids.for_each(range, |id| {
            bytes.clear();
            tokenizer.push_token(id, &mut bytes);
            joiner.push(&bytes, &mut text);
            ends.push(text.len());
        });
        joiner.finish(&mut text);
        if let Some(end) = ends.last_mut() {
            *end = text.len();
        }
        let of_characters = tokenizer.kind() == TokenizerKind::Char;
        Self { text, ends, of_characters }
    }

    /// The texts of the tokens of a range, as they are in the whole text; the rest of it is not read.
    ///
    /// # Panics
    /// If an id is outside the vocabulary, or the range goes beyond the end.
    pub fn pieces(tokenizer: &Tokenizer, ids: &TokenIds, range: Range<usize>) -> Vec<String> {
        // A character of four bytes lies in four tokens at most.
        let from = range.start.saturating_sub(3);
        let text = Self::new(tokenizer, ids, from..(range.end + 3).min(ids.len()));
        range.map(|at| text.piece(at - from..at - from + 1).to_owned()).collect()
    }

    /// Whether each token is a character; else it may be a whole word, with the space before it.
    pub fn is_of_characters(&self) -> bool {
        self.of_characters
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Tokens.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Characters of a token, on average, and at least one.
    pub fn characters_per_token(&self) -> usize {
        (self.text.chars().count() / self.len().max(1)).max(1)
    }

    /// The text of some tokens.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn piece(&self, tokens: Range<usize>) -> &str {
        let end_of = |count: usize| if count == 0 { 0 } else { self.ends[count - 1] };
        &self.text[end_of(tokens.start)..end_of(tokens.end)]
    }

    /// The tokens that have some of these bytes of the text.
    pub fn tokens(&self, bytes: Range<usize>) -> Range<usize> {
        let first = self.ends.partition_point(|&end| end <= bytes.start);
        let last = self.ends.partition_point(|&end| end < bytes.end);
        first..(last + 1).min(self.ends.len()).max(first)
    }

    /// For each token whether it has something of one of some ranges of bytes.
    pub fn labels(&self, ranges: &[Range<usize>]) -> Vec<bool> {
        let mut labels = vec![false; self.ends.len()];
        ranges.iter().for_each(|range| labels[self.tokens(range.clone())].fill(true));
        labels
    }

    /// For each token what stands in `values`, one for each character, at the last character that
    /// was whole after it: what a model could know of when it had read the token.
    ///
    /// # Panics
    /// If there are not as many values as characters.
    pub fn at_last_characters<T: Copy + Default>(&self, values: &[T]) -> Vec<T> {
        let mut out = Vec::with_capacity(self.ends.len());
        let mut characters = self.text.char_indices().map(|(at, c)| at + c.len_utf8()).zip(values);
        let (mut end, mut value) = (0, T::default());
        for &token_end in &self.ends {
            while end < token_end {
                let (next, &here) = characters.next().expect("a value for each character");
                (end, value) = (next, here);
            }
            out.push(value);
        }
        out
    }
}
/// A text whose tokens are its words.
#[cfg(test)]
pub(super) fn of_words(text: &str) -> TokenText {
    use crate::data::{CorpusReader, Split};
    use crate::tokenizer::{UnknownPolicy, VocabularyConfig};
    let kind = TokenizerKind::Word;
    let config = VocabularyConfig { kind, max_vocab: None, min_count: Some(1) };
    let mut reader = CorpusReader::new(config, text.len());
    reader.add(text);
    let all = "1.0:0.0".parse::<Split>().expect("a split");
    let tokenizer = reader.finish(&all, None).expect("words").tokenizer;
    let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
    tokenizer.encode_piece(text, &mut encoding).expect("its own words");
    TokenText::new(&tokenizer, &encoding.ids, 0..encoding.ids.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::{CharTokenizer, UnknownPolicy};

    pub(super) fn text(text: &str) -> TokenText {
        let tokenizer = Tokenizer::Char(CharTokenizer::from_text(text));
        let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
        tokenizer.encode_piece(text, &mut encoding).unwrap();
        TokenText::new(&tokenizer, &encoding.ids, 0..encoding.ids.len())
    }

    #[test]
    fn tokens_and_bytes_by_hand() {
        // Bytes: o 0, space 1, c 2, é 3–4, u 5.
        let text = text("o céu");
        assert_eq!((text.text(), text.len()), ("o céu", 5));
        assert_eq!(text.piece(1..4), " cé");
        assert_eq!(text.tokens(2..6), 2..5);
        assert_eq!(text.tokens(0..1), 0..1);
        assert_eq!(text.tokens(3..5), 3..4);
        assert_eq!(text.at_last_characters(&[1, 2, 3, 4, 5]), [1, 2, 3, 4, 5]);
        assert_eq!(text.characters_per_token(), 1);
    }

    /// Tokens of bytes, where no pair is joined: `é` and `日` are two and three of them.
    #[test]
    fn pieces_are_as_in_the_whole_text() {
        use crate::data::{CorpusReader, Split};
        use crate::tokenizer::VocabularyConfig;
        let written = "é 日é. Aé日日o";
        let config =
            VocabularyConfig { kind: TokenizerKind::Bpe, max_vocab: Some(256), min_count: Some(2) };
        let mut reader = CorpusReader::new(config, written.len());
        reader.add(written);
        let all = "1.0:0.0".parse::<Split>().unwrap();
        let tokenizer = reader.finish(&all, None).unwrap().tokenizer;
        let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
        tokenizer.encode_piece(written, &mut encoding).unwrap();
        let ids = &encoding.ids;
        let whole = TokenText::new(&tokenizer, ids, 0..ids.len());
        assert_eq!(whole.len(), written.len());
        for start in 0..ids.len() {
            for end in start..=ids.len() {
                let pieces = TokenText::pieces(&tokenizer, ids, start..end);
                let expected: Vec<&str> = (start..end).map(|at| whole.piece(at..at + 1)).collect();
                assert_eq!(pieces, expected, "{start}..{end}");
            }
        }
    }
}
