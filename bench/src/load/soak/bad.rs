//! Requests that are wrong, each of which must get the error that tells why.

use serde_json::{Value, json};

use super::Kind;
use super::outcome::{Outcome, status};
use super::visitor::Visitor;
use crate::requests;

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "bad JSON", weight: 4, run: bad_json },
    Kind { name: "wrong type", weight: 6, run: wrong_type },
    Kind { name: "id out of range", weight: 3, run: id_out_of_range },
    Kind { name: "no UTF-8", weight: 3, run: no_utf8 },
    Kind { name: "huge body", weight: 2, run: huge_body },
    Kind { name: "unknown route", weight: 3, run: unknown_route },
    Kind { name: "wrong method", weight: 2, run: wrong_method },
    Kind { name: "no HTTP", weight: 2, run: no_http },
    Kind { name: "huge header", weight: 1, run: huge_header },
];

/// Routes that take a body.
const ROUTES: &[&str] =
    &["/v1/completions", "/v1/probs", "/v1/score", "/tokenize", "/detokenize", "/completions"];

fn bad_json(visitor: &mut Visitor) -> Outcome {
    let deep = "[".repeat(5000);
    let bodies = ["", "{", "{\"prompt\":\"A\"", "[]", "null", "\"A\"", "{} {}", "\u{feff}", &deep];
    let route = *visitor.random.one_of(ROUTES);
    let body = *visitor.random.one_of(&bodies);
    let answer = visitor.ask(&requests::post_bytes(route, body.as_bytes()))?;
    status(&answer, &[400]).map_err(|problem| format!("{route}, {} bytes: {problem}", body.len()))
}

fn wrong_type(visitor: &mut Visitor) -> Outcome {
    let wrong: &[(&str, Value)] = &[
        ("prompt", json!(5)),
        ("prompt", json!({"text": "A"})),
        ("prompt", json!([1, "A"])),
        ("max_tokens", json!(-1)),
        ("max_tokens", json!("many")),
        ("max_tokens", json!(1e300)),
        ("temperature", json!("warm")),
        ("temperature", json!(-0.5)),
        ("top_p", json!([0.5])),
        ("n", json!(0)),
        ("n", json!(1_000_000)),
        ("best_of", json!(-3)),
        ("logprobs", json!(-1)),
        ("stop", json!(7)),
        ("logit_bias", json!([1, 2])),
        ("logit_bias", json!({"999999999": 1})),
        ("seed", json!("one")),
        ("stream", json!("yes")),
        ("suffix", json!("the end")),
        ("frequency_penalty", json!(99)),
    ];
    let (name, value) = visitor.random.one_of(wrong);
    let mut body = json!({"prompt": "A menina", "max_tokens": 1});
    body[name] = value.clone();
    let answer = visitor.post("/v1/completions", &body)?;
    let outcome =
        status(&answer, &[400]).map_err(|problem| format!("{name} {value}: {problem}"))?;
    let param = answer.json().map_err(|problem| format!("{problem:#}"))?["error"]["param"].clone();
    // Or a place in it, such as stop[0].
    let field = param.as_str().and_then(|param| param.split('[').next());
    if outcome == "400" && field != Some(*name) {
        return Err(format!("{name} {value}: the param is {param}"));
    }
    Ok(outcome)
}

fn id_out_of_range(visitor: &mut Visitor) -> Outcome {
    let id = visitor
        .random
        .one_of(&[json!(-1), json!(99_999_999), json!(1u64 << 40), json!(1e30)])
        .clone();
    let answer = match visitor.random.below(3) {
        0 => visitor.post("/v1/completions", &json!({"prompt": [[1, 2], [3, id]]}))?,
        1 => visitor.post("/v1/probs", &json!({"prompt": [1, id]}))?,
        _ => visitor.post("/detokenize", &json!({"tokens": [1, id]}))?,
    };
    status(&answer, &[400]).map_err(|problem| format!("{id}: {problem}"))
}

fn no_utf8(visitor: &mut Visitor) -> Outcome {
    let bodies: &[&[u8]] = &[
        b"{\"prompt\":\"\xff\xfe\",\"content\":\"\xff\",\"text\":\"\xff\",\"tokens\":\"\xff\"}",
        b"\x00\x01\x02\x80",
        b"{\"prompt\":\"\\ud800\",\"content\":\"\\ud800\",\"text\":\"\\ud800\",\"tokens\":\"\\ud800\"}",
    ];
    let route = *visitor.random.one_of(ROUTES);
    let body = *visitor.random.one_of(bodies);
    let answer = visitor.ask(&requests::post_bytes(route, body))?;
    status(&answer, &[400]).map_err(|problem| format!("{route}: {problem}"))
}

/// The server may close the connection while most of the body is on its way, which can take its
/// answer along.
fn huge_body(visitor: &mut Visitor) -> Outcome {
    let mut connection = visitor.new_connection()?;
    let megabytes = 2 + visitor.random.below(20);
    let body = json!({"prompt": "a".repeat(megabytes << 20)});
    let route = *visitor.random.one_of(ROUTES);
    let sent = connection.send(&requests::post(route, &body));
    match connection.answer() {
        Ok(answer) => status(&answer, &[413]).map_err(|problem| format!("{route}: {problem}")),
        Err(_) if sent.is_err() || !connection.has_begun() => Ok("closed".to_owned()),
        Err(problem) => Err(format!("{megabytes} MB: {problem:#}")),
    }
}

fn unknown_route(visitor: &mut Visitor) -> Outcome {
    let routes = [
        "/nothing",
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/chat/completions",
        "/../etc/passwd",
        "/page/../../Cargo.toml",
        "/page/%2e%2e/%2e%2e/etc/passwd",
        "/%ff%fe",
        "/v1/models/none",
        "/v1/features/999999999",
    ];
    let route = *visitor.random.one_of(&routes);
    let answer = if visitor.random.below(2) == 0 || route.starts_with("/v1/models") {
        visitor.ask(&requests::get(route))?
    } else {
        visitor.post(route, &json!({}))?
    };
    let expected: &[u16] = if route.starts_with("/v1/features") { &[404, 405] } else { &[404] };
    status(&answer, expected).map_err(|problem| format!("{route}: {problem}"))
}

fn wrong_method(visitor: &mut Visitor) -> Outcome {
    let answer = match visitor.random.below(4) {
        0 => visitor.ask(&requests::get("/v1/completions"))?,
        1 => visitor.ask(b"DELETE /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")?,
        2 => visitor.post("/", &json!({}))?,
        _ => visitor.post("/health", &json!({}))?,
    };
    status(&answer, &[405])
}

/// Whatever comes back, it must be an answer of 400 or an end, and soon.
fn no_http(visitor: &mut Visitor) -> Outcome {
    let beginnings: &[&[u8]] = &[
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a hello of TLS",
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
    ];
    let mut connection = visitor.new_connection()?;
    let beginning = *visitor.random.one_of(beginnings);
    // The server may be gone before all is sent.
    let _ = connection.send(beginning);
    let _ = connection.send_no_more();
    closed_or(&mut connection, &[400, 404, 408, 505])
}

fn huge_header(visitor: &mut Visitor) -> Outcome {
    let mut connection = visitor.new_connection()?;
    let long = "x".repeat(2 << 20);
    let _ =
        connection.send(format!("GET /health HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n").as_bytes());
    closed_or(&mut connection, &[400, 431])
}

/// What stands before our own code answers these, so the body may be empty.
fn closed_or(connection: &mut crate::connection::Connection, expected: &[u16]) -> Outcome {
    match connection.answer() {
        Ok(answer) if expected.contains(&answer.status()) => Ok(answer.status().to_string()),
        Ok(answer) => Err(format!("{} instead of {expected:?}", answer.status())),
        Err(_) if !connection.has_begun() => Ok("closed".to_owned()),
        Err(problem) => Err(format!("{problem:#}")),
    }
}
