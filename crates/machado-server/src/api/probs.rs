//! `POST /v1/probs`: what may come next.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use machado_core::math::softmax::log_sum;
use machado_core::sample::likeliest;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::completions::{PromptField, Skipped};
use crate::app::App;
use crate::engine::{Event, Job, PromptScores};
use crate::error::{ApiError, ApiResult};
use crate::json::Json;
use crate::sampling::SamplingFields;
use crate::steer::{self, SteerField};
use crate::tokens::text_of;

/// Candidates where the request does not say how many, and at most.
const TOP: usize = 20;
const MOST: usize = 1000;

/// What may come next after a prompt?
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ProbsRequest {
    /// The name of a model.
    pub model: Option<String>,
    /// A text or token ids.
    #[schema(value_type = Option<serde_json::Value>)]
    pub prompt: Option<PromptField>,
    /// Candidates, at most 1000. Default 20.
    pub top: Option<usize>,
    /// As for completions.
    pub temperature: Option<f64>,
    /// As for completions.
    pub top_k: Option<i64>,
    /// As for completions.
    pub top_p: Option<f64>,
    /// As for completions.
    pub min_p: Option<f64>,
    /// As for completions.
    pub typical_p: Option<f64>,
    /// As for completions.
    pub steer: Option<Vec<SteerField>>,
    /// As for completions.
    pub steer_reach: Option<String>,
}

/// What may come next.
#[derive(Debug, Serialize, ToSchema)]
pub struct Probs {
    model: String,
    prompt_tokens: usize,
    vocabulary_size: usize,
    /// The surprise that is to be expected.
    entropy_nats: f64,
    skipped: Vec<Skipped>,
    /// The likeliest first.
    candidates: Vec<ProbsCandidate>,
}

/// A token that may come next.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProbsCandidate {
    token: String,
    id: u32,
    /// What the model computes; `e` to it is proportional to the probability.
    logit: f32,
    /// ln of the model's own probability.
    logprob: f32,
    /// With temperature and filters; 0 where they leave it out.
    probability: f64,
}

/// What may come next
#[utoipa::path(
    post, path = "/v1/probs", request_body = ProbsRequest,
    responses((status = 200, body = Probs)),
)]
pub async fn probs(
    State(app): State<Arc<App>>,
    Json(request): Json<ProbsRequest>,
) -> ApiResult<Answer<Probs>> {
    let model = app.model(request.model.as_deref())?;
    let top = request.top.unwrap_or(TOP);
    if !(1..=MOST).contains(&top) {
        return Err(ApiError::of("top", format!("top must be from 1 to {MOST}, not {top}")));
    }
    let sampling = SamplingFields {
        temperature: request.temperature,
        top_k: request.top_k,
        top_p: request.top_p,
        min_p: request.min_p,
        typical_p: request.typical_p,
        ..SamplingFields::default()
    };
    let sampler = sampling.sampler(&model.model.tokenizer)?;
    let empty = PromptField::Text(String::new());
    let prompt = request.prompt.as_ref().unwrap_or(&empty);
    let encoded = model.encode_prompt(prompt, "prompt")?;
    app.config.limits.check_prompt("prompt", encoded.ids.len())?;
    let lane = steer::lane(&model, request.steer.as_deref(), request.steer_reach.as_deref())?;
    let (events, mut receiver) = mpsc::channel(1);
    let prompt = model.model.tokenizer.begin(&encoded.ids).into();
    let job = Job::reading(lane, prompt, PromptScores::Next, events);
    app.submit(vec![job])?;
    let Some(Event::Next { logits }) = app.in_time(receiver.recv()).await? else {
        return Err(app.given_up());
    };
    let log_sum = log_sum(model.unit, &logits, &mut Vec::new());
    let logprob = |id: usize| f64::from(logits[id]) - log_sum;
    let own: Vec<f64> = (0..logits.len()).map(|id| logprob(id).exp()).collect();
    let shaped = sampler.distribution(&logits, &[]);
    let tokenizer = &model.model.tokenizer;
    let candidate = |(id, _): (u32, f64)| ProbsCandidate {
        token: text_of(tokenizer, id).0,
        id,
        logit: logits[id as usize],
        logprob: logprob(id as usize) as f32,
        probability: shaped[id as usize],
    };
    Ok(Answer(Probs {
        model: model.id.clone(),
        prompt_tokens: encoded.ids.len(),
        vocabulary_size: logits.len(),
        entropy_nats: own.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum(),
        skipped: encoded.skipped,
        candidates: likeliest(&own, top).into_iter().map(candidate).collect(),
    }))
}
