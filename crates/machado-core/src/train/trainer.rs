//! The training loop, turned inside out: each call does a little and says what happened.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::{CheckpointKind, DoneReason, Event, Sample, Step};
use super::learner::{Learner, Learnt, Lesson};
use super::validation::Validation;
use crate::checkpoint;
use crate::data::{Batch, BatchPlan, Corpus, Part, Prefetch, Sampling};
use crate::error::{Error, Result};
use crate::generate::{Generator, GeneratorConfig};
use crate::math::softmax::LossSum;
use crate::math::threads::Compute;
use crate::model::{Model, StepKey};
use crate::optimizer::Optimizer;
use crate::rng::Purpose;
use crate::run::{Evaluation, Monitor, Progress, RunConfig, TrainingFacts};
use crate::sample::Sampler;
use crate::tokenizer::{Tokenizer, UnknownPolicy};

/// Batches prepared ahead on another thread.
const PREFETCHED: usize = 4;

/// Share of a run's time after which the warm-up is over in any case.
const WARMUP_SHARE: f64 = 0.1;

/// A text as the trainer takes it.
#[derive(Debug)]
pub struct TrainingText {
    /// Its ids and parts.
    pub corpus: Corpus,
    /// What made the ids.
    pub tokenizer: Tokenizer,
    /// Characters, after standardizing.
    pub characters: u64,
}

/// Trains a model: an iterator that ends after [`Event::Done`] or an error.
///
/// At [`Event::Checkpoint`] the caller saves [`model_file`](Self::model_file) or
/// [`resume_file`](Self::resume_file). It may do so at any other time too, and stop whenever it
/// likes: a run that goes on from such a file gives the same bytes as one that never stopped.
#[derive(Debug)]
pub struct Trainer {
    config: RunConfig,
    corpus: Arc<Corpus>,
    characters: u64,
    /// Of what is evaluated.
    tokens_per_character: f64,
    compute: Compute,
    learner: Learner,
    plan: BatchPlan,
    progress: Progress,
    batches: Option<Prefetch<Batch>>,
    /// The state to start from, after resuming streams.
    states: Option<Vec<f32>>,
    /// Share of the run's time that is over, if time is what ends it.
    time: Option<f64>,
    validation: Option<Validation>,
    events: VecDeque<Event>,
    stage: Stage,
}

/// What the next call does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Learn from a batch.
    Step,
    /// Write samples.
    Samples,
    /// Evaluate, and then finish the step.
    Evaluate,
    /// Finish a step: end of the epoch, checkpoints, end of the run.
    EndOfStep,
    /// Nothing is left.
    Over,
}

impl Trainer {
    /// A new run.
    ///
    /// # Errors
    /// If the config is not sound, or the text too short for it.
    pub fn new(config: RunConfig, text: TrainingText, compute: Compute) -> Result<Self> {
        let model = Model::new(config.model.clone(), text.tokenizer, config.training.seed)?;
        Self::from_weights(config, text.corpus, text.characters, model, None, compute)
    }

    /// A new run that begins with the weights of a trained model, and with an optimizer that has
    /// learnt before or a fresh one. The text must be in the model's tokens, the layers in the config
    /// its own, and so must the optimizer be the one in the config.
    ///
    /// # Errors
    /// If they are not, or for the reasons of [`new`](Self::new).
    pub fn from_model(
        config: RunConfig,
        text: TrainingText,
        model: Model,
        optimizer: Option<Optimizer>,
        compute: Compute,
    ) -> Result<Self> {
        let foreign = |what: &str| Error::Resume {
            problem: format!("{what} of the run are not those of the model that it begins with"),
        };
        if config.model != model.config {
            return Err(foreign("the layers"));
        }
        if text.tokenizer != model.tokenizer {
            return Err(foreign("the tokens"));
        }
        if optimizer.as_ref().is_some_and(|known| *known.config() != config.training.optimizer) {
            return Err(foreign("the constants of the optimizer"));
        }
        Self::from_weights(config, text.corpus, text.characters, model, optimizer, compute)
    }

    fn from_weights(
        config: RunConfig,
        corpus: Corpus,
        characters: u64,
        model: Model,
        optimizer: Option<Optimizer>,
        compute: Compute,
    ) -> Result<Self> {
        let fresh = || Optimizer::new(config.training.optimizer, model.weights.len());
        let optimizer = optimizer.unwrap_or_else(fresh);
        let progress = Progress::default();
        let state = checkpoint::Resume { model, optimizer, progress, states: None };
        Self::from_state(config, corpus, characters, state, compute)
    }

    /// A run that goes on from the bytes of a [`resume_file`](Self::resume_file).
    ///
    /// The `config` may end the run later than the one that it began with; the rest must agree.
    ///
    /// # Errors
    /// If the file is damaged, or made from another text or model.
    pub fn resume(
        config: RunConfig,
        text: TrainingText,
        file: &[u8],
        compute: Compute,
    ) -> Result<Self> {
        let checkpoint::ModelFile { model, training, config: before, .. } =
            checkpoint::read_model(file)?;
        let fingerprint = training.map(|facts| facts.fingerprint);
        let problem = if let Some(setting) = before.and_then(|b| b.first_difference(&config)) {
            format!("the setting {setting} is not the one that the run began with")
        } else if model.tokenizer != text.tokenizer
            || fingerprint != Some(text.corpus.fingerprint())
        {
            "the text is not the one that the run began with; give the same files, unchanged".into()
        } else {
            let state = checkpoint::read_resume(file, model, &config.training.optimizer)?;
            return Self::from_state(config, text.corpus, text.characters, state, compute);
        };
        Err(Error::Resume { problem })
    }

    fn from_state(
        config: RunConfig,
        corpus: Corpus,
        characters: u64,
        state: checkpoint::Resume,
        compute: Compute,
    ) -> Result<Self> {
        config.check()?;
        let plan = config.training_plan(corpus.parts());
        plan.check(Part::Train.name())?;
        if !corpus.range(Part::Validation).is_empty() {
            config.validation_plan(corpus.parts()).check(Part::Validation.name())?;
        }
        let checkpoint::Resume { model, optimizer, progress, states } = state;
        let mut trainer = Self {
            tokens_per_character: tokens_per_character(&corpus, &model.tokenizer),
            learner: Learner::new(model, optimizer, compute.clone())?,
            config,
            corpus: Arc::new(corpus),
            characters,
            compute,
            plan,
            progress,
            batches: None,
            states,
            time: None,
            validation: None,
            events: VecDeque::new(),
            stage: Stage::Step,
        };
        // A run may have been stopped between a step and the evaluation that belongs to it.
        trainer.stage = trainer.stage_after_step();
        Ok(trainer)
    }

    /// The config of the run.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        self.learner.model()
    }

    /// The text.
    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// How far the run is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Batches of one epoch.
    pub fn batches_per_epoch(&self) -> u64 {
        self.plan.batches()
    }

    /// The step at which the run ends, unless time decides that.
    pub fn total_steps(&self) -> Option<u64> {
        self.config.total_steps(self.batches_per_epoch())
    }

    /// Windows of one evaluation; 0 without a validation part.
    pub fn validation_windows(&self) -> u64 {
        self.config.validation_plan(self.corpus.parts()).windows()
    }

    /// Bytes that the run will need: ids, weights, gradients, moments, batches, shuffle buffer.
    pub fn planned_bytes(&self) -> u64 {
        let ids = self.corpus.ids().len() * self.corpus.ids().bytes_per_id();
        // The weights, their gradients (in pieces and in order), the moments, and the weights
        // packed for both ways.
        let buffers = 3 + self.learner.optimizer().moments().len() + 2;
        let weights = buffers * size_of::<f32>() * self.model().weights.len();
        let shuffle = self.plan.shuffle.bytes(self.plan.windows());
        let batch =
            self.learner.engine().batch_bytes(self.plan.batch_size.max(64), self.plan.window);
        (ids + weights) as u64 + shuffle + batch
    }

    /// Whether all that happened until now has been told, so that stopping here loses nothing.
    pub fn is_settled(&self) -> bool {
        self.events.is_empty() && self.stage != Stage::Samples
    }

    /// Whether there is nothing left to do, as for a run that is resumed after its end.
    pub fn is_over(&self) -> bool {
        self.reason_to_end().is_some() && self.progress.settled_at == self.progress.step
    }

    /// Tells which share of the run's time is over, from 0 to 1. At 1 the run ends after an
    /// evaluation. Only for runs that `minutes` ends; then the result depends on the machine's speed.
    pub fn set_time(&mut self, share: f64) {
        self.time = Some(share);
    }

    /// How the model was trained until now.
    pub fn facts(&self) -> TrainingFacts {
        let progress = &self.progress;
        let training = progress.training();
        let some = |value: f64| (training.positions > 0).then_some(value);
        let batches_per_epoch = self.batches_per_epoch();
        let evaluation = progress.evaluation_now();
        TrainingFacts {
            steps: progress.step,
            epochs: progress.epoch as f64 + progress.batch as f64 / batches_per_epoch as f64,
            batches_per_epoch,
            loss: some(training.loss()),
            accuracy: some(training.accuracy()),
            val_loss: evaluation.map(|evaluation| evaluation.loss),
            val_accuracy: evaluation.map(|evaluation| evaluation.accuracy),
            characters: self.characters,
            tokens: self.corpus.ids().len() as u64,
            fingerprint: self.corpus.fingerprint(),
            parts: self.corpus.parts().clone(),
        }
    }

    /// The bytes of a file with the model as it is now.
    pub fn model_file(&self) -> Vec<u8> {
        checkpoint::write_model(self.model(), Some(&self.facts()), Some(&self.config))
    }

    /// The bytes of a file from which the run can go on.
    pub fn resume_file(&self) -> Vec<u8> {
        let states = (self.config.data.sampling == Sampling::Streams && self.progress.batch > 0)
            .then(|| self.states.clone().unwrap_or_else(|| self.learner.engine().states()));
        checkpoint::write_resume(
            self.model(),
            &self.facts(),
            &self.config,
            self.learner.optimizer(),
            &self.progress,
            states.as_deref(),
        )
    }

    fn advance(&mut self) -> Result<()> {
        match self.stage {
            Stage::Step => self.step(),
            Stage::Samples => {
                self.stage = self.stage_after_step();
                self.write_samples()
            }
            Stage::Evaluate => self.evaluate(),
            Stage::EndOfStep => {
                self.end_of_step();
                Ok(())
            }
            Stage::Over => Ok(()),
        }
    }

    fn step(&mut self) -> Result<()> {
        let Some(batch) = self.next_batch()? else {
            // Time is up, or a resumed run was over already.
            self.stage = Stage::Evaluate;
            return Ok(());
        };
        if let Some(states) = self.states.take()
            && !self.learner.set_states(self.plan.batch_size, &states)
        {
            let problem = "the state of its streams is not one of this model and batch size".into();
            return Err(Error::Resume { problem });
        }
        let number = self.progress.step + 1;
        let learning_rate = self.learning_rate();
        let lesson = Lesson {
            target: self.config.data.target,
            key: StepKey { seed: self.config.training.seed, step: number },
            learning_rate,
            clip_norm: self.config.training.clip_norm,
        };
        let Learnt { loss: training, gradient_norm } = self.learner.learn(&batch, lesson)?;

        self.progress.step = number;
        self.progress.batch += 1;
        self.progress.running.add(training);
        self.events.push_back(Event::Step(Step {
            step: number,
            epoch: self.progress.epoch + 1,
            batch: self.progress.batch,
            training,
            tokens: batch.tokens() as u64,
            learning_rate,
            gradient_norm,
        }));
        let every = self.config.samples.every;
        let samples_due = every > 0 && number.is_multiple_of(every);
        self.stage = if samples_due { Stage::Samples } else { self.stage_after_step() };
        Ok(())
    }

    fn diverged(&self, what: &'static str, value: f64) -> Error {
        let (step, learning_rate) = (self.progress.step, self.learning_rate());
        Error::Diverged { what, value, step, learning_rate }
    }

    fn stage_after_step(&self) -> Stage {
        let step = self.progress.step;
        let due = self.config.training.eval_every.is_some_and(|every| step.is_multiple_of(every));
        let end = self.epoch_is_over() || self.reason_to_end().is_some();
        if (due || end) && self.progress.settled_at != step { Stage::Evaluate } else { Stage::Step }
    }

    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if self.reason_to_end().is_some() {
            return Ok(None);
        }
        if self.batches.is_none() {
            let (epoch, skip) = (self.progress.epoch, self.progress.batch);
            let batches = self.plan.epoch(Arc::clone(&self.corpus), epoch, skip);
            self.batches = Some(Prefetch::new(batches, PREFETCHED)?);
        }
        let batch = self.batches.as_mut().and_then(Iterator::next);
        assert!(batch.is_some(), "the thread that prepares batches ended before the epoch did");
        Ok(batch)
    }

    fn learning_rate(&self) -> f64 {
        let training = &self.config.training;
        let (step, mut warmup) = (self.progress.step, training.warmup_steps);
        if let Some(time) = self.time
            && time > 0.0
        {
            // A short run must not spend its time on warming up.
            warmup = warmup.min((WARMUP_SHARE * step as f64 / time) as u64);
        }
        let after = |steps: u64| steps.saturating_sub(warmup).max(1) as f64;
        let by_steps = self
            .total_steps()
            .map_or(0.0, |total| step.saturating_sub(warmup) as f64 / after(total));
        let progress = by_steps.max(self.time.unwrap_or(0.0));
        training.learning_rate * training.schedule.factor(step, warmup, progress)
    }

    fn epoch_is_over(&self) -> bool {
        self.progress.batch >= self.batches_per_epoch()
    }

    /// Why the run ends after the step that was done last, if it does.
    fn reason_to_end(&self) -> Option<DoneReason> {
        let (training, progress) = (&self.config.training, &self.progress);
        let epochs = progress.epoch + u64::from(self.epoch_is_over());
        if training.epochs.is_some_and(|most| epochs >= most) {
            Some(DoneReason::Epochs)
        } else if training.steps.is_some_and(|most| progress.step >= most) {
            Some(DoneReason::Steps)
        } else if self.time.is_some_and(|share| share >= 1.0) && progress.step > 0 {
            Some(DoneReason::Minutes)
        } else if training.patience.is_some_and(|most| progress.evaluations_since_best >= most) {
            Some(DoneReason::Patience)
        } else {
            None
        }
    }

    fn evaluate(&mut self) -> Result<()> {
        let plan = self.config.validation_plan(self.corpus.parts());
        if plan.windows() == 0 || self.progress.evaluation_now().is_some() {
            self.stage = Stage::EndOfStep;
            return Ok(());
        }
        let mut validation = match self.validation.take() {
            Some(validation) => validation,
            None => {
                // The engine forgets the streams' state, unless a resumed run has yet to give it.
                if self.config.data.sampling == Sampling::Streams && self.states.is_none() {
                    self.states = Some(self.learner.engine().states());
                }
                self.learner.load();
                Validation::new(&plan, Arc::clone(&self.corpus), self.config.data.target)?
            }
        };
        let Some(sum) = validation.advance(self.learner.engine_mut()) else {
            let (done, total) = validation.done_and_total();
            self.events.push_back(Event::Evaluating { done, total });
            self.validation = Some(validation);
            return Ok(());
        };
        if !sum.loss().is_finite() {
            return Err(self.diverged("the validation loss", sum.loss()));
        }
        let evaluation = self.evaluation(sum);
        self.progress.note(evaluation);
        self.events.push_back(Event::Evaluated(evaluation));
        if evaluation.is_best {
            self.events.push_back(Event::Checkpoint(CheckpointKind::Best));
        }
        self.stage = Stage::EndOfStep;
        Ok(())
    }

    fn evaluation(&self, sum: LossSum) -> Evaluation {
        let is_best = self.progress.best.is_none_or(|best| match self.config.training.monitor {
            Monitor::ValAccuracy => sum.accuracy() > best.accuracy,
            Monitor::ValLoss => sum.loss() < best.loss,
        });
        Evaluation {
            step: self.progress.step,
            epoch: self.progress.epoch + 1,
            loss: sum.loss(),
            accuracy: sum.accuracy(),
            bits_per_character: sum.loss() / std::f64::consts::LN_2 * self.tokens_per_character,
            is_best,
        }
    }

    fn end_of_step(&mut self) {
        let reason = self.reason_to_end();
        if self.epoch_is_over() && self.progress.running.positions > 0 {
            let training = std::mem::take(&mut self.progress.running);
            self.progress.last_epoch = Some(training);
            self.progress.epoch += 1;
            self.progress.batch = 0;
            self.batches = None;
            self.states = None;
            let (epoch, validation) = (self.progress.epoch, self.progress.evaluation_now());
            self.events.push_back(Event::Epoch { epoch, training, validation });
        }
        if self.validation_windows() == 0 {
            // Nothing can be compared, so the newest model counts as the best.
            self.events.push_back(Event::Checkpoint(CheckpointKind::Best));
        }
        self.progress.settled_at = self.progress.step;
        self.events.push_back(Event::Checkpoint(CheckpointKind::Last));
        // An evaluation may have given a new reason to end.
        let reason = reason.or_else(|| self.reason_to_end());
        self.stage = if reason.is_some() { Stage::Over } else { Stage::Step };
        self.events.extend(reason.map(Event::Done));
    }

    fn write_samples(&mut self) -> Result<()> {
        let samples = &self.config.samples;
        let mut encoding = self.model().tokenizer.encoding(UnknownPolicy::Skip, "prompt");
        let read = self.model().tokenizer.read_of_prompt(&samples.prompt);
        let standardized = self.config.text.standardize.apply(read);
        self.model().tokenizer.encode_piece(&standardized, &mut encoding)?;
        let prompt = encoding.ids.to_vec();
        for (place, &temperature) in samples.temperatures.iter().enumerate() {
            let config = GeneratorConfig {
                mixture: None,
                interventions: Vec::new(),
                sampler: Sampler { temperature, ..Sampler::default() },
                tokens: samples.tokens,
                stop: Vec::new(),
                seed: self.config.training.seed,
                purpose: Purpose::TrainingSample,
                // A number that no other sample of the run has.
                first: self.progress.step << 8 | place as u64,
            };
            let mut generator =
                Generator::new(self.learner.model(), self.compute.unit(), &prompt, 1, config)?;
            let mut text = String::new();
            while generator.step(|_, piece| text.push_str(piece)) {}
            self.events.push_back(Event::Sample(Sample {
                step: self.progress.step,
                epoch: self.progress.epoch + 1,
                temperature,
                prompt: read.to_owned(),
                text,
            }));
        }
        Ok(())
    }
}

/// Tokens of the validation part for each of its characters.
fn tokens_per_character(corpus: &Corpus, tokenizer: &Tokenizer) -> f64 {
    let range = corpus.range(Part::Validation);
    range.len() as f64 / tokenizer.size_of(corpus.ids(), range).characters as f64
}

impl Iterator for Trainer {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(Ok(event));
            }
            if self.stage == Stage::Over {
                return None;
            }
            if let Err(error) = self.advance() {
                self.stage = Stage::Over;
                return Some(Err(error));
            }
        }
    }
}
