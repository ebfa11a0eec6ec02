//! A text that grows by tokens and ends before a stop string.

use std::sync::Arc;

use crate::tokenizer::CharacterJoiner;

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It has as many tokens as it should.
    Length,
    /// A stop string came.
    Stop,
}

impl FinishReason {
    /// `length` or `stop`, as in OpenAI's API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Stop => "stop",
        }
    }
}

/// Where a text ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// After so many tokens.
    pub tokens: usize,
    /// Before the first of these.
    pub stop: Vec<String>,
}

/// A text that grows by tokens. What may be the beginning of a stop string is held back.
#[derive(Clone, Debug)]
pub struct GrowingText {
    ending: Arc<Ending>,
    /// What was drawn of a character that is not whole yet.
    joiner: CharacterJoiner,
    written: String,
    /// Bytes of `written` that have been given out; the rest may be the beginning of a stop string.
    released: usize,
    tokens: usize,
    finished: Option<FinishReason>,
}

impl GrowingText {
    /// Nothing is written yet.
    pub fn new(ending: Arc<Ending>) -> Self {
        let finished = (ending.tokens == 0).then_some(FinishReason::Length);
        Self {
            ending,
            joiner: CharacterJoiner::default(),
            written: String::new(),
            released: 0,
            tokens: 0,
            finished,
        }
    }

    /// Appends the bytes of a token; returns what can be given out now, in whole characters.
    pub fn push(&mut self, token: &[u8]) -> &str {
        let Ending { tokens, stop } = &*self.ending;
        // A stop string may have begun before this token.
        let from = stop.iter().map(String::len).max().unwrap_or(0);
        let from = self.written.floor_char_boundary(self.written.len().saturating_sub(from));
        self.joiner.push(token, &mut self.written);
        self.tokens += 1;
        if self.tokens >= *tokens {
            self.joiner.finish(&mut self.written);
        }
        let found = stop.iter().filter_map(|stop| self.written[from..].find(stop)).min();
        let release_to = if let Some(place) = found {
            self.finished = Some(FinishReason::Stop);
            self.written.truncate(from + place);
            self.written.len()
        } else if self.tokens >= *tokens {
            self.finished = Some(FinishReason::Length);
            self.written.len()
        } else {
            self.written.len() - held_back(&self.written, stop)
        };
        let piece = self.released.min(release_to)..release_to;
        self.released = release_to;
        &self.written[piece]
    }

    /// Bytes written, with those that are held back.
    pub fn len(&self) -> usize {
        self.written.len()
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Bytes given out.
    pub fn released(&self) -> usize {
        self.released
    }

    /// Tokens that came; of a text that ended before a stop string also those of that.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Why it ended, if it has.
    pub fn finished(&self) -> Option<FinishReason> {
        self.finished
    }
}

/// Bytes at the end of `text` that may be the beginning of a stop string.
fn held_back(text: &str, stop: &[String]) -> usize {
    let longest = |stop: &String| {
        (1..stop.len())
            .rev()
            .find(|&length| stop.is_char_boundary(length) && text.ends_with(&stop[..length]))
    };
    stop.iter().filter_map(longest).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(
        tokens: &[impl AsRef<[u8]>],
        stop: &[&str],
        limit: usize,
    ) -> (Vec<String>, Option<FinishReason>) {
        let stop = stop.iter().map(|s| (*s).to_owned()).collect();
        let mut text = GrowingText::new(Arc::new(Ending { tokens: limit, stop }));
        let mut pieces = Vec::new();
        for token in tokens {
            if text.finished.is_none() {
                pieces.push(text.push(token.as_ref()).to_owned());
            }
        }
        (pieces, text.finished)
    }

    fn check(tokens: &[&str], stop: &[&str], pieces: &[&str], finished: Option<FinishReason>) {
        let (found, reason) = written(tokens, stop, 100);
        assert_eq!(found, pieces);
        assert_eq!(reason, finished);
    }

    #[test]
    fn text_ends_before_a_stop_string_and_nothing_of_it_is_given_out() {
        let stop = Some(FinishReason::Stop);
        check(&["a", "b", "c"], &[], &["a", "b", "c"], None);
        check(&["a", ".", " ", "b"], &[". "], &["a", "", ""], stop);
        check(&["a", ".", "b"], &[". "], &["a", "", ".b"], None);
        check(&["é", "é", "f"], &["éf"], &["", "é", ""], stop);
        check(&["a", "ab", "c"], &["aab", "b"], &["", ""], stop);
        check(&["xyz"], &["y"], &["x"], stop);
        check(&["a", "a", "a", "b"], &["aab"], &["", "", "a", ""], stop);
    }

    #[test]
    fn only_whole_characters_are_given_out_and_nothing_is_lost() {
        let tokens = [b"c\xc3", &b"\xa9u \xf0\x9f"[..], b"\x8e", b"\xbb", b"\xe2\x80"];
        let (pieces, finished) = written(&tokens, &[], 100);
        assert_eq!(
            (&pieces[..], finished),
            (&["c", "éu ", "", "🎻", ""].map(String::from)[..], None)
        );
        let (pieces, finished) = written(&tokens, &[], 5);
        assert_eq!(pieces[4], "\u{fffd}");
        assert_eq!(finished, Some(FinishReason::Length));
        // A stop string whose characters lie in several tokens.
        let (pieces, finished) = written(&tokens, &["u 🎻"], 100);
        assert_eq!((pieces.concat(), finished), ("cé".to_owned(), Some(FinishReason::Stop)));
    }

    #[test]
    fn what_was_held_back_comes_when_the_text_ends_by_length() {
        let (pieces, finished) = written(&["a", "."], &[". "], 2);
        assert_eq!(pieces, ["a", "."]);
        assert_eq!(finished, Some(FinishReason::Length));
    }
}
