//! What may come next, with its probability.

use crate::error::Result;
use crate::math::simd::VectorUnit;
use crate::model::{Model, Streams};
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

/// The `count` likeliest tokens after `prompt`, the likeliest first. An empty prompt is taken as
/// by [`Generator::new`](crate::generate::Generator::new).
///
/// # Errors
/// If a number of the sampler is outside its range.
pub fn predict(
    model: &Model,
    unit: VectorUnit,
    prompt: &[u32],
    sampler: &Sampler,
    count: usize,
) -> Result<Vec<Candidate>> {
    sampler.check()?;
    let prompt = &model.tokenizer.begin(prompt)[..];
    let mut streams = Streams::new(model, unit)?;
    streams.read(prompt);
    Ok(candidates(&model.tokenizer, &sampler.distribution(streams.logits(0), prompt), count))
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
