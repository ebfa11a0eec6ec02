//! Counts of all features while a text is read, on all threads.

use std::ops::Range;

use super::tally::{Shifted, Tally, Whole};
use super::{FeatureSurvey, Firing, SurveyConfig, TokenLabels};
use crate::error::Result;
use crate::interpret::Sae;
use crate::interpret::spread::{Spread, for_each_value};
use crate::interpret::word_index::NO_WORD;
use crate::math::threads::Compute;

/// Counts of all features.
#[derive(Debug)]
pub(super) struct Survey<'a> {
    labels: &'a TokenLabels,
    compute: &'a Compute,
    features: Spread<Tally>,
    /// Taken off all states, so that the sums stay small. `[d_in]`
    shift: Vec<f32>,
    /// Of each unit its values and their squares, off the shift.
    unit_sums: Vec<[f64; 2]>,
    positions: u64,
}

impl<'a> Survey<'a> {
    /// Nothing counted yet of some features; `max_activations` are the strongest of each, as known
    /// before.
    pub(super) fn new(
        (sae, wanted): (&Sae, &[usize]),
        compute: &'a Compute,
        max_activations: &[f32],
        (labels, config): (&'a TokenLabels, SurveyConfig),
    ) -> Result<Self> {
        let tally = |number: usize| {
            let seed = crate::rng::mix(config.seed ^ crate::rng::mix(number as u64));
            Tally::new(sae.d_in(), max_activations[number], &SurveyConfig { seed, ..config })
        };
        Ok(Self {
            labels,
            compute,
            features: Spread::new((sae, wanted), compute, tally)?,
            shift: sae.weights().b_dec.clone(),
            unit_sums: vec![[0.0; 2]; sae.d_in()],
            positions: 0,
        })
    }

    /// Takes up the states at some places, `[N, d_in]`.
    pub(super) fn add(&mut self, places: &[usize], states: &[f32]) {
        let Self { labels, compute, features, shift, unit_sums, positions } = self;
        *positions += places.len() as u64;
        for_each_value(compute, unit_sums, states, |_, x, unit, sums| {
            let off = f64::from(x - shift[unit]);
            sums[0] += off;
            sums[1] += off * off;
        });
        features.encode(compute, (places, states), |tally, fires| {
            let firing = Firing { place: fires.place, value: fires.value };
            tally.add(firing, Shifted { state: fires.state, shift }, labels);
        });
    }

    /// What comes of it, of features with these numbers, in the order in which they were given;
    /// `range` is the part of the text that was read.
    pub(super) fn finish(self, numbers: &[usize], range: Range<usize>) -> Vec<FeatureSurvey> {
        let Self { labels, compute, features, unit_sums, positions, .. } = self;
        let mut word_tokens = vec![0; labels.words.names.len()];
        for &word in labels.words.of_token[range.clone()].iter().filter(|&&word| word != NO_WORD) {
            word_tokens[word as usize] += 1;
        }
        let property_totals = labels.properties.counts(range);
        let whole = Whole { labels, positions, property_totals, word_tokens, unit_sums };
        let tallies = features.finish().into_iter().zip(numbers);
        let mut surveys: Vec<_> =
            tallies.map(|(tally, &feature)| (Some(tally), feature, None)).collect();
        compute.for_each(&mut surveys, |(tally, feature, survey)| {
            *survey = tally.take().map(|tally| tally.finish(*feature, &whole));
        });
        surveys.into_iter().filter_map(|(.., survey)| survey).collect()
    }
}
