//! From gradients to new weights: Keras' optimizers, formula by formula.

mod clip;
mod schedule;

use fearless_simd::dispatch;
use fearless_simd::prelude::*;
use serde::{Deserialize, Serialize};

pub use self::clip::{clip_factor, global_norm};
pub use self::schedule::Schedule;
use crate::error::{Error, Result};
use crate::math::threads::Compute;

/// Weights that one thread changes at a time.
const CHUNK: usize = 1 << 14;

/// An optimizer and its constants; names and defaults are Keras'.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Adam with Nesterov's momentum, and Keras' schedule of the momentum (0.96 per 250 steps of
    /// the paper's, that is `0.96^t` with `t` in steps).
    Nadam(Betas),
    /// Adam.
    Adam(Betas),
    /// Adam with decoupled weight decay, applied before the step.
    AdamW {
        /// The constants of Adam.
        #[serde(flatten)]
        betas: Betas,
        /// Share of each weight taken off per step, times the learning rate; Keras' default is
        /// 0.004.
        #[serde(default = "default_weight_decay")]
        weight_decay: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// Share of the last step that is repeated; 0 is plain gradient descent.
        #[serde(default)]
        momentum: f64,
        /// Whether the momentum looks ahead.
        #[serde(default)]
        nesterov: bool,
    },
}

/// The constants that Adam and its relatives share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Betas {
    /// Decay of the mean of gradients; 0.9.
    pub beta_1: f64,
    /// Decay of the mean of their squares; 0.999.
    pub beta_2: f64,
    /// Added to the root, against division by 0; 1e-7.
    pub epsilon: f64,
}

impl Default for Betas {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

fn default_weight_decay() -> f64 {
    0.004
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Nadam(Betas::default())
    }
}

impl OptimizerConfig {
    /// The names that [`by_name`](Self::by_name) knows.
    pub const NAMES: [&'static str; 4] = ["nadam", "adam", "adamw", "sgd"];

    /// The optimizer of this name with its default constants.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "nadam" => Some(Self::Nadam(Betas::default())),
            "adam" => Some(Self::Adam(Betas::default())),
            "adamw" => {
                Some(Self::AdamW { betas: Betas::default(), weight_decay: default_weight_decay() })
            }
            "sgd" => Some(Self::Sgd { momentum: 0.0, nesterov: false }),
            _ => None,
        }
    }

    /// Checks each constant by itself.
    ///
    /// # Errors
    /// If one is outside its range; the error names it.
    pub fn check(&self) -> Result<()> {
        let adam = |betas: &Betas| {
            let decays = [("beta_1", betas.beta_1), ("beta_2", betas.beta_2)];
            decays.into_iter().try_for_each(|(name, value)| {
                check(name, value, "from 0 to less than 1", (0.0..1.0).contains(&value))
            })?;
            let epsilon = betas.epsilon;
            check("epsilon", epsilon, "0 or more", epsilon >= 0.0 && epsilon.is_finite())
        };
        match self {
            Self::Nadam(betas) | Self::Adam(betas) => adam(betas),
            Self::AdamW { betas, weight_decay } => {
                let decay = *weight_decay;
                adam(betas)?;
                check("weight_decay", decay, "0 or more", decay >= 0.0 && decay.is_finite())
            }
            &Self::Sgd { momentum, .. } => {
                check("momentum", momentum, "from 0 to 1", (0.0..=1.0).contains(&momentum))
            }
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nadam(_) => "nadam",
            Self::Adam(_) => "adam",
            Self::AdamW { .. } => "adamw",
            Self::Sgd { .. } => "sgd",
        }
    }

    /// The names of the moments that it keeps for each weight.
    pub fn moment_names(&self) -> &'static [&'static str] {
        match self {
            Self::Sgd { momentum: 0.0, .. } => &[],
            Self::Sgd { .. } => &["momentum"],
            _ => &["momentum", "velocity"],
        }
    }
}

fn check(name: &str, value: f64, expected: &str, fits: bool) -> Result<()> {
    if fits {
        return Ok(());
    }
    let (what, expected) = (format!("{name} of the optimizer"), expected.to_owned());
    Err(Error::OutOfRange { what, expected, found: value.to_string() })
}

/// An optimizer at work: its constants, and what it remembers of the steps before.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    config: OptimizerConfig,
    /// For each of [`OptimizerConfig::moment_names`], one value per weight.
    moments: Vec<Vec<f32>>,
    /// Steps done.
    steps: u64,
    /// Nadam's product of all momenta so far.
    momentum_product: f64,
}

impl Optimizer {
    /// A fresh optimizer for so many weights.
    pub fn new(config: OptimizerConfig, weights: usize) -> Self {
        let moments = vec![vec![0.0; weights]; config.moment_names().len()];
        Self { config, moments, steps: 0, momentum_product: 1.0 }
    }

    /// An optimizer that goes on from what [`moments`](Self::moments), [`steps`](Self::steps) and
    /// [`momentum_product`](Self::momentum_product) said.
    ///
    /// # Panics
    /// If there are not as many moments as the optimizer has.
    pub fn restore(
        config: OptimizerConfig,
        moments: Vec<Vec<f32>>,
        steps: u64,
        momentum_product: f64,
    ) -> Self {
        assert_eq!(moments.len(), config.moment_names().len(), "moments of {}", config.name());
        Self { config, moments, steps, momentum_product }
    }

    /// Its constants.
    pub fn config(&self) -> &OptimizerConfig {
        &self.config
    }

    /// What it remembers, in the order of [`OptimizerConfig::moment_names`].
    pub fn moments(&self) -> &[Vec<f32>] {
        &self.moments
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Nadam's product of all momenta so far; 1 for the others.
    pub fn momentum_product(&self) -> f64 {
        self.momentum_product
    }

    /// One step: changes `weights` along `factor · gradients` at this learning rate. The factor is
    /// what [`clip_factor`] says.
    ///
    /// # Panics
    /// If the two have not the length that the optimizer was made for.
    pub fn step(
        &mut self,
        compute: &Compute,
        weights: &mut [f32],
        gradients: &[f32],
        factor: f32,
        learning_rate: f64,
    ) {
        self.steps += 1;
        let t = self.steps as f64;
        let step = match self.config {
            OptimizerConfig::Nadam(betas) => self.nadam(t, learning_rate, betas),
            OptimizerConfig::Adam(betas) => adam(t, learning_rate, betas),
            OptimizerConfig::AdamW { betas, weight_decay } => AdamStep {
                kept: 1.0 - (learning_rate * weight_decay) as f32,
                ..adam(t, learning_rate, betas)
            },
            OptimizerConfig::Sgd { momentum, nesterov } => {
                let step = SgdStep {
                    learning_rate: learning_rate as f32,
                    momentum: momentum as f32,
                    nesterov,
                };
                return self.sgd(compute, weights, gradients, factor, step);
            }
        };
        let [means, squares] = &mut self.moments[..] else {
            panic!("{} keeps two moments", self.config.name())
        };
        compute.for_each_chunk([weights, means, squares], gradients, CHUNK, |slices, gradients| {
            dispatch!(compute.unit().0, simd => step.apply(simd, slices, gradients, factor));
        });
    }

    /// With `μ_t = β₁·(1 − ½·0.96^t)` and `Π` the product of all `μ` up to `t`:
    /// `m̂ = μ_{t+1}·m / (1 − Π·μ_{t+1}) + (1 − μ_t)·g / (1 − Π)`, `v̂ = v / (1 − β₂^t)`.
    fn nadam(&mut self, t: f64, learning_rate: f64, betas: Betas) -> AdamStep {
        let momentum_at = |t: f64| betas.beta_1 * (1.0 - 0.5 * 0.96f64.powf(t));
        let (now, next) = (momentum_at(t), momentum_at(t + 1.0));
        self.momentum_product *= now;
        let of_mean = next / (1.0 - self.momentum_product * next);
        let of_gradient = (1.0 - now) / (1.0 - self.momentum_product);
        AdamStep {
            kept: 1.0,
            beta_1: betas.beta_1 as f32,
            beta_2: betas.beta_2 as f32,
            epsilon: betas.epsilon as f32,
            of_mean: (learning_rate * of_mean) as f32,
            of_gradient: (learning_rate * of_gradient) as f32,
            of_square: (1.0 / (1.0 - betas.beta_2.powf(t))) as f32,
        }
    }

    fn sgd(
        &mut self,
        compute: &Compute,
        weights: &mut [f32],
        gradients: &[f32],
        factor: f32,
        step: SgdStep,
    ) {
        match self.moments.first_mut() {
            None => compute.for_each_chunk([weights], gradients, CHUNK, |[weights], gradients| {
                for (weight, g) in weights.iter_mut().zip(gradients) {
                    *weight -= step.learning_rate * (factor * g);
                }
            }),
            Some(moments) => compute.for_each_chunk(
                [weights, moments],
                gradients,
                CHUNK,
                |[weights, moments], gradients| step.apply(weights, moments, gradients, factor),
            ),
        }
    }
}

/// As Keras computes it: `lr·√(1 − β₂^t) / (1 − β₁^t) · m / (√v + ε)`.
fn adam(t: f64, learning_rate: f64, betas: Betas) -> AdamStep {
    let correction = (1.0 - betas.beta_2.powf(t)).sqrt() / (1.0 - betas.beta_1.powf(t));
    AdamStep {
        kept: 1.0,
        beta_1: betas.beta_1 as f32,
        beta_2: betas.beta_2 as f32,
        epsilon: betas.epsilon as f32,
        of_mean: (learning_rate * correction) as f32,
        of_gradient: 0.0,
        of_square: 1.0,
    }
}

/// The numbers of one step of gradient descent.
#[derive(Clone, Copy)]
struct SgdStep {
    learning_rate: f32,
    momentum: f32,
    nesterov: bool,
}

impl SgdStep {
    fn apply(self, weights: &mut [f32], moments: &mut [f32], gradients: &[f32], factor: f32) {
        for ((weight, g), m) in weights.iter_mut().zip(gradients).zip(moments) {
            let g = self.learning_rate * (factor * g);
            *m = self.momentum * *m - g;
            *weight += if self.nesterov { self.momentum * *m - g } else { *m };
        }
    }
}

/// The numbers of one step of Adam or a relative, the same for all weights.
#[derive(Clone, Copy)]
struct AdamStep {
    /// Share of each weight that is kept before the step.
    kept: f32,
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    /// Learning rate times the factor of the mean.
    of_mean: f32,
    /// Learning rate times the factor of the gradient itself (Nesterov's part).
    of_gradient: f32,
    /// Factor of the mean square under the root.
    of_square: f32,
}

impl AdamStep {
    /// One pass over weights, means and squares. The loop is plain: the compiler makes vectors of
    /// it, for each vector unit.
    #[inline(always)]
    fn apply<S: Simd>(
        self,
        _: S,
        [weights, means, squares]: [&mut [f32]; 3],
        gradients: &[f32],
        factor: f32,
    ) {
        let moments = means.iter_mut().zip(squares);
        for ((weight, &g), (m, v)) in weights.iter_mut().zip(gradients).zip(moments) {
            let g = g * factor;
            *m += (g - *m) * (1.0 - self.beta_1);
            *v += (g * g - *v) * (1.0 - self.beta_2);
            let mean = self.of_mean * *m + self.of_gradient * g;
            *weight = *weight * self.kept - mean / ((*v * self.of_square).sqrt() + self.epsilon);
        }
    }
}
