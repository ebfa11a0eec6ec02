//! Writing text: read the prompt once, then draw, append, repeat; the state is kept.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::math::simd::VectorUnit;
use crate::math::softmax::softmax;
use crate::math::threads::Compute;
use crate::mixture::{Counted, Mixture, Position};
use crate::model::{Intervention, Model, Streams};
use crate::rng::{Purpose, Rng};
use crate::sample::{Draw, History, Sampler};
use crate::tokenizer::CharacterJoiner;

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

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It has as many tokens as it should.
    Length,
    /// A stop string came.
    Stop,
}

impl FinishReason {
    /// `length` or `stop`, as in OpenAI's API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Stop => "stop",
        }
    }
}

/// Some texts written side by side from one prompt. Each text is the same whether it is written
/// alone or with others.
#[derive(Debug)]
pub struct Generator<'m> {
    model: &'m Model,
    streams: Streams,
    config: GeneratorConfig,
    draw: Draw,
    texts: Vec<Text>,
    /// The tokens drawn last.
    drawn: Vec<u32>,
    /// The bytes of one token.
    token: Vec<u8>,
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
    rng: Rng,
    /// Where the text is in the counts.
    position: Position,
    /// The last tokens, as many as the sampler looks at.
    history: History,
    /// What was drawn of a character that is not whole yet.
    joiner: CharacterJoiner,
    written: String,
    /// The tokens drawn.
    ids: Vec<u32>,
    /// Bytes of `written` that have been given out; the rest may be the beginning of a stop string.
    released: usize,
    tokens: usize,
    finished: Option<FinishReason>,
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
        let draw = Draw::new(config.sampler.clone(), unit)?;
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
        let history = History::new(config.sampler.memory(), prompt);
        let position = config.mixture.as_ref().map_or(Position::START, |mixture| {
            prompt.iter().fold(Position::START, |at, &token| mixture.advance(at, token))
        });
        let texts: Vec<Text> = (config.first..config.first + texts as u64)
            .map(|number| Text {
                rng: Rng::new(config.seed, config.purpose, number),
                position,
                history: history.clone(),
                joiner: CharacterJoiner::default(),
                written: String::new(),
                ids: Vec::new(),
                released: 0,
                tokens: 0,
                finished: (config.tokens == 0).then_some(FinishReason::Length),
            })
            .collect();
        let drawn = Vec::with_capacity(texts.len());
        let (token, mixed, counted) = (Vec::new(), Vec::new(), Counted::default());
        Ok(Self { model, streams, config, draw, texts, drawn, token, mixed, counted, unit })
    }

    /// Writes one token of each text that is not finished, and calls `release` with the number of
    /// the text and what is now sure to belong to it. Returns false when all are finished.
    pub fn step(&mut self, mut release: impl FnMut(usize, &str)) -> bool {
        self.drawn.clear();
        for (number, text) in self.texts.iter_mut().enumerate() {
            // A finished text goes on being fed, so that the others keep their rows.
            let mut id = 0;
            if text.finished.is_none() {
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
                id = self.draw.draw(logits, text.history.ids(), &mut text.rng);
                text.history.push(id);
                text.ids.push(id);
                if let Some(mixture) = &self.config.mixture {
                    text.position = mixture.advance(text.position, id);
                }
                self.token.clear();
                self.model.tokenizer.push_token(id, &mut self.token);
                let piece = text.push(&self.token, &self.config);
                if !piece.is_empty() {
                    release(number, piece);
                }
            }
            self.drawn.push(id);
        }
        let going_on = self.texts.iter().any(|text| text.finished.is_none());
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
                tokens: text.tokens,
                finish_reason: text.finished.expect("all texts are finished"),
            })
            .collect()
    }

    /// Tokens drawn for a text.
    pub fn tokens(&self, text: usize) -> usize {
        self.texts[text].tokens
    }
}

impl Text {
    /// Appends a token; returns what can be given out now, in whole characters.
    fn push(&mut self, token: &[u8], config: &GeneratorConfig) -> &str {
        // A stop string may have begun before this token.
        let from = config.stop.iter().map(String::len).max().unwrap_or(0);
        let from = self.written.floor_char_boundary(self.written.len().saturating_sub(from));
        self.joiner.push(token, &mut self.written);
        self.tokens += 1;
        if self.tokens >= config.tokens {
            self.joiner.finish(&mut self.written);
        }
        let found = config.stop.iter().filter_map(|stop| self.written[from..].find(stop)).min();
        let release_to = if let Some(place) = found {
            self.finished = Some(FinishReason::Stop);
            self.written.truncate(from + place);
            self.written.len()
        } else if self.tokens >= config.tokens {
            self.finished = Some(FinishReason::Length);
            self.written.len()
        } else {
            self.written.len() - held_back(&self.written, &config.stop)
        };
        let piece = self.released.min(release_to)..release_to;
        self.released = release_to;
        &self.written[piece]
    }
}

/// Bytes at the end of `text` that may be the beginning of a stop string.
fn held_back(text: &str, stop: &[String]) -> usize {
    let longest = |stop: &String| {
        (1..stop.len())
            .rev()
            .find(|&length| stop.is_char_boundary(length) && text.ends_with(&stop[..length]))
    };
    stop.iter().filter_map(longest).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(
        tokens: &[impl AsRef<[u8]>],
        stop: &[&str],
        limit: usize,
    ) -> (Vec<String>, Option<FinishReason>) {
        let config = GeneratorConfig {
            mixture: None,
            interventions: Vec::new(),
            sampler: Sampler::default(),
            tokens: limit,
            stop: stop.iter().map(|s| (*s).to_owned()).collect(),
            seed: 0,
            purpose: Purpose::Generate,
            first: 0,
        };
        let rng = Rng::new(0, Purpose::Generate, 0);
        let mut text = Text {
            rng,
            position: Position::START,
            history: History::default(),
            joiner: CharacterJoiner::default(),
            written: String::new(),
            ids: Vec::new(),
            released: 0,
            tokens: 0,
            finished: None,
        };
        let mut pieces = Vec::new();
        for token in tokens {
            if text.finished.is_none() {
                pieces.push(text.push(token.as_ref(), &config).to_owned());
            }
        }
        (pieces, text.finished)
    }

    fn check(tokens: &[&str], stop: &[&str], pieces: &[&str], finished: Option<FinishReason>) {
        let (found, reason) = written(tokens, stop, 100);
        assert_eq!(found, pieces);
        assert_eq!(reason, finished);
    }

    #[test]
    fn text_ends_before_a_stop_string_and_nothing_of_it_is_given_out() {
        let stop = Some(FinishReason::Stop);
        check(&["a", "b", "c"], &[], &["a", "b", "c"], None);
        check(&["a", ".", " ", "b"], &[". "], &["a", "", ""], stop);
        check(&["a", ".", "b"], &[". "], &["a", "", ".b"], None);
        check(&["é", "é", "f"], &["éf"], &["", "é", ""], stop);
        check(&["a", "ab", "c"], &["aab", "b"], &["", ""], stop);
        check(&["xyz"], &["y"], &["x"], stop);
        check(&["a", "a", "a", "b"], &["aab"], &["", "", "a", ""], stop);
    }

    #[test]
    fn only_whole_characters_are_given_out_and_nothing_is_lost() {
        let tokens = [b"c\xc3", &b"\xa9u \xf0\x9f"[..], b"\x8e", b"\xbb", b"\xe2\x80"];
        let (pieces, finished) = written(&tokens, &[], 100);
        assert_eq!(
            (&pieces[..], finished),
            (&["c", "éu ", "", "🎻", ""].map(String::from)[..], None)
        );
        let (pieces, finished) = written(&tokens, &[], 5);
        assert_eq!(pieces[4], "\u{fffd}");
        assert_eq!(finished, Some(FinishReason::Length));
        // A stop string whose characters lie in several tokens.
        let (pieces, finished) = written(&tokens, &["u 🎻"], 100);
        assert_eq!((pieces.concat(), finished), ("cé".to_owned(), Some(FinishReason::Stop)));
    }

    #[test]
    fn what_was_held_back_comes_when_the_text_ends_by_length() {
        let (pieces, finished) = written(&["a", "."], &[". "], 2);
        assert_eq!(pieces, ["a", "."]);
        assert_eq!(finished, Some(FinishReason::Length));
    }
}
