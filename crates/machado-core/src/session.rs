//! Writing a text together with a model: a person picks tokens or types, the model writes on, and
//! each step can be taken back.
//!
//! A [`Session`] knows no terminal: what shows it and asks the person is its caller. What the model
//! writes by itself is what [`Generator`](crate::generate::Generator) writes with the same seed.

mod until;

pub use until::Until;

use self::until::Progress;
use crate::error::{Error, Result};
use crate::math::simd::VectorUnit;
use crate::math::softmax::softmax;
use crate::model::{Model, StreamState, Streams};
use crate::predict::{Candidate, candidates};
use crate::rng::{Purpose, Rng};
use crate::sample::{Draw, Sampler};
use crate::text::Standardize;
use crate::tokenizer::{Tokenizer, UnknownPolicy};

/// How a session is held.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// How candidates are weighed, and what the model writes by itself is drawn.
    pub sampler: Sampler,
    /// What is done to text that is typed.
    pub standardize: Standardize,
    /// What to do with typed characters that the model does not know.
    pub unknown: UnknownPolicy,
    /// Decides what the model writes by itself.
    pub seed: u64,
    /// Whether the prompt ended with a space that is not among its tokens, as
    /// [`Tokenizer::read_of_prompt`] leaves it out.
    pub space_waits: bool,
}

/// Who chose a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The person, out of the candidates.
    Picked,
    /// The person, by typing it.
    Typed,
    /// The model, by drawing it.
    Drawn,
}

impl Origin {
    /// `picked`, `typed` or `drawn`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Picked => "picked",
            Self::Typed => "typed",
            Self::Drawn => "drawn",
        }
    }
}

/// A token that follows the prompt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    /// Its id.
    pub id: u32,
    /// Who chose it.
    pub origin: Origin,
    /// How much it surprised the model: −ln of the probability that the model gave it, at temperature
    /// 1 and without filters.
    pub nats: f64,
}

/// How much some tokens surprised the model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// The tokens.
    pub tokens: usize,
    /// Their surprise, summed.
    pub nats: f64,
}

impl Score {
    /// The mean surprise; `None` without tokens.
    pub fn nats_per_token(&self) -> Option<f64> {
        (self.tokens > 0).then(|| self.nats / self.tokens as f64)
    }
}

/// Tokens from one [`StreamState`] that is kept to the next.
///
/// Taking a step back reads at most so many tokens again, which takes a moment; keeping the state
/// after each token would need memory of the size of all layers' states for each.
const MARK_EVERY: usize = 32;

/// A place in what follows the prompt: behind so many tokens and waiting spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    tokens: usize,
    spaces: usize,
}

/// What was taken back at one time.
#[derive(Debug)]
struct Undone {
    tokens: Vec<Chosen>,
    /// As in [`Session::spaces`] and [`Session::steps`].
    spaces: Vec<usize>,
    steps: Vec<Place>,
}

/// A text being written.
///
/// Where the space before a word is part of its token, a space at the end of the prompt or of what is
/// typed is no token yet: it *waits*. What a person types or picks next is joined with it. What the
/// model writes next stands in its place, since the model says itself whether there is a space, as
/// where a [`Generator`](crate::generate::Generator) goes on from such a prompt.
#[derive(Debug)]
pub struct Session {
    tokenizer: Tokenizer,
    config: SessionConfig,
    unit: VectorUnit,
    streams: Streams,
    draw: Draw,
    rng: Rng,
    /// Drawn, but left for later since something ended before it.
    pending: Option<u32>,
    /// The whole text, the prompt first.
    ids: Vec<u32>,
    /// How many of them nobody sees: the token that stands for an empty prompt.
    hidden: usize,
    /// How many of them are the prompt's, with the hidden one.
    prompt: usize,
    /// The tokens after the prompt.
    chosen: Vec<Chosen>,
    /// After how many of them a space waited, or waits now.
    spaces: Vec<usize>,
    /// Where each step began.
    steps: Vec<Place>,
    /// What was taken back, the latest at the end.
    undone: Vec<Undone>,
    /// The states before the last token of the prompt and before each [`MARK_EVERY`]th after it.
    marks: Vec<StreamState>,
}

impl Session {
    /// Begins after a prompt. An empty one is taken as by
    /// [`Generator::new`](crate::generate::Generator::new).
    ///
    /// # Errors
    /// If a number of the sampler is outside its range.
    ///
    /// # Panics
    /// If an id is outside the vocabulary.
    pub fn new(
        model: &Model,
        unit: VectorUnit,
        prompt: &[u32],
        config: SessionConfig,
    ) -> Result<Self> {
        let draw = Draw::new(config.sampler.clone(), unit)?;
        let mut streams = Streams::new(model, unit)?;
        let hidden = usize::from(prompt.is_empty());
        let ids = model.tokenizer.begin(prompt);
        let (last, before) = ids.split_last().expect("an empty prompt has a token of its own");
        if !before.is_empty() {
            streams.read(before);
        }
        let spaces = if config.space_waits { vec![0] } else { Vec::new() };
        let marks = vec![streams.state()];
        streams.read(&[*last]);
        Ok(Self {
            tokenizer: model.tokenizer.clone(),
            rng: Rng::new(config.seed, Purpose::Generate, 0),
            config,
            unit,
            streams,
            draw,
            pending: None,
            hidden,
            prompt: ids.len(),
            ids,
            chosen: Vec::new(),
            spaces,
            steps: Vec::new(),
            undone: Vec::new(),
            marks,
        })
    }

    /// The prompt, as the model read it.
    pub fn prompt(&self) -> String {
        self.tokenizer.decode(&self.ids[self.hidden..self.prompt])
    }

    /// The prompt and what follows it, with a space that waits.
    pub fn text(&self) -> String {
        let space = if self.space_waits() { " " } else { "" };
        self.tokenizer.decode(&self.ids[self.hidden..]) + space
    }

    /// Whether a space waits at the end of the text.
    pub fn space_waits(&self) -> bool {
        self.spaces.last() == Some(&self.chosen.len())
    }

    /// The tokens after the prompt.
    pub fn chosen(&self) -> &[Chosen] {
        &self.chosen
    }

    /// The text of a token.
    ///
    /// # Panics
    /// If `id` is outside the vocabulary.
    pub fn token(&self, id: u32) -> String {
        self.tokenizer.token(id)
    }

    /// How much the tokens of these origins surprised the model.
    pub fn score(&self, origins: &[Origin]) -> Score {
        let counted = self.chosen.iter().filter(|token| origins.contains(&token.origin));
        counted.fold(Score::default(), |score, token| Score {
            tokens: score.tokens + 1,
            nats: score.nats + token.nats,
        })
    }

    /// The `count` likeliest tokens that may come next, with the probabilities that the sampler gives
    /// them, the likeliest first.
    ///
    /// At temperature 0 the first one is always drawn. The probabilities are then those at temperature
    /// 1 without filters, since what they are at 0 tells nothing of the others.
    pub fn candidates(&self, count: usize) -> Vec<Candidate> {
        let sampler = &self.config.sampler;
        let sampler = if sampler.temperature == 0.0 {
            &Sampler {
                temperature: 1.0,
                top_k: None,
                top_p: None,
                min_p: None,
                typical_p: None,
                ..sampler.clone()
            }
        } else {
            sampler
        };
        let probabilities = sampler.distribution(self.streams.logits(0), &self.ids);
        candidates(&self.tokenizer, &probabilities, count)
    }

    /// How candidates are weighed and tokens drawn.
    pub fn sampler(&self) -> &Sampler {
        &self.config.sampler
    }

    /// Weighs and draws in another way from now on.
    ///
    /// # Errors
    /// If a number is outside its range; then nothing changes.
    pub fn set_sampler(&mut self, sampler: Sampler) -> Result<()> {
        self.draw = Draw::new(sampler.clone(), self.unit)?;
        self.config.sampler = sampler;
        self.pending = None;
        Ok(())
    }

    /// Appends a token that a person picked. If a space waits, and the token does not begin with one,
    /// it is the tokens of both together.
    ///
    /// # Errors
    /// If there is no such token; then nothing changes.
    pub fn pick(&mut self, id: u32) -> Result<()> {
        let size = self.tokenizer.vocabulary_size();
        if id as usize >= size {
            return Err(Error::OutOfRange {
                what: "a token's id".into(),
                expected: format!("less than {size}, the size of the vocabulary"),
                found: id.to_string(),
            });
        }
        let ids = self.joined_with_space(id)?;
        self.begin_step();
        ids.into_iter().for_each(|id| self.append(id, Origin::Picked));
        Ok(())
    }

    /// A token behind the space that may wait.
    fn joined_with_space(&self, id: u32) -> Result<Vec<u32>> {
        let mut bytes = b" ".to_vec();
        self.tokenizer.push_token(id, &mut bytes);
        if !self.space_waits() || bytes[1..].starts_with(b" ") {
            return Ok(vec![id]);
        }
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let ids = self.encode(text)?;
            if self.tokenizer.decode(&ids) == text {
                return Ok(ids);
            }
        }
        // A part of a character, or a word with letters that are no tokens, has no other token.
        let mut ids = self.encode(" ")?;
        ids.push(id);
        Ok(ids)
    }

    /// The tokens of a text, without what the model does not know.
    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut encoding = self.tokenizer.encoding(UnknownPolicy::Skip, "text");
        self.tokenizer.encode_piece(text, &mut encoding)?;
        Ok(encoding.ids.to_vec())
    }

    /// Appends a text that a person typed. Returns the characters that were left out because the
    /// model does not know them, and how often each came.
    ///
    /// # Errors
    /// If there are such and [`SessionConfig::unknown`] makes that an error; then nothing changes.
    pub fn type_text(&mut self, text: &str) -> Result<Vec<(char, u64)>> {
        let text = self.config.standardize.apply(text);
        // Alone, to find what the model does not know, and where.
        let mut alone = self.tokenizer.encoding(self.config.unknown, "text");
        self.tokenizer.encode_piece(&text, &mut alone)?;
        if !alone.ids.is_empty() {
            let text = if self.space_waits() { format!(" {text}") } else { text.into_owned() };
            let read = self.tokenizer.read_of_prompt(&text);
            let ids = self.encode(read)?;
            self.begin_step();
            ids.into_iter().for_each(|id| self.append(id, Origin::Typed));
            if read.len() < text.len() {
                self.spaces.push(self.chosen.len());
            }
        }
        Ok(alone.skipped)
    }

    /// Lets the model write by itself; returns how many tokens it wrote. After each of them
    /// `go_on` is asked whether to go on.
    pub fn write(&mut self, until: Until, mut go_on: impl FnMut(&Self) -> bool) -> usize {
        let mut progress = Progress::new(until);
        let before = self.chosen.len();
        while !progress.is_done() {
            let id = self.pending.take().unwrap_or_else(|| {
                self.draw.draw(self.streams.logits(0), &self.ids, &mut self.rng)
            });
            let token = self.tokenizer.decode(&[id]);
            if progress.ends_before(&token) {
                // It comes first when the model goes on: so pieces are together what the model would
                // have written at once.
                self.pending = Some(id);
                break;
            }
            if self.chosen.len() == before {
                self.steps.push(self.place());
                self.undone.clear();
            }
            progress.push(&token);
            self.append(id, Origin::Drawn);
            if !go_on(self) {
                break;
            }
        }
        self.chosen.len() - before
    }

    /// Takes the last step back; false if there is none.
    pub fn undo(&mut self) -> bool {
        let Some(&before) = self.steps.last() else { return false };
        self.take_back_to(before);
        true
    }

    /// Takes the last `count` tokens back, or as many as follow the prompt; returns how many. A space
    /// that waits is counted as one, unless it is the prompt's.
    pub fn take_back(&mut self, count: usize) -> usize {
        let of_prompt = usize::from(self.config.space_waits);
        let space = usize::from(count > 0 && self.space_waits() && self.spaces.len() > of_prompt);
        let tokens = self.chosen.len().saturating_sub(count - space);
        let spaces = self.spaces[..self.spaces.len() - space].partition_point(|&at| at <= tokens);
        let taken = self.chosen.len() - tokens + space;
        if taken > 0 {
            self.take_back_to(Place { tokens, spaces });
        }
        taken
    }

    fn place(&self) -> Place {
        Place { tokens: self.chosen.len(), spaces: self.spaces.len() }
    }

    fn take_back_to(&mut self, place: Place) {
        let tokens = self.chosen.split_off(place.tokens);
        let spaces = self.spaces.split_off(place.spaces);
        let steps = self.steps.split_off(self.steps.partition_point(|&before| before < place));
        self.undone.push(Undone { tokens, spaces, steps });
        self.pending = None;
        self.go_back();
    }

    /// Brings back what was taken back last; false if there is nothing.
    pub fn redo(&mut self) -> bool {
        let Some(Undone { tokens, spaces, steps }) = self.undone.pop() else { return false };
        self.pending = None;
        self.steps.extend(steps);
        self.spaces.extend(spaces);
        tokens.into_iter().for_each(|token| self.read(token));
        true
    }

    /// A person does something new: what was taken back is gone.
    fn begin_step(&mut self) {
        self.steps.push(self.place());
        self.undone.clear();
        self.pending = None;
    }

    fn append(&mut self, id: u32, origin: Origin) {
        let mut logits = self.streams.logits(0).to_vec();
        let logit = f64::from(logits[id as usize]);
        let nats = (softmax(self.unit, &mut logits) - logit).max(0.0);
        self.read(Chosen { id, origin, nats });
    }

    fn read(&mut self, token: Chosen) {
        let since = self.ids.len() - (self.prompt - 1);
        if since.is_multiple_of(MARK_EVERY) && self.marks.len() == since / MARK_EVERY {
            self.marks.push(self.streams.state());
        }
        self.streams.read(&[token.id]);
        self.ids.push(token.id);
        self.chosen.push(token);
    }

    /// Makes the model's state that after the tokens that are chosen now.
    fn go_back(&mut self) {
        // At least one token is read again, since states have no logits.
        let mark = self.chosen.len() / MARK_EVERY;
        self.marks.truncate(mark + 1);
        self.ids.truncate(self.prompt + self.chosen.len());
        self.streams.set_state(&self.marks[mark]);
        self.streams.read(&self.ids[self.prompt - 1 + mark * MARK_EVERY..]);
    }
}
