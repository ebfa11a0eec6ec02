//! Who may ask.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::error::ApiError;

/// What everybody may see: the page, what the API is, and that the server is there.
fn is_public(path: &str) -> bool {
    matches!(path, "/" | "/health" | "/v1/health" | "/docs" | "/openapi.json" | "/favicon.ico")
        || path.starts_with("/page/")
}

/// Lets a request through if it may ask.
pub async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let keys = &app.config.api_keys;
    if keys.is_empty() || is_public(request.uri().path()) {
        return next.run(request).await;
    }
    let Some(given) = key(request.headers()) else {
        let message = "expected a key of this server as \"Authorization: Bearer KEY\"";
        return ApiError::unauthorized(message).into_response();
    };
    // Compared with each key in full, so that the time tells nothing of a key.
    let known = |sum: u8, key: &String| sum | key.as_bytes().ct_eq(given).unwrap_u8();
    if keys.iter().fold(0, known) == 1 {
        return next.run(request).await;
    }
    ApiError::unauthorized("the key is none of this server").into_response()
}

fn key(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(key)
    });
    bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes()))
}
