//! Which models are served.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use machado_core::sample::REPETITION_WINDOW;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::completions::MAX_TOKENS;
use super::query::{Name, Query};
use super::tokenize::ModelQuery;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::served::ServedModel;

/// The models that are served.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    /// `list`.
    object: &'static str,
    data: Vec<ModelEntry>,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelEntry {
    id: String,
    /// `model`.
    object: &'static str,
    /// Not known: 0.
    created: u64,
    owned_by: &'static str,
    meta: ModelMeta,
}

/// What is known of a model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelMeta {
    /// Where it lies.
    name: String,
    n_params: usize,
    vocabulary_size: usize,
    /// Changes when the program or the weights do: `system_fingerprint` of what it writes.
    fingerprint: String,
    /// `char`, `word` or `bpe`.
    tokenizer: &'static str,
    /// What is done to a text before it is read.
    standardize: String,
    layers: Vec<String>,
    /// Whether it is the one inside the program.
    built_in: bool,
    /// Whether there are features to look at and steer.
    features: bool,
    /// Whether there is a training to look at.
    run: bool,
    /// How it was trained, or null.
    training: Value,
    /// A prompt that fits it.
    sample_prompt: String,
}

/// The models that are served
#[utoipa::path(get, path = "/v1/models", responses((status = 200, body = ModelList)))]
pub async fn list(State(app): State<Arc<App>>) -> Answer<ModelList> {
    let data = app.models().map(|model| entry(&app, &model)).collect();
    Answer(ModelList { object: "list", data })
}

/// One of the models
#[utoipa::path(
    get, path = "/v1/models/{id}", params(("id" = String, Path, description = "Its name.")),
    responses((status = 200, body = ModelEntry)),
)]
pub async fn one(State(app): State<Arc<App>>, Name(id): Name) -> ApiResult<Answer<ModelEntry>> {
    // Here a name has to be right.
    match app.models().find(|model| model.id == id) {
        Some(model) => Ok(Answer(entry(&app, &model))),
        None => {
            let message = format!("there is no model \"{id}\" here; /v1/models lists them");
            Err(ApiError::not_found("model_not_found", message).with_param("model"))
        }
    }
}

/// Defaults and limits, in the manner of llama.cpp
#[utoipa::path(get, path = "/props", params(ModelQuery), responses((status = 200)))]
pub async fn props(
    State(app): State<Arc<App>>,
    query: Query<ModelQuery>,
) -> ApiResult<Answer<Value>> {
    let model = app.model(query.0.model.as_deref())?;
    let limits = &app.config.limits;
    Ok(Answer(json!({
        "default_generation_settings": {
            "n_predict": MAX_TOKENS, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0,
            "repeat_penalty": 1.0, "repeat_last_n": REPETITION_WINDOW, "presence_penalty": 0.0, "frequency_penalty": 0.0,
        },
        "total_slots": app.config.engine.parallel,
        "queue": app.config.engine.queue,
        "max_tokens": limits.max_tokens,
        "max_prompt_tokens": limits.prompt_tokens,
        "max_total_tokens": limits.total_tokens,
        "max_body_bytes": limits.body_bytes,
        "model_path": model.about.name,
        "model_alias": model.id,
        "n_params": model.model.weights.len(),
        "vocabulary_size": model.model.tokenizer.vocabulary_size(),
        "chat_template": "",
        "build_info": concat!("machado-", env!("CARGO_PKG_VERSION")),
    })))
}

/// What is done to a text before it is read.
pub(super) fn standardize(model: &ServedModel) -> String {
    let name = serde_json::to_value(model.standardize);
    name.ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Whether it is the model of the run that is watched, if there is one.
fn is_first(app: &App, model: &ServedModel) -> bool {
    app.models().next().is_some_and(|first| first.id == model.id)
}

fn entry(app: &App, model: &ServedModel) -> ModelEntry {
    let meta = ModelMeta {
        name: model.about.name.clone(),
        n_params: model.model.weights.len(),
        vocabulary_size: model.model.tokenizer.vocabulary_size(),
        fingerprint: model.fingerprint.clone(),
        tokenizer: model.model.tokenizer.name(),
        standardize: standardize(model),
        layers: model.model.config.layer_names(),
        built_in: model.about.is_built_in,
        features: model.autoencoder.is_some(),
        run: is_first(app, model) && app.run.is_some(),
        training: model.about.training.clone(),
        sample_prompt: model.about.sample_prompt.clone(),
    };
    let id = model.id.clone();
    ModelEntry { id, object: "model", created: 0, owned_by: "machado", meta }
}
