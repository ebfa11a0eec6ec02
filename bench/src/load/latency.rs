//! The time to the first token of an idle server: one stream after the other.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::figures::Times;
use crate::requests;

/// Before anything is measured.
const WARM_UP: usize = 50;
const READ_BYTES: usize = 64 * 1024;

#[derive(clap::Args)]
pub(crate) struct Settings {
    /// The server, such as http://127.0.0.1:8080
    #[arg(long)]
    url: String,
    /// Requests on one connection, and as many with a new one each
    #[arg(long, default_value_t = 2000)]
    requests: usize,
    /// Characters of each prompt
    #[arg(long, default_value_t = 100)]
    prompt_characters: usize,
    /// Tokens of each request
    #[arg(long, default_value_t = 16)]
    tokens: usize,
    /// Milliseconds without any request before each
    #[arg(long, default_value_t = 1)]
    pause_ms: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(settings: &Settings) -> Result<bool> {
    let address = crate::address(&settings.url)?;
    let mut kept = Connection::open(address)?;
    measure(settings, WARM_UP, || Ok(None), &mut kept)?;
    let on_kept = measure(settings, settings.requests, || Ok(None), &mut kept)?;
    let open = || open_new(address);
    let on_new = measure(settings, settings.requests, open, &mut kept)?;
    if settings.json {
        println!("{}", json!({"kept_connection": on_kept.json(), "new_connection": on_new.json()}));
    } else {
        let characters = settings.prompt_characters;
        println!("time to the first token after a prompt of {characters} characters");
        println!("{}", Times::header());
        println!("{}", on_kept.row("on a kept connection"));
        println!("{}", on_new.row("on a new connection"));
    }
    Ok(true)
}

fn open_new(address: SocketAddr) -> Result<Option<Connection>> {
    Connection::open(address).map(Some)
}

/// Times from before a connection is opened, or a request sent, until the first event with text.
fn measure(
    settings: &Settings,
    count: usize,
    mut open: impl FnMut() -> Result<Option<Connection>>,
    kept: &mut Connection,
) -> Result<Times> {
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let request = request(settings, number);
        std::thread::sleep(Duration::from_millis(settings.pause_ms));
        let began = Instant::now();
        let mut new = open()?;
        let connection = new.as_mut().unwrap_or(kept);
        connection.send(&request)?;
        times.push(first_text(connection, began)?);
    }
    Ok(Times::new(times))
}

/// Reads an answer to its end. Says when its first text came.
fn first_text(connection: &mut Connection, began: Instant) -> Result<Duration> {
    let (mut body, mut first) = (Vec::new(), None);
    loop {
        let more = connection.read(READ_BYTES, &mut |part| body.extend_from_slice(part))?;
        let time = began.elapsed();
        if first.is_none() && has_text(&body) {
            first = Some(time);
        }
        if !more {
            break;
        }
    }
    match (first, connection.head()) {
        (Some(first), Some(head)) if head.status == 200 => Ok(first),
        _ => bail!("no text in {}", String::from_utf8_lossy(&body)),
    }
}

/// Whether any whole event has text.
fn has_text(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    whole.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).any(|data| {
        let event: Value = serde_json::from_str(data).unwrap_or_default();
        event["choices"][0]["text"].as_str().is_some_and(|text| !text.is_empty())
    })
}

fn request(settings: &Settings, number: usize) -> Vec<u8> {
    let body = json!({
        "model": "machado",
        "prompt": requests::prompt(number, settings.prompt_characters),
        "max_tokens": settings.tokens,
        "seed": number,
        "stream": true,
    });
    requests::post("/v1/completions", &body)
}
