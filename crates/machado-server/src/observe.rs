//! What happens to each request beside its answer: a name, a line in the log, and counts.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;

use crate::app::App;

/// Answers a request, and takes note of it.
pub async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    // Paths that lead nowhere have one name together, so that nobody can make up any number of them.
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().clone();
    let name = app.name("req");
    app.metrics.begin();
    let mut guard = Guard { app: &app, route: &route, began, code: 499 };
    let mut response = next.run(request).await;
    let code = response.status().as_u16();
    guard.code = code;
    drop(guard);
    let ms = format!("{:.2}", began.elapsed().as_secs_f64() * 1e3);
    tracing::debug!(%method, route, code, %ms, id = name, "answered");
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert("x-request-id", name);
    }
    response
}

/// Counts a request also where its client leaves before the answer: with code 499, nginx's.
struct Guard<'a> {
    app: &'a App,
    route: &'a str,
    began: Instant,
    code: u16,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.app.metrics.end(self.route, self.code, self.began.elapsed().as_secs_f64());
    }
}
