//! The training of a run.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use utoipa::{IntoParams, ToSchema};

use super::query::{Query, number};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::run::{Log, WatchedRun};
use crate::sse;

/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// A run and what has happened in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunAnswer {
    name: String,
    folder: String,
    /// `training`, `finished` or `stopped`.
    state: &'static str,
    /// Its settings.
    #[schema(value_type = Object)]
    config: Value,
    steps: u64,
    /// Steps that it is to have, if that is known.
    total_steps: Option<u64>,
    /// The lines of its metrics.jsonl.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// The number of the line that comes next; `/v1/run/events` goes on from there.
    next: usize,
}

/// From where on.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub struct FromQuery {
    /// The number of the first line, from 0.
    pub from: Option<String>,
}

/// A run and what has happened in it
#[utoipa::path(get, path = "/v1/run", responses((status = 200, body = RunAnswer)))]
pub async fn run(State(app): State<Arc<App>>) -> ApiResult<Answer<RunAnswer>> {
    let run = watched(&app)?.clone();
    let read = spawn_blocking(move || {
        let mut log = run.log();
        let events: Vec<Value> = log.read()?.into_iter().map(|(_, event)| event).collect();
        let state = run.state(events.last()).name();
        let steps = events.iter().rev().find_map(|event| event["step"].as_u64()).unwrap_or(0);
        std::io::Result::Ok(RunAnswer {
            name: run.name.clone(),
            folder: run.folder.display().to_string(),
            state,
            config: run.config.clone(),
            steps,
            total_steps: run.total_steps,
            events,
            next: log.lines(),
        })
    });
    match read.await {
        Ok(Ok(answer)) => Ok(Answer(answer)),
        Ok(Err(error)) => {
            let message = format!("the log of the run cannot be read: {error}");
            Err(ApiError::not_found("no_run", message))
        }
        Err(_) => Err(ApiError::internal("reading the log of the run failed")),
    }
}

/// What happens in a run, as server-sent events
///
/// Each event is a line of metrics.jsonl with its number as id; the stream ends with the training.
#[utoipa::path(
    get, path = "/v1/run/events", params(FromQuery),
    responses((status = 200, body = String, content_type = "text/event-stream")),
)]
pub async fn events(
    State(app): State<Arc<App>>,
    query: Query<FromQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let run = watched(&app)?.clone();
    let first = query.0.from.map(|from| number("from", &from, 0..=usize::MAX)).transpose()?;
    let first = first.unwrap_or(0);
    // A browser that comes again says what it had last.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<usize>().ok());
    let from = last.map_or(first, |last| last.saturating_add(1));
    let watch = Watch {
        app,
        log: Some(run.log()),
        run,
        from,
        ready: Some(Bytes::from_static(b"retry: 2000\n\n")),
        sent_at: Instant::now(),
        is_done: false,
    };
    let pieces = unfold(watch, |mut watch| async {
        let piece = watch.next().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), watch))
    });
    let headers = (sse::HEADERS, [(header::CONTENT_TYPE, sse::CONTENT_TYPE)]);
    Ok((headers, Body::from_stream(pieces)).into_response())
}

fn watched(app: &App) -> ApiResult<&Arc<WatchedRun>> {
    app.run.as_ref().ok_or_else(|| {
        let message = "no run is watched; start the server with `machado serve --run RUN`";
        ApiError::not_found("no_run", message)
    })
}

/// Somebody who watches.
struct Watch {
    app: Arc<App>,
    run: Arc<WatchedRun>,
    /// Out of here while it is read.
    log: Option<Log>,
    from: usize,
    ready: Option<Bytes>,
    sent_at: Instant,
    is_done: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.ready.take() {
                self.sent_at = Instant::now();
                return Some(piece);
            }
            if self.is_done || *self.app.stopping.borrow() {
                return None;
            }
            let mut log = self.log.take()?;
            let read = spawn_blocking(move || (log.read(), log)).await;
            let Ok((Ok(events), log)) = read else {
                tracing::debug!(run = %self.run.folder.display(), "the log began anew");
                return None;
            };
            self.log = Some(log);
            let mut out = Vec::new();
            for (line, event) in events.iter().filter(|(line, _)| *line >= self.from) {
                out.extend_from_slice(format!("id: {line}\n").as_bytes());
                sse::push(&mut out, event);
            }
            self.is_done = events.last().is_some_and(|(_, event)| event["event"] == "done");
            if !out.is_empty() {
                self.ready = Some(out.into());
            } else if self.sent_at.elapsed() >= sse::KEEP_ALIVE {
                self.ready = Some(Bytes::from_static(sse::PING));
            } else if !self.is_done {
                sleep(LOOK).await;
            }
        }
    }
}
