//! Models behind OpenAI's completions API, and a page to write with them, see them and steer them.
//!
//! ```text
//! connection ─server─► route (api) ─plan─► jobs ─engine─► events ─► one answer, or a stream of chunks
//! ```
//!
//! The modules stand below in the order in which they build on each other.

#![allow(unreachable_pub, reason = "what others may use is listed here")]

mod error;
mod served;
mod engine;
mod features;
mod run;
mod config;
mod metrics;
mod app;
mod json;
mod sse;
mod tokens;
mod sampling;
mod steer;
mod api;
mod page;
mod keys;
mod observe;
mod server;
mod serve;

pub use config::{Limits, ServerConfig};
pub use engine::EngineConfig;
pub use run::WatchedRun;
pub use serve::{ServeError, serve};
pub use served::{About, Autoencoder, ServedModel, TextSource};
pub use server::{Ended, Server, StartError};
