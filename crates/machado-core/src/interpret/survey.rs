//! What each feature of an autoencoder fires at, over a whole text: exact, nothing sampled.
//!
//! One pass counts how often and how strongly each feature fires, at which words, under which rules
//! and together with which single unit; and it keeps the places of the strongest contexts, and of
//! random ones from each band of strength. A second pass, [`Reading::activations_at`], gives the
//! activations around these places.

mod keep;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use self::keep::{Drawn, Strongest};
use super::properties::{Properties, bits, properties};
use super::sae::{Active, Sae, SaeEncoder};
use super::token_text::TokenText;
use super::train_on_text::Reading;
use super::word_index::{NO_WORD, Words};
use crate::error::Result;

/// Bands between 0 and a feature's strongest activation.
pub const BANDS: usize = 10;

/// States encoded at a time.
const ROWS: usize = 256;

/// A word counts for a feature where it fires with at least this share of its strongest activation:
/// weak firing says little, and there is much of it.
const STRONG: f32 = 0.25;

/// A word must be met by a feature, strongly, at so many tokens to name it.
const LEAST_TOKENS: u32 = 3;

/// Words kept for a feature.
const MOST_WORDS: usize = 10;

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
}

/// A place in the text and how strongly a feature fires there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Firing {
    /// The token after which it fires.
    pub place: usize,
    /// The activation.
    pub value: f32,
}

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
    /// The words it fires at, by how telling they are.
    pub words: Vec<WordLift>,
    /// The rule that fits best.
    pub property: Option<PropertyMatch>,
    /// The single unit whose values go most with it, and Pearson's correlation.
    pub unit: Option<(usize, f64)>,
}

/// From this F1 on a rule names a feature.
const GOOD_F1: f64 = 0.5;

/// From this share of the firing on words name it.
const GOOD_SHARE: f64 = 0.05;

impl FeatureSurvey {
    /// The share of the positions at which it fires.
    pub fn density(&self) -> f64 {
        self.active as f64 / self.positions.max(1) as f64
    }

    /// A name by what was measured: the rule where one fits well, else the words, else the rule
    /// that fits best.
    pub fn label(&self) -> String {
        if self.active == 0 {
            return "(never fires)".into();
        }
        let rule = self.property.filter(|rule| rule.f1 >= GOOD_F1);
        let name = |rule: PropertyMatch| properties()[rule.property].name.to_owned();
        if let Some(rule) = rule {
            return name(rule);
        }
        let shown: Vec<&WordLift> = self.words.iter().take(3).collect();
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

/// Counts of all features while a text is read.
#[derive(Debug)]
struct Survey<'a> {
    labels: &'a TokenLabels,
    config: SurveyConfig,
    encoder: SaeEncoder,
    d_in: usize,
    /// The strongest activation of each, as known before.
    max_activations: Vec<f32>,
    waiting: Vec<f32>,
    places: Vec<usize>,
    features: Vec<Tally>,
    /// Of the units: values and their squares, without the first state so that the sums stay small.
    shift: Vec<f32>,
    unit_sums: Vec<[f64; 2]>,
    positions: u64,
    /// At how many positions each rule holds.
    property_totals: Vec<u64>,
}

/// Counts of one feature.
#[derive(Clone, Debug)]
struct Tally {
    active: u64,
    max: f32,
    sums: [f64; 2],
    bands: [u64; BANDS],
    /// `[BANDS, properties]`.
    properties: Vec<u32>,
    strong: u64,
    words: HashMap<u32, u32>,
    /// Activation times each unit, `[d_in]`.
    products: Vec<f64>,
    contexts: Strongest,
    samples: Vec<Drawn>,
}

impl Tally {
    fn new(d_in: usize, config: &SurveyConfig) -> Self {
        Self {
            active: 0,
            max: 0.0,
            sums: [0.0; 2],
            bands: [0; BANDS],
            properties: vec![0; BANDS * properties().len()],
            strong: 0,
            words: HashMap::new(),
            products: vec![0.0; d_in],
            contexts: Strongest::new(config.contexts),
            samples: vec![Drawn::new(config.samples); BANDS],
        }
    }
}

impl<'a> Survey<'a> {
    fn new(
        encoder: SaeEncoder,
        b_dec: &[f32],
        max_activations: Vec<f32>,
        labels: &'a TokenLabels,
        config: SurveyConfig,
    ) -> Self {
        let d_in = b_dec.len();
        Self {
            labels,
            config,
            encoder,
            d_in,
            waiting: Vec::new(),
            places: Vec::new(),
            features: vec![Tally::new(d_in, &config); max_activations.len()],
            max_activations,
            shift: b_dec.to_vec(),
            unit_sums: vec![[0.0; 2]; d_in],
            positions: 0,
            property_totals: vec![0; properties().len()],
        }
    }

    fn add(&mut self, place: usize, state: &[f32]) {
        self.positions += 1;
        bits(self.labels.properties.masks[place], |bit| self.property_totals[bit] += 1);
        self.places.push(place);
        let from = self.waiting.len();
        self.waiting.extend_from_slice(state);
        for ((x, shift), sums) in
            self.waiting[from..].iter().zip(&self.shift).zip(&mut self.unit_sums)
        {
            let off = f64::from(x - shift);
            sums[0] += off;
            sums[1] += off * off;
        }
        if self.places.len() == ROWS {
            self.encode();
        }
    }

    fn encode(&mut self) {
        let Self { encoder, waiting, places, features, labels, .. } = self;
        encoder.encode(waiting, |row, active| {
            let place = places[row];
            let state = &waiting[row * self.d_in..][..self.d_in];
            for &Active { feature, value } in active {
                let feature = feature as usize;
                let max = self.max_activations[feature];
                let tally = &mut features[feature];
                tally.add(Firing { place, value }, max, labels, seed_of(self.config.seed, feature));
                let value = f64::from(value);
                let units = state.iter().zip(&self.shift).zip(&mut tally.products);
                units.for_each(|((x, shift), sum)| *sum += value * f64::from(x - shift));
            }
        });
        waiting.clear();
        places.clear();
    }

    fn finish(mut self, numbers: &[usize]) -> Vec<FeatureSurvey> {
        self.encode();
        let tallies = std::mem::take(&mut self.features);
        tallies
            .into_iter()
            .zip(numbers)
            .map(|(tally, &feature)| FeatureSurvey {
                feature,
                active: tally.active,
                positions: self.positions,
                max: tally.max,
                mean: tally.sums[0] / tally.active.max(1) as f64,
                bands: tally.bands,
                words: self.words(&tally),
                property: self.property(&tally),
                unit: self.unit(&tally),
                contexts: tally.contexts.finish(),
                samples: tally.samples.into_iter().map(Drawn::finish).collect(),
            })
            .collect()
    }

    /// The words that a feature meets more often than chance, the most telling first: by how much
    /// of its firing they account for beyond their share of the text.
    fn words(&self, tally: &Tally) -> Vec<WordLift> {
        let words = &self.labels.words;
        let positions = self.positions.max(1) as f64;
        let mut found: Vec<(f64, WordLift)> = tally
            .words
            .iter()
            .filter(|&(_, &tokens)| tokens >= LEAST_TOKENS)
            .filter_map(|(&word, &tokens)| {
                let share = f64::from(tokens) / tally.strong as f64;
                let lift = share / (words.tokens[word as usize] as f64 / positions);
                let tokens = u64::from(tokens);
                let word = words.names[word as usize].clone();
                // How many bits better one knows the firing that this word stands for.
                (lift > 2.0).then(|| (share * lift.log2(), WordLift { word, lift, tokens, share }))
            })
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.word.cmp(&b.1.word)));
        found.into_iter().take(MOST_WORDS).map(|(_, word)| word).collect()
    }

    /// The rule and the threshold that fit best.
    fn property(&self, tally: &Tally) -> Option<PropertyMatch> {
        let mut best: Option<PropertyMatch> = None;
        let count = properties().len();
        for (property, &total) in self.property_totals.iter().enumerate() {
            if total == 0 || total == self.positions {
                continue;
            }
            let (mut hits, mut called) = (0, 0);
            for band in (0..BANDS).rev() {
                hits += u64::from(tally.properties[band * count + property]);
                called += tally.bands[band];
                let f1 = 2.0 * hits as f64 / (called + total) as f64;
                if f1 > best.map_or(0.0, |best| best.f1) {
                    best = Some(PropertyMatch {
                        property,
                        f1,
                        precision: hits as f64 / called as f64,
                        recall: hits as f64 / total as f64,
                        threshold: band as f32 / BANDS as f32 * tally.max,
                    });
                }
            }
        }
        best
    }

    /// The unit that goes most with a feature.
    fn unit(&self, tally: &Tally) -> Option<(usize, f64)> {
        let n = self.positions.max(1) as f64;
        let variance = tally.sums[1] / n - (tally.sums[0] / n).powi(2);
        let correlation = |unit: usize| {
            let [sum, squares] = self.unit_sums[unit];
            let of_unit = squares / n - (sum / n).powi(2);
            let both = tally.products[unit] / n - sum / n * (tally.sums[0] / n);
            let scale = (variance * of_unit).sqrt();
            (scale > 1e-12).then(|| (unit, both / scale))
        };
        let all = (0..self.d_in).filter_map(correlation);
        all.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
    }
}

impl Tally {
    fn add(&mut self, firing: Firing, max: f32, labels: &TokenLabels, seed: u64) {
        let Firing { place, value } = firing;
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
            }
        }
        self.contexts.offer(firing, labels.blocks[place]);
        self.samples[band].offer(firing, seed);
    }
}

fn seed_of(seed: u64, feature: usize) -> u64 {
    crate::rng::mix(seed ^ crate::rng::mix(feature as u64))
}

/// Activations that are asked for: of a feature, at some tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The feature.
    pub feature: usize,
    /// The tokens.
    pub tokens: Range<usize>,
}

/// Tokens that share a list of the windows that touch them.
const PER_LIST: usize = 64;

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
        let encoder = sae.encoder_of(features, self.compute.unit())?;
        let maxima = features.iter().map(|&feature| max_activations[feature]).collect();
        let mut survey = Survey::new(encoder, &sae.weights().b_dec, maxima, labels, config);
        self.for_each(range, |place, state| survey.add(place, state))?;
        Ok(survey.finish(features))
    }

    /// The activations in some windows within a range of the text, in their order.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn activations_at(
        &self,
        sae: &Sae,
        windows: &[Window],
        range: Range<usize>,
    ) -> Result<Vec<Vec<f32>>> {
        let mut found: Vec<Vec<f32>> =
            windows.iter().map(|window| vec![0.0; window.tokens.len()]).collect();
        let mut lists: HashMap<usize, Vec<usize>> = HashMap::new();
        for (number, window) in windows.iter().enumerate() {
            let touched: HashSet<usize> = window.tokens.clone().map(|at| at / PER_LIST).collect();
            touched.into_iter().for_each(|list| lists.entry(list).or_default().push(number));
        }
        self.for_each(range, |place, state| {
            for &number in lists.get(&(place / PER_LIST)).into_iter().flatten() {
                let Window { feature, tokens } = &windows[number];
                if tokens.contains(&place) {
                    found[number][place - tokens.start] = sae.activation(*feature, state);
                }
            }
        })?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::SaeWeights;
    use crate::math::simd::VectorUnit;
    use crate::tokenizer::{CharTokenizer, Tokenizer, UnknownPolicy};

    const TEXT: &str = "mar alto\nno mar\ncéu azul, mar e mar\n";

    fn labels() -> TokenLabels {
        let tokenizer = Tokenizer::Char(CharTokenizer::from_text(TEXT));
        let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
        tokenizer.encode_piece(TEXT, &mut encoding).unwrap();
        TokenLabels::of(&TokenText::new(&tokenizer, &encoding.ids, 0..encoding.ids.len()))
    }

    /// Two features of two units that just say the units.
    fn sae() -> Sae {
        Sae::new(SaeWeights {
            d_in: 2,
            d_sae: 2,
            w_enc: vec![1.0, 0.0, 0.0, 1.0],
            b_enc: vec![0.0; 2],
            threshold: vec![0.0; 2],
            w_dec: vec![1.0, 0.0, 0.0, 1.0],
            b_dec: vec![0.0; 2],
        })
        .unwrap()
    }

    /// Unit 0 says the r of each "mar", and how often it has come; unit 1 each line end.
    fn surveyed(config: SurveyConfig) -> Vec<FeatureSurvey> {
        let labels = labels();
        let encoder = sae().encoder(VectorUnit::detect());
        let mut survey = Survey::new(encoder, &[0.0; 2], vec![4.0, 1.0], &labels, config);
        let mut seen = 0.0;
        for (place, c) in TEXT.chars().enumerate() {
            let is_r = c == 'r';
            seen += if is_r { 1.0 } else { 0.0 };
            survey.add(place, &[if is_r { seen } else { 0.0 }, f32::from(u8::from(c == '\n'))]);
        }
        survey.finish(&[5, 6])
    }

    #[test]
    fn a_survey_by_hand() {
        let found = surveyed(SurveyConfig { contexts: 20, samples: 2, seed: 1 });
        let mar = &found[0];
        assert_eq!((mar.feature, mar.active, mar.max), (5, 4, 4.0));
        assert_eq!(mar.positions, TEXT.chars().count() as u64);
        assert_eq!(mar.mean, 2.5);
        // 1, 2, 3 and 4 of 4.
        assert_eq!(mar.bands, [0, 0, 1, 0, 0, 1, 0, 1, 0, 1]);
        // The last line has two, of which the stronger counts.
        let places: Vec<(usize, f32)> = mar.contexts.iter().map(|f| (f.place, f.value)).collect();
        assert_eq!(places, [(34, 4.0), (14, 2.0), (2, 1.0)]);
        assert_eq!(mar.words.len(), 1);
        assert_eq!((&mar.words[0].word[..], mar.words[0].tokens), ("mar", 4));
        // All of the firing, and 16 of 36 tokens are of "mar" or right after it.
        assert_eq!(mar.words[0].share, 1.0);
        assert!((mar.words[0].lift - 36.0 / 16.0).abs() < 1e-9);
        let ends = &found[1];
        let rule = ends.property.unwrap();
        assert_eq!((properties()[rule.property].name, rule.f1), ("a line end", 1.0));
        assert_eq!(ends.label(), "a line end");
        let (unit, correlation) = ends.unit.unwrap();
        assert!(unit == 1 && (correlation - 1.0).abs() < 1e-9);
    }

    #[test]
    fn samples_are_of_their_band_and_the_seed_decides() {
        let config = SurveyConfig { contexts: 1, samples: 1, seed: 1 };
        let ends = |seed| surveyed(SurveyConfig { seed, ..config })[1].samples[9][0].place;
        assert_eq!(ends(1), ends(1));
        let places: HashSet<usize> = (0..20).map(ends).collect();
        assert_eq!(places, HashSet::from([8, 15, 35]));
        assert!(surveyed(config)[1].samples[..9].iter().all(Vec::is_empty));
    }
}
