//! What each feature of an autoencoder fires at, over a whole text: exact, nothing sampled.
//!
//! One pass counts how often and how strongly each feature fires, at which words, under which rules
//! and together with which single unit; and it keeps the places of the strongest contexts, and of
//! random ones from each band of strength. A second pass, [`Reading::activations_at`], gives the
//! activations around these places.

mod counting;
mod feature;
mod keep;
mod met;
mod tally;
#[cfg(test)]
mod tests;
mod windows;

use std::ops::Range;

use self::counting::Survey;
pub use self::feature::{FeatureSurvey, PropertyMatch, WordLift};
pub use self::met::WordMet;
pub use self::windows::Window;
use super::properties::Properties;
use super::sae::Sae;
use super::token_text::TokenText;
use super::train_on_text::Reading;
use super::word_index::Words;
use crate::error::Result;

/// Bands between 0 and a feature's strongest activation.
pub const BANDS: usize = 10;

/// Characters of a line that count as one context, where lines are long.
const BLOCK: usize = 200;

/// What is known of a text's tokens before any model reads it.
#[derive(Clone, Debug)]
pub struct TokenLabels {
    /// The rules that hold.
    pub properties: Properties,
    /// The words.
    pub words: Words,
    /// The number of the line, or of the part of a long one. `[T]`
    blocks: Vec<u32>,
}

impl TokenLabels {
    /// Those of a text.
    pub fn of(text: &TokenText) -> Self {
        let (mut block, mut column) = (0, 0);
        let block_of = |c: char| {
            let here = block;
            column += 1;
            if c == '\n' || column == BLOCK {
                (block, column) = (block + 1, 0);
            }
            here
        };
        let blocks: Vec<u32> = text.text().chars().map(block_of).collect();
        Self {
            properties: Properties::of(text),
            words: Words::of(text),
            blocks: text.at_last_characters(&blocks),
        }
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct SurveyConfig {
    /// Strongest contexts of a feature, one for each line at most.
    pub contexts: usize,
    /// Random samples of each band of strength.
    pub samples: usize,
    /// Decides the samples.
    pub seed: u64,
    /// Whether each feature keeps all words that it meets, by which features are found, beside those that
    /// name it.
    pub all_words: bool,
}

/// A place in the text and how strongly a feature fires there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Firing {
    /// The token after which it fires.
    pub place: usize,
    /// The activation.
    pub value: f32,
}

impl Reading<'_> {
    /// What some features fire at in a range of the text; `max_activations` are those of all
    /// features, as they were measured before.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each), or if there is no such feature.
    ///
    /// # Panics
    /// If there are not as many labels as tokens.
    pub fn survey(
        &self,
        sae: &Sae,
        max_activations: &[f32],
        features: &[usize],
        labels: &TokenLabels,
        config: SurveyConfig,
        range: Range<usize>,
    ) -> Result<Vec<FeatureSurvey>> {
        assert_eq!(labels.blocks.len(), self.ids.len(), "a label for each token");
        let maxima: Vec<f32> = features.iter().map(|&feature| max_activations[feature]).collect();
        let mut survey = Survey::new((sae, features), self.compute, &maxima, (labels, config))?;
        self.for_each_block(range.clone(), |places, states| survey.add(places, states))?;
        Ok(survey.finish(features, range))
    }
}
