//! Writing text: read the prompt once, then draw, append, repeat; the state is kept.

mod growing;
mod writer;

use std::sync::Arc;

pub use growing::{Ending, FinishReason, GrowingText};
pub use writer::Writer;

use crate::error::{Error, Result};
use crate::math::simd::VectorUnit;
use crate::math::softmax::softmax;
use crate::math::threads::Compute;
use crate::mixture::{Counted, Mixture, Position};
use crate::model::{Intervention, Model, Streams};
use crate::rng::{Purpose, Rng};
use crate::sample::Sampler;

/// How text is written.
#[derive(Clone, Debug)]
pub struct GeneratorConfig {
    /// How tokens are drawn.
    pub sampler: Sampler,
    /// At most so many tokens.
    pub tokens: usize,
    /// A text ends before the first of these.
    pub stop: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// What the text is for; another purpose draws another text from the same seed.
    pub purpose: Purpose,
    /// The number of the first text; the others count up from it.
    pub first: u64,
    /// Counts that help the model. They do not learn from what it writes, so that it does not talk
    /// itself into a loop.
    pub mixture: Option<Arc<Mixture>>,
    /// What is changed inside the model while it reads the prompt and writes.
    pub interventions: Vec<Intervention>,
}

/// Some texts written side by side from one prompt. Each text is the same whether it is written
/// alone or with others.
#[derive(Debug)]
pub struct Generator<'m> {
    model: &'m Model,
    streams: Streams,
    config: GeneratorConfig,
    texts: Vec<Text>,
    /// The tokens drawn last.
    drawn: Vec<u32>,
    /// Probabilities with the help of counts, and then their logarithms.
    mixed: Vec<f32>,
    counted: Counted,
    unit: VectorUnit,
}

/// A text that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What follows the prompt.
    pub text: String,
    /// The tokens drawn; of a text that ended before a stop string also those of that.
    pub ids: Vec<u32>,
    /// Tokens drawn.
    pub tokens: usize,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// Texts of one thread that are written side by side; more are written in turn.
const SIDE_BY_SIDE: usize = 64;

/// Writes `texts` texts after one prompt, spread over all threads; they are those that a
/// [`Generator`] writes.
///
/// # Errors
/// If a number of the config is outside its range.
pub fn write_texts(
    model: &Model,
    compute: &Compute,
    prompt: &[u32],
    texts: usize,
    config: &GeneratorConfig,
) -> Result<Vec<Written>> {
    let size = texts.div_ceil(compute.threads()).clamp(1, SIDE_BY_SIDE);
    let mut groups: Vec<(usize, Result<Vec<Written>>)> =
        (0..texts).step_by(size).map(|first| (first, Ok(Vec::new()))).collect();
    compute.for_each(&mut groups, |(first, written)| {
        let config = GeneratorConfig { first: config.first + *first as u64, ..config.clone() };
        let count = size.min(texts - *first);
        *written = Generator::new(model, compute.unit(), prompt, count, config)
            .map(|generator| generator.finish());
    });
    let groups: Result<Vec<Vec<Written>>> = groups.into_iter().map(|(_, texts)| texts).collect();
    Ok(groups?.concat())
}

/// One text being written.
#[derive(Debug)]
struct Text {
    writer: Writer,
    /// Where the text is in the counts.
    position: Position,
    /// The tokens drawn.
    ids: Vec<u32>,
}

impl<'m> Generator<'m> {
    /// Reads `prompt` and gets ready to write `texts` texts after it. An empty prompt is taken as
    /// the end of a line (or, if lines have no end here, as the most frequent token).
    ///
    /// # Errors
    /// If a number of the config is outside its range, or an intervention does not fit the model.
    pub fn new(
        model: &'m Model,
        unit: VectorUnit,
        prompt: &[u32],
        texts: usize,
        config: GeneratorConfig,
    ) -> Result<Self> {
        config.sampler.check()?;
        if texts == 0 {
            return Err(Error::OutOfRange {
                what: "--samples".into(),
                expected: "at least 1".into(),
                found: "0".into(),
            });
        }
        let mut streams = Streams::new(model, unit)?;
        streams.intervene(&config.interventions, model)?;
        let prompt = &model.tokenizer.begin(prompt)[..];
        streams.read(prompt);
        streams.fork(texts);
        let position = config.mixture.as_ref().map_or(Position::START, |mixture| {
            prompt.iter().fold(Position::START, |at, &token| mixture.advance(at, token))
        });
        let sampler = Arc::new(config.sampler.clone());
        let ending = Arc::new(Ending { tokens: config.tokens, stop: config.stop.clone() });
        let text = |number: u64| {
            let rng = Rng::new(config.seed, config.purpose, number);
            let text = GrowingText::new(ending.clone());
            let writer = Writer::new(sampler.clone(), unit, prompt, rng, text)?;
            Ok(Text { writer, position, ids: Vec::new() })
        };
        let texts: Result<Vec<Text>> =
            (config.first..config.first + texts as u64).map(text).collect();
        let texts = texts?;
        let drawn = Vec::with_capacity(texts.len());
        let (mixed, counted) = (Vec::new(), Counted::default());
        Ok(Self { model, streams, config, texts, drawn, mixed, counted, unit })
    }

    /// Writes one token of each text that is not finished, and calls `release` with the number of
    /// the text and what is now sure to belong to it. Returns false when all are finished.
    pub fn step(&mut self, mut release: impl FnMut(usize, &str)) -> bool {
        self.drawn.clear();
        for (number, text) in self.texts.iter_mut().enumerate() {
            // A finished text goes on being fed, so that the others keep their rows.
            let mut id = 0;
            if text.writer.finished().is_none() {
                let mut logits = self.streams.logits(number);
                if let Some(mixture) = &self.config.mixture {
                    self.mixed.clear();
                    self.mixed.extend_from_slice(logits);
                    let log_sum = softmax(self.unit, &mut self.mixed) as f32;
                    mixture.mix(text.position, &mut self.mixed, &mut self.counted);
                    // On the scale of the network's logits, which penalties look at.
                    let logit = |p: f32| p.max(f32::MIN_POSITIVE).ln() + log_sum;
                    self.mixed.iter_mut().for_each(|p| *p = logit(*p));
                    logits = &self.mixed;
                }
                let (drawn, piece) = text.writer.write(logits, &self.model.tokenizer);
                id = drawn;
                text.ids.push(id);
                if let Some(mixture) = &self.config.mixture {
                    text.position = mixture.advance(text.position, id);
                }
                if !piece.is_empty() {
                    release(number, piece);
                }
            }
            self.drawn.push(id);
        }
        let going_on = self.texts.iter().any(|text| text.writer.finished().is_none());
        if going_on {
            self.streams.read(&self.drawn);
        }
        going_on
    }

    /// Writes all texts to their ends.
    pub fn finish(mut self) -> Vec<Written> {
        let mut pieces = vec![String::new(); self.texts.len()];
        while self.step(|number, piece| pieces[number].push_str(piece)) {}
        let texts = self.texts.into_iter().zip(pieces);
        texts
            .map(|(text, written)| Written {
                text: written,
                ids: text.ids,
                tokens: text.writer.text().tokens(),
                finish_reason: text.writer.finished().expect("all texts are finished"),
            })
            .collect()
    }

    /// Tokens drawn for a text.
    pub fn tokens(&self, text: usize) -> usize {
        self.texts[text].writer.text().tokens()
    }
}
