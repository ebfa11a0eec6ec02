//! What makes no sense: the right status, the one shape, and a message that says what to do.

use std::io::{Read, Write};
use std::net::TcpStream;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{Answer, Running, characters, config, served, server};

/// Checks status, kind, code and field, and that the message has these words.
fn check(answer: &Answer, status: u16, param: Value, words: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    let error = answer.json()["error"].clone();
    let keys: Vec<&String> = error.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["message", "type", "param", "code"], "{error}");
    assert_eq!(error["param"], param, "{error}");
    assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    assert!(answer.header("x-request-id").is_some());
}

fn complete(body: Value, param: &str, words: &str) {
    let answer = server().post("/v1/completions", &body);
    check(&answer, 400, json!(param), words);
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
}

#[test]
fn fields_of_the_wrong_type_are_named() {
    complete(json!({ "prompt": 3 }), "prompt", "expected a string");
    complete(json!({ "prompt": [1, "a"] }), "prompt", "expected token ids");
    complete(json!({ "prompt": [[null, 1]] }), "prompt", "not null");
    complete(json!({ "prompt": [] }), "prompt", "empty list");
    complete(json!({ "max_tokens": "many" }), "max_tokens", "invalid type: string \"many\"");
    complete(json!({ "max_tokens": -1 }), "max_tokens", "-1");
    complete(json!({ "max_tokens": 1.5 }), "max_tokens", "1.5");
    complete(json!({ "stop": [1] }), "stop", "expected a string or a list of strings");
    complete(json!({ "logprobs": true }), "logprobs", "invalid type: boolean");
    complete(json!({ "stream": "yes" }), "stream", "expected true or false");
    complete(json!({ "steer": [{}] }), "steer[0].feature", "steer[0].feature is missing");
    complete(json!({ "logit_bias": { "1": "x" } }), "logit_bias", "expected a number");
}

#[test]
fn numbers_outside_their_range_are_named() {
    complete(json!({ "prompt": [0, 99_999] }), "prompt", "token id 99999 is not in the vocabulary");
    complete(json!({ "temperature": 2.1 }), "temperature", "from 0 to 2, not 2.1");
    complete(json!({ "temperature": -1 }), "temperature", "from 0 to 2, not -1");
    complete(json!({ "top_p": 1.5 }), "top_p", "from 0 to 1, not 1.5");
    complete(json!({ "min_p": -0.5 }), "min_p", "from 0 to 1, not -0.5");
    complete(json!({ "repeat_penalty": 0 }), "repeat_penalty", "greater than 0");
    complete(json!({ "repeat_last_n": 0 }), "repeat_last_n", "at least 1");
    complete(json!({ "n": 0 }), "n", "from 1 to 128, not 0");
    complete(json!({ "n": 129 }), "n", "from 1 to 128, not 129");
    complete(json!({ "n": 3, "best_of": 2 }), "best_of", "from 3 to 128, not 2");
    complete(json!({ "best_of": 2, "stream": true }), "best_of", "cannot be streamed");
    complete(json!({ "max_tokens": 5000 }), "max_tokens", "from 0 to 4096, not 5000");
    complete(json!({ "n": 128, "max_tokens": 4096 }), "max_tokens", "1 prompts × 128 texts × 4096");
    complete(json!({ "prompt": vec!["a".repeat(300); 1000] }), "prompt", "300000 tokens together");
    complete(json!({ "logprobs": 1001 }), "logprobs", "from 0 to 1000");
    let many = json!({ "logprobs": 1000, "n": 100, "max_tokens": 1000 });
    complete(many, "logprobs", "ask for fewer");
    complete(json!({ "presence_penalty": 3 }), "presence_penalty", "from -2 to 2, not 3");
    complete(json!({ "logit_bias": { "1": 101 } }), "logit_bias", "from -100 to 100");
    complete(json!({ "logit_bias": { "9999": 1 } }), "logit_bias", "not in the vocabulary");
    complete(json!({ "logit_bias": { "xyz": 1 } }), "logit_bias", "neither the id nor the text");
    complete(json!({ "suffix": "." }), "suffix", "not supported");
    complete(json!({ "stop": vec!["a"; 33] }), "stop", "at most 32");
    complete(json!({ "stop": "a".repeat(1001) }), "stop", "1000 bytes");
    complete(json!({ "steer": [{ "feature": 1 }] }), "steer", "has no features");
    complete(json!({ "steer_reach": "up" }), "steer_reach", "\"state\" or \"output\"");
}

/// Any JSON.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3i64..40).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z \u{e9}\u{1f3bb}]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z0-9]{0,3}", inner, 0..3)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// The fields of all requests.
const FIELDS: [&str; 26] = [
    "model",
    "prompt",
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "best_of",
    "stream",
    "stream_options",
    "logprobs",
    "echo",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "suffix",
    "top_k",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "repeat_last_n",
    "steer",
    "text",
    "content",
    "tokens",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever comes, it is answered, or refused in the one shape.
    #[test]
    fn any_json_is_answered_or_refused(
        route in prop::sample::select(
            &["/v1/completions", "/v1/probs", "/v1/score", "/tokenize", "/detokenize"][..]
        ),
        fields in proptest::collection::vec((prop::sample::select(&FIELDS[..]), value()), 0..4),
    ) {
        let body: Value = fields.into_iter().collect();
        let answer = server().post(route, &body);
        match answer.status {
            200 => {}
            400 | 404 => {
                let error = answer.json()["error"].clone();
                prop_assert!(error["message"].is_string() && error["type"].is_string());
                prop_assert!(error.get("param").is_some() && error.get("code").is_some());
            }
            other => prop_assert!(false, "{} for {}: {}", other, body, answer.text),
        }
    }
}

#[test]
fn all_tokens_banned_is_an_error_and_not_an_endless_search() {
    let size = server().get("/tokenizer_info").json()["vocab_size"].as_u64().unwrap();
    let bias: Value = (0..size).map(|id| (id.to_string(), json!(false))).collect();
    complete(json!({ "logit_bias": bias }), "logit_bias", "leave no token to write");
}

#[test]
fn bodies_that_are_no_json_objects_are_refused() {
    let check = |bytes: &[u8], words: &str| {
        for path in ["/v1/completions", "/v1/probs", "/v1/score", "/tokenize", "/detokenize"] {
            check(&server().post_bytes(path, bytes), 400, Value::Null, words);
        }
    };
    check(b"", "the body is empty");
    check(b"prompt=a", "no JSON object");
    check(b"[]", "no JSON object");
    check(b"{\"prompt\": ", "not JSON: EOF");
    check(b"{\"prompt\": \"\xc3\x28\"}", "not UTF-8 from byte 12 on");
    let deep = "{\"other\":".repeat(500);
    check(deep.as_bytes(), "the body is not JSON");
    let more = server().post_bytes("/v1/completions", b"{} {}");
    self::check(&more, 400, Value::Null, "trailing characters");
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let large = json!({ "prompt": "a".repeat(2 << 20) });
    let answer = server().post("/v1/completions", &large);
    check(&answer, 413, Value::Null, "larger than 1048576 bytes");
    // Another one on the same connection, or a new one, is answered.
    assert_eq!(server().get("/health").status, 200);
}

#[test]
fn wrong_routes_methods_and_models_are_said() {
    check(&server().get("/v2/completions"), 404, Value::Null, "nothing at /v2/completions");
    check(&server().get("/v1/completions"), 405, Value::Null, "does not take GET");
    check(&server().post("/", &json!({})), 405, Value::Null, "/ does not take POST");
    check(&server().post("/v1/models", &json!({})), 405, Value::Null, "does not take POST");
    check(&server().get("/v1/models/none"), 404, json!("model"), "no model \"none\"");
    // Several are served, so a name has to be right.
    let other = server().post("/v1/completions", &json!({ "model": "gpt" }));
    check(&other, 404, json!("model"), "there is: char, word, bpe");
    assert_eq!(other.json()["error"]["code"], "model_not_found");
    check(&server().get("/tokenizer_info?model=gpt"), 404, json!("model"), "no model \"gpt\"");
    check(&server().get("/v1/run"), 404, Value::Null, "--run RUN");
    check(&server().get("/page/none.js"), 404, Value::Null, "no file none.js");
    check(&server().get("/page/%FF"), 400, Value::Null, "UTF-8");
}

#[test]
fn what_is_missing_is_named() {
    check(&server().post("/v1/score", &json!({})), 400, json!("text"), "text is missing");
    check(&server().post("/detokenize", &json!({})), 400, json!("tokens"), "tokens is missing");
    check(&server().post("/tokenize", &json!({})), 400, json!("content"), "\"prompt\"");
    let unknown = server().post("/detokenize", &json!({ "tokens": [1, 99_999] }));
    check(&unknown, 400, json!("tokens"), "token id 99999");
    check(&server().post("/v1/probs", &json!({ "top": 0 })), 400, json!("top"), "from 1 to 1000");
    let hot = server().post("/v1/probs", &json!({ "temperature": -1 }));
    check(&hot, 400, json!("temperature"), "from 0 to 2, not -1");
    let filter = server().post("/v1/probs", &json!({ "min_p": 2 }));
    check(&filter, 400, json!("min_p"), "from 0 to 1, not 2");
    check(&server().post("/v1/score", &json!({ "text": "a", "top": 51 })), 400, json!("top"), "50");
    let huge = json!({ "text": "a".repeat(100_000), "top": 50 });
    check(&server().post("/v1/score", &huge), 400, json!("top"), "ask for fewer");
}

/// A browser says that a request comes from the page of another site; whoever is no browser does not.
#[test]
fn the_page_of_another_site_may_not_ask_unless_it_is_named() {
    let cors_origins = vec!["https://known.example".to_owned()];
    let config = machado_server::ServerConfig { cors_origins, ..config() };
    let naming = Running::start(vec![served("only", characters())], None, config);
    let ask = |running: &Running, site: &str, origin: &str| {
        let mut stream = TcpStream::connect(running.address).unwrap();
        let head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        let from = format!("Origin: {origin}\r\nSec-Fetch-Site: {site}\r\n");
        let body = "{\"model\": \"only\"}";
        let length = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all((head.to_owned() + &from + &length).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let status = |answer: String| answer[9..12].parse::<u16>().unwrap();
    let plain = Running::start(vec![served("only", characters())], None, self::config());
    for (running, site, origin, expected) in [
        (&plain, "cross-site", "https://known.example", 403),
        (&plain, "same-origin", "http://x", 200),
        (&plain, "same-site", "http://x:3000", 200),
        (&naming, "cross-site", "https://known.example", 200),
        (&naming, "cross-site", "https://other.example", 403),
    ] {
        assert_eq!(status(ask(running, site, origin)), expected, "{site} {origin}");
    }
    let refused = ask(&plain, "cross-site", "https://known.example");
    assert!(refused.contains("permission_error") && refused.contains("--cors-origin"), "{refused}");
}

#[test]
fn a_key_is_asked_for_where_there_is_one() {
    let api_keys = vec!["first".to_owned(), "second".to_owned()];
    let config = machado_server::ServerConfig { api_keys, strict_model: true, ..config() };
    let running = Running::start(vec![served("only", characters())], None, config);
    let ask = |header: &str| {
        let mut stream = TcpStream::connect(running.address).unwrap();
        let request =
            format!("GET /v1/models HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer[9..12].parse::<u16>().unwrap()
    };
    check(&running.get("/v1/models"), 401, Value::Null, "Authorization: Bearer KEY");
    assert_eq!(running.get("/v1/models").json()["error"]["code"], "invalid_api_key");
    for (header, status) in [
        ("Authorization: Bearer first\r\n", 200),
        ("authorization: bearer second\r\n", 200),
        ("X-Api-Key: second\r\n", 200),
        ("Authorization: Bearer third\r\n", 401),
        ("Authorization: Bearer \r\n", 401),
        ("Authorization: Basic first\r\n", 401),
        ("X-Api-Key: firs\r\n", 401),
    ] {
        assert_eq!(ask(header), status, "{header}");
    }
    for path in ["/", "/health", "/v1/health", "/openapi.json", "/page/main.js"] {
        assert_eq!(running.get(path).status, 200, "{path} is for everybody");
    }
    let unknown = running.post("/v1/completions", &json!({ "model": "other" }));
    assert_eq!(unknown.status, 401);
}

#[test]
fn a_wrong_name_is_refused_where_names_must_be_right() {
    let config = machado_server::ServerConfig { strict_model: true, ..config() };
    let running = Running::start(vec![served("only", characters())], None, config);
    let ask = |model: &str| running.post("/v1/completions", &json!({ "model": model })).status;
    assert_eq!([ask("other"), ask("only")], [404, 200]);
}
