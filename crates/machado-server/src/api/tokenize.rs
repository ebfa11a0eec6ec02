//! Between texts and tokens, for clients of llama.cpp, vLLM and lm-eval.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::completions::Skipped;
use super::query::Query;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::json::Json;
use crate::served::ServedModel;

/// A text to cut into tokens.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct TokenizeRequest {
    /// The name of a model.
    pub model: Option<String>,
    /// The text, as llama.cpp calls it.
    pub content: Option<String>,
    /// The text, as vLLM calls it.
    pub prompt: Option<String>,
}

/// The tokens of a text.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tokenized {
    tokens: Vec<u32>,
    count: usize,
    /// Characters that the model does not know.
    skipped: Vec<Skipped>,
}

/// Tokens to put together.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct DetokenizeRequest {
    /// The name of a model.
    pub model: Option<String>,
    /// Their ids.
    pub tokens: Vec<u32>,
}

/// The text of some tokens, twice.
#[derive(Debug, Serialize, ToSchema)]
pub struct Detokenized {
    /// As llama.cpp calls it.
    content: String,
    /// As vLLM calls it.
    prompt: String,
}

/// Which model is asked about.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub struct ModelQuery {
    /// The name of a model; any, where only one is served.
    pub model: Option<String>,
}

/// What is known of a tokenizer.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenizerInfo {
    /// None: texts of these models have no end.
    eos_token: Option<String>,
    /// What a text begins after: the end of a line.
    bos_token: Option<String>,
    pad_token: Option<String>,
    unk_token: Option<String>,
    vocab_size: usize,
    tokenizer: &'static str,
    standardize: String,
}

/// Cut a text into tokens
#[utoipa::path(
    post, path = "/tokenize", request_body = TokenizeRequest,
    responses((status = 200, body = Tokenized)),
)]
pub async fn tokenize(
    State(app): State<Arc<App>>,
    Json(request): Json<TokenizeRequest>,
) -> ApiResult<Answer<Tokenized>> {
    let model = app.model(request.model.as_deref())?;
    let Some(text) = request.content.or(request.prompt) else {
        return Err(ApiError::of("content", "expected a text as \"content\" or \"prompt\""));
    };
    let encoded = model.encode(&text)?;
    let (tokens, skipped) = (encoded.ids, encoded.skipped);
    Ok(Answer(Tokenized { count: tokens.len(), tokens, skipped }))
}

/// Put tokens together
#[utoipa::path(
    post, path = "/detokenize", request_body = DetokenizeRequest,
    responses((status = 200, body = Detokenized)),
)]
pub async fn detokenize(
    State(app): State<Arc<App>>,
    Json(request): Json<DetokenizeRequest>,
) -> ApiResult<Answer<Detokenized>> {
    let model = app.model(request.model.as_deref())?;
    model.check_ids(&request.tokens, "tokens")?;
    let content = model.model.tokenizer.decode(&request.tokens);
    Ok(Answer(Detokenized { prompt: content.clone(), content }))
}

/// What is known of the tokenizer
#[utoipa::path(
    get, path = "/tokenizer_info", params(ModelQuery),
    responses((status = 200, body = TokenizerInfo)),
)]
pub async fn info(
    State(app): State<Arc<App>>,
    query: Query<ModelQuery>,
) -> ApiResult<Answer<TokenizerInfo>> {
    let model = app.model(query.0.model.as_deref())?;
    Ok(Answer(TokenizerInfo {
        eos_token: None,
        bos_token: begin_of_text(&model),
        pad_token: None,
        unk_token: None,
        vocab_size: model.model.tokenizer.vocabulary_size(),
        tokenizer: model.model.tokenizer.name(),
        standardize: super::models::standardize(&model),
    }))
}

/// The token after which a text begins, for clients that need one: the end of a line.
fn begin_of_text(model: &ServedModel) -> Option<String> {
    let tokenizer = &model.model.tokenizer;
    let start = tokenizer.decode(&[tokenizer.start()]);
    (start == "\n").then_some(start)
}
