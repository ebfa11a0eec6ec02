//! The answer as server-sent events, one chunk a token.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout};

use super::answer::{CompletionChoice, Extra, Usage};
use super::assembler::Assembler;
use super::plan::Plan;
use crate::app::App;
use crate::engine::Event;
use crate::error::ApiError;
use crate::sse;

/// Events taken at a time.
const AT_A_TIME: usize = 64;

/// A stream on its way.
struct Stream {
    app: Arc<App>,
    assembler: Assembler,
    events: Receiver<Event>,
    taken: Vec<Event>,
    /// What is sent next.
    out: Vec<u8>,
    /// For the first chunk.
    extra: Option<Extra>,
    until: Instant,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Running,
    Ended,
}

/// Streams the texts.
pub(super) fn answer(app: &Arc<App>, plan: Plan, events: Receiver<Event>) -> Response {
    let stream = Stream {
        app: app.clone(),
        extra: plan.extra(),
        assembler: Assembler::new(plan),
        events,
        taken: Vec::with_capacity(AT_A_TIME),
        out: Vec::new(),
        until: Instant::now() + app.config.limits.request,
        state: State::New,
    };
    let pieces = unfold(stream, |mut stream| async {
        let piece = stream.next().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), stream))
    });
    (sse::HEADERS, [(header::CONTENT_TYPE, sse::CONTENT_TYPE)], Body::from_stream(pieces))
        .into_response()
}

impl Stream {
    /// The next piece: all chunks that are ready.
    async fn next(&mut self) -> Option<Bytes> {
        match self.state {
            State::Ended => return None,
            State::New => {
                self.state = State::Running;
                let deltas = self.assembler.begin();
                deltas.into_iter().for_each(|delta| self.push(delta));
                if !self.out.is_empty() {
                    return Some(self.take_out());
                }
            }
            State::Running => {}
        }
        while self.out.is_empty() {
            let left = self.until.saturating_duration_since(Instant::now());
            let wait = left.min(sse::KEEP_ALIVE);
            match timeout(wait, self.events.recv_many(&mut self.taken, AT_A_TIME)).await {
                Ok(0) => self.end(),
                Ok(_) => self.push_taken(),
                Err(_) if left <= sse::KEEP_ALIVE => {
                    self.fail(self.app.took_too_long());
                }
                Err(_) => self.out.extend_from_slice(sse::PING),
            }
        }
        Some(self.take_out())
    }

    fn take_out(&mut self) -> Bytes {
        // As much room again as was needed now.
        let room = Vec::with_capacity(self.out.len());
        std::mem::replace(&mut self.out, room).into()
    }

    fn push_taken(&mut self) {
        let mut taken = std::mem::take(&mut self.taken);
        for event in taken.drain(..) {
            self.assembler.each(event).into_iter().for_each(|delta| self.push(delta));
        }
        self.taken = taken;
    }

    fn push(&mut self, delta: CompletionChoice) {
        let usage = self.assembler.plan().include_usage.then_some(None);
        self.push_chunk(vec![delta], usage);
    }

    fn push_chunk(&mut self, choices: Vec<CompletionChoice>, usage: Option<Option<Usage>>) {
        let chunk = self.assembler.plan().completion(choices, usage, self.extra.take());
        sse::push(&mut self.out, &chunk);
    }

    /// All texts are written, or the engine gave up.
    fn end(&mut self) {
        if !self.assembler.is_done() {
            return self.fail(self.app.given_up());
        }
        let plan = self.assembler.plan();
        if plan.include_usage {
            let usage = Usage::new(plan.prompt_tokens(), self.assembler.written());
            self.push_chunk(Vec::new(), Some(Some(usage)));
        }
        self.out.extend_from_slice(sse::DONE);
        self.state = State::Ended;
    }

    /// The status is sent already: the error is a chunk.
    fn fail(&mut self, error: ApiError) {
        self.events.close();
        sse::push(&mut self.out, &error.answer());
        self.state = State::Ended;
    }
}
