//! The page, and all that belongs to it.

use std::sync::Arc;

use axum::Router;

use crate::app::App;

/// The page's routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
}
