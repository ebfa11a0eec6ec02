//! `POST /v1/score`: how much each token of a text surprises the model.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::completions::Skipped;
use crate::app::App;
use crate::engine::{Event, Job, PromptScores, TokenScore, Wanted};
use crate::error::{ApiError, ApiResult};
use crate::json::Json;
use crate::served::ServedModel;
use crate::steer::{self, SteerField};
use crate::tokens::{check_top, text_of};

/// Alternatives where the request does not say how many, and at most.
const TOP: usize = 5;
const MOST_TOP: usize = 50;

/// How likely is a text?
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ScoreRequest {
    /// The name of a model.
    pub model: Option<String>,
    /// The text.
    pub text: String,
    /// The likeliest tokens in each place, at most 50. Default 5.
    pub top: Option<usize>,
    /// As for completions.
    pub steer: Option<Vec<SteerField>>,
    /// As for completions.
    pub steer_reach: Option<String>,
}

/// How likely a text is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Score {
    model: String,
    tokens: Vec<ScoredToken>,
    /// The surprise of all tokens but the first.
    nats: f64,
    /// All tokens but the first.
    scored_tokens: usize,
    /// Characters of these.
    characters: usize,
    nats_per_token: Option<f64>,
    bits_per_character: Option<f64>,
    perplexity: Option<f64>,
    skipped: Vec<Skipped>,
}

/// How likely a token was where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScoredToken {
    token: String,
    id: u32,
    /// Characters before it.
    offset: usize,
    /// ln of its probability; null for the first token.
    logprob: Option<f32>,
    /// Its place among all tokens, 1 for the likeliest.
    rank: Option<usize>,
    /// The surprise that was to be expected.
    entropy_nats: Option<f64>,
    top: Vec<Alternative>,
}

/// A token that might have come.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alternative {
    token: String,
    id: u32,
    logprob: f32,
}

/// How much each token of a text surprises the model
#[utoipa::path(
    post, path = "/v1/score", request_body = ScoreRequest,
    responses((status = 200, body = Score)),
)]
pub async fn score(
    State(app): State<Arc<App>>,
    Json(request): Json<ScoreRequest>,
) -> ApiResult<Answer<Score>> {
    let model = app.model(request.model.as_deref())?;
    let top = request.top.unwrap_or(TOP);
    if top > MOST_TOP {
        return Err(ApiError::of("top", format!("top must be from 0 to {MOST_TOP}, not {top}")));
    }
    let encoded = model.encode(&request.text)?;
    let found = encoded.ids.len();
    app.config.limits.check_prompt("text", found)?;
    check_top("top", top, found)?;
    let lane = steer::lane(&model, request.steer.as_deref(), request.steer_reach.as_deref())?;
    let mut scores = Vec::with_capacity(found);
    if found > 0 {
        let (events, mut receiver) = mpsc::channel(16);
        let each = PromptScores::Each(Wanted { top, details: true });
        let job = Job::reading(lane, encoded.ids.into(), each, events);
        app.submit(vec![job])?;
        let all = async {
            while let Some(event) = receiver.recv().await {
                if let Event::Scored { tokens, .. } = event {
                    scores.extend(tokens);
                }
            }
        };
        app.in_time(all).await?;
        if scores.len() < found {
            return Err(app.given_up());
        }
    }
    Ok(Answer(summed(&model, &scores, encoded.skipped)))
}

fn summed(model: &ServedModel, scores: &[TokenScore], skipped: Vec<Skipped>) -> Score {
    let tokenizer = &model.model.tokenizer;
    let (mut offset, mut nats, mut scored_tokens, mut characters) = (0, 0.0, 0, 0);
    let mut tokens = Vec::with_capacity(scores.len());
    for score in scores {
        let (token, begins) = text_of(tokenizer, score.id);
        if let Some(logprob) = score.logprob {
            nats -= f64::from(logprob);
            scored_tokens += 1;
            characters += begins;
        }
        let alternative = |&(id, logprob): &(u32, f32)| Alternative {
            token: text_of(tokenizer, id).0,
            id,
            logprob,
        };
        tokens.push(ScoredToken {
            token,
            id: score.id,
            offset,
            logprob: score.logprob,
            rank: score.rank,
            entropy_nats: score.entropy_nats,
            top: score.top.iter().map(alternative).collect(),
        });
        offset += begins;
    }
    let per = |count: usize| (count > 0).then(|| nats / count as f64);
    Score {
        model: model.id.clone(),
        tokens,
        nats,
        scored_tokens,
        characters,
        nats_per_token: per(scored_tokens),
        bits_per_character: per(characters).map(|nats| nats / std::f64::consts::LN_2),
        perplexity: per(scored_tokens).map(f64::exp),
        skipped,
    }
}
