//! One client of the mixed load, with a connection that it keeps for most of its requests.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::connection::{Answer, Connection};
use crate::random::Random;
use crate::requests;

pub(crate) struct Visitor {
    pub(crate) address: SocketAddr,
    pub(crate) random: Random,
    kept: Option<Connection>,
    requests: usize,
}

impl Visitor {
    pub(crate) fn new(address: SocketAddr, seed: u64, number: u64) -> Self {
        let random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
        Self { address, random, kept: None, requests: 0 }
    }

    /// A connection of its own for something that leaves it unusable.
    pub(crate) fn new_connection(&self) -> Result<Connection, String> {
        Connection::open(self.address).map_err(|problem| format!("{problem:#}"))
    }

    /// A prompt of up to so many characters.
    pub(crate) fn prompt(&mut self, most: usize) -> String {
        self.requests += 1;
        let characters = 1 + self.random.below(most);
        requests::prompt(self.random.below(1000) + self.requests, characters)
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Result<Answer, String> {
        self.ask(&requests::post(path, body))
    }

    /// Asks on the kept connection, or on a new one if there is none, if the server has closed it,
    /// and now and then.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Answer, String> {
        if self.random.below(10) == 0 {
            self.kept = None;
        }
        self.try_ask(request).map_err(|problem| format!("{problem:#}"))
    }

    fn try_ask(&mut self, request: &[u8]) -> Result<Answer> {
        if let Some(mut connection) = self.kept.take() {
            match connection.ask(request) {
                Ok(answer) => return Ok(self.keep(connection, answer)),
                // A server may close a connection that is idle, just when a request comes.
                Err(_) if connection.used && !connection.has_begun() => {}
                Err(problem) => return Err(problem),
            }
        }
        let mut connection = Connection::open(self.address)?;
        let answer = connection.ask(request)?;
        Ok(self.keep(connection, answer))
    }

    fn keep(&mut self, connection: Connection, answer: Answer) -> Answer {
        if !answer.head.closes() {
            self.kept = Some(connection);
        }
        answer
    }
}

/// Texts that the server says it writes, or that wait.
///
/// # Errors
///
/// If it does not say.
pub(crate) fn at_work(address: SocketAddr) -> Result<f64> {
    let answer = Connection::open(address)?.ask(&requests::get("/metrics"))?;
    let text = String::from_utf8(answer.body).context("/metrics")?;
    let figure = |name: &str| {
        let lines = text.lines().filter(|line| line.starts_with(name));
        let values: Vec<f64> =
            lines.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>())
    };
    let active = figure("machado_active_texts").context("no machado_active_texts in /metrics")?;
    Ok(active + figure("machado_queue_depth").context("no machado_queue_depth in /metrics")?)
}
