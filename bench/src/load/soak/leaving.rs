//! Clients that leave, stop half-way, or take their time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Kind;
use super::outcome::{Outcome, status};
use super::visitor::Visitor;
use crate::connection::Connection;
use crate::requests;

/// Those that take no time.
pub(super) const QUICK: &[Kind] = &[
    Kind { name: "leaves a stream", weight: 8, run: leave_stream },
    Kind { name: "leaves before the answer", weight: 6, run: leave_before_the_answer },
    Kind { name: "says that no more comes", weight: 2, run: half_close },
];

/// Those that take seconds.
pub(super) const SLOW: &[Kind] = &[
    Kind { name: "slow reader", weight: 4, run: slow_reader },
    Kind { name: "does not read", weight: 2, run: no_reader },
    Kind { name: "half a body", weight: 3, run: half_body },
    Kind { name: "half a header", weight: 2, run: half_header },
    Kind { name: "slow writer", weight: 2, run: slow_writer },
    Kind { name: "idle", weight: 1, run: idle },
];

/// How long slow clients take at most.
const SLOW_TIME: Duration = Duration::from_secs(8);

fn text_of(problem: impl std::fmt::Debug) -> String {
    format!("{problem:?}")
}

/// A request whose answer is long enough that there is time to leave.
fn long_request(visitor: &mut Visitor, stream: bool) -> Vec<u8> {
    let body = json!({
        "prompt": visitor.prompt(100),
        "max_tokens": 1000 + visitor.random.below(3000),
        "n": 1 + visitor.random.below(4),
        "stream": stream,
    });
    requests::post("/v1/completions", &body)
}

/// Leaves with bytes unread, so the server's side gets a reset.
fn leave_stream(visitor: &mut Visitor) -> Outcome {
    let request = long_request(visitor, true);
    let enough = visitor.random.below(20_000);
    let mut connection = visitor.new_connection()?;
    connection.send(&request).map_err(text_of)?;
    let mut read = 0;
    while read <= enough
        && connection.read(2000, &mut |part| read += part.len()).map_err(text_of)?
    {}
    Ok(match connection.head() {
        Some(head) if head.status == 200 => "left".to_owned(),
        Some(head) if head.status == 503 => "503".to_owned(),
        other => return Err(format!("{other:?}")),
    })
}

fn leave_before_the_answer(visitor: &mut Visitor) -> Outcome {
    let stream = visitor.random.below(2) == 0;
    let request = long_request(visitor, stream);
    let mut connection = visitor.new_connection()?;
    connection.send(&request).map_err(text_of)?;
    std::thread::sleep(visitor.random.time(Duration::from_millis(30)));
    Ok("left".to_owned())
}

/// Some servers take the end of what a client sends as its leaving, which is in order.
fn half_close(visitor: &mut Visitor) -> Outcome {
    let mut connection = visitor.new_connection()?;
    let body = json!({"prompt": visitor.prompt(30), "max_tokens": 20});
    connection.send(&requests::post("/v1/completions", &body)).map_err(text_of)?;
    connection.send_no_more().map_err(text_of)?;
    match connection.answer() {
        Ok(answer) => status(&answer, &[200]),
        Err(_) if !connection.has_begun() => Ok("closed".to_owned()),
        Err(problem) => Err(text_of(problem)),
    }
}

/// Reads a stream of megabytes at a few kilobytes a second, and leaves.
fn slow_reader(visitor: &mut Visitor) -> Outcome {
    let mut connection = open_large(visitor)?;
    let began = Instant::now();
    let most = 64 + visitor.random.below(1000);
    while began.elapsed() < SLOW_TIME {
        match connection.read(most, &mut |_| {}) {
            Ok(true) => std::thread::sleep(Duration::from_millis(20)),
            Ok(false) => break,
            // A server may lose patience.
            Err(_) if connection.has_begun() => return Ok("closed".to_owned()),
            Err(problem) => return Err(text_of(problem)),
        }
    }
    of_head(&connection, "left")
}

fn no_reader(visitor: &mut Visitor) -> Outcome {
    let connection = open_large(visitor)?;
    std::thread::sleep(visitor.random.time(SLOW_TIME));
    drop(connection);
    Ok("left".to_owned())
}

/// Begins a stream that does not fit into the buffers of sockets.
fn open_large(visitor: &mut Visitor) -> Result<Connection, String> {
    let mut connection = visitor.new_connection()?;
    let body: Value = json!({
        "prompt": visitor.prompt(50),
        "max_tokens": 4000,
        "n": 8,
        "logprobs": 5,
        "stream": true,
    });
    connection.send(&requests::post("/v1/completions", &body)).map_err(text_of)?;
    Ok(connection)
}

fn half_body(visitor: &mut Visitor) -> Outcome {
    let body = json!({"prompt": visitor.prompt(500), "max_tokens": 5});
    let request = requests::post("/v1/completions", &body);
    let body_bytes = body.to_string().len();
    let sent = request.len() - 1 - visitor.random.below(body_bytes);
    stop_at(visitor, &request[..sent])
}

fn half_header(visitor: &mut Visitor) -> Outcome {
    let request = requests::get("/v1/models");
    let sent = 1 + visitor.random.below(request.len() - 2);
    stop_at(visitor, &request[..sent])
}

/// Sends no more, and waits a while. If the server loses patience it may say so, with 408.
fn stop_at(visitor: &mut Visitor, bytes: &[u8]) -> Outcome {
    let mut connection = visitor.new_connection()?;
    connection.send(bytes).map_err(text_of)?;
    let patience = visitor.random.time(SLOW_TIME) + Duration::from_millis(1);
    connection.set_patience(patience).map_err(text_of)?;
    match connection.answer() {
        Ok(answer) => status(&answer, &[408]),
        Err(_) if !connection.has_begun() => Ok("left".to_owned()),
        Err(problem) => Err(text_of(problem)),
    }
}

/// A few bytes at a time, but all of them.
fn slow_writer(visitor: &mut Visitor) -> Outcome {
    let body = json!({"prompt": visitor.prompt(100), "max_tokens": 5});
    let request = requests::post("/v1/completions", &body);
    let mut connection = visitor.new_connection()?;
    for part in request.chunks(request.len().div_ceil(20)) {
        connection.send(part).map_err(text_of)?;
        std::thread::sleep(Duration::from_millis(50));
    }
    let answer = connection.answer().map_err(text_of)?;
    status(&answer, &[200])
}

/// A connection on which nothing is asked, and then something.
fn idle(visitor: &mut Visitor) -> Outcome {
    let mut connection = visitor.new_connection()?;
    std::thread::sleep(visitor.random.time(SLOW_TIME));
    match connection.ask(&requests::get("/health")) {
        Ok(answer) => status(&answer, &[200]),
        Err(_) if !connection.has_begun() => Ok("closed".to_owned()),
        Err(problem) => Err(text_of(problem)),
    }
}

fn of_head(connection: &Connection, word: &str) -> Outcome {
    match connection.head().map(|head| head.status) {
        Some(200) => Ok(word.to_owned()),
        Some(503) => Ok("503".to_owned()),
        other => Err(format!("status {other:?} of a stream")),
    }
}
