//! What a change inside a model does to what it says and writes.
//!
//! A [`Trial`] measures the same things for each change, always against the model as it is: exactly,
//! how much likelier some words become after some prompts and how far the model is pushed off on
//! natural text; and in texts that are drawn, what is written and how well. Nothing judges but counts.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::steer::{Handle, Push, Steering};
use super::word_odds::log_probabilities;
use super::words::{WordCounts, distinct_2, longest_repeat, words};
use crate::data::{Batch, Start, Target};
use crate::error::{Error, Result};
use crate::generate::{GeneratorConfig, Written, write_texts};
use crate::ids::TokenIds;
use crate::math::softmax::LossSum;
use crate::math::threads::Compute;
use crate::model::{Engine, Intervention, Model, Reach, Site, Streams};
use crate::rng::Purpose;
use crate::sample::Sampler;
use crate::tokenizer::{Tokenizer, UnknownPolicy};

/// Pieces of the natural text that are read side by side, and tokens of each.
const ROWS: usize = 16;
const TIME: usize = 256;

/// Probabilities of natural text that are kept at most; a large vocabulary means fewer places.
const MOST_KEPT: usize = 1 << 23;

/// What is measured, and with what.
#[derive(Clone, Copy)]
pub struct TrialConfig<'a> {
    /// The model.
    pub model: &'a Model,
    /// What computes.
    pub compute: &'a Compute,
    /// What the model goes on from, standardized as its text was.
    pub prompts: &'a [String],
    /// Words that should become likelier.
    pub words: &'a [String],
    /// Words like them that should not.
    pub control_words: &'a [String],
    /// How often the concept comes in a text.
    pub count: &'a (dyn Fn(&str) -> u64 + Sync),
    /// The words that are right.
    pub vocabulary: &'a WordCounts,
    /// A natural text, and which part of it is read.
    pub natural: (&'a TokenIds, &'a Range<usize>),
    /// Texts to draw.
    pub samples: usize,
    /// Tokens of each.
    pub tokens: usize,
    /// Decides what is drawn.
    pub seed: u64,
}

/// Measures changes of one model, each in the same way.
pub struct Trial<'a> {
    config: TrialConfig<'a>,
    prompts: Vec<Prompt>,
    natural: Batch,
    /// Probabilities of the natural text without any change, `[B, T, V]`; read where they are first
    /// asked for.
    natural_probabilities: OnceLock<Vec<f32>>,
    /// Mean log-probability of the words and of those like them, without any change.
    log_probabilities: [f64; 2],
}

/// A prompt, and the words as they go on from it.
#[derive(Debug)]
struct Prompt {
    ids: Vec<u32>,
    /// First the words, then those like them.
    words: Vec<Vec<u32>>,
}

/// Where a change is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The layer.
    pub site: Site,
    /// Who sees it.
    pub reach: Reach,
    /// Whether values are kept within ±1.
    pub in_box: bool,
}

/// What a change does, exactly: nothing is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exact {
    /// How much likelier the words become, in nats: the mean change of their log-probabilities.
    pub words_nats: f64,
    /// The same of the words like them.
    pub control_words_nats: f64,
    /// How far the model's predictions for natural text are pushed off: KL(changed ‖ unchanged) in
    /// nats per token, the state carried along.
    pub kl_nats: f64,
    /// How much more natural text surprises the model, in nats per token.
    pub loss_nats: f64,
}

impl Exact {
    /// How much likelier the words become beyond those like them: the output score of a feature.
    pub fn output_score(&self) -> f64 {
        self.words_nats - self.control_words_nats
    }
}

/// What is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// How often the concept comes.
    pub concept: u64,
    /// Words written.
    pub words: u64,
    /// How much the texts surprise the model without any change, in nats per token.
    pub nats_per_token: f64,
    /// The share of the words that the vocabulary has.
    pub known_words: f64,
    /// Different pairs of neighbouring words among all pairs, the mean over the texts.
    pub distinct_2: f64,
    /// Characters of the longest stretch that comes twice, the mean over the texts.
    pub longest_repeat: f64,
    /// The prompt and the text of the first sample.
    pub example: [String; 2],
}

impl Sampled {
    /// How often the concept comes in a thousand words.
    pub fn concept_per_thousand_words(&self) -> f64 {
        1000.0 * self.concept as f64 / self.words.max(1) as f64
    }

    /// Whether text is broken, beside that of the unchanged model: more than a quarter more
    /// surprising, or with less than four fifths of its share of known words.
    pub fn is_broken(&self, unchanged: &Self) -> bool {
        self.nats_per_token > 1.25 * unchanged.nats_per_token
            || self.known_words < 0.8 * unchanged.known_words
    }
}

/// All that a change does.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// What can be computed.
    pub exact: Exact,
    /// What must be drawn.
    pub sampled: Sampled,
    /// The share of the values that were cut to ±1, where they are.
    pub clipped_share: Option<f64>,
}

impl<'a> Trial<'a> {
    /// Reads prompts, words and natural text with the model as it is.
    ///
    /// # Errors
    /// If there is no prompt, word, sample or natural text, or a word has characters that the model
    /// does not know.
    pub fn new(config: TrialConfig<'a>) -> Result<Self> {
        let tokenizer = &config.model.tokenizer;
        let counts = [
            ("the prompts", config.prompts.len()),
            ("the words of the concept", config.words.len()),
            ("--samples", config.samples),
            ("--tokens", config.tokens),
            ("the natural text", config.natural.1.len().saturating_sub(1)),
        ];
        if let Some((what, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            let expected = "at least 1".into();
            return Err(Error::OutOfRange { what: what.into(), expected, found: "0".into() });
        }
        let words = || config.words.iter().chain(config.control_words);
        let prompt = |text: &String| -> Result<Prompt> {
            let read = tokenizer.read_of_prompt(text);
            // Where a token is a word, its space is part of it.
            let space = &text[read.len()..];
            let words: Result<_> = words()
                .map(|word| encoded(tokenizer, &format!("{space}{word}"), UnknownPolicy::Error))
                .collect();
            let ids = tokenizer.begin(&encoded(tokenizer, read, UnknownPolicy::Skip)?);
            Ok(Prompt { ids, words: words? })
        };
        let prompts: Result<_> = config.prompts.iter().map(prompt).collect();
        let mut trial = Self {
            prompts: prompts?,
            natural: natural(config.natural, tokenizer.vocabulary_size()),
            config,
            natural_probabilities: OnceLock::new(),
            log_probabilities: [0.0; 2],
        };
        trial.log_probabilities = trial.log_probabilities(&[])?;
        Ok(trial)
    }

    /// All that a push does.
    ///
    /// # Errors
    /// If it does not fit the model.
    pub fn effect(&self, handle: &Handle, push: Push, place: &Place) -> Result<Effect> {
        let (interventions, steering) = pushed(handle, push, place);
        let exact = self.exact(&interventions)?;
        let sampled = self.sampled(&interventions)?;
        let clipped_share = place.in_box.then(|| steering.clipped_share());
        Ok(Effect { exact, sampled, clipped_share })
    }

    /// What can be computed of some changes.
    ///
    /// # Errors
    /// If they do not fit the model.
    pub fn exact(&self, interventions: &[Intervention]) -> Result<Exact> {
        let [before, controls_before] = self.log_probabilities;
        let [words, controls] = self.log_probabilities(interventions)?;
        let (kl_nats, loss_nats) = self.on_natural_text(interventions)?;
        Ok(Exact {
            words_nats: words - before,
            control_words_nats: controls - controls_before,
            kl_nats,
            loss_nats,
        })
    }

    /// The output score of a push alone, which takes but a moment.
    ///
    /// # Errors
    /// If it does not fit the model.
    pub fn output_score(&self, handle: &Handle, push: Push, place: &Place) -> Result<f64> {
        let [before, controls_before] = self.log_probabilities;
        let [words, controls] = self.log_probabilities(&pushed(handle, push, place).0)?;
        Ok((words - before) - (controls - controls_before))
    }

    /// The texts that are written with some changes.
    ///
    /// # Errors
    /// If they do not fit the model.
    pub fn texts(&self, interventions: &[Intervention]) -> Result<Vec<String>> {
        let mut texts = Vec::with_capacity(self.config.samples);
        self.write(interventions, |_, written| {
            texts.extend(written.into_iter().map(|written| written.text));
            Ok(())
        })?;
        Ok(texts)
    }

    /// Writes all texts, prompt by prompt.
    fn write(
        &self,
        interventions: &[Intervention],
        mut take: impl FnMut(usize, Vec<Written>) -> Result<()>,
    ) -> Result<()> {
        let Self { config: TrialConfig { model, compute, .. }, .. } = self;
        let mut first = 0;
        for (number, prompt) in self.prompts.iter().enumerate() {
            let (all, prompts) = (self.config.samples, self.prompts.len());
            let count = all / prompts + usize::from(number < all % prompts);
            if count > 0 {
                let config = self.generator(interventions, first);
                take(number, write_texts(model, compute, &prompt.ids, count, &config)?)?;
                first += count as u64;
            }
        }
        Ok(())
    }

    /// What is written with some changes.
    ///
    /// # Errors
    /// If they do not fit the model.
    pub fn sampled(&self, interventions: &[Intervention]) -> Result<Sampled> {
        let (mut loss, mut figures, mut example) = (LossSum::default(), Figures::default(), None);
        self.write(interventions, |number, texts| {
            loss.add(self.surprise(&self.prompts[number].ids, &texts)?);
            texts.iter().for_each(|written| figures.add(&written.text, &self.config));
            example.get_or_insert_with(|| {
                [self.config.prompts[number].clone(), texts[0].text.clone()]
            });
            Ok(())
        })?;
        let known = figures.known[0] as f64 / figures.known[1].max(1) as f64;
        Ok(Sampled {
            concept: figures.concept,
            words: figures.words,
            nats_per_token: loss.loss(),
            known_words: known,
            distinct_2: figures.distinct_2 / figures.with_pairs.max(1.0),
            longest_repeat: figures.longest_repeat / self.config.samples as f64,
            example: example.expect("there is at least one sample"),
        })
    }

    fn generator(&self, interventions: &[Intervention], first: u64) -> GeneratorConfig {
        GeneratorConfig {
            sampler: Sampler::default(),
            tokens: self.config.tokens,
            stop: Vec::new(),
            seed: self.config.seed,
            purpose: Purpose::Generate,
            first,
            mixture: None,
            interventions: interventions.to_vec(),
        }
    }

    /// How much texts surprise the model as it is, after a prompt that is not counted.
    fn surprise(&self, prompt: &[u32], texts: &[Written]) -> Result<LossSum> {
        let (last, before) = prompt.split_last().expect("a prompt has a token");
        let mut engine = self.engine(&[])?;
        let rows = texts.len();
        let mut start = Start::Fresh;
        if !before.is_empty() {
            let batch = Batch { windows: prompt.repeat(rows), rows, time: before.len(), start };
            engine.evaluate(&batch, Target::All);
            start = Start::Carried;
        }
        let row = |text: &Written| [&[*last], &text.ids[..]].concat();
        let windows: Vec<u32> = texts.iter().flat_map(row).collect();
        let batch = Batch { windows, rows, time: self.config.tokens, start };
        Ok(engine.evaluate(&batch, Target::All))
    }

    /// The mean log-probability of the words, and of those like them, over all prompts.
    fn log_probabilities(&self, interventions: &[Intervention]) -> Result<[f64; 2]> {
        let model = self.config.model;
        let mut streams = Streams::new(model, self.config.compute.unit())?;
        streams.intervene(interventions, model)?;
        let mut sums = [0.0; 2];
        for prompt in &self.prompts {
            streams.clear();
            streams.read(&prompt.ids);
            let found = log_probabilities(streams.clone(), &prompt.words);
            let (words, controls) = found.split_at(self.config.words.len());
            for (sum, found) in sums.iter_mut().zip([words, controls]) {
                *sum += found.iter().sum::<f64>() / found.len().max(1) as f64;
            }
        }
        Ok(sums.map(|sum| sum / self.prompts.len() as f64))
    }

    /// How far predictions for natural text are pushed off, and how much worse they are.
    fn on_natural_text(&self, interventions: &[Intervention]) -> Result<(f64, f64)> {
        let changed = self.read_natural(interventions)?;
        let unchanged = match self.natural_probabilities.get() {
            Some(read) => read,
            None => {
                let read = self.read_natural(&[])?;
                self.natural_probabilities.get_or_init(|| read)
            }
        };
        let size = self.config.model.tokenizer.vocabulary_size();
        let (mut kl, mut loss) = (0.0, 0.0);
        let targets = (0..self.natural.rows).flat_map(|row| &self.natural.row(row)[1..]);
        let rows = changed.chunks_exact(size).zip(unchanged.chunks_exact(size));
        for ((p, q), &target) in rows.zip(targets) {
            let log_ratio = |token: usize| {
                let [p, q] = [p, q].map(|row| f64::from(row[token].max(f32::MIN_POSITIVE)));
                (p / q).ln()
            };
            kl += (0..size).map(|token| f64::from(p[token]) * log_ratio(token)).sum::<f64>();
            loss -= log_ratio(target as usize);
        }
        let positions = self.natural.tokens() as f64;
        Ok(((kl / positions).max(0.0), loss / positions))
    }

    fn read_natural(&self, interventions: &[Intervention]) -> Result<Vec<f32>> {
        Ok(self.engine(interventions)?.probabilities(&self.natural))
    }

    fn engine(&self, interventions: &[Intervention]) -> Result<Engine> {
        let TrialConfig { model, compute, .. } = self.config;
        interventions.iter().try_for_each(|one| one.check(&model.config))?;
        let size = model.tokenizer.vocabulary_size();
        let mut engine = Engine::new(&model.config.without_dropout(), size, compute.clone())?;
        engine.load(&model.weights);
        engine.intervene(interventions.to_vec());
        Ok(engine)
    }
}

/// A push as an intervention, and what counts its cuts.
pub(in crate::interpret) fn pushed(
    handle: &Handle,
    push: Push,
    place: &Place,
) -> (Vec<Intervention>, Arc<Steering>) {
    let steering = Steering::new().and(handle.clone(), push);
    let steering = Arc::new(if place.in_box { steering.in_box() } else { steering });
    let change = steering.clone();
    (vec![Intervention { site: place.site.clone(), reach: place.reach, change }], steering)
}

fn encoded(tokenizer: &Tokenizer, text: &str, policy: UnknownPolicy) -> Result<Vec<u32>> {
    let mut encoding = tokenizer.encoding(policy, "prompt");
    tokenizer.encode_piece(text, &mut encoding)?;
    Ok(encoding.ids.to_vec())
}

/// Pieces of a text, evenly spread.
fn natural((ids, range): (&TokenIds, &Range<usize>), vocabulary_size: usize) -> Batch {
    let places = (MOST_KEPT / vocabulary_size).clamp(1, ROWS * TIME);
    let time = TIME.min(range.len() - 1).min(places);
    let rows = (places / time).min(ROWS).min((range.len() - 1) / time);
    let starts: Vec<usize> =
        (0..rows).map(|row| range.start + row * (range.len() - 1 - time) / rows.max(2)).collect();
    Batch::gather(ids, &starts, time, Start::Fresh)
}

/// Sums over texts.
#[derive(Debug, Default)]
struct Figures {
    concept: u64,
    words: u64,
    known: [u64; 2],
    distinct_2: f64,
    with_pairs: f64,
    longest_repeat: f64,
}

impl Figures {
    fn add(&mut self, text: &str, config: &TrialConfig<'_>) {
        self.concept += (config.count)(text);
        self.words += words(text).count() as u64;
        let known = config.vocabulary.known_words(text);
        self.known.iter_mut().zip(known).for_each(|(sum, more)| *sum += more);
        if let Some(share) = distinct_2(text) {
            self.distinct_2 += share;
            self.with_pairs += 1.0;
        }
        self.longest_repeat += longest_repeat(text) as f64;
    }
}

#[cfg(test)]
mod tests;
