//! Counts of one feature while a text is read.

use std::collections::HashMap;

use super::keep::{Drawn, Strongest};
use super::{
    BANDS, FeatureSurvey, Firing, PropertyMatch, SurveyConfig, TokenLabels, WordLift, WordMet,
};
use crate::interpret::properties::{bits, properties};
use crate::interpret::word_index::NO_WORD;

/// A word counts for a feature where it fires with at least this share of its strongest activation:
/// weak firing says little, and there is much of it.
const STRONG: f32 = 0.25;

/// A word must be met by a feature, strongly, at so many tokens to name it.
const LEAST_TOKENS: u32 = 3;

/// Words kept for a feature.
const MOST_WORDS: usize = 10;

/// What all features are compared with.
pub(super) struct Whole<'a> {
    pub labels: &'a TokenLabels,
    pub positions: u64,
    /// At how many positions each rule holds.
    pub property_totals: Vec<u64>,
    /// At how many positions each word.
    pub word_tokens: Vec<u64>,
    /// Of each unit its values, and their squares, both off the shift.
    pub unit_sums: Vec<[f64; 2]>,
}

/// Counts of one feature.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// The strongest activation, as known before.
    known_max: f32,
    /// Decides the samples.
    seed: u64,
    active: u64,
    max: f32,
    sums: [f64; 2],
    bands: [u64; BANDS],
    /// `[BANDS, properties]`.
    properties: Vec<u32>,
    strong: u64,
    words: HashMap<u32, u32>,
    /// Where it fires strongly at a word, if all words are kept.
    word_places: Option<Vec<u32>>,
    /// Activation times each unit, `[d_in]`.
    products: Vec<f64>,
    contexts: Strongest,
    samples: Vec<Drawn>,
}

impl Tally {
    pub(super) fn new(d_in: usize, known_max: f32, config: &SurveyConfig) -> Self {
        Self {
            known_max,
            seed: config.seed,
            active: 0,
            max: 0.0,
            sums: [0.0; 2],
            bands: [0; BANDS],
            properties: vec![0; BANDS * properties().len()],
            strong: 0,
            words: HashMap::new(),
            word_places: config.all_words.then(Vec::new),
            products: vec![0.0; d_in],
            contexts: Strongest::new(config.contexts),
            samples: vec![Drawn::new(config.samples); BANDS],
        }
    }

    /// Takes up a firing, and the values of the state there, off the shift.
    pub(super) fn add(&mut self, firing: Firing, state: Shifted<'_>, labels: &TokenLabels) {
        let Firing { place, value } = firing;
        let max = self.known_max;
        self.active += 1;
        self.max = self.max.max(value);
        self.sums[0] += f64::from(value);
        self.sums[1] += f64::from(value).powi(2);
        let band = ((value / max * BANDS as f32) as usize).min(BANDS - 1);
        self.bands[band] += 1;
        let count = properties().len();
        let of_band = &mut self.properties[band * count..][..count];
        bits(labels.properties.masks[place], |bit| of_band[bit] += 1);
        if value >= STRONG * max {
            self.strong += 1;
            let word = labels.words.of_token[place];
            if word != NO_WORD {
                *self.words.entry(word).or_default() += 1;
                if let Some(places) = &mut self.word_places {
                    places.push(place as u32);
                }
            }
        }
        self.contexts.offer(firing, labels.blocks[place]);
        self.samples[band].offer(firing, self.seed);
        let units = state.state.iter().zip(state.shift).zip(&mut self.products);
        units.for_each(|((x, shift), sum)| *sum += f64::from(value) * f64::from(x - shift));
    }

    /// What comes of it.
    pub(super) fn finish(mut self, feature: usize, whole: &Whole<'_>) -> FeatureSurvey {
        let word_places = self.word_places.take().unwrap_or_default();
        FeatureSurvey {
            feature,
            active: self.active,
            positions: whole.positions,
            max: self.max,
            mean: self.sums[0] / self.active.max(1) as f64,
            bands: self.bands,
            strong: self.strong,
            words: self.words(whole),
            all_words: WordMet::at(word_places, &whole.labels.words),
            property: self.property(whole),
            unit: self.unit(whole),
            contexts: self.contexts.finish(),
            samples: self.samples.into_iter().map(Drawn::finish).collect(),
        }
    }

    /// The words that a feature meets more often than chance, the most telling first: by how much
    /// of its firing they account for beyond their share of the text.
    fn words(&self, whole: &Whole<'_>) -> Vec<WordLift> {
        let words = &whole.labels.words;
        let positions = whole.positions.max(1) as f64;
        let mut found: Vec<(f64, WordLift)> = self
            .words
            .iter()
            .filter(|&(_, &tokens)| tokens >= LEAST_TOKENS)
            .filter_map(|(&word, &tokens)| {
                let share = f64::from(tokens) / self.strong as f64;
                let all = whole.word_tokens[word as usize];
                let lift = share / (all as f64 / positions);
                let tokens = u64::from(tokens);
                let word = words.names[word as usize].clone();
                // How many bits better one knows the firing that this word stands for.
                let tells = share * lift.log2();
                (lift > 2.0).then_some((tells, WordLift { word, lift, tokens, share, all }))
            })
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.word.cmp(&b.1.word)));
        found.into_iter().take(MOST_WORDS).map(|(_, word)| word).collect()
    }

    /// The rule and the threshold that fit best.
    fn property(&self, whole: &Whole<'_>) -> Option<PropertyMatch> {
        let mut best: Option<PropertyMatch> = None;
        let count = properties().len();
        for (property, &total) in whole.property_totals.iter().enumerate() {
            if total == 0 || total == whole.positions {
                continue;
            }
            let (mut hits, mut called) = (0, 0);
            for band in (0..BANDS).rev() {
                hits += u64::from(self.properties[band * count + property]);
                called += self.bands[band];
                let f1 = 2.0 * hits as f64 / (called + total) as f64;
                if f1 > best.map_or(0.0, |best| best.f1) {
                    best = Some(PropertyMatch {
                        property,
                        f1,
                        precision: hits as f64 / called as f64,
                        recall: hits as f64 / total as f64,
                        threshold: band as f32 / BANDS as f32 * self.max,
                    });
                }
            }
        }
        best
    }

    /// The unit that goes most with a feature.
    fn unit(&self, whole: &Whole<'_>) -> Option<(usize, f64)> {
        let n = whole.positions.max(1) as f64;
        let variance = self.sums[1] / n - (self.sums[0] / n).powi(2);
        let correlation = |unit: usize| {
            let [sum, squares] = whole.unit_sums[unit];
            let of_unit = squares / n - (sum / n).powi(2);
            let both = self.products[unit] / n - sum / n * (self.sums[0] / n);
            let scale = (variance * of_unit).sqrt();
            (scale > 1e-12).then(|| (unit, both / scale))
        };
        let all = (0..self.products.len()).filter_map(correlation);
        all.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
    }
}

/// A state, and what is taken off its values so that sums of them stay small.
#[derive(Clone, Copy)]
pub(super) struct Shifted<'a> {
    pub state: &'a [f32],
    pub shift: &'a [f32],
}
