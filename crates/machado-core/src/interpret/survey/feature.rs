//! What was measured of one feature, and what it is called by that.

use super::{BANDS, Firing, WordMet};
use crate::interpret::properties::properties;

/// A word at which a feature fires more often than elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct WordLift {
    /// The word, in lower case.
    pub word: String,
    /// How many times more often tokens of this word are among those where the feature fires
    /// strongly than among all.
    pub lift: f64,
    /// At how many tokens of the word, or right after it, the feature fires strongly.
    pub tokens: u64,
    /// Their share of all tokens where it does.
    pub share: f64,
    /// At how many tokens the word is at all.
    pub all: u64,
}

/// A rule that tells well where a feature fires.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PropertyMatch {
    /// Its number.
    pub property: usize,
    /// The harmonic mean of precision and recall.
    pub f1: f64,
    /// The share of the firing where the rule holds.
    pub precision: f64,
    /// The share of the places under the rule where the feature fires.
    pub recall: f64,
    /// Firing counts from this activation on.
    pub threshold: f32,
}

/// What one feature fires at.
#[derive(Clone, Debug)]
pub struct FeatureSurvey {
    /// Its number in the autoencoder.
    pub feature: usize,
    /// At how many positions it fires.
    pub active: u64,
    /// Positions in all.
    pub positions: u64,
    /// Its strongest activation.
    pub max: f32,
    /// Its mean activation where it fires.
    pub mean: f64,
    /// At how many positions its activation is in each tenth of the strongest one.
    pub bands: [u64; BANDS],
    /// The strongest, falling.
    pub contexts: Vec<Firing>,
    /// Random ones of each band.
    pub samples: Vec<Vec<Firing>>,
    /// At how many positions it fires strongly, with a quarter of its strongest activation or more: that
    /// is what counts for words.
    pub strong: u64,
    /// The words it fires at, by how telling they are.
    pub words: Vec<WordLift>,
    /// All words at which it fires strongly, by their numbers, if they were to be kept.
    pub all_words: Vec<WordMet>,
    /// The rule that fits best.
    pub property: Option<PropertyMatch>,
    /// The single unit whose values go most with it, and Pearson's correlation.
    pub unit: Option<(usize, f64)>,
}

/// From this F1 on a rule names a feature.
const GOOD_F1: f64 = 0.5;

/// So many words make a name.
const NAMING: usize = 3;

/// From this share of the firing on words name it.
const GOOD_SHARE: f64 = 0.05;

impl FeatureSurvey {
    /// The share of the positions at which it fires.
    pub fn density(&self) -> f64 {
        self.active as f64 / self.positions.max(1) as f64
    }

    /// A name by what was measured: the rule where one fits well, and better than the words do; else
    /// the words, else the rule that fits best.
    pub fn label(&self) -> String {
        if self.active == 0 {
            return "(never fires)".into();
        }
        let shown = &self.words[..self.words.len().min(NAMING)];
        let of_words = f1_of(shown);
        let rule = self.property.filter(|rule| rule.f1 >= GOOD_F1.max(of_words));
        let name = |rule: PropertyMatch| properties()[rule.property].name.to_owned();
        if let Some(rule) = rule {
            return name(rule);
        }
        if shown.iter().map(|word| word.share).sum::<f64>() >= GOOD_SHARE {
            let words: Vec<&str> = shown.iter().map(|word| &word.word[..]).collect();
            return words.join(", ");
        }
        let weak = self
            .property
            .filter(|rule| rule.f1 >= 0.1)
            .map(|rule| format!("{} (partly)", name(rule)));
        weak.unwrap_or_else(|| "(no word or rule)".into())
    }
}

/// How well some words together tell where the feature fires strongly, as an F1.
fn f1_of(words: &[WordLift]) -> f64 {
    let Some(first) = words.first() else { return 0.0 };
    let strong = first.tokens as f64 / first.share;
    let sum = |figure: fn(&WordLift) -> u64| words.iter().map(figure).sum::<u64>() as f64;
    2.0 * sum(|word| word.tokens) / (strong + sum(|word| word.all))
}
