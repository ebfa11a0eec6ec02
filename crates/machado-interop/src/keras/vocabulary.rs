//! What the ids of a Keras model stand for.
//!
//! `TextVectorization` numbers characters from 2 on: 0 is padding (`""`), 1 is what it does not know
//! (`[UNK]`). A model either has these two among its tokens, or, as the tutorial's, takes ids less 2.
//! The number of tokens tells which. Where a model has them, two characters that no text contains
//! stand for them, so that every token keeps its number and its probability.

use std::borrow::Cow;

use machado_core::checkpoint;
use machado_core::text::{Detector, Standardize};
use machado_core::tokenizer::{CharTokenizer, Tokenizer};
use serde_json::Value;

use super::archive::Archive;
use super::config::KerasLayer;
use super::metadata::Metadata;
use super::{CONFIG, METADATA, Vocabulary, config, error};
use crate::{Error, Result};

/// Stands for padding; no text has it.
const PADDING: char = '\0';
/// Stands for what Keras does not know: the character for what could not be read.
const UNKNOWN: char = '\u{FFFD}';

/// Where `TextVectorization` keeps its vocabulary unless the config has it.
const ASSET: &str = "assets/layers/text_vectorization/vocabulary.txt";

const GIVE_ONE: &str = "give one with --vocabulary: the text that the model was trained on, a \
                        vocabulary.txt of Keras, a JSON list of the characters, or another model";

/// Tokens in the order of their ids, and what is done to a text before it is cut into them.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    tokens: Vec<String>,
    standardize: Standardize,
}

/// The error that a model has no vocabulary.
pub(super) fn missing(size: usize) -> Error {
    let problem = format!("it does not say what its {size} tokens stand for");
    error("the vocabulary", problem, GIVE_ONE)
}

/// Whether id 0 is padding, which never comes.
pub(super) fn begins_with_padding(vocabulary: &Vocabulary) -> bool {
    match &vocabulary.tokenizer {
        Tokenizer::Char(characters) => characters.vocabulary().first() == Some(&PADDING),
        _ => false,
    }
}

/// The vocabulary of a `TextVectorization` layer: in its settings, or in a member of the archive.
pub(super) fn of_layer(layer: &KerasLayer, archive: &mut Archive<'_>) -> Result<Tokens> {
    let setting = |name: &str| layer.settings.get(name).unwrap_or(&Value::Null);
    let hint = "machado takes characters: split=\"character\", output_mode=\"int\", no ngrams; for \
                words, train a model here with --tokenizer word";
    let expected = [("split", "character"), ("output_mode", "int")];
    for (name, expected) in expected {
        if setting(name).as_str().unwrap_or("none") != expected {
            return Err(layer.error(format!("{name} is {}, not {expected}", setting(name)), hint));
        }
    }
    if !setting("ngrams").is_null() {
        return Err(layer.error(format!("ngrams is {}", setting("ngrams")), hint));
    }
    // Punctuation that Keras strips is not in its vocabulary, and so left out here as well.
    let standardize = match setting("standardize").as_str() {
        Some("lower" | "lower_and_strip_punctuation") => Standardize::Lower,
        _ => Standardize::None,
    };
    let tokens = match setting("vocabulary") {
        Value::Null => match archive.member(ASSET)? {
            Some(asset) => of_asset(&text_of(&asset)?),
            None => {
                let hint =
                    "adapt the layer in Keras and save the model again, or give a vocabulary";
                return Err(layer.error("it has no vocabulary", hint));
            }
        },
        list => serde_json::from_value(list.clone()).map_err(|problem| {
            layer.error(format!("its vocabulary is no list of strings ({problem})"), GIVE_ONE)
        })?,
    };
    Ok(Tokens { tokens, standardize })
}

/// A vocabulary that the user gave as the bytes of a file, for a model of this many tokens.
pub(super) fn given(bytes: &[u8], size: usize) -> Result<Vocabulary> {
    const NAME: &str = "the vocabulary given";
    if bytes.starts_with(b"PK") {
        return of_archive(bytes, size, NAME);
    }
    if bytes.get(8) == Some(&b'{') && bytes.get(7) == Some(&0) {
        let file = checkpoint::read_model(bytes)?;
        let (tokenizer, standardize) = (file.model.tokenizer, file.standardize);
        return of_size(Vocabulary { tokenizer, standardize }, size, NAME);
    }
    let text = text_of(bytes)?;
    let list = serde_json::from_str::<Vec<String>>(&text).ok();
    let begin = text.trim_start_matches("\r\n").trim_start_matches('\n');
    let is_asset = begin.starts_with("[UNK]\n") || begin.starts_with("[UNK]\r\n");
    let tokens = list.or_else(|| is_asset.then(|| of_asset(&text)));
    match tokens {
        Some(tokens) => fitting(&Tokens { tokens, standardize: Standardize::None }, size, NAME),
        None => of_text(&text, size),
    }
}

/// The vocabulary of another `.keras` file, of which only that is looked at.
fn of_archive(bytes: &[u8], size: usize, name: &str) -> Result<Vocabulary> {
    let mut archive = Archive::open(bytes)?;
    if let Some(json) = archive.member(METADATA)?
        && let Some(own) = Metadata::read(&json)?
    {
        return of_size(own.into_vocabulary(), size, name);
    }
    let layers = config::read(&archive.required(CONFIG)?)?.layers;
    match layers.iter().find(|layer| layer.class == "TextVectorization") {
        Some(layer) => fitting(&of_layer(layer, &mut archive)?, size, name),
        None => Err(error(name, "it has no vocabulary itself", GIVE_ONE)),
    }
}

fn of_size(vocabulary: Vocabulary, size: usize, name: &str) -> Result<Vocabulary> {
    let found = vocabulary.tokenizer.vocabulary_size();
    if found == size { Ok(vocabulary) } else { Err(wrong_size(name, found, size)) }
}

fn wrong_size(name: &str, found: usize, size: usize) -> Error {
    let problem = format!("it has {found} tokens, but the model has {size}");
    error(name, problem, "give the vocabulary, or the text, that this model was trained with")
}

/// The characters of a text, numbered as Keras does. What was done to the text is found by how many
/// characters are left: nothing, lower case, or only letters.
fn of_text(text: &str, size: usize) -> Result<Vocabulary> {
    let mut found = Vec::new();
    let ways = [Standardize::None, Standardize::Lower, Standardize::Letters];
    let candidates = ways.map(|standardize| {
        let characters = CharTokenizer::from_text(&standardize.apply(text));
        found.push(characters.vocabulary().len());
        (standardize, characters)
    });
    // A model with exactly these characters is likelier than one with padding among them.
    for specials in [0, 2, 1] {
        for (standardize, characters) in &candidates {
            if characters.vocabulary().len() + specials == size {
                let tokens = characters.vocabulary().iter().map(char::to_string).collect();
                let tokens = Tokens { tokens, standardize: *standardize };
                return fitting(&tokens, size, "the text given");
            }
        }
    }
    let [none, lower, letters] = found[..] else { unreachable!("three ways were tried") };
    let problem = format!(
        "it has {none} different characters ({lower} in lower case, {letters} letters, digits and \
         spaces), but the model has {size} tokens"
    );
    Err(error("the text given", problem, "give the text that this model was trained on"))
}

/// The tokenizer of these tokens for a model of this many.
///
/// # Errors
/// If tokens are no characters, or there are neither as many as the model has nor as many less or
/// more as padding and `[UNK]` make.
pub(super) fn fitting(known: &Tokens, size: usize, name: &str) -> Result<Vocabulary> {
    let tokens: Vec<&str> = known.tokens.iter().map(String::as_str).collect();
    let has_padding = tokens.first() == Some(&"");
    let specials = usize::from(has_padding)
        + usize::from(tokens.get(usize::from(has_padding)) == Some(&"[UNK]"));
    let (special, characters) = tokens.split_at(specials);
    // Ids less 1 or 2 are those of a model that never sees padding, or neither of the two.
    let special = match size.checked_sub(characters.len()) {
        Some(kept @ 0..=2) if kept <= specials => special[specials - kept..].to_vec(),
        Some(1) => vec!["[UNK]"],
        Some(2) => vec!["", "[UNK]"],
        _ => return Err(wrong_size(name, tokens.len(), size)),
    };
    let special = special.iter().map(|&token| if token.is_empty() { PADDING } else { UNKNOWN });
    let mut vocabulary: Vec<char> = special.collect();
    for (number, token) in characters.iter().enumerate() {
        let mut inside = token.chars();
        let (Some(character), None) = (inside.next(), inside.next()) else {
            let number = number + specials;
            let problem = format!("token {number} is {token:?}, and not one character");
            let hint = "machado takes characters from Keras; for words, train a model here with \
                        --tokenizer word";
            return Err(error(name, problem, hint));
        };
        vocabulary.push(character);
    }
    let mut sorted = vocabulary[vocabulary.len() - characters.len()..].to_vec();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let problem = format!("the character {:?} comes twice", pair[0]);
        return Err(error(name, problem, "each token has one number; give the right vocabulary"));
    }
    let tokenizer = Tokenizer::Char(CharTokenizer::from(vocabulary));
    Ok(Vocabulary { tokenizer, standardize: known.standardize })
}

/// The tokens of a `vocabulary.txt`: one a line, where a line end that is a token itself makes two
/// empty lines. (Keras writes such a file, but cannot read it.) A file that went through an editor may
/// have line ends of two characters, and one more of them at its end.
fn of_asset(text: &str) -> Vec<String> {
    let first = text.split('\n').take(2).collect::<Vec<_>>();
    let is_windows = first.contains(&"[UNK]\r");
    let plain = if is_windows { Cow::from(text.replace("\r\n", "\n")) } else { Cow::from(text) };
    let mut lines = plain.split('\n').enumerate().peekable();
    let mut tokens = Vec::new();
    while let Some((number, line)) = lines.next() {
        let is_line_end = line.is_empty()
            && number > 0
            && lines.next_if(|(_, following)| following.is_empty()).is_some();
        // What stands after the last line end, if that is one of the file and no token.
        let is_end = line.is_empty() && number > 0 && !is_line_end && lines.peek().is_none();
        if !is_end {
            tokens.push(if is_line_end { "\n".to_owned() } else { line.to_owned() });
        }
    }
    tokens
}

/// The text of some bytes in any encoding; Keras on Windows writes vocabularies in that of the
/// system.
fn text_of(bytes: &[u8]) -> Result<String> {
    let mut detector = Detector::default();
    detector.feed(bytes);
    let mut decoder = detector.finish()?.decoder();
    Ok(decoder.feed(bytes) + &decoder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_asset(text: &str, expected: &[&str]) {
        assert_eq!(of_asset(text), expected, "{text:?}");
    }

    #[test]
    fn a_line_end_is_a_token_of_two_empty_lines() {
        check_asset("\n[UNK]\ne\na", &["", "[UNK]", "e", "a"]);
        check_asset("\n[UNK]\ne\n\n\na", &["", "[UNK]", "e", "\n", "a"]);
        check_asset("\n[UNK]\n\n\ne", &["", "[UNK]", "\n", "e"]);
        check_asset("\n[UNK]\ne\n\n", &["", "[UNK]", "e", "\n"]);
        check_asset("\n[UNK]\ne\n", &["", "[UNK]", "e"]);
        check_asset("\n[UNK]\ne\n\n\n", &["", "[UNK]", "e", "\n"]);
        check_asset("\r\n[UNK]\r\ne\r\n\r\n\r\na\r\n", &["", "[UNK]", "e", "\n", "a"]);
        check_asset("\n[UNK]\ne\n\r", &["", "[UNK]", "e", "\r"]);
        check_asset("\n[UNK]\n \n\u{2028}\n\u{85}", &["", "[UNK]", " ", "\u{2028}", "\u{85}"]);
    }

    fn fitted(tokens: &[&str], size: usize) -> Result<String> {
        let tokens = tokens.iter().map(|&token| token.to_owned()).collect();
        let known = Tokens { tokens, standardize: Standardize::None };
        let vocabulary = fitting(&known, size, "a list")?;
        Ok(vocabulary.tokenizer.decode(&(0..size as u32).collect::<Vec<_>>()))
    }

    #[test]
    fn padding_and_unknown_come_and_go_with_the_size_of_the_model() {
        let with = ["", "[UNK]", "a", "b"];
        for (tokens, size, expected) in [
            (&with[..], 4, "\0\u{FFFD}ab"),
            (&with, 3, "\u{FFFD}ab"),
            (&with, 2, "ab"),
            (&with[1..], 3, "\u{FFFD}ab"),
            (&with[1..], 2, "ab"),
            (&with[2..], 2, "ab"),
            (&with[2..], 3, "\u{FFFD}ab"),
            (&with[2..], 4, "\0\u{FFFD}ab"),
        ] {
            assert_eq!(fitted(tokens, size).expect("a fit"), expected, "{tokens:?} for {size}");
        }
        for (tokens, size) in [(&with[..], 5), (&with, 1), (&with[2..], 5)] {
            let message = fitted(tokens, size).expect_err("no fit").to_string();
            assert!(message.contains(&format!("but the model has {size}")), "{message}");
        }
    }

    #[test]
    fn tokens_that_are_no_characters_or_come_twice_are_named() {
        for (tokens, part) in [
            (["", "[UNK]", "a", "the"], "token 3 is \"the\""),
            (["", "[UNK]", "a", ""], "token 3 is \"\""),
            (["", "[UNK]", "a", "a"], "'a' comes twice"),
        ] {
            let message = fitted(&tokens, 4).expect_err("no fit").to_string();
            assert!(message.contains(part) && message.contains("hint:"), "{message}");
        }
    }
}
