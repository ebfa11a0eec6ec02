//! All words that a feature meets, by which features are found that know some words.

use std::collections::HashMap;

use super::FeatureSurvey;
use crate::interpret::word_index::{NO_WORD, Words};

/// A word in which, or right after which, a feature fires strongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordMet {
    /// Its number in the text.
    pub word: u32,
    /// At how many of its tokens the feature does.
    pub tokens: u32,
    /// How many of the times that the word comes the feature does at one of its tokens or more.
    pub times: u32,
}

impl WordMet {
    /// The words at some places, by their numbers.
    pub(super) fn at(mut places: Vec<u32>, words: &Words) -> Vec<Self> {
        places.sort_unstable();
        let mut found: HashMap<u32, Self> = HashMap::new();
        let mut last: Option<usize> = None;
        for place in places.into_iter().map(|place| place as usize) {
            let word = words.of_token[place];
            if word == NO_WORD {
                continue;
            }
            let is_same_time = last.is_some_and(|last| {
                words.of_token[last] == word && !words.begins[last + 1..=place].contains(&true)
            });
            let met = found.entry(word).or_insert(Self { word, tokens: 0, times: 0 });
            met.tokens += 1;
            met.times += u32::from(!is_same_time);
            last = Some(place);
        }
        let mut found: Vec<Self> = found.into_values().collect();
        found.sort_unstable_by_key(|met| met.word);
        found
    }
}

impl FeatureSurvey {
    /// How often it meets a word, if all words were kept and it does.
    pub fn met(&self, word: u32) -> Option<&WordMet> {
        let place = self.all_words.binary_search_by_key(&word, |met| met.word);
        place.ok().map(|place| &self.all_words[place])
    }

    /// How well its strong firing tells where some words are that come so many `times` together: the
    /// harmonic mean of precision, the share of the tokens where it fires strongly that are of the words or
    /// right after them, and recall, the share of the times that it does in a word. 1 is reached by a
    /// feature that fires at the last letter of each of the words and nowhere else.
    pub fn f1_of_words(&self, words: &[u32], times: u64) -> f64 {
        let met = || words.iter().filter_map(|&word| self.met(word));
        let tokens: u64 = met().map(|met| u64::from(met.tokens)).sum();
        if tokens == 0 {
            return 0.0;
        }
        let precision = tokens as f64 / self.strong as f64;
        let recall = met().map(|met| u64::from(met.times)).sum::<u64>() as f64 / times as f64;
        2.0 * precision * recall / (precision + recall)
    }
}
