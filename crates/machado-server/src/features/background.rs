//! Work that takes longer than a request should: done once, on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::error::{ApiError, ApiResult};

/// How long a request waits for it before it is told to come again: where there is little to do, nobody
/// has to.
const PATIENCE: Duration = Duration::from_millis(400);

/// Something that is made once, when it is first asked for.
#[derive(Debug)]
pub(super) struct Background<T> {
    state: watch::Sender<State<T>>,
}

#[derive(Debug)]
enum State<T> {
    NotAsked,
    Working,
    /// An error stays one: what is asked for again and again is not tried again and again.
    Done(ApiResult<Arc<T>>),
}

impl<T> Default for Background<T> {
    fn default() -> Self {
        Self { state: watch::Sender::new(State::NotAsked) }
    }
}

impl<T: Send + Sync + 'static> Background<T> {
    /// What `work` made, which is begun when this is called for the first time.
    ///
    /// # Errors
    /// With the message `not_yet` while it is not done; then that of the work, if there is one.
    pub(super) async fn get(
        &self,
        not_yet: &str,
        work: impl FnOnce() -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<Arc<T>> {
        let is_first = self.state.send_if_modified(|state| {
            let is_first = matches!(state, State::NotAsked);
            if is_first {
                *state = State::Working;
            }
            is_first
        });
        if is_first {
            self.begin(work);
        }
        let mut state = self.state.subscribe();
        let is_done = |state: &State<T>| matches!(state, State::Done(_));
        if let Ok(Ok(state)) = timeout(PATIENCE, state.wait_for(is_done)).await
            && let State::Done(done) = &*state
        {
            return done.clone();
        }
        Err(ApiError::unavailable("loading", 1, not_yet))
    }

    fn begin(&self, work: impl FnOnce() -> ApiResult<T> + Send + 'static) {
        let state = self.state.clone();
        let thread = std::thread::Builder::new().name("features".into()).spawn(move || {
            let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
                let message = "the server made a mistake when it looked at the features of the model; its \
                               log says more";
                Err(ApiError::internal(message))
            });
            if let Err(error) = &done {
                tracing::warn!(message = error.clone().answer().error.message, "no features");
            }
            state.send_replace(State::Done(done.map(Arc::new)));
        });
        if let Err(error) = thread {
            tracing::warn!(%error, "no thread for the features; the next request tries again");
            self.state.send_replace(State::NotAsked);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn waiting<T: std::fmt::Debug>(result: ApiResult<T>) {
        assert_eq!(result.unwrap_err().answer().error.code, Some("loading"));
    }

    #[tokio::test]
    async fn it_is_made_once_and_until_then_one_is_told_to_come_again() {
        let made = Background::default();
        let (finish, finished) = mpsc::channel::<()>();
        let slow = move || {
            finished.recv().ok();
            Ok(7)
        };
        waiting(made.get("not yet", slow).await);
        waiting(made.get("not yet", || Ok(8)).await);
        finish.send(()).unwrap();
        assert_eq!(*made.get("not yet", || Ok(9)).await.unwrap(), 7);
        assert_eq!(*made.get("not yet", || Ok(10)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn an_error_stays_and_a_mistake_is_one() {
        let failed = Background::<i32>::default();
        let no_text = || ApiError::not_found("no_text", "gone");
        for _ in 0..2 {
            assert_eq!(failed.get("not yet", move || Err(no_text())).await.unwrap_err(), no_text());
        }
        assert_eq!(failed.get("not yet", || Ok(3)).await.unwrap_err(), no_text());
        let panicked = Background::<i32>::default();
        let error =
            panicked.get("not yet", || panic!("a mistake of the test's")).await.unwrap_err();
        assert_eq!(error.status().as_u16(), 500);
    }
}
