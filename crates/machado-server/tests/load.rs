//! Many at once, and those who leave, are slow, or come when it is too late.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use machado_server::{Ended, EngineConfig, Limits, ServerConfig};
use serde_json::{Value, json};

use crate::common::{Running, characters, chunks, config, served};

fn running(config: ServerConfig) -> Running {
    Running::start(vec![served("char", characters())], None, config)
}

/// Begins a request and returns its connection.
fn begin(running: &Running, body: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let body = body.to_string();
    let head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Waits until something holds, but not for ever.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn long_stream() -> Value {
    json!({ "prompt": "a", "max_tokens": 4096, "n": 31, "stream": true, "logprobs": 5 })
}

#[test]
fn what_is_asked_together_is_answered_as_alone() {
    let running = running(config());
    let request = |seed: usize| {
        json!({
            "prompt": "a cor do céu "[..seed % 9].to_owned(), "max_tokens": 20 + seed, "seed": seed,
            "n": 1 + seed % 3, "stop": if seed.is_multiple_of(2) { json!("az") } else { json!([]) },
        })
    };
    let alone: Vec<Value> = (0..24).map(|seed| running.complete(&request(seed))).collect();
    std::thread::scope(|scope| {
        for (seed, alone) in alone.iter().enumerate() {
            let running = &running;
            scope.spawn(move || {
                for _ in 0..4 {
                    let together = running.complete(&request(seed));
                    assert_eq!(together["choices"], alone["choices"]);
                }
            });
        }
    });
}

#[test]
fn texts_of_a_client_that_leaves_are_not_written_to_the_end() {
    let running = running(config());
    for _ in 0..3 {
        let mut stream = begin(&running, &long_stream());
        let mut some = [0; 2000];
        stream.read_exact(&mut some).unwrap();
        drop(stream);
    }
    // Without a stream as well.
    let whole = json!({ "prompt": "a", "max_tokens": 4096, "n": 31 });
    drop(begin(&running, &whole));
    wait_until("texts go on without a reader", || {
        running.metric("machado_active_texts") + running.metric("machado_queue_depth") == 0.0
    });
}

#[test]
fn a_reader_that_is_slow_keeps_nobody_else_waiting() {
    let limits = Limits { total_tokens: 1 << 20, ..Limits::default() };
    let running = running(ServerConfig { limits, ..config() });
    let slow: Vec<TcpStream> = (0..2).map(|_| begin(&running, &json!({
        "prompt": "a", "max_tokens": 4096, "n": 8, "stream": true, "logprobs": 5, "seed": 1,
    }))).collect();
    for seed in 0..50 {
        let request = json!({ "prompt": "a", "max_tokens": 20, "seed": seed });
        assert_eq!(running.complete(&request)["usage"]["completion_tokens"], 20);
    }
    // And it gets all of its text when it reads on.
    let texts: Vec<String> = slow
        .into_iter()
        .map(|mut stream| {
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.trim_end().ends_with("0"), "the last piece of a chunked body");
            assert_eq!(answer.matches("\"finish_reason\":\"length\"").count(), 8);
            answer
        })
        .collect();
    assert!(texts[0].len() > 1 << 20, "more than sockets hold: {}", texts[0].len());
}

/// A thousand prompts in one request take turns with those that ask for one.
#[test]
fn one_large_request_keeps_nobody_out() {
    let engine = EngineConfig { threads: 1, parallel: 4, queue: 4 };
    let running = running(ServerConfig { engine, ..config() });
    let many = json!({ "prompt": vec!["a cor do mar"; 1000], "max_tokens": 100 });
    let large = begin(&running, &many);
    wait_until("it has begun", || running.metric("machado_active_texts") >= 1.0);
    for seed in 0..20 {
        running.complete(&json!({ "prompt": "a", "max_tokens": 3, "seed": seed }));
    }
    let waits = running.metric("machado_queue_depth");
    assert!(waits > 500.0, "they waited for the large one, of which {waits} texts wait");
    drop(large);
}

/// A text whose reader takes nothing waits without a place.
#[test]
fn slow_readers_take_no_places() {
    let engine = EngineConfig { threads: 1, parallel: 2, queue: 4 };
    let running = running(ServerConfig { engine, ..config() });
    let request = json!({ "prompt": "a", "max_tokens": 4096, "stream": true, "logprobs": 20 });
    let slow: Vec<TcpStream> = (0..4).map(|_| begin(&running, &request)).collect();
    for seed in 0..20 {
        running.complete(&json!({ "prompt": "a", "max_tokens": 20, "seed": seed }));
    }
    wait_until("they keep places", || running.metric("machado_active_texts") == 0.0);
    for mut stream in slow {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(answer.matches("\"finish_reason\":\"length\"").count(), 1);
        assert_eq!(answer.matches("\"finish_reason\":null").count(), 4095);
    }
}

#[test]
fn too_many_are_told_to_come_again() {
    let engine = EngineConfig { threads: 1, parallel: 1, queue: 1 };
    let limits = Limits { total_tokens: 1 << 21, max_tokens: 1 << 20, ..Limits::default() };
    let running = running(ServerConfig { engine, limits, ..config() });
    // One is written, which takes seconds; one waits; and so the third is one too many.
    let writes = begin(&running, &json!({ "prompt": "a", "max_tokens": 1 << 20 }));
    wait_until("it is written", || running.metric("machado_active_texts") == 1.0);
    let waits = begin(&running, &json!({ "prompt": "a", "max_tokens": 2 }));
    wait_until("it waits", || running.metric("machado_queue_depth") >= 1.0);
    let refused = running.post("/v1/completions", &json!({ "prompt": "a" }));
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    let error = refused.json()["error"].clone();
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("unavailable_error"), &json!("queue_full"))
    );
    // What needs no place is answered.
    assert_eq!(running.get("/health").status, 200);
    drop(writes);
    let mut answer = String::new();
    let mut waits = waits;
    waits.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn whoever_is_served_when_the_server_stops_is_served_to_the_end() {
    let mut running = running(config());
    let request = json!({ "prompt": "a", "max_tokens": 4000, "stream": true, "seed": 1 });
    let mut stream = begin(&running, &request);
    let mut answer = vec![0; 500];
    stream.read_exact(&mut answer).unwrap();
    running.tell_to_stop();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("data: [DONE]"), "{}", &answer[answer.len() - 300..]);
    assert!(TcpStream::connect(running.address).is_err() || running.address.port() > 0);
    assert_eq!(running.ended(), Ended::Quietly);
}

#[test]
fn whoever_takes_too_long_is_cut_off_when_the_server_stops() {
    let limits = Limits { total_tokens: 1 << 21, max_tokens: 1 << 20, ..Limits::default() };
    let limits = Limits { shutdown: Duration::from_millis(200), ..limits };
    let mut running = running(ServerConfig { limits, ..config() });
    // It reads nothing, so it never ends; and one that waits for a whole answer hears why it is none.
    let mut waits = begin(&running, &json!({ "prompt": "a", "max_tokens": 1 << 20 }));
    wait_until("it is written", || running.metric("machado_active_texts") >= 1.0);
    let mut stream = begin(&running, &long_stream());
    let mut some = [0; 100];
    stream.read_exact(&mut some).unwrap();
    running.tell_to_stop();
    let mut answer = String::new();
    waits.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("shutting_down"), "{answer}");
    assert_eq!(running.ended(), Ended::CutOff);
}

#[test]
fn a_request_that_takes_too_long_says_so() {
    let limits = Limits { request: Duration::from_millis(50), ..Limits::default() };
    let limits = Limits { total_tokens: 1 << 21, max_tokens: 1 << 20, ..limits };
    let running = running(ServerConfig { limits, ..config() });
    let request = json!({ "prompt": "a", "max_tokens": 1 << 20 });
    let late = running.post("/v1/completions", &request);
    assert_eq!((late.status, late.json()["error"]["code"].clone()), (503, json!("timeout")));
    // The status of a stream is sent already: its last event is the error.
    let mut streamed = request;
    streamed["stream"] = json!(true);
    let late = running.post("/v1/completions", &streamed);
    assert_eq!(late.status, 200);
    let last = late.text.trim_end().rsplit("\n\n").next().unwrap();
    let last: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "timeout");
    wait_until("it is given up", || running.metric("machado_active_texts") == 0.0);
}

#[test]
fn a_thousand_connections_at_once_are_answered() {
    let running = running(config());
    let request = json!({ "prompt": "a", "max_tokens": 3 });
    let mut open: Vec<TcpStream> = Vec::new();
    let (mut done, mut refused) = (0, 0);
    for _ in 0..1000 {
        open.push(begin(&running, &request));
        // As many at a time as a process may have files open with room to spare.
        if open.len() == 200 {
            for mut stream in open.drain(..) {
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                match &answer[9..12] {
                    "200" => done += 1,
                    "503" => refused += 1,
                    other => panic!("{other}"),
                }
            }
        }
    }
    assert_eq!(done + refused, 1000);
    assert!(done > 0);
    wait_until("all connections are closed", || running.metric("machado_connections") <= 1.0);
}

#[test]
fn halves_of_requests_harm_nobody() {
    let running = running(config());
    let parts: [&[u8]; 5] = [
        b"",
        b"POST /v1/comp",
        b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"prompt\"",
        b"no HTTP at all\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ];
    let held: Vec<TcpStream> = parts
        .iter()
        .cycle()
        .take(50)
        .map(|part| {
            let mut stream = TcpStream::connect(running.address).unwrap();
            stream.write_all(part).unwrap();
            stream
        })
        .collect();
    assert_eq!(running.complete(&json!({ "prompt": "a" }))["usage"]["completion_tokens"], 16);
    drop(held);
    wait_until("they are gone", || running.metric("machado_connections") <= 1.0);
}

#[test]
fn a_body_that_stops_half_way_is_given_up() {
    let limits = Limits { stall: Duration::from_millis(100), ..Limits::default() };
    let running = running(ServerConfig { limits, ..config() });
    let mut stream = TcpStream::connect(running.address).unwrap();
    let head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("the body did not come to its end"), "{answer}");
}

/// One chunk for each token of a model of characters, and one for the count.
#[test]
fn a_stream_has_a_chunk_for_each_token() {
    let running = running(config());
    let request = json!({ "prompt": "a", "max_tokens": 60, "seed": 3, "stream": true });
    let answer = running.post("/v1/completions", &request);
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let chunks = chunks(&answer.text);
    assert_eq!(chunks.len(), 60);
    let text = |chunk: &Value| chunk["choices"][0]["text"].as_str().unwrap().chars().count();
    assert!(chunks.iter().all(|chunk| text(chunk) == 1));
}
