//! Whether a steered model still writes text: what the model as it is thinks of it, and what the
//! text is about.

use super::grammar::Grammar;
use crate::data::{Batch, Start, Target};
use crate::error::Result;
use crate::math::simd::VectorUnit;
use crate::math::threads::Compute;
use crate::model::{Engine, Intervention, Model, Streams};
use crate::rng::{Purpose, Rng};

/// Tokens of a text.
const TOKENS: usize = 40;

/// What some written texts are like.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Written {
    /// The loss of the unsteered model on them, a token.
    pub(super) nats: f64,
    /// For each topic its words, in either language, in a thousand tokens.
    pub(super) words_per_thousand: Vec<f64>,
    /// The first of the texts.
    pub(super) example: String,
}

/// Writes texts and looks at them.
#[derive(Debug)]
pub(super) struct Writer<'m> {
    model: &'m Model,
    engine: Engine,
    unit: VectorUnit,
    /// The end of a document, after which each text begins.
    begin: Vec<u32>,
    /// The topic of each token that is a topic's word.
    topics: Vec<Option<usize>>,
    topic_count: usize,
}

impl<'m> Writer<'m> {
    /// For a model of a grammar.
    ///
    /// # Errors
    /// If the tokenizer does not know a character of a word.
    pub(super) fn new(model: &'m Model, grammar: &Grammar, compute: &Compute) -> Result<Self> {
        let mut engine =
            Engine::new(&model.config, model.tokenizer.vocabulary_size(), compute.clone())?;
        engine.load(&model.weights);
        let mut topics = vec![None; model.tokenizer.vocabulary_size()];
        for language in &grammar.languages {
            for (topic, words) in language.words.iter().enumerate() {
                for word in words {
                    if let [id] = super::ask::encode(&model.tokenizer, &format!(" {word}"))?[..] {
                        topics[id as usize] = Some(topic);
                    }
                }
            }
        }
        let begin = super::ask::encode(&model.tokenizer, "\n\n")?;
        let (unit, topic_count) = (compute.unit(), grammar.topics.len());
        Ok(Self { model, engine, unit, begin, topics, topic_count })
    }

    /// Writes some texts of 40 tokens at temperature 1; the same seed draws alike.
    ///
    /// # Errors
    /// If an intervention does not fit the model.
    pub(super) fn write(
        &mut self,
        texts: usize,
        seed: u64,
        interventions: &[Intervention],
    ) -> Result<Written> {
        let rows = self.draw(texts, seed, interventions)?;
        let windows: Vec<u32> =
            rows.iter().flat_map(|row| self.begin.iter().chain(row).copied()).collect();
        let time = self.begin.len() + TOKENS - 1;
        let batch = Batch { windows, rows: texts, time, start: Start::Fresh };
        let nats = self.engine.evaluate(&batch, Target::All).loss();
        let mut counts = vec![0.0; self.topic_count];
        for topic in rows.iter().flatten().filter_map(|&id| self.topics[id as usize]) {
            counts[topic] += 1000.0 / (texts * TOKENS) as f64;
        }
        let text: Vec<String> = rows[0].iter().map(|&id| self.model.tokenizer.token(id)).collect();
        Ok(Written { nats, words_per_thousand: counts, example: text.concat() })
    }

    /// `[texts, TOKENS]`.
    fn draw(
        &self,
        texts: usize,
        seed: u64,
        interventions: &[Intervention],
    ) -> Result<Vec<Vec<u32>>> {
        let mut streams = Streams::new(self.model, self.unit)?;
        streams.intervene(interventions, self.model)?;
        streams.read(&self.begin);
        streams.fork(texts);
        let mut rngs: Vec<Rng> =
            (0..texts).map(|text| Rng::new(seed, Purpose::Generate, text as u64)).collect();
        let mut rows = vec![Vec::with_capacity(TOKENS); texts];
        for _ in 0..TOKENS {
            let drawn: Vec<u32> = rngs
                .iter_mut()
                .enumerate()
                .map(|(text, rng)| draw(streams.logits(text), rng.uniform()))
                .collect();
            rows.iter_mut().zip(&drawn).for_each(|(row, &id)| row.push(id));
            streams.read(&drawn);
        }
        Ok(rows)
    }
}

/// The token at a place from 0 to 1 among the cumulated probabilities.
fn draw(logits: &[f32], place: f64) -> u32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: &f32| f64::from(logit - highest).exp();
    let mut left = place * logits.iter().map(weight).sum::<f64>();
    for (id, logit) in (0..).zip(logits) {
        left -= weight(logit);
        if left < 0.0 {
            return id;
        }
    }
    logits.len() as u32 - 1
}
