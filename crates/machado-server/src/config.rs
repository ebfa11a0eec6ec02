//! How models are served.

use std::net::SocketAddr;
use std::time::Duration;

use crate::engine::EngineConfig;
use crate::error::{ApiError, ApiResult};

/// How models are served.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where. Port 0 takes a free one.
    pub address: SocketAddr,
    /// How much is computed at a time.
    pub engine: EngineConfig,
    /// What a request may ask for.
    pub limits: Limits,
    /// Who may ask; everybody if there is none.
    pub api_keys: Vec<String>,
    /// Whether a request must name a model that is there, even if there is only one.
    pub strict_model: bool,
    /// Other sites whose pages may ask from a browser; `*` for all.
    pub cors_origins: Vec<String>,
}

/// What a request may ask for, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Tokens of a prompt.
    pub prompt_tokens: usize,
    /// Tokens of a text.
    pub max_tokens: usize,
    /// Texts of a prompt.
    pub choices: usize,
    /// Tokens of a request in all: those of its prompts, and prompts × best_of × max_tokens.
    pub total_tokens: usize,
    /// Connections at a time.
    pub connections: usize,
    /// How long a request may take.
    pub request: Duration,
    /// How long a body may take to come, and a client may take nothing of what is sent.
    pub stall: Duration,
    /// How long requests may go on when the server is told to stop.
    pub shutdown: Duration,
}

impl Limits {
    /// Checks that a prompt or text is not too long.
    ///
    /// # Errors
    /// If it is.
    pub fn check_prompt(&self, param: &str, tokens: usize) -> ApiResult<()> {
        if tokens <= self.prompt_tokens {
            return Ok(());
        }
        let most = self.prompt_tokens;
        let message = format!("a {param} may have {most} tokens, but this one has {tokens}");
        Err(ApiError::of(param, message))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            prompt_tokens: 1 << 17,
            max_tokens: 4096,
            choices: 128,
            total_tokens: 1 << 18,
            connections: 1024,
            request: Duration::from_secs(600),
            stall: Duration::from_secs(30),
            shutdown: Duration::from_secs(5),
        }
    }
}
