//! What the API is, for programs: `GET /openapi.json`.

use axum::Json as Answer;
use utoipa::OpenApi;

use super::{completions, features, health, models, probs, run, score, tokenize};
use crate::error::ErrorAnswer;

/// The routes.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "machado",
        description = "Small language models: OpenAI's completions API, and what the page uses."
    ),
    paths(
        completions::completions,
        models::list,
        models::one,
        models::props,
        probs::probs,
        score::score,
        features::list,
        features::one,
        features::map,
        features::activations,
        tokenize::tokenize,
        tokenize::detokenize,
        tokenize::info,
        run::run,
        run::events,
        health::health,
        health::metrics,
    ),
    components(schemas(ErrorAnswer))
)]
pub struct Api;

/// The routes.
pub async fn openapi() -> Answer<utoipa::openapi::OpenApi> {
    Answer(Api::openapi())
}
