//! Where the model stops when it writes by itself.

/// How far the model writes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// So many tokens.
    Tokens(usize),
    /// To the end of a word: of the one that is begun, or else of the next one.
    Word,
    /// To the end of a sentence.
    Sentence,
}

/// Tokens after which the model stops although no word or sentence has ended: there are texts without.
const MOST: usize = 1000;

/// What has been written so far.
#[derive(Debug)]
pub(super) struct Progress {
    until: Until,
    tokens: usize,
    /// There was something that can end: a letter of a word, the full stop of a sentence.
    begun: bool,
    /// It ended within the last token.
    ended: bool,
}

impl Progress {
    pub(super) fn new(until: Until) -> Self {
        Self { until, tokens: 0, begun: false, ended: false }
    }

    /// Whether nothing more is to be written.
    pub(super) fn is_done(&self) -> bool {
        let most = if let Until::Tokens(most) = self.until { most } else { MOST };
        self.ended || self.tokens >= most
    }

    /// Whether this token would be the first one after the end. A token may be a letter, a word or a
    /// word with the space before it: the end is often seen only when the next one comes.
    pub(super) fn ends_before(&self, token: &str) -> bool {
        self.begun && token.chars().next().is_some_and(|first| !self.belongs(first))
    }

    /// One more token.
    pub(super) fn push(&mut self, token: &str) {
        self.tokens += 1;
        for c in token.chars() {
            if !self.belongs(c) {
                self.ended |= self.begun;
            } else if self.until == Until::Word || is_full_stop(c) {
                self.begun = true;
            }
        }
    }

    /// Whether a character does not end what has begun.
    fn belongs(&self, c: char) -> bool {
        match self.until {
            Until::Tokens(_) => true,
            // What stands for a character of which only some bytes are there is no end.
            Until::Word => c.is_alphanumeric() || "-'’\u{fffd}".contains(c),
            Until::Sentence => is_full_stop(c) || ")]}\"'”’»\u{fffd}".contains(c),
        }
    }
}

fn is_full_stop(c: char) -> bool {
    ".!?…。！？".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written of these tokens, which are between bars.
    fn check(until: Until, tokens: &str, expected: &str) {
        let mut progress = Progress::new(until);
        let mut written = String::new();
        for token in tokens.split('|') {
            if progress.is_done() || progress.ends_before(token) {
                break;
            }
            progress.push(token);
            written.push_str(token);
        }
        assert_eq!(written, expected, "{until:?} of {tokens}");
    }

    #[test]
    fn a_word_ends_before_what_is_no_letter_whatever_a_token_is() {
        check(Until::Word, "n|i|n|a| |e|s", "nina");
        check(Until::Word, " |,| |c|é|u|.", " , céu");
        check(Until::Word, " céu| é| azul", " céu");
        check(Until::Word, "céu |é |azul", "céu ");
        check(Until::Word, "guarda|-|chuva|s|,", "guarda-chuvas");
        check(Until::Word, " a b| c", " a b");
    }

    #[test]
    fn a_sentence_ends_after_its_full_stops_and_closing_quotes() {
        check(Until::Sentence, "E|la| |v|eio|.| |D", "Ela veio.");
        check(Until::Sentence, "E|.|.|.|\n|D", "E...");
        check(Until::Sentence, " “Não|!|”|,| disse", " “Não!”");
        check(Until::Sentence, "um. D|ois", "um. D");
    }

    #[test]
    fn tokens_are_counted_and_nothing_is_written_for_ever() {
        check(Until::Tokens(0), "a|b", "");
        check(Until::Tokens(2), "a|b|c", "ab");
        let endless = vec!["a"; 3 * MOST].join("|");
        check(Until::Word, &endless, &"a".repeat(MOST));
        check(Until::Sentence, &endless, &"a".repeat(MOST));
    }
}
