//! States with known topics, and how well something tells the topics apart.

use std::collections::HashMap;

use super::grammar::{Grammar, Words};
use crate::error::Result;
use crate::ids::TokenIds;
use crate::interpret::{Reading, Sae, Separation};
use crate::math::threads::Compute;
use crate::model::{Model, Site};
use crate::rng::{Purpose, Rng};
use crate::tokenizer::{Tokenizer, UnknownPolicy};

/// A feature that is active at fewer places says too little of its topic.
const LEAST_ACTIVE: usize = 20;

/// The share of its activation that a feature of a topic has in its documents.
const OF_TOPIC: f64 = 0.8;

/// A text with the topic of each token that counts.
#[derive(Debug)]
pub(super) struct Labelled {
    ids: TokenIds,
    topics: Vec<Option<usize>>,
}

impl Labelled {
    /// As many documents about each topic, in one language and with some of its words, in turn. The
    /// first sentence of a document is not counted, since nobody can know its topic before the
    /// first word of it.
    ///
    /// # Errors
    /// If the tokenizer does not know a character.
    pub(super) fn write(
        grammar: &Grammar,
        tokenizer: &Tokenizer,
        documents: usize,
        [seed, set]: [u64; 2],
        (language, words): (usize, Words),
    ) -> Result<Self> {
        let mut topics = Vec::new();
        let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
        let mut rng = Rng::new(seed, Purpose::Grammar, 1 << 32 | set);
        for number in 0..documents * grammar.topics.len() {
            let topic = number % grammar.topics.len();
            let document = grammar.in_one_language(&mut rng, topic, language, words);
            let begin = encoding.ids.len();
            tokenizer.encode_piece(&document.text, &mut encoding)?;
            let mut sentences = 0;
            encoding.ids.for_each(begin..encoding.ids.len(), |id| {
                let lines = tokenizer.token(id).starts_with('\n');
                topics.push((sentences > 0 && !lines).then_some(topic));
                sentences += usize::from(lines);
            });
        }
        Ok(Self { ids: encoding.ids, topics })
    }

    /// The states of a model at the tokens that count.
    ///
    /// # Errors
    /// If the site is none of the model's.
    pub(super) fn states(
        &self,
        model: &Model,
        site: &Site,
        compute: &Compute,
    ) -> Result<TopicStates> {
        let reading = Reading { model, compute, site, ids: &self.ids };
        let mut states = TopicStates { d_in: site.dim, values: Vec::new(), topics: Vec::new() };
        reading.for_each(0..self.ids.len(), |place, values| {
            if let Some(topic) = self.topics[place] {
                states.values.extend_from_slice(values);
                states.topics.push(topic);
            }
        })?;
        Ok(states)
    }
}

/// Some states with their topics.
#[derive(Clone, Debug)]
pub(super) struct TopicStates {
    /// Values of a state.
    pub(super) d_in: usize,
    /// `[N, d_in]`.
    pub(super) values: Vec<f32>,
    /// `[N]`.
    pub(super) topics: Vec<usize>,
}

impl TopicStates {
    /// The states.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[f32], usize)> {
        self.values.chunks_exact(self.d_in).zip(self.topics.iter().copied())
    }

    /// How well a score of states tells a topic from the others.
    pub(super) fn auroc(&self, topic: usize, score: impl Fn(&[f32]) -> f32) -> f64 {
        let mut scores: Vec<(f32, bool)> =
            self.iter().map(|(state, own)| (score(state), own == topic)).collect();
        Separation::of(&mut scores, [0; 2]).map_or(0.5, |found| found.auroc)
    }

    /// The mean of the states that a test holds for.
    pub(super) fn mean(&self, holds: impl Fn(usize) -> bool) -> Vec<f32> {
        let mut sum = vec![0.0f64; self.d_in];
        let mut count = 0.0f64;
        for (state, _) in self.iter().filter(|(_, topic)| holds(*topic)) {
            sum.iter_mut().zip(state).for_each(|(sum, &x)| *sum += f64::from(x));
            count += 1.0;
        }
        sum.iter().map(|sum| (sum / count.max(1.0)) as f32).collect()
    }

    /// What an autoencoder makes of them.
    pub(super) fn codes(&self, sae: &Sae, compute: &Compute) -> Codes {
        let mut active = vec![Vec::new(); sae.d_sae()];
        sae.encoder(compute.unit()).encode(&self.values, |place, found| {
            for one in found {
                active[one.feature as usize].push((one.value, self.topics[place]));
            }
        });
        let mut counts = HashMap::new();
        self.topics.iter().for_each(|&topic| *counts.entry(topic).or_default() += 1);
        Codes { active, counts, positions: self.topics.len() as u64 }
    }
}

/// Where each feature is active: activations with the topics of their places.
#[derive(Clone, Debug)]
pub(super) struct Codes {
    active: Vec<Vec<(f32, usize)>>,
    counts: HashMap<usize, u64>,
    positions: u64,
}

impl Codes {
    /// How well a feature tells a topic from the others.
    pub(super) fn auroc(&self, feature: usize, topic: usize) -> f64 {
        let active = &self.active[feature];
        let mut scores: Vec<(f32, bool)> =
            active.iter().map(|&(value, own)| (value, own == topic)).collect();
        let hits = scores.iter().filter(|(_, is)| *is).count() as u64;
        let positives = self.counts.get(&topic).copied().unwrap_or(0);
        let negatives = self.positions - positives;
        let zeros = [negatives - (scores.len() as u64 - hits), positives - hits];
        Separation::of(&mut scores, zeros).map_or(0.5, |found| found.auroc)
    }

    /// The features, those that tell a topic best first.
    pub(super) fn best(&self, topic: usize) -> Vec<(usize, f64)> {
        let mut features: Vec<(usize, f64)> =
            (0..self.active.len()).map(|feature| (feature, self.auroc(feature, topic))).collect();
        features.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        features
    }

    /// The topic in whose documents a feature has four fifths of its activation or more, if it is
    /// active often enough to say. Most features are of single words, which no AUROC would show.
    pub(super) fn topic_of(&self, feature: usize, topics: usize) -> Option<usize> {
        let mut sums = vec![0.0; topics];
        for &(value, topic) in &self.active[feature] {
            sums[topic] += f64::from(value);
        }
        let best = super::ask::likeliest(&sums);
        let enough = self.active[feature].len() >= LEAST_ACTIVE;
        (enough && sums[best] >= OF_TOPIC * sums.iter().sum::<f64>()).then_some(best)
    }

    /// The share of the places where a feature is active.
    pub(super) fn density(&self, feature: usize) -> f64 {
        self.active[feature].len() as f64 / self.positions.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_has_the_topic_that_it_is_active_in() {
        let places = |topic, count| vec![(1.0f32, topic); count];
        let active = vec![places(1, 30), [places(1, 30), places(0, 20)].concat(), places(0, 5)];
        let counts = HashMap::from([(0, 50), (1, 50)]);
        let codes = Codes { active, counts, positions: 100 };
        assert_eq!([0, 1, 2].map(|feature| codes.topic_of(feature, 2)), [Some(1), None, None]);
        // 30 of 50 positives above all negatives, the other 20 tied with them.
        assert!((codes.auroc(0, 1) - 0.8).abs() < 1e-9);
        assert!((codes.auroc(0, 0) - 0.2).abs() < 1e-9);
        // 30 of 50 against 20 of 50, all alike: ½ + (0.6 − 0.4) / 2.
        assert!((codes.auroc(1, 1) - 0.6).abs() < 1e-9);
        assert_eq!(codes.best(1)[0].0, 0);
        assert!((codes.density(0) - 0.3).abs() < 1e-9);
    }
}
