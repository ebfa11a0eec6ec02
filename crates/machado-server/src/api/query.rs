//! What stands in a path and behind its question mark, with errors in the one shape.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::{ApiError, ApiResult};

/// A query that was read.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let query = query.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
        Ok(Self(query.0))
    }
}

/// The one part of a path that is a name or a number.
#[derive(Debug)]
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0)).map_err(|rejection| ApiError::invalid(rejection.body_text()))
    }
}

/// The number that a parameter says, within a range.
///
/// # Errors
/// If it says none of these.
pub fn number<T: FromStr + PartialOrd + Display>(
    param: &str,
    value: &str,
    range: RangeInclusive<T>,
) -> ApiResult<T> {
    let found = value.trim().parse().ok().filter(|number| range.contains(number));
    found.ok_or_else(|| {
        let (low, high) = (range.start(), range.end());
        let message =
            format!("{param} must be a whole number from {low} to {high}, not \"{value}\"");
        ApiError::of(param, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_within_their_range_or_the_error_says_which() {
        assert_eq!(number("limit", "7", 1..=9).unwrap(), 7);
        for wrong in ["0", "10", "-1", "", "x", "1.5"] {
            let error = number::<usize>("limit", wrong, 1..=9).unwrap_err().answer().error;
            let message = format!("limit must be a whole number from 1 to 9, not \"{wrong}\"");
            assert_eq!((error.message, error.param.as_deref()), (message, Some("limit")));
        }
    }
}
