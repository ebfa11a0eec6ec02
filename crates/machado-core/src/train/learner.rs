//! One step of learning: ids in, loss out, weights changed.

use crate::data::{Batch, Target};
use crate::error::{Error, Result};
use crate::math::elementwise::all_finite;
use crate::math::softmax::LossSum;
use crate::math::threads::Compute;
use crate::model::{Engine, Model, StepKey};
use crate::optimizer::{Optimizer, clip_factor, global_norm};

/// A model, what computes its gradients, and what changes its weights.
#[derive(Debug)]
pub struct Learner {
    model: Model,
    engine: Engine,
    optimizer: Optimizer,
    gradients: Vec<f32>,
    /// Whether what computes has the weights as they are now.
    is_loaded: bool,
    compute: Compute,
}

/// How a batch is learnt from.
#[derive(Clone, Copy, Debug)]
pub struct Lesson {
    /// Which predictions count.
    pub target: Target,
    /// Where the random choices come from.
    pub key: StepKey,
    /// The learning rate.
    pub learning_rate: f64,
    /// The largest norm of all gradients together.
    pub clip_norm: Option<f64>,
}

/// What came of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learnt {
    /// Loss and hits, before learning from it.
    pub loss: LossSum,
    /// The norm of all gradients together, before clipping.
    pub gradient_norm: f64,
}

impl Learner {
    /// A learner that goes on with a model and what its optimizer remembers.
    ///
    /// # Errors
    /// If the layers of the model do not fit together.
    pub fn new(model: Model, optimizer: Optimizer, compute: Compute) -> Result<Self> {
        let vocabulary_size = model.tokenizer.vocabulary_size();
        let engine = Engine::new(&model.config, vocabulary_size, compute.clone())?;
        let gradients = vec![0.0; model.weights.len()];
        Ok(Self { model, engine, optimizer, gradients, is_loaded: false, compute })
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The optimizer as it is now.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// What computes, for its states and sizes.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Takes up a state for the next batch; see [`Engine::set_states`].
    pub fn set_states(&mut self, batch_size: usize, states: &[f32]) -> bool {
        self.engine.set_states(batch_size, states)
    }

    /// Gives the weights as they are now to what computes, as learning does by itself.
    pub fn load(&mut self) {
        if !self.is_loaded {
            self.engine.load(&self.model.weights);
            self.is_loaded = true;
        }
    }

    /// What computes, to evaluate with the weights that were [loaded](Self::load) last.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Learns from one batch.
    ///
    /// # Errors
    /// If the loss, the gradient or a weight is no longer a finite number. The weights may have
    /// changed then.
    pub fn learn(&mut self, batch: &Batch, lesson: Lesson) -> Result<Learnt> {
        let compute = self.compute.clone();
        compute.enter(|| self.learn_here(batch, lesson))
    }

    fn learn_here(&mut self, batch: &Batch, lesson: Lesson) -> Result<Learnt> {
        let Lesson { target, key, learning_rate, clip_norm } = lesson;
        let unit = self.compute.unit();
        self.load();
        self.is_loaded = false;
        let loss = self.engine.gradients(batch, target, key, &mut self.gradients);
        let gradient_norm = global_norm(unit, &self.gradients);
        let check = |what: &'static str, value: f64| {
            let step = key.step;
            if value.is_finite() {
                Ok(())
            } else {
                Err(Error::Diverged { what, value, step, learning_rate })
            }
        };
        check("the loss", loss.loss())?;
        check("the norm of the gradient", gradient_norm)?;
        let factor = clip_factor(gradient_norm, clip_norm);
        let weights = &mut self.model.weights;
        self.optimizer.step(&self.compute, weights, &self.gradients, factor, learning_rate);
        if !all_finite(unit, weights) {
            let broken = weights.iter().find(|weight| !weight.is_finite());
            check("a weight", f64::from(*broken.expect("not all weights are finite")))?;
        }
        Ok(Learnt { loss, gradient_norm })
    }
}
