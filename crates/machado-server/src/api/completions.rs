//! `POST /v1/completions`.
//!
//! ```text
//! request ─plan─► jobs ─engine─► events ─assembler─► deltas ─┬─ whole ─► one answer
//!                                                            └─ stream ─► one chunk a token
//! ```
//! Both answers are made of the same deltas, so that a stream adds up to the whole.

mod answer;
mod assembler;
mod plan;
mod request;
mod stream;
mod whole;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};

pub use self::answer::Skipped;
pub use self::plan::MAX_TOKENS;
use self::plan::Plan;
use self::request::CompletionRequest;
pub use self::request::PromptField;
use crate::app::App;
use crate::error::ApiResult;
use crate::json::Json;

/// Write on from a prompt
///
/// OpenAI's completions API. Streams are server-sent events, one chunk a token.
#[utoipa::path(
    post, path = "/v1/completions", request_body = CompletionRequest,
    responses((status = 200, body = answer::Completion<'_>)),
)]
pub async fn completions(
    State(app): State<Arc<App>>,
    Json(request): Json<CompletionRequest>,
) -> ApiResult<Response> {
    let streams = request.stream == Some(true);
    let (plan, jobs, events) = Plan::new(&app, request)?;
    if !jobs.is_empty() {
        app.submit(jobs)?;
    }
    if streams {
        return Ok(stream::answer(&app, plan, events));
    }
    let completion = whole::collect(&app, plan, events).await?;
    Ok(completion.into_response())
}
