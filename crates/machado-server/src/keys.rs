//! Who may ask.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, header};
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

/// Refuses what the page of another site sends, unless that site may ask: a browser keeps the answer from
/// it, but sends the request, and computing it takes time. Browsers say so in a header that no page can
/// set.
pub async fn check_site(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let origin = foreign_origin(&request, &app.config.cors_origins).map(str::to_owned);
    match origin {
        None => next.run(request).await,
        Some(origin) => {
            let message =
                format!("pages of {origin} may not ask this server; --cors-origin lets them");
            ApiError::forbidden(message).into_response()
        }
    }
}

/// The other site that a request comes from, if it may not ask.
fn foreign_origin<'r>(request: &'r Request, allowed: &[String]) -> Option<&'r str> {
    let header = |name: HeaderName| request.headers().get(name).and_then(|it| it.to_str().ok());
    let is_other = header(HeaderName::from_static("sec-fetch-site")) == Some("cross-site");
    if !is_other || request.method() == Method::GET {
        return None;
    }
    let origin = header(header::ORIGIN).unwrap_or("another site");
    let may_ask = allowed.iter().any(|known| known == "*" || known == origin);
    (!may_ask).then_some(origin)
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
