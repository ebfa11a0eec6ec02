//! What texts begin with: a prompt in the language of the text, or pieces of it.
//!
//! The prompt of a preset stays if each of its words comes in the training part. Otherwise it is the
//! first words of a line of that part.

use std::collections::BTreeSet;
use std::ops::Range;

use machado_core::data::{Corpus, Part};
use machado_core::text::Standardize;
use machado_core::tokenizer::Tokenizer;
use machado_core::train::TrainingText;

/// Tokens that are looked through at most; a text of a gigabyte has shown its language before.
const LOOKED_THROUGH: usize = 4_000_000;

/// Tokens in which a line is looked for, and bytes in which words are at a time.
const BLOCK: usize = 20_000;

/// Words of a prompt.
const WORDS: usize = 3;

/// Bytes of a piece of a text to go on from, about.
const PIECE: usize = 120;

/// Characters at most of a prompt that is not made of words.
const CHARACTERS: usize = 12;

/// A prompt from the text itself, as the model reads it; none if the `usual` one fits.
pub fn fitting(usual: &str, standardize: Standardize, text: &TrainingText) -> Option<String> {
    let range = text.corpus.range(Part::Train);
    let looked_through = range.start..range.end.min(range.start + LOOKED_THROUGH);
    let usual = standardize.apply(usual);
    if has_all_words(&text.corpus, &text.tokenizer, looked_through, &usual) {
        return None;
    }
    // At the beginning there may be a title page or a table of contents.
    let middle = range.start + range.len() / 2;
    let ids = text.corpus.ids();
    let lines: Vec<u32> =
        (middle..range.end.min(middle + BLOCK)).map(|place| ids.at(place)).collect();
    Some(beginning(&text.tokenizer.decode(&lines)))
}

/// Evenly spread pieces of a text, each from the beginning of a word to the space before another.
pub fn pieces(text: &str, count: usize) -> Vec<String> {
    let after_space = |from: usize| {
        let from = text.floor_char_boundary(from);
        text[from..].find(' ').map(|place| from + place + 1)
    };
    let piece = |number: usize| {
        let begin = after_space(number * text.len() / (count + 1))?;
        let end = after_space(begin + PIECE)?;
        Some(text[begin..end].to_owned())
    };
    (1..=count).filter_map(piece).collect()
}

/// Whether each word of a prompt comes in a range.
fn has_all_words(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    range: Range<usize>,
    prompt: &str,
) -> bool {
    let mut missing: BTreeSet<&str> = words(prompt).collect();
    let mut bytes = Vec::new();
    for place in range {
        if missing.is_empty() {
            break;
        }
        tokenizer.push_token(corpus.ids().at(place), &mut bytes);
        if bytes.len() > BLOCK {
            let end_of_word = bytes.iter().rposition(u8::is_ascii_whitespace);
            let cut = end_of_word.filter(|&cut| cut > 0).unwrap_or(bytes.len());
            strike_out(&mut missing, &bytes[..cut]);
            bytes.drain(..cut);
        }
    }
    strike_out(&mut missing, &bytes);
    missing.is_empty()
}

fn strike_out(missing: &mut BTreeSet<&str>, bytes: &[u8]) {
    words(&String::from_utf8_lossy(bytes)).for_each(|word| {
        missing.remove(word);
    });
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty())
}

/// The first words of the first line that has more of them, or where there is no such line the
/// first characters of one. What comes first is a part of a line, or of a word where no line ends.
fn beginning(text: &str) -> String {
    let end = text.find('\n').or_else(|| text.find(' '));
    let text = end.map_or(text, |end| &text[end + 1..]);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_word = |word: &&str| !word.is_empty() && word.chars().all(char::is_alphabetic);
    let first_words = |line: &str| {
        let first: Vec<&str> = line.split(' ').take(WORDS).take_while(is_word).collect();
        let follows = line.split(' ').nth(WORDS).is_some();
        (follows && first.len() == WORDS).then(|| first.join(" ") + " ")
    };
    lines().find_map(first_words).unwrap_or_else(|| {
        let line = lines().next().unwrap_or_default();
        line.chars().take_while(|c| !c.is_control()).take(CHARACTERS).collect()
    })
}

#[cfg(test)]
mod tests {
    use machado_core::data::CorpusReader;
    use machado_core::tokenizer::{TokenizerKind, VocabularyConfig};

    use super::*;

    fn check(usual: &str, text: &str, expected: Option<&str>) {
        for kind in [TokenizerKind::Char, TokenizerKind::Word, TokenizerKind::Bpe] {
            let config = VocabularyConfig { kind, ..VocabularyConfig::default() };
            let mut reader = CorpusReader::new(config, text.len());
            reader.add(text);
            let read = reader.finish(&"1.0:0.0".parse().expect("a split"), None).expect("a text");
            let text = TrainingText {
                corpus: read.corpus,
                tokenizer: read.tokenizer,
                characters: read.characters,
            };
            let found = fitting(usual, Standardize::Lower, &text);
            assert_eq!(found.as_deref(), expected, "{kind:?}");
        }
    }

    #[test]
    fn a_prompt_stays_where_its_words_come_in_the_text() {
        check("A menina estava ", "estava só a menina.\n", None);
        check("Once upon ", &"upon a time there was\n".repeat(30), Some("upon a time "));
        // A part of a word is none, and a prompt without words fits everywhere.
        check(
            "A menina estava ",
            &"a menina estavam ali hoje\n".repeat(30),
            Some("a menina estavam "),
        );
        check("", "a", None);
        check("— 1", "a", None);
    }

    #[test]
    fn the_first_words_of_a_line_are_taken() {
        let line = "chapter 1\n\"quoted\" words are left\ntwo  spaces are left\nonce upon a time there was\n";
        check("menina", &line.repeat(9), Some("once upon a "));
        // Lines without so many words: the beginning of one.
        check("menina", &"anna-maria\n".repeat(9), Some("anna-maria"));
        check(
            "menina",
            &"アクグトアクグトアクグトアクグト\n".repeat(9),
            Some("アクグトアクグトアクグト"),
        );
        check("menina", &"ab\u{1b}cd\n".repeat(9), Some("ab"));
        check("menina", &"\n \n".repeat(9), Some(""));
    }

    #[test]
    fn a_text_without_lines_has_a_beginning_too() {
        check("menina", &"time ".repeat(100), Some("time time time "));
        check("menina", &"a".repeat(400), Some("aaaaaaaaaaaa"));
    }

    #[test]
    fn pieces_end_before_a_word() {
        let text = "uma duas três quatro cinco ".repeat(60);
        let found = pieces(&text, 6);
        assert_eq!(found.len(), 6);
        for piece in &found {
            assert!(piece.ends_with(' ') && !piece.starts_with(' '), "{piece:?}");
            assert!((PIECE..PIECE + 8).contains(&piece.len()), "{piece:?}");
            assert!(text.contains(&format!(" {piece}")), "{piece:?}");
        }
        assert_eq!(pieces("sem fim", 6), Vec::<String>::new());
    }
}
