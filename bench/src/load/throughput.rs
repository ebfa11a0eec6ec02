//! Many streams at once, one request after the other on each of the connections.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use memchr::{memchr_iter, memmem};
use serde_json::json;

use crate::figures::{CpuClock, Times, grouped};
use crate::http::Incoming;
use crate::requests;

/// Enough for the usage at the end of an answer.
const TAIL_BYTES: usize = 2048;
const BUFFER_BYTES: usize = 256 * 1024;
/// After that long without a byte something is wrong.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub(crate) struct Settings {
    /// The server, such as http://127.0.0.1:8080
    #[arg(long)]
    url: String,
    /// Requests at any time
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Tokens of each request
    #[arg(long, default_value_t = 200)]
    tokens: usize,
    /// Characters of each prompt
    #[arg(long, default_value_t = 16)]
    prompt_characters: usize,
    /// No request begins later than after so many seconds
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Ask for whole answers instead of streams
    #[arg(long)]
    plain: bool,
    /// Microseconds between two looks at all connections
    #[arg(long, default_value_t = 500)]
    look_us: u64,
    /// The server's process, to see how much processor time it takes
    #[arg(long)]
    pid: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A connection and the request that it is at.
struct Client {
    stream: TcpStream,
    incoming: Incoming,
    began: Instant,
    first: Option<Duration>,
    heard: Instant,
    events: Events,
    tail: Vec<u8>,
    idle: bool,
}

/// Counts the lines of events, which begin with `data`.
struct Events {
    count: u64,
    at_line_start: bool,
}

impl Events {
    fn push(&mut self, bytes: &[u8]) {
        if self.at_line_start && bytes.first() == Some(&b'd') {
            self.count += 1;
        }
        let next = memchr_iter(b'\n', bytes).filter(|&at| bytes.get(at + 1) == Some(&b'd'));
        self.count += next.count() as u64;
        self.at_line_start = bytes.last() == Some(&b'\n');
    }
}

/// What was found out.
#[derive(Default)]
struct Found {
    requests: usize,
    tokens: u64,
    events: u64,
    bytes: u64,
    first: Vec<Duration>,
    whole: Vec<Duration>,
}

pub(crate) fn run(settings: &Settings) -> Result<bool> {
    let address = crate::address(&settings.url)?;
    let mut clients: Vec<Client> =
        (0..settings.connections).map(|_| Client::open(address)).collect::<Result<_>>()?;
    let mut found = Found::default();
    let cpu = CpuClock::start(settings.pid);
    let began = Instant::now();
    let mut number = 0;
    let mut begin = |client: &mut Client| {
        number += 1;
        client.begin(&request(settings, number))
    };
    clients.iter_mut().try_for_each(&mut begin)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    while clients.iter().any(|client| !client.idle) {
        for client in clients.iter_mut().filter(|client| !client.idle) {
            if client.read(&mut buffer, &mut found)? {
                client.idle = true;
                if began.elapsed().as_secs_f64() < settings.seconds {
                    begin(client)?;
                }
            }
        }
        std::thread::sleep(Duration::from_micros(settings.look_us));
    }
    print(settings, found, began.elapsed(), &cpu.cores());
    Ok(true)
}

fn request(settings: &Settings, number: usize) -> Vec<u8> {
    let mut body = json!({
        "model": "machado",
        "prompt": requests::prompt(number, settings.prompt_characters),
        "max_tokens": settings.tokens,
        "seed": number,
    });
    if !settings.plain {
        body["stream"] = true.into();
        body["stream_options"] = json!({"include_usage": true});
    }
    requests::post("/v1/completions", &body)
}

impl Client {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("{address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let now = Instant::now();
        let (incoming, events) = Default::default();
        let tail = Vec::new();
        Ok(Self { stream, incoming, began: now, first: None, heard: now, events, tail, idle: true })
    }

    fn begin(&mut self, request: &[u8]) -> Result<()> {
        self.incoming = Incoming::default();
        self.events = Events::default();
        self.tail.clear();
        self.first = None;
        self.idle = false;
        self.began = Instant::now();
        self.heard = self.began;
        // The server read all before it answered: a request fits into the socket's buffer.
        self.stream.write_all(request).context("sending a request")
    }

    /// Reads what is there. True once all of the answer is.
    fn read(&mut self, buffer: &mut [u8], found: &mut Found) -> Result<bool> {
        let count = match self.stream.read(buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(count) => count,
            Err(problem) if problem.kind() == ErrorKind::WouldBlock => {
                if self.heard.elapsed() > SILENCE {
                    bail!("nothing came for {SILENCE:?}");
                }
                return Ok(false);
            }
            Err(problem) => return Err(problem).context("reading"),
        };
        self.heard = Instant::now();
        found.bytes += count as u64;
        let (events, tail) = (&mut self.events, &mut self.tail);
        self.incoming.push(&buffer[..count], &mut |part| {
            events.push(part);
            keep_tail(tail, part);
        })?;
        if events.count > 0 && self.first.is_none() {
            self.first = Some(self.began.elapsed());
        }
        if !self.incoming.is_over() {
            return Ok(false);
        }
        let status = self.incoming.head().map_or(0, |head| head.status);
        let (Some(tokens), 200) = (completion_tokens(&self.tail), status) else {
            bail!("{status} without usage: {}", String::from_utf8_lossy(&self.tail));
        };
        found.requests += 1;
        found.tokens += tokens;
        // [DONE] and the usage are no tokens.
        found.events += self.events.count.saturating_sub(2);
        found.first.extend(self.first);
        found.whole.push(self.began.elapsed());
        Ok(true)
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { count: 0, at_line_start: true }
    }
}

fn keep_tail(tail: &mut Vec<u8>, part: &[u8]) {
    if tail.len() + part.len() > 4 * TAIL_BYTES {
        tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
    }
    tail.extend_from_slice(&part[part.len().saturating_sub(TAIL_BYTES)..]);
}

/// The last number by this name.
fn completion_tokens(tail: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"completion_tokens\":";
    let at = memmem::rfind(tail, NAME)? + NAME.len();
    let digits = tail[at..].iter().skip_while(|byte| **byte == b' ');
    let digits: Vec<u8> = digits.take_while(|byte| byte.is_ascii_digit()).copied().collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

fn print(settings: &Settings, found: Found, time: Duration, cores: &[(&str, f64)]) {
    let seconds = time.as_secs_f64();
    let per_second = found.tokens as f64 / seconds;
    let (first, whole) = (Times::new(found.first), Times::new(found.whole));
    if settings.json {
        let cores: serde_json::Map<String, serde_json::Value> =
            cores.iter().map(|(name, cores)| ((*name).to_owned(), json!(cores))).collect();
        let all = json!({
            "tokens_per_second": per_second,
            "tokens": found.tokens,
            "events": found.events,
            "bytes": found.bytes,
            "requests": found.requests,
            "seconds": seconds,
            "connections": settings.connections,
            "first": first.json(),
            "whole": whole.json(),
            "cores": cores,
        });
        println!("{all}");
        return;
    }
    println!(
        "{} tokens/s in all: {} requests of {} tokens on {} connections, {} tokens in {} events \
         and {:.1} MB, in {seconds:.2} s",
        grouped(per_second as u64),
        grouped(found.requests as u64),
        settings.tokens,
        settings.connections,
        grouped(found.tokens),
        grouped(found.events),
        found.bytes as f64 / 1e6,
    );
    println!("{}", Times::header());
    if !settings.plain {
        println!("{}", first.row("to the first event"));
    }
    println!("{}", whole.row("to the end"));
    let cores: Vec<String> = cores.iter().map(|(name, n)| format!("{name} {n:.2}")).collect();
    println!("cores at work: {}", cores.join(", "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_however_they_are_cut() {
        let text = b"data: {\"d\":1}\n\n: ping\n\ndata: {}\n\ndata: [DONE]\n\n";
        for size in 1..text.len() {
            let mut events = Events::default();
            text.chunks(size).for_each(|part| events.push(part));
            assert_eq!(events.count, 3, "in parts of {size}");
        }
    }

    #[test]
    fn usage_is_found_in_the_tail() {
        let mut tail = Vec::new();
        for _ in 0..1000 {
            keep_tail(&mut tail, b"data: {\"completion_tokens\":1}\n\n");
        }
        keep_tail(&mut tail, b"data: {\"usage\":{\"completion_tokens\": 200}}\n\n");
        assert!(tail.len() <= 4 * TAIL_BYTES + 100);
        assert_eq!(completion_tokens(&tail), Some(200));
        assert_eq!(completion_tokens(b"nothing"), None);
    }
}
