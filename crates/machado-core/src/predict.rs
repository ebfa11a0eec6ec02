//! What may come next, with its probability.

use crate::error::Result;
use crate::math::simd::VectorUnit;
use crate::model::{Model, Streams};
use crate::sample::Sampler;

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
    let start = [model.tokenizer.start()];
    let mut streams = Streams::new(model, unit)?;
    streams.read(if prompt.is_empty() { &start } else { prompt });
    let mut candidates: Vec<Candidate> = sampler
        .distribution(streams.logits(0))
        .into_iter()
        .zip(0..)
        .map(|(probability, id)| Candidate { token: model.tokenizer.token(id), id, probability })
        .collect();
    candidates.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    candidates.truncate(count);
    Ok(candidates)
}
