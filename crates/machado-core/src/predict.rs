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
    config.sampler.check()?;
    let prompt = &model.tokenizer.begin(prompt)[..];
    let mut streams = Streams::new(model, unit)?;
    streams.intervene(&config.interventions, model)?;
    streams.read(prompt);
    let probabilities = config.sampler.distribution(streams.logits(0), prompt);
    Ok(candidates(&model.tokenizer, &probabilities, config.count))
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
