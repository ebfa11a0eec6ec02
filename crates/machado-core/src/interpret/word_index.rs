//! The words of a text, and at which tokens each is read.

use std::collections::HashMap;

use super::token_text::TokenText;

/// Where no word is.
pub const NO_WORD: u32 = u32::MAX;

/// The different words of a text, in lower case.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// The words, in the order in which they first come.
    pub names: Vec<String>,
    /// How often each comes.
    pub counts: Vec<u64>,
    /// For each token the word in or right after which it ends, or [`NO_WORD`]. Where tokens are words
    /// or parts of them, a word ends with its last token, and signs count as words. `[T]`
    pub of_token: Vec<u32>,
    /// Whether each token is the first of a word, each time that the word comes. `[T]`
    pub begins: Vec<bool>,
    /// At how many tokens that is each word. One for each word.
    pub tokens: Vec<u64>,
}

impl Words {
    /// Those of a text. A word is a run of letters and digits.
    pub fn of(text: &TokenText) -> Self {
        // A model that reads characters knows only after a word that it has ended.
        let after = usize::from(text.is_of_characters());
        let mut words = Self::default();
        let mut numbers: HashMap<String, u32> = HashMap::new();
        // At each character the time: the number of the word in the text. And which word it is.
        let mut of_character = Vec::new();
        let mut word_of: Vec<u32> = Vec::new();
        let mut word = String::new();
        let mut length = 0;
        for c in text.text().chars().chain(['\n']) {
            if c.is_alphanumeric() {
                word.extend(c.to_lowercase());
                length += 1;
            } else if length == 0 {
                of_character.push(NO_WORD);
            } else {
                let next = words.names.len() as u32;
                let number = *numbers.entry(std::mem::take(&mut word)).or_insert_with_key(|word| {
                    words.names.push(word.clone());
                    words.counts.push(0);
                    next
                });
                words.counts[number as usize] += 1;
                let time = word_of.len() as u32;
                word_of.push(number);
                of_character.extend(std::iter::repeat_n(time, length + after));
                of_character.extend(std::iter::repeat_n(NO_WORD, 1 - after));
                length = 0;
            }
        }
        // The line end that closed the last word is none of the text.
        of_character.pop();
        let times = spread(text, &of_character);
        let differs = |(place, time): (usize, &u32)| place == 0 || times[place - 1] != *time;
        words.begins = times.iter().enumerate().map(|at| *at.1 != NO_WORD && differs(at)).collect();
        words.of_token = times;
        for time in words.of_token.iter_mut().filter(|time| **time != NO_WORD) {
            *time = word_of[*time as usize];
        }
        if !text.is_of_characters() {
            words.add_signs(text, &mut numbers);
        }
        words.tokens = vec![0; words.names.len()];
        for &word in words.of_token.iter().filter(|&&word| word != NO_WORD) {
            words.tokens[word as usize] += 1;
        }
        words
    }
}

impl Words {
    /// Takes tokens that end in no word, such as a comma, for words of their own.
    fn add_signs(&mut self, text: &TokenText, numbers: &mut HashMap<String, u32>) {
        for (place, word) in self.of_token.iter_mut().enumerate() {
            let sign = text.piece(place..place + 1).trim();
            if *word == NO_WORD && !sign.is_empty() {
                let next = self.names.len() as u32;
                *word = *numbers.entry(sign.to_lowercase()).or_insert_with_key(|sign| {
                    self.names.push(sign.clone());
                    self.counts.push(0);
                    next
                });
                self.counts[*word as usize] += 1;
                self.begins[place] = true;
            }
        }
    }
}

/// Numbers by characters as numbers by tokens.
fn spread(text: &TokenText, of_character: &[u32]) -> Vec<u32> {
    let some: Vec<Option<u32>> = of_character.iter().map(|&number| Some(number)).collect();
    let of_token = text.at_last_characters(&some);
    of_token.into_iter().map(|number| number.unwrap_or(NO_WORD)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::token_text::TokenText;
    use super::*;
    use crate::tokenizer::{CharTokenizer, Tokenizer, UnknownPolicy};

    #[test]
    fn words_by_hand() {
        let tokenizer = Tokenizer::Char(CharTokenizer::from_text("Ai, ai é"));
        let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
        tokenizer.encode_piece("Ai, ai é", &mut encoding).unwrap();
        let words = Words::of(&TokenText::new(&tokenizer, &encoding.ids, 0..encoding.ids.len()));
        assert_eq!(words.names, ["ai", "é"]);
        assert_eq!(words.counts, [2, 1]);
        // The comma belongs to the first word; the space behind it to none.
        assert_eq!(words.of_token, [0, 0, 0, NO_WORD, 0, 0, 0, 1]);
        assert_eq!(words.tokens, [6, 1]);
        let first: Vec<usize> = (0..8).filter(|&place| words.begins[place]).collect();
        assert_eq!(first, [0, 4, 7]);
    }

    #[test]
    fn tokens_that_are_words_stand_for_themselves() {
        let text = super::super::token_text::of_words("Ai, ai é, céu");
        let words = Words::of(&text);
        let named: Vec<&str> =
            words.of_token.iter().map(|&word| &words.names[word as usize][..]).collect();
        assert_eq!(named, ["ai", ",", "ai", "é", ",", "céu"]);
        assert_eq!(words.tokens[words.of_token[1] as usize], 2);
        assert_eq!(words.begins, [true; 6]);
    }
}
