//! Server-sent events.

use std::time::Duration;

use axum::http::{HeaderName, header};
use serde::Serialize;

/// What a stream is sent as.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";

/// Nobody in between is to keep or gather events.
pub const HEADERS: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-cache"), (HeaderName::from_static("x-accel-buffering"), "no")];

/// After how much silence a [`PING`] is sent, so that nobody in between hangs up.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A comment, which clients skip.
pub const PING: &[u8] = b": ping\n\n";

/// The end of a stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Appends an event.
pub fn push(out: &mut Vec<u8>, data: &impl Serialize) {
    out.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut *out, data).expect("strings and numbers can be written as JSON");
    out.extend_from_slice(b"\n\n");
}
