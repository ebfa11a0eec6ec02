//! One token per character (Unicode scalar value), as the tutorial's `TextVectorization`.

use serde::{Deserialize, Serialize};

use super::{Encoding, Rare, VocabularyConfig};
use crate::error::Result;
use crate::ids::{TokenId, TokenIds};

/// Turns a text into ids while its vocabulary is still being found, so that the text is read once.
///
/// Characters are numbered as they come; at the end, when their frequencies are known, the numbers
/// become ids.
#[derive(Clone, Debug, Default)]
pub struct CharEncoder {
    /// Number + 1 of each character, 0 for those that did not come yet.
    numbers: CharMap<u32>,
    /// In order of first appearance, with their counts.
    seen: Vec<(char, u64)>,
    ids: TokenIds,
}

impl CharEncoder {
    /// An encoder with room for a text of so many characters.
    pub fn with_capacity(characters: usize) -> Self {
        let mut encoder = Self::default();
        encoder.ids.reserve_exact(characters);
        encoder
    }

    /// Encodes one more piece of text.
    pub fn add(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            rest = match &mut self.ids {
                TokenIds::U8(ids) => add_to(ids, &mut self.numbers, &mut self.seen, rest),
                TokenIds::U16(ids) => add_to(ids, &mut self.numbers, &mut self.seen, rest),
                TokenIds::U32(ids) => add_to(ids, &mut self.numbers, &mut self.seen, rest),
            };
            if !rest.is_empty() {
                self.ids.widen();
            }
        }
    }

    /// All characters, with repetitions.
    pub fn total(&self) -> u64 {
        self.ids.len() as u64
    }

    /// The tokenizer for the text, and the text in its ids: characters by falling frequency; of
    /// equally frequent ones the higher code point first, which is the order that Keras'
    /// `TextVectorization` gives.
    pub fn finish(self) -> (CharTokenizer, TokenIds) {
        let (tokenizer, ids, _) = self.finish_within(&VocabularyConfig::default());
        (tokenizer, ids)
    }

    /// As [`finish`](Self::finish), but characters that are too rare for the config are left out of
    /// the vocabulary and of the text.
    pub fn finish_within(self, config: &VocabularyConfig) -> (CharTokenizer, TokenIds, Rare) {
        let Self { seen, mut ids, .. } = self;
        let mut order: Vec<usize> = (0..seen.len()).collect();
        order.sort_by_key(|&number| std::cmp::Reverse((seen[number].1, seen[number].0)));
        let least = config.min_count.unwrap_or(1);
        let frequent = order.partition_point(|&number| seen[number].1 >= least);
        let rare = order.split_off(frequent.min(config.max_vocab.unwrap_or(usize::MAX)));
        let mut of_number = vec![None; seen.len()];
        for (id, &number) in order.iter().enumerate() {
            of_number[number] = Some(id as u32);
        }
        ids.replace(&of_number);
        let vocabulary: Vec<char> = order.into_iter().map(|number| seen[number].0).collect();
        let left_out = rare.into_iter().map(|number| seen[number]).collect();
        (CharTokenizer::from(vocabulary), ids, Rare::new(left_out, Vec::new()))
    }
}

impl CharEncoder {
    /// The text in the ids of a tokenizer that is known already; characters that are not in its
    /// vocabulary are left out.
    pub fn finish_with(self, known: &CharTokenizer) -> (TokenIds, Rare) {
        let Self { seen, mut ids, .. } = self;
        let of_number: Vec<Option<u32>> = seen.iter().map(|&(c, _)| known.id(c)).collect();
        // The text may have few different characters, and the vocabulary many.
        while ids.bytes_per_id() < TokenIds::for_vocabulary(known.vocabulary.len()).bytes_per_id() {
            ids.widen();
        }
        ids.replace(&of_number);
        let pairs = seen.into_iter().zip(of_number);
        let left_out = pairs.filter(|(_, id)| id.is_none()).map(|(count, _)| count).collect();
        (ids, Rare::new(left_out, Vec::new()))
    }
}

/// Appends the numbers of the characters; returns what is left when a number comes that is too
/// large for `Id`.
fn add_to<'t, Id: TokenId>(
    ids: &mut Vec<Id>,
    numbers: &mut CharMap<u32>,
    seen: &mut Vec<(char, u64)>,
    text: &'t str,
) -> &'t str {
    for (place, c) in text.char_indices() {
        let number = numbers.entry(c);
        if *number == 0 {
            if seen.len() as u64 > Id::MOST {
                return &text[place..];
            }
            seen.push((c, 0));
            *number = seen.len() as u32;
        }
        let number = *number - 1;
        seen[number as usize].1 += 1;
        ids.push(Id::from_u32(number));
    }
    ""
}

/// A vocabulary of characters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vocabulary", into = "Vocabulary")]
pub struct CharTokenizer {
    vocabulary: Vec<char>,
    /// Id + 1 of each character, 0 for unknown ones.
    ids: CharMap<u32>,
}

/// How a [`CharTokenizer`] is written to files.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Vocabulary {
    vocabulary: Vec<char>,
}

impl From<Vec<char>> for CharTokenizer {
    /// The tokenizer whose ids are places in `vocabulary`.
    fn from(vocabulary: Vec<char>) -> Self {
        let mut ids = CharMap::default();
        for (&c, id) in vocabulary.iter().zip(1..) {
            *ids.entry(c) = id;
        }
        Self { vocabulary, ids }
    }
}

impl From<Vocabulary> for CharTokenizer {
    fn from(file: Vocabulary) -> Self {
        Self::from(file.vocabulary)
    }
}

impl From<CharTokenizer> for Vocabulary {
    fn from(tokenizer: CharTokenizer) -> Self {
        Self { vocabulary: tokenizer.vocabulary }
    }
}

impl PartialEq for CharTokenizer {
    fn eq(&self, other: &Self) -> bool {
        self.vocabulary == other.vocabulary
    }
}

impl CharTokenizer {
    /// The tokenizer made from the characters of a text.
    pub fn from_text(text: &str) -> Self {
        let mut encoder = CharEncoder::default();
        encoder.add(text);
        encoder.finish().0
    }

    /// The characters in the order of their ids.
    pub fn vocabulary(&self) -> &[char] {
        &self.vocabulary
    }

    /// The id of a character.
    pub fn id(&self, c: char) -> Option<u32> {
        self.ids.at(c).checked_sub(1)
    }

    pub(super) fn encode_piece(&self, text: &str, encoding: &mut Encoding) -> Result<()> {
        // The loop is compiled for each width of ids, so that the width is not looked up per token.
        let mut ids = std::mem::take(&mut encoding.ids);
        let result = match &mut ids {
            TokenIds::U8(ids) => self.encode_to(text, ids, encoding),
            TokenIds::U16(ids) => self.encode_to(text, ids, encoding),
            TokenIds::U32(ids) => self.encode_to(text, ids, encoding),
        };
        encoding.ids = ids;
        result
    }

    fn encode_to<Id: TokenId>(
        &self,
        text: &str,
        ids: &mut Vec<Id>,
        encoding: &mut Encoding,
    ) -> Result<()> {
        for c in text.chars() {
            encoding.characters += 1;
            match self.id(c) {
                Some(id) => ids.push(Id::from_u32(id)),
                None => encoding.unknown(c)?,
            }
        }
        Ok(())
    }
}

/// A table by character: an array of pages, of which only those in use exist. Faster than a hash
/// map, and a few kilobytes for an ordinary text.
#[derive(Clone, Debug)]
struct CharMap<T> {
    /// Page number + 1 of each block of 256 code points, 0 for none.
    directory: Vec<u16>,
    pages: Vec<[T; 256]>,
}

impl<T> Default for CharMap<T> {
    fn default() -> Self {
        Self { directory: vec![0; (char::MAX as usize >> 8) + 1], pages: Vec::new() }
    }
}

impl<T: Copy + Default> CharMap<T> {
    fn at(&self, c: char) -> T {
        match self.directory[c as usize >> 8] {
            0 => T::default(),
            page => self.pages[usize::from(page) - 1][c as usize & 0xff],
        }
    }

    fn entry(&mut self, c: char) -> &mut T {
        let page = &mut self.directory[c as usize >> 8];
        if *page == 0 {
            self.pages.push([T::default(); 256]);
            *page = self.pages.len() as u16;
        }
        &mut self.pages[usize::from(*page) - 1][c as usize & 0xff]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::{Tokenizer, UnknownPolicy};

    fn tokenizer(text: &str) -> Tokenizer {
        Tokenizer::Char(CharTokenizer::from_text(text))
    }

    fn encode(tokenizer: &Tokenizer, text: &str, policy: UnknownPolicy) -> Result<Encoding> {
        let mut encoding = tokenizer.encoding(policy, "text");
        tokenizer.encode_piece(text, &mut encoding)?;
        Ok(encoding)
    }

    #[test]
    fn ids_follow_falling_frequency() {
        // a: 5, b: 2, r: 2, c: 1, d: 1; of equals the higher code point first.
        let tokenizer = tokenizer("abracadabra");
        assert_eq!(tokenizer.decode(&[0, 1, 2, 3, 4]), "arbdc");
        assert_eq!(tokenizer.vocabulary_size(), 5);
    }

    /// More different characters than one byte, and then than two bytes, can number.
    #[test]
    fn encoding_while_reading_gives_the_ids_of_the_tokenizer_it_ends_with() {
        let many: String = ('\u{1000}'..'\u{1_2000}').chain("abba".chars()).collect();
        for text in ["abracadabra", &many[..900], &many] {
            let mut encoder = CharEncoder::with_capacity(3);
            let (first, second) = text.split_at(text.floor_char_boundary(text.len() / 2));
            encoder.add(first);
            encoder.add(second);
            assert_eq!(encoder.total(), text.chars().count() as u64);
            let (tokenizer, ids) = encoder.finish();
            let tokenizer = Tokenizer::Char(tokenizer);
            let expected = encode(&tokenizer, text, UnknownPolicy::Error).expect("all known").ids;
            assert_eq!(ids, expected);
        }
    }

    /// A vocabulary that needs two bytes an id, for a text whose characters would fit into one.
    #[test]
    fn a_text_can_be_read_with_a_vocabulary_that_is_known() {
        let many: String = ('\u{1000}'..'\u{1200}').chain("abba".chars()).collect();
        for (vocabulary, text) in [("abc", "abxcbya"), (&many, "\u{1003}ab\u{1002}?")] {
            let known = CharTokenizer::from_text(vocabulary);
            let mut encoder = CharEncoder::default();
            encoder.add(text);
            let (ids, rare) = encoder.finish_with(&known);
            let expected = encode(&Tokenizer::Char(known), text, UnknownPolicy::Skip);
            let expected = expected.expect("unknown ones are left out");
            assert_eq!(ids, expected.ids);
            assert_eq!(rare.left_out.len(), expected.skipped.len());
        }
    }

    #[test]
    fn text_of_any_script_comes_back() {
        let text = "Olá, 世界! 🎻\n\tΣίσυφος";
        let tokenizer = tokenizer(text);
        let encoding = encode(&tokenizer, text, UnknownPolicy::Error).expect("all known");
        assert_eq!(tokenizer.decode(&encoding.ids.to_vec()), text);
    }

    #[test]
    fn unknown_characters_are_skipped_and_counted() {
        let encoding = encode(&tokenizer("abc"), "axbx?c", UnknownPolicy::Skip).expect("skipped");
        assert_eq!(encoding.ids.len(), 3);
        assert_eq!(encoding.skipped, [('x', 2), ('?', 1)]);
    }

    #[test]
    fn an_unknown_character_can_be_an_error_that_says_where() {
        let error = encode(&tokenizer("abc"), "abç", UnknownPolicy::Error).expect_err("unknown");
        let message = error.to_string();
        assert!(message.contains("'ç' (U+00E7) at character 3"), "{message}");
    }

    #[test]
    fn a_tokenizer_survives_json() {
        let tokenizer = tokenizer("não é \"fácil\"\n");
        let json = serde_json::to_string(&tokenizer).expect("serializable");
        let back: Tokenizer = serde_json::from_str(&json).expect("what was written");
        assert_eq!(back, tokenizer);
        assert!(json.starts_with(r#"{"type":"char","vocabulary":["#), "{json}");
    }
}
