//! How well a model knows a text: one pass over it, the state carried from beginning to end.
//!
//! A model can be helped while it reads, always with what came before the token to be predicted:
//! by counts ([`Mixture`]), and by going on learning ("dynamic evaluation", Mikolov et al. 2010,
//! Krause et al. 2018). A compressor does both, so that is the fair comparison with one.

use std::ops::Range;

use crate::data::{Batch, Start, Target};
use crate::error::{Error, Result};
use crate::ids::TokenIds;
use crate::math::softmax::{LossSum, argmax};
use crate::math::threads::Compute;
use crate::mixture::{Counted, Mixture, Position};
use crate::model::{Intervention, Model, StepKey};
use crate::optimizer::{Optimizer, OptimizerConfig};
use crate::tokenizer::TokenSize;
use crate::train::{Learner, Lesson};

/// Tokens computed at a time. The state goes on, so it changes nothing but memory.
const CHUNK: usize = 1024;

/// Tokens from one step of the learning to the next, as far as gradients reach back.
const LESSON: usize = 64;

/// The largest norm of a gradient while reading; a single text gives wild ones now and then.
const CLIP_NORM: f64 = 1.0;

/// Nats per token by which learning while reading may make a model worse.
const MOST_HARM: f64 = 1.0;

/// Lessons after which it is looked for that, so that nobody waits for the end of a long text.
const LESSONS_OF_GRACE: u64 = 32;

/// What helps the model while it reads. By default nothing does.
#[derive(Clone, Debug, Default)]
pub struct Help {
    /// Counts of what was read.
    pub mixture: Option<Mixture>,
    /// The learning rate at which the weights go on learning (plain gradient descent). The model
    /// itself stays as it is.
    pub adapt: Option<f64>,
    /// What is changed inside the model while it reads, if it does not go on learning.
    pub interventions: Vec<Intervention>,
}

/// How well a model knows a text. The first token has nothing before it and is not counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextScore {
    /// Loss and hits over the tokens.
    pub sum: LossSum,
    /// Characters of these tokens.
    pub characters: u64,
    /// Bytes of these tokens in UTF-8.
    pub bytes: u64,
}

impl TextScore {
    /// Mean loss in nats per token.
    pub fn loss_nats(&self) -> f64 {
        self.sum.loss()
    }

    /// e to the loss: between how many equally likely tokens the model hesitates.
    pub fn perplexity(&self) -> f64 {
        self.sum.loss().exp()
    }

    /// Nats per character, comparable between tokenizers.
    pub fn nats_per_character(&self) -> f64 {
        self.sum.nats / self.characters as f64
    }

    /// Bits per character, comparable between tokenizers.
    pub fn bits_per_character(&self) -> f64 {
        self.nats_per_character() / std::f64::consts::LN_2
    }

    /// Bits per byte of UTF-8, comparable with a compressor's.
    pub fn bits_per_byte(&self) -> f64 {
        self.sum.nats / std::f64::consts::LN_2 / self.bytes as f64
    }
}

/// Scores the tokens of a range. `watch` is told how many are done, and says whether to go on.
///
/// # Errors
/// If there are fewer than two tokens, or learning makes the model worse than a blind guess because
/// the rate is too high.
pub fn evaluate(
    model: &Model,
    compute: &Compute,
    ids: &TokenIds,
    range: Range<usize>,
    help: Help,
    mut watch: impl FnMut(u64) -> bool,
) -> Result<Option<TextScore>> {
    if range.len() < 2 {
        return Err(Error::OutOfRange {
            what: "the text to evaluate".into(),
            expected: "at least 2 tokens long".into(),
            found: range.len().to_string(),
        });
    }
    let TokenSize { characters, bytes } = model.tokenizer.size_of(ids, range.start + 1..range.end);
    let sum = Reader::new(model, compute, help)?.read_all(ids, range, &mut watch)?;
    Ok(sum.map(|sum| TextScore { sum, characters, bytes }))
}

/// Lets a mixture learn from a text whom to believe, the network or its counts, and for what length
/// of a match. The text should be one that was not studied; its counts are forgotten.
///
/// # Errors
/// If the layers of the model do not fit together.
pub fn practise(
    model: &Model,
    compute: &Compute,
    ids: &TokenIds,
    range: Range<usize>,
    mixture: Mixture,
) -> Result<Mixture> {
    let mut reader =
        Reader::new(model, compute, Help { mixture: Some(mixture), ..Help::default() })?;
    reader.read_all(ids, range, &mut |_| true)?;
    let mut mixture = reader.mixture.expect("what it was made with");
    mixture.forget_reading();
    Ok(mixture)
}

/// A model on its way through a text, and what helps it.
struct Reader<'m> {
    learner: Learner,
    mixture: Option<Mixture>,
    position: Position,
    counted: Counted,
    adapt: Option<f64>,
    lessons: u64,
    /// The network's own loss in all lessons.
    learnt: LossSum,
    vocabulary_size: usize,
    model: &'m Model,
    compute: &'m Compute,
}

impl<'m> Reader<'m> {
    fn new(model: &'m Model, compute: &'m Compute, help: Help) -> Result<Self> {
        let Help { mixture, adapt, interventions } = help;
        for intervention in &interventions {
            intervention.check(&model.config)?;
        }
        if adapt.is_some() && !interventions.is_empty() {
            let problem = "a model that goes on learning would learn to undo it".into();
            return Err(Error::Intervention { problem });
        }
        // Dropout is for those who read a text many times.
        let own = Model { config: model.config.without_dropout(), ..model.clone() };
        let optimizer = OptimizerConfig::Sgd { momentum: 0.0, nesterov: false };
        let optimizer = Optimizer::new(optimizer, own.weights.len());
        let vocabulary_size = model.tokenizer.vocabulary_size();
        let mut learner = Learner::new(own, optimizer, compute.clone())?;
        learner.load();
        learner.engine_mut().intervene(interventions);
        Ok(Self {
            learner,
            mixture,
            position: Position::START,
            counted: Counted::default(),
            adapt,
            lessons: 0,
            learnt: LossSum::default(),
            vocabulary_size,
            model,
            compute,
        })
    }

    /// Scores the tokens of a range after its first one, if `watch`, which is told how many are done,
    /// does not stop it.
    fn read_all(
        &mut self,
        ids: &TokenIds,
        range: Range<usize>,
        watch: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<LossSum>> {
        let size = if self.adapt.is_some() { LESSON } else { CHUNK };
        let last = range.end.saturating_sub(1);
        let mut sum = LossSum::default();
        for first in range.clone().step_by(size).take_while(|&first| first < last) {
            let start = if first == range.start { Start::Fresh } else { Start::Carried };
            let batch = Batch::gather(ids, &[first], size.min(last - first), start);
            sum.add(self.read(&batch)?);
            if !watch(sum.positions) {
                return Ok(None);
            }
            if self.lessons == LESSONS_OF_GRACE {
                self.check_learning(ids, range.start..range.end.min(first + size + 1))?;
            }
        }
        self.check_learning(ids, range)?;
        Ok(Some(sum))
    }

    /// A learning rate that is far too high need not break a number: it may only make the model worse
    /// than one that knows nothing, and than it was. `range` is what was read.
    fn check_learning(&self, ids: &TokenIds, range: Range<usize>) -> Result<()> {
        let blind_guess = (self.vocabulary_size as f64).ln();
        let loss = self.learnt.loss();
        if self.learnt.positions == 0 || loss <= blind_guess + MOST_HARM {
            return Ok(());
        }
        // It may also be a text in another language.
        let mut unchanged = Reader::new(self.model, self.compute, Help::default())?;
        let sum = unchanged.read_all(ids, range, &mut |_| true)?.expect("nobody stops it");
        let without = sum.loss();
        if loss <= without + MOST_HARM {
            return Ok(());
        }
        Err(Error::HarmfulLearning { loss, without })
    }

    /// Scores a batch of one row, and learns from it after that.
    fn read(&mut self, batch: &Batch) -> Result<LossSum> {
        match (&mut self.mixture, self.adapt) {
            (None, None) => Ok(self.learner.engine_mut().evaluate(batch, Target::All)),
            // The loss of a lesson is that before learning from it.
            (None, Some(learning_rate)) => self.learn(batch, learning_rate),
            (Some(_), None) => Ok(self.read_mixed(batch)),
            (Some(_), Some(learning_rate)) => {
                let before = self.learner.engine().states();
                let scored = self.read_mixed(batch);
                if batch.start == Start::Carried {
                    let fits = self.learner.set_states(1, &before);
                    assert!(fits, "a state of {} values that the engine gave", before.len());
                }
                self.learn(batch, learning_rate)?;
                Ok(scored)
            }
        }
    }

    /// Scores a batch with the help of counts.
    fn read_mixed(&mut self, batch: &Batch) -> LossSum {
        let mixture = self.mixture.as_mut().expect("a mixture to read with");
        if batch.start == Start::Fresh {
            self.position = mixture.begin(batch.row(0)[0]);
        }
        self.learner.load();
        let mut probabilities = self.learner.engine_mut().probabilities(batch);
        let mut sum = LossSum::default();
        let rows = probabilities.chunks_exact_mut(self.vocabulary_size);
        for (probabilities, &token) in rows.zip(&batch.row(0)[1..]) {
            let network = probabilities[token as usize];
            mixture.mix(self.position, probabilities, &mut self.counted);
            sum.add(score(probabilities, token));
            self.position = mixture.learn(self.position, token, network, &self.counted);
        }
        sum
    }

    /// Learns from a batch; returns its loss before that.
    fn learn(&mut self, batch: &Batch, learning_rate: f64) -> Result<LossSum> {
        let key = StepKey { seed: 0, step: self.lessons };
        self.lessons += 1;
        let clip_norm = Some(CLIP_NORM);
        let lesson = Lesson { target: Target::All, key, learning_rate, clip_norm };
        let loss = self.learner.learn(batch, lesson)?.loss;
        self.learnt.add(loss);
        Ok(loss)
    }
}

/// The loss of one prediction.
fn score(probabilities: &[f32], token: u32) -> LossSum {
    let token = token as usize;
    let nats = -f64::from(probabilities[token].max(f32::MIN_POSITIVE)).ln();
    LossSum { nats, correct: u64::from(argmax(probabilities) == token), positions: 1 }
}
