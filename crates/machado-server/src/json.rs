//! Bodies of requests: JSON, whatever the content type says.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// A body that was read.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> ApiResult<Self> {
        let encoding = request.headers().get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            let message = "the body is compressed; send it as plain JSON";
            return Err(ApiError::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        let limits = &app.config.limits;
        let read = timeout(limits.stall, read(request.into_body(), limits.body_bytes));
        let bytes = read.await.unwrap_or_else(|_| Err(cut_short()))?;
        parse(&bytes).map(Self)
    }
}

async fn read(body: Body, limit: usize) -> ApiResult<bytes::Bytes> {
    to_bytes(body, limit).await.map_err(|error| {
        let too_large =
            std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source())
                .any(|error| error.is::<http_body_util::LengthLimitError>());
        if too_large {
            let message = format!("the body is larger than {limit} bytes; send less at a time");
            ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, message)
        } else {
            ApiError::invalid("the body did not come to its end, or is not sent as HTTP has it")
        }
    })
}

fn cut_short() -> ApiError {
    ApiError::refused(StatusCode::REQUEST_TIMEOUT, "the body did not come to its end in time")
}

/// Reads JSON; an error names the field.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> ApiResult<T> {
    if bytes.is_empty() {
        return Err(ApiError::invalid("the body is empty; expected a JSON object"));
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        let message = format!("the body is not UTF-8 from byte {} on", error.valid_up_to());
        return Err(ApiError::invalid(message));
    }
    // The fields of a struct could come as an array, too.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::invalid("the body is no JSON object, which begins with \"{\""));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.classify() == serde_json::error::Category::Data {
            wrong_field(&path, &inner.to_string())
        } else {
            ApiError::invalid(format!("the body is not JSON: {inner}"))
        }
    })?;
    let end = deserializer.end();
    end.map_err(|error| ApiError::invalid(format!("the body is not JSON: {error}")))?;
    Ok(value)
}

/// An error about a field, in words that are not those of a programming language.
fn wrong_field(path: &str, problem: &str) -> ApiError {
    let mut message = problem.to_owned();
    for (theirs, ours) in [
        ("expected usize", "expected a whole number from 0"),
        ("expected u32", "expected a whole number from 0"),
        ("expected u64", "expected a whole number from 0"),
        ("expected i64", "expected a whole number"),
        ("expected f32", "expected a number"),
        ("expected f64", "expected a number"),
        ("expected a boolean", "expected true or false"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected an object"),
        (
            "expected struct SteerField",
            "expected an object such as {\"feature\": 12, \"strength\": 2}",
        ),
        ("expected struct StreamOptions", "expected an object such as {\"include_usage\": true}"),
        ("invalid type: sequence", "invalid type: list"),
        ("invalid type: map", "invalid type: object"),
        ("invalid type: floating point", "invalid type: number"),
        ("invalid type: integer", "invalid type: number"),
        ("invalid value: integer", "invalid value: number"),
    ] {
        message = message.replace(theirs, ours);
    }
    let place = if path == "." { "" } else { path };
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    if let Some(missing) = missing {
        let param = if place.is_empty() { missing.into() } else { format!("{place}.{missing}") };
        return ApiError::of(&param, format!("{param} is missing"));
    }
    if place.is_empty() {
        return ApiError::invalid(message);
    }
    ApiError::of(place, format!("{place}: {message}"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Body {
        _n: Option<u64>,
    }

    #[test]
    fn an_error_names_the_field_and_the_place() {
        let error = |bytes: &[u8]| {
            let error = parse::<Body>(bytes).unwrap_err().answer().error;
            (error.message, error.param)
        };
        let check = |bytes: &[u8], message: &str, param: Option<&str>| {
            assert_eq!(error(bytes), (message.to_owned(), param.map(str::to_owned)));
        };
        assert!(parse::<Body>(b"{\"_n\": 3, \"other\": []}").is_ok());
        check(b"", "the body is empty; expected a JSON object", None);
        check(b"{\"a\": \"\xff\"}", "the body is not UTF-8 from byte 7 on", None);
        check(
            b"{\"_n\": \"x\"}",
            "_n: invalid type: string \"x\", expected a whole number from 0 at line 1 column 10",
            Some("_n"),
        );
        check(b"{", "the body is not JSON: EOF while parsing an object at line 1 column 1", None);
        check(b"{} x", "the body is not JSON: trailing characters at line 1 column 4", None);
        check(b" []", "the body is no JSON object, which begins with \"{\"", None);
    }
}
