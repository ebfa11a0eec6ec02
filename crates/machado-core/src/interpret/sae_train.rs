//! Training a sparse autoencoder: from states to features.
//!
//! All three kinds share one step. The states are centred and scaled ([`Scaling`]) to a mean square of
//! 1 a value, encoded, and only some features are kept; what these decode to is compared with the
//! state. Gradients touch the kept features alone, so the dense product of the encoder is most of
//! the work.
//!
//! - [`Architecture::BatchTopK`] (Bussmann et al. 2024) keeps the strongest `k` a state on average,
//!   chosen over the whole batch: a state that says much may have more of them.
//! - [`Architecture::TopK`] (Gao et al. 2024) keeps the strongest `k` of each state.
//! - [`Architecture::L1`] (Bricken et al. 2023) keeps all that are positive and pays for their sum.
//!
//! With more than one prefix (Matryoshka: Bussmann et al. 2025) the first features alone must describe
//! the state too, which keeps general features from being absorbed by special ones. Features that
//! were silent for long learn what the others leave over (`AuxK`: Gao et al. 2024).

mod chunk;
mod gradient;

use self::chunk::Chunk;
use self::gradient::Gradient;
use super::harvest::Moments;
use super::sae::{Sae, SaeWeights};
use crate::error::{Error, Result};
use crate::math::buffer::Buffer;
use crate::math::matmul::{Packed, padded};
use crate::math::threads::Compute;
use crate::optimizer::{Betas, Optimizer, OptimizerConfig, clip_factor, global_norm};
use crate::rng::{Purpose, Rng};

/// Which features of a state are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Architecture {
    /// The strongest `k · B` of a batch.
    BatchTopK,
    /// The strongest `k` of each state.
    TopK,
    /// All positive ones, at this price for the sum of a state's activations.
    L1 {
        /// The price, relative to the squared error a value.
        coefficient: f32,
    },
}

impl Architecture {
    /// `batchtopk`, `topk` or `l1`, as SAELens calls them.
    pub fn name(self) -> &'static str {
        match self {
            Self::BatchTopK => "batchtopk",
            Self::TopK => "topk",
            Self::L1 { .. } => "l1",
        }
    }
}

/// How an autoencoder is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct SaeConfig {
    /// Which features are kept.
    pub architecture: Architecture,
    /// Features, `d_sae`.
    pub d_sae: usize,
    /// Features of a state, on average; without meaning for [`Architecture::L1`].
    pub k: usize,
    /// How many of the first features must describe a state by themselves, rising; the last is
    /// `d_sae`.
    pub prefixes: Vec<usize>,
    /// States of a step.
    pub batch_size: usize,
    /// Steps.
    pub steps: u64,
    /// The learning rate at its highest; `None` for 7e-4 · √(2¹⁴ / `d_sae`): three and a half times
    /// the rule of long trainings on large models, since a few thousand steps must do.
    pub learning_rate: Option<f64>,
    /// The seed.
    pub seed: u64,
}

/// Largest norm of a step's gradient.
const CLIP_NORM: f64 = 1.0;

/// Share of the steps in which the learning rate rises, and of those in which it falls to 0.
const WARM_UP: f64 = 0.03;
const COOL_DOWN: f64 = 0.2;

/// States after which a silent feature counts as dead: the larger of a number and a share of all.
const DEAD_AFTER: u64 = 10_000;
const DEAD_SHARE: f64 = 0.02;

/// What the error of dead features counts.
const AUX_COEFFICIENT: f32 = 1.0 / 32.0;

/// How slowly the running mean of the smallest kept activation moves.
const CUT_DECAY: f32 = 0.98;

impl SaeConfig {
    /// The recipe for states of so many values, over at least so many states.
    ///
    /// | values | features | of a state |
    /// |---|---|---|
    /// | up to 128 | 16 a value | 16 |
    /// | up to 256 | 8 a value | 24 |
    /// | up to 512 | 8 a value | 32 |
    /// | more | 4 a value | 48 |
    pub fn fitting(d_in: usize, positions: u64, seed: u64) -> Self {
        let (expansion, k) = match d_in {
            0..=128 => (16, 16),
            129..=256 => (8, 24),
            257..=512 => (8, 32),
            _ => (4, 48),
        };
        let (d_sae, batch_size) = (expansion * d_in, 1024);
        Self {
            architecture: Architecture::BatchTopK,
            d_sae,
            k: k.min(d_sae),
            prefixes: Self::nested(d_sae),
            batch_size,
            steps: positions.div_ceil(batch_size as u64),
            learning_rate: None,
            seed,
        }
    }

    /// A quarter of the features, then all.
    pub fn nested(d_sae: usize) -> Vec<usize> {
        let mut prefixes = vec![(d_sae / 4).max(1), d_sae];
        prefixes.dedup();
        prefixes
    }

    /// Checks the numbers against each other and the size of a state.
    ///
    /// # Errors
    /// If one is outside its range.
    pub fn check(&self) -> Result<()> {
        let fail = |what: &str, expected: String, found: String| {
            Err(Error::OutOfRange { what: what.into(), expected, found })
        };
        if !(1..=1 << 20).contains(&self.d_sae) {
            return fail(
                "the number of features",
                "from 1 to 1,048,576".into(),
                self.d_sae.to_string(),
            );
        }
        if !(1..=self.d_sae).contains(&self.k) {
            let expected = format!("from 1 to {}, the number of features", self.d_sae);
            return fail("k", expected, self.k.to_string());
        }
        let rises = self.prefixes.is_sorted_by(|a, b| a < b) && self.prefixes.first() > Some(&0);
        if !rises || self.prefixes.last() != Some(&self.d_sae) {
            let expected = format!("rising numbers that end with {}", self.d_sae);
            return fail("the prefixes", expected, format!("{:?}", self.prefixes));
        }
        if self.batch_size == 0 || self.steps == 0 {
            return fail("batch size and steps", "at least 1".into(), "0".into());
        }
        Ok(())
    }

    /// The learning rate at its highest, also where the config leaves it open.
    pub fn highest_learning_rate(&self) -> f64 {
        self.learning_rate
            .unwrap_or_else(|| 7e-4 * f64::from(1 << 14).sqrt() / (self.d_sae as f64).sqrt())
    }

    /// The learning rate of a step, which counts from 0.
    fn learning_rate_at(&self, step: u64) -> f64 {
        let highest = self.highest_learning_rate();
        let steps = self.steps as f64;
        let rising = (step + 1) as f64 / (WARM_UP * steps).max(1.0);
        let falling = (steps - step as f64) / (COOL_DOWN * steps).max(1.0);
        highest * rising.min(falling).min(1.0)
    }
}

/// From states as they come to those that the training sees: `(x − mean) · factor`, so that the
/// mean square of a value is 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// The mean state, `[d_in]`.
    pub mean: Vec<f32>,
    /// The factor.
    pub factor: f32,
}

impl Scaling {
    /// For states like these, `[N, d_in]`.
    pub fn of(states: &[f32], d_in: usize) -> Self {
        let mut moments = Moments::empty(d_in);
        states.chunks_exact(d_in).for_each(|state| moments.add(state));
        Self::from(&moments)
    }
}

impl From<&Moments> for Scaling {
    fn from(moments: &Moments) -> Self {
        let per_value = moments.total_variance() / moments.mean.len() as f64;
        Self {
            mean: moments.mean.iter().map(|&mean| mean as f32).collect(),
            factor: (1.0 / per_value.max(1e-12).sqrt()) as f32,
        }
    }
}

/// What came of a step, before its changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SaeStep {
    /// Steps done.
    pub step: u64,
    /// What was to be made small: squared error a value, summed over the prefixes, and what sparsity
    /// and dead features add.
    pub loss: f64,
    /// 1 − squared error / squared distance from the mean, of all features together.
    pub explained_variance: f64,
    /// Features of a state.
    pub l0: f64,
    /// Features that have been silent for long.
    pub dead: usize,
}

/// An autoencoder in training.
#[derive(Debug)]
pub struct SaeTrainer {
    config: SaeConfig,
    scaling: Scaling,
    compute: Compute,
    /// `w_enc`, `w_dec` (`[d_sae, d_in]` each), `b_enc`, `b_dec`.
    weights: Vec<f32>,
    gradients: Vec<f32>,
    optimizer: Optimizer,
    packed: Packed,
    chunks: Vec<Chunk>,
    step: u64,
    /// For each feature the number of states seen when it was last active.
    last_active: Vec<u64>,
    states_seen: u64,
    /// A running mean of the smallest activation that was kept.
    cut: f32,
}

/// What all parts of a step look at.
#[derive(Clone, Copy)]
struct Shared<'a> {
    config: &'a SaeConfig,
    scaling: &'a Scaling,
    packed: &'a Packed,
    /// Padded when products are made.
    b_enc: &'a [f32],
    w_enc: &'a [f32],
    w_dec: &'a [f32],
    b_dec: &'a [f32],
    d_in: usize,
    /// States of the batch.
    batch: usize,
    /// The dead features, rising.
    dead: &'a [u32],
}

impl SaeTrainer {
    /// A trainer for states of the scaling's size, with first weights drawn from the seed.
    ///
    /// # Errors
    /// If a number of the config is outside its range.
    pub fn new(config: SaeConfig, scaling: Scaling, compute: Compute) -> Result<Self> {
        config.check()?;
        let (d_in, d_sae) = (scaling.mean.len(), config.d_sae);
        let mut weights = vec![0.0; 2 * d_sae * d_in + d_sae + d_in];
        let mut rng = Rng::new(config.seed, Purpose::SaeWeights, 0);
        let (w_enc, rest) = weights.split_at_mut(d_sae * d_in);
        let w_dec = &mut rest[..d_sae * d_in];
        w_dec.iter_mut().for_each(|weight| *weight = rng.normal() as f32);
        w_dec.chunks_exact_mut(d_in).for_each(normalize);
        w_enc.copy_from_slice(w_dec);
        Ok(Self {
            optimizer: Optimizer::new(
                OptimizerConfig::Adam(Betas { epsilon: 1e-8, ..Betas::default() }),
                weights.len(),
            ),
            gradients: vec![0.0; weights.len()],
            packed: Packed::new(compute.unit(), d_in, d_sae),
            chunks: Vec::new(),
            step: 0,
            last_active: vec![0; d_sae],
            states_seen: 0,
            cut: 0.0,
            weights,
            config,
            scaling,
            compute,
        })
    }

    /// Learns from one batch of states as they come, `[B, d_in]`.
    ///
    /// # Errors
    /// If the loss is no longer a finite number.
    pub fn step(&mut self, states: &[f32]) -> Result<SaeStep> {
        let compute = self.compute.clone();
        compute.enter(|| self.step_here(states))
    }

    fn step_here(&mut self, states: &[f32]) -> Result<SaeStep> {
        let (step, cut) = self.compare(states);
        let learning_rate = self.config.learning_rate_at(self.step);
        if !step.loss.is_finite() {
            let (what, value) = ("the autoencoder's loss", step.loss);
            return Err(Error::Diverged { what, value, step: step.step, learning_rate });
        }
        self.states_seen += (states.len() / self.scaling.mean.len()) as u64;
        for kept in self.chunks.iter().flat_map(|chunk| &chunk.kept) {
            self.last_active[kept.feature as usize] = self.states_seen;
        }
        let decay = if self.step == 0 { 0.0 } else { CUT_DECAY };
        self.cut = decay * self.cut + (1.0 - decay) * cut;
        self.step += 1;
        self.change(learning_rate);
        Ok(step)
    }

    /// Encodes a batch and decodes it; leaves the gradients. Returns also the smallest activation
    /// that was kept.
    fn compare(&mut self, states: &[f32]) -> (SaeStep, f32) {
        let d_in = self.scaling.mean.len();
        let batch = states.len() / d_in;
        let dead = self.dead();
        let shared = Shared {
            batch,
            dead: &dead,
            ..shared(&self.config, &self.scaling, &self.weights, &mut self.packed)
        };
        let b_enc = padded_bias(shared.b_enc);
        let shared = Shared { b_enc: &b_enc, ..shared };
        chunk::arrange(&mut self.chunks, states, d_in);
        let floor = 0.7 * self.cut;
        self.compute.for_each(&mut self.chunks, |chunk| chunk.encode(shared, floor));
        let cut = keep(&self.compute, &mut self.chunks, shared);
        self.compute.for_each(&mut self.chunks, |chunk| chunk.decode(shared));
        let gradient = Gradient::new(shared, &self.chunks);
        gradient.sum(&self.compute, &self.chunks, &mut self.gradients);

        let squared: f64 = self.chunks.iter().map(|chunk| chunk.squared_error).sum();
        let total: f64 = self.chunks.iter().map(|chunk| chunk.squared_distance).sum();
        let loss: f64 = self.chunks.iter().map(|chunk| chunk.loss).sum();
        let kept: usize = self.chunks.iter().map(|chunk| chunk.kept.len()).sum();
        let step = SaeStep {
            step: self.step + 1,
            loss: loss / (batch * d_in) as f64,
            explained_variance: 1.0 - squared / total.max(f64::MIN_POSITIVE),
            l0: kept as f64 / batch as f64,
            dead: dead.len(),
        };
        (step, cut)
    }

    /// One step of the optimizer; directions stay of length 1.
    fn change(&mut self, learning_rate: f64) {
        let (d_in, len) = (self.scaling.mean.len(), self.config.d_sae * self.scaling.mean.len());
        let directions = self.weights[len..2 * len].chunks_exact(d_in);
        for (gradient, direction) in
            self.gradients[len..2 * len].chunks_exact_mut(d_in).zip(directions)
        {
            // What would only change the length is taken off before the optimizer sees it.
            let along = super::sae::dot(gradient, direction);
            super::sae::add_scaled(gradient, -along, direction);
        }
        let norm = global_norm(self.compute.unit(), &self.gradients);
        let factor = clip_factor(norm, Some(CLIP_NORM));
        let (weights, gradients) = (&mut self.weights, &self.gradients);
        self.optimizer.step(&self.compute, weights, gradients, factor, learning_rate);
        self.weights[len..2 * len].chunks_exact_mut(d_in).for_each(normalize);
    }

    /// The features that have been silent for long.
    fn dead(&self) -> Vec<u32> {
        let total = self.config.steps * self.config.batch_size as u64;
        let window = DEAD_AFTER.max((DEAD_SHARE * total as f64) as u64);
        let is_dead =
            |&feature: &u32| self.states_seen > self.last_active[feature as usize] + window;
        (0..self.config.d_sae as u32).filter(is_dead).collect()
    }

    /// The autoencoder for states as they come. Its threshold lets through `k` features a state on
    /// average over `held_out`, states that were not learnt from, `[N, d_in]`; for
    /// [`Architecture::L1`] it is 0.
    ///
    /// # Errors
    /// If a weight is no finite number.
    pub fn finish(mut self, held_out: &[f32]) -> Result<Sae> {
        let threshold = match self.config.architecture {
            Architecture::L1 { .. } => 0.0,
            Architecture::BatchTopK | Architecture::TopK => self.threshold(held_out),
        };
        let (d_in, d_sae) = (self.scaling.mean.len(), self.config.d_sae);
        let Scaling { mean, factor } = &self.scaling;
        let b_dec = self.weights.split_off(2 * d_sae * d_in + d_sae);
        let b_enc = self.weights.split_off(2 * d_sae * d_in);
        let w_dec = self.weights.split_off(d_sae * d_in);
        Sae::new(SaeWeights {
            d_in,
            d_sae,
            w_enc: self.weights,
            b_enc: b_enc.iter().map(|b| b / factor).collect(),
            threshold: vec![threshold / factor; d_sae],
            w_dec,
            b_dec: b_dec.iter().zip(mean).map(|(b, mean)| mean + b / factor).collect(),
        })
    }

    /// The activation that `k` features a state reach, on the scale of the training.
    fn threshold(&mut self, held_out: &[f32]) -> f32 {
        let d_in = self.scaling.mean.len();
        let states = held_out.len() / d_in;
        // Encoding as for a batch, with nothing chosen yet.
        let config = SaeConfig { architecture: Architecture::BatchTopK, ..self.config.clone() };
        let shared = shared(&config, &self.scaling, &self.weights, &mut self.packed);
        let b_enc = padded_bias(shared.b_enc);
        let shared = Shared { b_enc: &b_enc, ..shared };
        let mut values = Vec::new();
        for states in held_out.chunks(self.config.batch_size * d_in) {
            chunk::arrange(&mut self.chunks, states, d_in);
            self.compute.for_each(&mut self.chunks, |chunk| chunk.encode(shared, 0.5 * self.cut));
            let kept = self.chunks.iter().flat_map(|chunk| &chunk.kept);
            values.extend(kept.map(|kept| kept.value));
        }
        let wanted = self.config.k * states;
        if wanted == 0 || values.len() <= wanted {
            return 0.5 * self.cut;
        }
        *values.select_nth_unstable_by(wanted, |a, b| b.total_cmp(a)).1
    }
}

/// What a step looks at, with the encoder packed; the batch is still to be filled in.
fn shared<'a>(
    config: &'a SaeConfig,
    scaling: &'a Scaling,
    weights: &'a [f32],
    packed: &'a mut Packed,
) -> Shared<'a> {
    let (d_in, d_sae) = (scaling.mean.len(), config.d_sae);
    let (w_enc, rest) = weights.split_at(d_sae * d_in);
    let (w_dec, rest) = rest.split_at(d_sae * d_in);
    let (b_enc, b_dec) = rest.split_at(d_sae);
    packed.pack_transposed(w_enc);
    Shared { config, scaling, packed, b_enc, w_enc, w_dec, b_dec, d_in, batch: 0, dead: &[] }
}

/// As products want a bias.
fn padded_bias(bias: &[f32]) -> Buffer {
    let mut padded_bias = Buffer::zeros(padded(bias.len()));
    padded_bias[..bias.len()].copy_from_slice(bias);
    padded_bias
}

/// Leaves in each chunk what is kept, and returns the smallest activation that is.
fn keep(compute: &Compute, chunks: &mut [Chunk], shared: Shared<'_>) -> f32 {
    if shared.config.architecture == Architecture::BatchTopK {
        let wanted = shared.config.k * shared.batch;
        let found: usize = chunks.iter().map(|chunk| chunk.kept.len()).sum();
        if found < wanted {
            // The floor was too high.
            compute.for_each(chunks, |chunk| chunk.encode(shared, 0.0));
        }
        let all = chunks.iter().flat_map(|chunk| &chunk.kept);
        let mut values: Vec<f32> = all.map(|kept| kept.value).collect();
        if values.len() > wanted {
            let (_, &mut cut, _) = values.select_nth_unstable_by(wanted - 1, |a, b| b.total_cmp(a));
            compute.for_each(chunks, |chunk| chunk.kept.retain(|kept| kept.value >= cut));
        }
    }
    let kept = chunks.iter().flat_map(|chunk| &chunk.kept);
    kept.map(|kept| kept.value).min_by(f32::total_cmp).unwrap_or(0.0)
}

/// Makes a direction one of length 1.
fn normalize(direction: &mut [f32]) {
    let length = direction.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let factor = (1.0 / length.max(1e-12)) as f32;
    direction.iter_mut().for_each(|x| *x *= factor);
}

#[cfg(test)]
mod tests;
