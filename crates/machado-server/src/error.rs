//! The one shape of all errors, OpenAI's.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use machado_core::error::Error;
use serde::Serialize;
use utoipa::ToSchema;

/// What a request is answered if it cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    retry_after: Option<u32>,
}

/// An error as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorAnswer {
    /// The error.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What was expected, what came, and what to do.
    pub message: String,
    /// The kind of error, such as `invalid_request_error`.
    pub r#type: &'static str,
    /// The field that is wrong.
    pub param: Option<String>,
    /// A word for programs, such as `model_not_found`.
    pub code: Option<&'static str>,
}

/// The result of a request.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        let body = ErrorBody { message: message.into(), r#type: kind, param: None, code: None };
        Self { status, body, retry_after: None }
    }

    /// A request that makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// A field with a value that makes no sense.
    pub fn of(param: &str, message: impl Into<String>) -> Self {
        Self::invalid(message).with_param(param)
    }

    /// A request that is refused for how it came.
    pub fn refused(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "invalid_request_error", message)
    }

    /// Something that is not there.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found_error", message).with_code(code)
    }

    /// A missing or wrong key.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "authentication_error", message)
            .with_code("invalid_api_key")
    }

    /// Something that is not for whoever asks.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permission_error", message)
    }

    /// Not now, but in so many seconds.
    pub fn unavailable(code: &'static str, seconds: u32, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable_error", message);
        Self { retry_after: Some(seconds), ..error.with_code(code) }
    }

    /// The server shuts down.
    pub fn shutting_down() -> Self {
        Self::unavailable("shutting_down", 5, "the server is shutting down")
    }

    /// A mistake of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
    }

    /// The same with the name of the field.
    pub fn with_param(mut self, param: &str) -> Self {
        self.body.param = Some(param.to_owned());
        self
    }

    /// The same with a word for programs.
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.body.code = Some(code);
        self
    }

    /// As it is sent.
    pub fn answer(self) -> ErrorAnswer {
        ErrorAnswer { error: self.body }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

/// An error of the core about something in the request.
impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        // Hints of the core speak of flags.
        let message = error.to_string();
        let message = message.split("\nhint: ").next().unwrap_or_default();
        let error_of = |what: &str| Self::of(what, message.trim_start_matches("--").to_owned());
        match &error {
            Error::OutOfRange { what, .. } => {
                error_of(&what.trim_start_matches("--").replace('-', "_"))
            }
            _ => Self::invalid(message),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status, self.retry_after);
        let mut response = (status, Json(self.answer())).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
