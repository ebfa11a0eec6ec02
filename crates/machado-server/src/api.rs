//! The routes, one file each.

pub mod completions;
mod features;
mod health;
mod models;
mod openapi;
mod probs;
mod query;
mod run;
mod score;
mod tokenize;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::{get, post};

pub use self::query::Name;
use crate::app::App;
use crate::error::ApiError;

/// All routes of the API.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/completions", post(completions::completions))
        .route("/completions", post(completions::completions))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::one))
        .route("/v1/probs", post(probs::probs))
        .route("/v1/score", post(score::score))
        .route("/v1/features", get(features::list))
        .route("/v1/features/map", get(features::map))
        .route("/v1/features/{id}", get(features::one))
        .route("/v1/activations", post(features::activations))
        .route("/tokenize", post(tokenize::tokenize))
        .route("/detokenize", post(tokenize::detokenize))
        .route("/tokenizer_info", get(tokenize::info))
        .route("/v1/run", get(run::run))
        .route("/v1/run/events", get(run::events))
        .route("/docs", get(|| async { Redirect::to("./#api") }))
        .route("/openapi.json", get(openapi::openapi))
        .route("/health", get(health::health))
        .route("/v1/health", get(health::health))
        .route("/metrics", get(health::metrics))
        .route("/props", get(models::props))
}

/// What is said where there is no route, or not for this method. It is for the routes that are there
/// already.
pub fn with_fallbacks(routes: Router<Arc<App>>) -> Router<Arc<App>> {
    routes.fallback(unknown_route).method_not_allowed_fallback(wrong_method)
}

async fn unknown_route(uri: axum::http::Uri) -> ApiError {
    let message = format!("there is nothing at {}; the routes are in /openapi.json", uri.path());
    ApiError::not_found("unknown_route", message)
}

async fn wrong_method(method: axum::http::Method, uri: axum::http::Uri) -> ApiError {
    let message = format!("{} does not take {method}", uri.path());
    ApiError::refused(StatusCode::METHOD_NOT_ALLOWED, message)
}
