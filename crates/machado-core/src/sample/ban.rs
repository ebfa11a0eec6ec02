//! What is never written.

use crate::error::{Error, Result};
use crate::text::Standardize;
use crate::tokenizer::{Tokenizer, UnknownPolicy};

/// Tokens that are never drawn, and sequences of tokens that are never completed: the last token of
/// a sequence is banned where the others were just written, as with Hugging Face's `bad_words_ids`.
///
/// Whatever was written before, at least one token is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bans {
    /// In order, each once.
    tokens: Vec<u32>,
    /// Each of at least two tokens.
    sequences: Vec<Vec<u32>>,
}

impl Bans {
    /// Bans texts, as the model reads them. Where a token may have the space before a word in it, a
    /// text that does not begin with a space is banned after one, too.
    ///
    /// # Errors
    /// If a text is empty or has a character that the model never writes, or if nothing is left
    /// that could be written.
    pub fn of_texts(
        tokenizer: &Tokenizer,
        standardize: Standardize,
        texts: &[String],
    ) -> Result<Self> {
        let mut sequences = Vec::new();
        for text in texts {
            let error = |problem: String| Err(Error::Ban { text: text.clone(), problem });
            let encode = |text: &str| {
                let mut encoding = tokenizer.encoding(UnknownPolicy::Skip, "ban");
                tokenizer.encode_piece(text, &mut encoding).map(|()| encoding)
            };
            let standardized = standardize.apply(text);
            let encoding = encode(&standardized)?;
            if let Some((character, _)) = encoding.skipped.first() {
                return error(format!(
                    "the model does not know {character:?} (U+{:04X}), so it never writes this",
                    u32::from(*character)
                ));
            }
            if encoding.ids.is_empty() {
                return error("there is no token in it".into());
            }
            sequences.push(encoding.ids.to_vec());
            if tokenizer.joins_spaces() && !standardized.starts_with(' ') {
                let spaced = encode(&format!(" {standardized}"))?;
                // Where it does not know the space either, it cannot write it.
                if spaced.skipped.is_empty() {
                    sequences.push(spaced.ids.to_vec());
                }
            }
        }
        Self::new(tokenizer, sequences)
    }

    /// Bans these tokens (sequences of one) and sequences of tokens.
    ///
    /// # Errors
    /// If nothing is left that could be written.
    ///
    /// # Panics
    /// If a sequence is empty, or has an id that is outside the vocabulary.
    pub fn new(tokenizer: &Tokenizer, sequences: Vec<Vec<u32>>) -> Result<Self> {
        let vocabulary_size = tokenizer.vocabulary_size();
        for sequence in &sequences {
            let fits = sequence.iter().all(|&id| (id as usize) < vocabulary_size);
            assert!(fits && !sequence.is_empty(), "{sequence:?} of {vocabulary_size} tokens");
        }
        let (single, mut sequences): (Vec<_>, Vec<_>) =
            sequences.into_iter().partition(|sequence| sequence.len() == 1);
        let mut tokens = single.concat();
        tokens.sort_unstable();
        tokens.dedup();
        sequences.sort_unstable();
        sequences.dedup();
        let bans = Self { tokens, sequences };
        match bans.dead_end(vocabulary_size) {
            None => Ok(bans),
            Some([]) => Err(Error::AllBanned { after: String::new() }),
            Some(before) => {
                Err(Error::AllBanned { after: format!(" after {:?}", tokenizer.decode(before)) })
            }
        }
    }

    /// Whether nothing is banned.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.sequences.is_empty()
    }

    /// How many tokens before the next one matter.
    pub(super) fn memory(&self) -> usize {
        self.sequences.iter().map(|sequence| sequence.len() - 1).max().unwrap_or(0)
    }

    /// Calls `ban` with each token that must not come after `history`; with some more than once.
    pub(super) fn each(&self, history: &[u32], mut ban: impl FnMut(u32)) {
        self.tokens.iter().for_each(|&id| ban(id));
        for sequence in &self.sequences {
            let (&last, before) = sequence.split_last().expect("at least two tokens");
            if history.ends_with(before) {
                ban(last);
            }
        }
    }

    /// The tokens after which nothing would be left, if there are such.
    ///
    /// Whether a sequence is about to be completed depends on the end of the text only, so it is
    /// enough to look at the text that each sequence needs before its last token.
    fn dead_end(&self, vocabulary_size: usize) -> Option<&[u32]> {
        if self.tokens.len() + self.sequences.len() < vocabulary_size {
            return None;
        }
        let befores = self.sequences.iter().map(|sequence| &sequence[..sequence.len() - 1]);
        [&[][..]].into_iter().chain(befores).find(|before| {
            let mut possible = vec![true; vocabulary_size];
            self.each(before, |id| possible[id as usize] = false);
            !possible.contains(&true)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::CharTokenizer;

    /// a = 0, b = 1, c = 2.
    fn tokenizer() -> Tokenizer {
        Tokenizer::Char(CharTokenizer::from_text("aaabbc"))
    }

    fn bans(texts: &[&str]) -> Result<Bans> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).into()).collect();
        Bans::of_texts(&tokenizer(), Standardize::Lower, &texts)
    }

    fn check(texts: &[&str], history: &[u32], expected: &[u32]) {
        let mut found = Vec::new();
        bans(texts).expect("bans").each(history, |id| found.push(id));
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, expected, "{texts:?} after {history:?}");
    }

    #[test]
    fn a_token_is_always_banned_and_a_sequence_where_it_would_be_completed() {
        check(&[], &[0, 1, 2], &[]);
        check(&["b"], &[], &[1]);
        check(&["B", "b"], &[1], &[1]);
        check(&["abc"], &[0, 1], &[2]);
        check(&["abc"], &[2, 0, 1], &[2]);
        check(&["abc"], &[1], &[]);
        check(&["abc"], &[0, 1, 1], &[]);
        check(&["bbc", "bb", "c"], &[1, 1], &[1, 2]);
    }

    #[test]
    fn what_cannot_be_banned_is_said() {
        let message = |texts: &[&str]| bans(texts).expect_err("an error").to_string();
        assert!(
            message(&["a日"]).starts_with("--ban \"a日\": the model does not know '日' (U+65E5)")
        );
        assert!(message(&[""]).starts_with("--ban \"\": there is no token in it"));
        assert!(message(&["a", "b", "c"]).starts_with("the bans leave no token to write\nhint: "));
        // After "a" neither a nor b nor c; after "ca" it is the same, by way of "a".
        let sequences = message(&["aa", "ab", "cac"]);
        assert!(
            sequences.starts_with("the bans leave no token to write after \"ca\""),
            "{sequences}"
        );
        assert!(bans(&["aa", "ab", "bac", "cab"]).is_err(), "after \"ba\"");
        assert!(bans(&["aa", "ab", "bc"]).is_ok());
    }
}
