//! What may come next, with its probability.

use crate::error::Result;
use crate::math::simd::VectorUnit;
use crate::model::{Intervention, Model, Streams};
use crate::sample::{Sampler, likeliest};
use crate::tokenizer::Tokenizer;

/// A token that may come next.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its text.
    pub token: String,
    /// Its id.
    pub id: u32,
    /// Its probability.
    pub probability: f64,
}

/// What is asked about a prompt.
#[derive(Clone, Debug)]
pub struct PredictConfig {
    /// How tokens are weighed.
    pub sampler: Sampler,
    /// Candidates, at most.
    pub count: usize,
    /// What is changed inside the model while it reads.
    pub interventions: Vec<Intervention>,
}

impl PredictConfig {
    /// The `count` likeliest tokens of the model as it is.
    pub fn new(sampler: &Sampler, count: usize) -> Self {
        Self { sampler: sampler.clone(), count, interventions: Vec::new() }
    }
}

/// The likeliest tokens after `prompt`, the likeliest first. An empty prompt is taken as by
/// [`Generator::new`](crate::generate::Generator::new).
///
/// # Errors
/// If a number of the sampler is outside its range, or an intervention does not fit the model.
pub fn predict(
    model: &Model,
    unit: VectorUnit,
    prompt: &[u32],
    config: &PredictConfig,
) -> Result<Vec<Candidate>> {
    let probabilities = distribution(model, unit, prompt, config)?;
    Ok(candidates(&model.tokenizer, &probabilities, config.count))
}

/// What may come next with the changes inside the model, and what without.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The likeliest tokens with the changes, the likeliest first.
    pub candidates: Vec<Candidate>,
    /// The probability of each of them without the changes.
    pub unchanged: Vec<f64>,
    /// How far the changed probabilities are from the unchanged ones, over all tokens: the
    /// Kullback-Leibler divergence KL(changed ‖ unchanged), in nats.
    pub kl_nats: f64,
}

/// The likeliest tokens after `prompt` with the interventions of the config, beside what the model
/// says without them.
///
/// # Errors
/// As [`predict`].
pub fn compare(
    model: &Model,
    unit: VectorUnit,
    prompt: &[u32],
    config: &PredictConfig,
) -> Result<Comparison> {
    let changed = distribution(model, unit, prompt, config)?;
    let as_it_is = PredictConfig { interventions: Vec::new(), ..config.clone() };
    let unchanged = distribution(model, unit, prompt, &as_it_is)?;
    let candidates = candidates(&model.tokenizer, &changed, config.count);
    let kl_nats = kl_nats(&changed, &unchanged);
    let unchanged = candidates.iter().map(|c| unchanged[c.id as usize]).collect();
    Ok(Comparison { candidates, unchanged, kl_nats })
}

/// The Kullback-Leibler divergence KL(p ‖ q) in nats; infinite where `p` has what `q` has not.
pub fn kl_nats(p: &[f64], q: &[f64]) -> f64 {
    let terms = p.iter().zip(q).filter(|(p, _)| **p > 0.0);
    // Rounding could leave a sum of two equal distributions just below 0.
    terms.map(|(p, q)| p * (p / q).ln()).sum::<f64>().max(0.0)
}

/// The probability of each token after `prompt`.
fn distribution(
    model: &Model,
    unit: VectorUnit,
    prompt: &[u32],
    config: &PredictConfig,
) -> Result<Vec<f64>> {
    config.sampler.check()?;
    let prompt = &model.tokenizer.begin(prompt)[..];
    let mut streams = Streams::new(model, unit)?;
    streams.intervene(&config.interventions, model)?;
    streams.read(prompt);
    Ok(config.sampler.distribution(streams.logits(0), prompt))
}

/// The `count` likeliest tokens of a distribution, the likeliest first.
pub(crate) fn candidates(
    tokenizer: &Tokenizer,
    probabilities: &[f64],
    count: usize,
) -> Vec<Candidate> {
    likeliest(probabilities, count)
        .into_iter()
        .map(|(id, probability)| Candidate { token: tokenizer.token(id), id, probability })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ½·ln(½ / ¼) + ½·ln(½ / ¾), and what p does not have counts nothing.
    #[test]
    fn a_divergence_by_hand() {
        let expected = 0.5 * 2.0f64.ln() + 0.5 * (2.0f64 / 3.0).ln();
        assert!((kl_nats(&[0.5, 0.5, 0.0], &[0.25, 0.75, 0.0]) - expected).abs() < 1e-12);
        assert_eq!(kl_nats(&[0.1, 0.9], &[0.1, 0.9]), 0.0);
        assert_eq!(kl_nats(&[0.5, 0.5], &[1.0, 0.0]), f64::INFINITY);
    }
}
