//! A thousand clients in the same moment.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use super::outcome::{Outcome, status};
use crate::connection::Connection;
use crate::requests;

/// From the beginning of one to that of the next.
pub(super) const PAUSE: Duration = Duration::from_secs(30);

/// Opens all connections, then asks on each, then reads all answers.
pub(super) fn run(address: SocketAddr, connections: usize, seed: u64) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(connections);
    let mut open = Vec::with_capacity(connections);
    for number in 0..connections {
        let body = json!({
            "prompt": requests::prompt(number, 20),
            "max_tokens": 8,
            "seed": seed,
            "stream": number % 2 == 0,
        });
        match Connection::open(address) {
            Ok(connection) => open.push((connection, requests::post("/v1/completions", &body))),
            Err(problem) => outcomes.push(Err(format!("{problem:#}"))),
        }
    }
    for (connection, request) in &mut open {
        if let Err(problem) = connection.send(request) {
            outcomes.push(Err(format!("{problem:#}")));
        }
    }
    for (mut connection, _) in open {
        outcomes.push(match connection.answer() {
            Ok(answer) => status(&answer, &[200]),
            Err(problem) => Err(format!("{problem:#}")),
        });
    }
    outcomes
}
