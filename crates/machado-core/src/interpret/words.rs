//! Words of texts: which there are, which of them a written text has, and how it repeats itself.
//!
//! A word is a run of letters and digits. All counts are exact.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::forms::Forms;

/// The words of a text, in their order, as ranges of its bytes.
pub fn word_ranges(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let begin = from + text[from..].find(char::is_alphanumeric)?;
        let len = text[begin..].find(|c: char| !c.is_alphanumeric());
        from = len.map_or(text.len(), |len| begin + len);
        Some(begin..from)
    })
}

/// The words of a text, in their order.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    word_ranges(text).map(|range| &text[range])
}

/// Different pairs of neighbouring words among all pairs: 1 where no pair comes twice (Li et al.
/// 2016). `None` if there is no pair.
pub fn distinct_2(text: &str) -> Option<f64> {
    let words: Vec<&str> = words(text).collect();
    let pairs: HashSet<&[&str]> = words.windows(2).collect();
    (words.len() > 1).then(|| pairs.len() as f64 / (words.len() - 1) as f64)
}

/// Characters of the longest stretch that comes twice, the two of which may overlap: of a text
/// that goes round in circles nearly all of it.
pub fn longest_repeat(text: &str) -> usize {
    let characters: Vec<char> = text.chars().collect();
    let mut suffixes: Vec<&[char]> = (0..characters.len()).map(|i| &characters[i..]).collect();
    // What comes twice begins two suffixes that are neighbours in the order of the alphabet.
    suffixes.sort_unstable();
    let common = |pair: &[&[char]]| pair[0].iter().zip(pair[1]).take_while(|(a, b)| a == b).count();
    suffixes.windows(2).map(common).max().unwrap_or(0)
}

/// How often each word comes in a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WordCounts {
    counts: HashMap<Box<str>, u64>,
}

impl WordCounts {
    /// The words of a text.
    pub fn of(text: &str) -> Self {
        let mut counts = HashMap::<Box<str>, u64>::new();
        for word in words(text) {
            // Most words have come before: no copy is made for the look-up.
            match counts.get_mut(word) {
                Some(count) => *count += 1,
                None => drop(counts.insert(word.into(), 1)),
            }
        }
        Self { counts }
    }

    /// How often a word comes.
    pub fn count(&self, word: &str) -> u64 {
        self.counts.get(word).copied().unwrap_or(0)
    }

    /// How some words, in lower case, are written.
    pub fn forms(&self, words: &[String]) -> Vec<Forms> {
        let places: HashMap<&str, usize> =
            words.iter().enumerate().map(|(place, word)| (&word[..], place)).collect();
        let mut forms = vec![Forms::default(); words.len()];
        for (form, &count) in &self.counts {
            if let Some(&place) = places.get(&form.to_lowercase()[..]) {
                forms[place].add(form, count);
            }
        }
        forms
    }

    /// All words, the most frequent first, ties by the alphabet.
    pub fn by_count(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self.counts.iter().map(|(word, &n)| (&**word, n)).collect();
        all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all
    }

    /// Of the words of another text those that come in this one, and all. A word at the very end of
    /// the text may have been cut off and is not counted.
    pub fn known_words(&self, text: &str) -> [u64; 2] {
        let mut counts = [0, 0];
        for range in word_ranges(text).filter(|range| range.end < text.len()) {
            counts[0] += u64::from(self.count(&text[range]) > 0);
            counts[1] += 1;
        }
        counts
    }

    /// For each of some words `each` others that are as long and about as frequent, for comparison;
    /// none of them twice, and none that `is_excluded`. Where there are too few of the same length,
    /// fewer.
    pub fn alike(
        &self,
        words: &[String],
        each: usize,
        is_excluded: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut taken: HashSet<&str> = words.iter().map(|word| &word[..]).collect();
        let by_count = self.by_count();
        let mut found = Vec::new();
        for word in words {
            let (len, count) = (word.chars().count(), self.count(word).max(1) as f64);
            let fits = |other: &str| other.chars().count() == len && !is_excluded(other);
            let mut others: Vec<(f64, &str)> = by_count
                .iter()
                .filter(|(other, _)| fits(other) && !taken.contains(other))
                .map(|(other, n)| ((*n as f64 / count).ln().abs(), *other))
                .collect();
            others.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (_, other) in others.into_iter().take(each) {
                taken.insert(other);
                found.push(other.to_owned());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::interpret::TokenText;
    use crate::tokenizer::{CharTokenizer, Tokenizer, UnknownPolicy};

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let found: Vec<&str> = words("  A menina, que tinha 12 anos\n– não?").collect();
        assert_eq!(found, ["A", "menina", "que", "tinha", "12", "anos", "não"]);
        assert_eq!(words(" … ").count(), 0);
        assert_eq!(words("fim").collect::<Vec<_>>(), ["fim"]);
    }

    #[test]
    fn repetition_by_hand() {
        // ab bc ca ab bc: 3 of 5 are different.
        assert_eq!(distinct_2("a b c a b c"), Some(3.0 / 5.0));
        assert_eq!(distinct_2("a b c d"), Some(1.0));
        assert_eq!(distinct_2("a"), None);
        assert_eq!(longest_repeat(""), 0);
        assert_eq!(longest_repeat("abcd"), 0);
        assert_eq!(longest_repeat("o mar e o mar é"), "o mar ".chars().count());
        assert_eq!(longest_repeat("ééééé"), 4);
    }

    #[test]
    fn known_words_by_hand() {
        let counts = WordCounts::of("o mar e o céu e o mar");
        assert_eq!((counts.count("o"), counts.count("mar"), counts.count("sol")), (3, 2, 0));
        assert_eq!(counts.by_count(), [("o", 3), ("e", 2), ("mar", 2), ("céu", 1)]);
        // "cé" at the end may have been going to be "céu".
        assert_eq!(counts.known_words("o sol, o mar cé"), [3, 4]);
        assert_eq!(counts.known_words("o sol, o mar cé."), [3, 5]);
    }

    #[test]
    fn words_to_compare_with_are_as_long_and_as_frequent() {
        let counts = WordCounts::of("mar mar mar sol sol sol céu céu dia amor um um um um");
        let alike = |words: &[&str], each| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            counts.alike(&words, each, |word| word == "céu")
        };
        assert_eq!(alike(&["mar"], 1), ["sol"]);
        assert_eq!(alike(&["mar"], 9), ["sol", "dia"]);
        assert_eq!(alike(&["mar", "sol"], 1), ["dia"], "neither each other nor one twice");
        assert_eq!(alike(&["amor"], 2), Vec::<String>::new());
    }

    #[test]
    fn forms_differ_in_capitals_alone() {
        let counts = WordCounts::of("O mar, o Mar e a MARÉ; Ela e o mar");
        let forms = counts.forms(&["mar".into(), "ela".into(), "céu".into()]);
        assert_eq!(forms[0].usual(), [("mar", 2), ("Mar", 1)]);
        assert_eq!(forms[1].usual(), [("Ela", 1)]);
        assert_eq!(forms[2].count(), 0);
    }

    fn token_text(text: &str) -> TokenText {
        let tokenizer = Tokenizer::Char(CharTokenizer::from_text(text));
        let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
        tokenizer.encode_piece(text, &mut encoding).unwrap();
        TokenText::new(&tokenizer, &encoding.ids, 0..encoding.ids.len())
    }

    #[test]
    fn tokens_of_bytes() {
        let text = token_text("é o mar");
        assert_eq!(text.text(), "é o mar");
        // "mar" is bytes 5 to 8, and characters 4 to 7.
        assert_eq!(text.tokens(5..8), 4..7);
        let labels = text.labels(&[0..2, 5..8]);
        assert_eq!(labels, [true, false, false, false, true, true, true]);
    }
}
