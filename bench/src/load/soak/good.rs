//! Requests that a server is for.

use serde_json::{Value, json};

use super::Kind;
use super::outcome::{Outcome, holds, json as good_json, status};
use super::visitor::Visitor;
use crate::requests;

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "plain", weight: 20, run: plain },
    Kind { name: "stream", weight: 25, run: stream },
    Kind { name: "several", weight: 8, run: several },
    Kind { name: "echo", weight: 8, run: echo },
    Kind { name: "large", weight: 1, run: large },
    Kind { name: "score", weight: 6, run: score },
    Kind { name: "probs", weight: 10, run: probs },
    Kind { name: "tokenize", weight: 6, run: tokenize },
    Kind { name: "pages", weight: 8, run: pages },
    Kind { name: "features", weight: 4, run: features },
];

/// What is only asked for with GET.
const PAGES: &[&str] = &[
    "/",
    "/docs",
    "/health",
    "/metrics",
    "/openapi.json",
    "/props",
    "/tokenizer_info",
    "/v1/health",
    "/v1/models",
    "/v1/models/",
    "/health/",
];

/// Fields of drawing, each combination as likely as the others.
fn drawing(visitor: &mut Visitor) -> Value {
    let mut body = json!({
        "temperature": visitor.random.below(20) as f64 / 10.0,
        "max_tokens": 1 + visitor.random.below(200),
        "prompt": visitor.prompt(200),
    });
    let extra = [
        ("top_p", json!(0.9)),
        ("top_k", json!(10)),
        ("min_p", json!(0.05)),
        ("typical_p", json!(0.9)),
        ("repeat_penalty", json!(1.1)),
        ("frequency_penalty", json!(0.5)),
        ("presence_penalty", json!(-0.5)),
        ("logprobs", json!(5)),
        ("seed", json!(visitor.random.below(1000))),
        ("return_token_ids", json!(true)),
        ("stop", json!(["☃", "☄☄☄"])),
        ("logit_bias", json!({"3": -100, "5": 1.5})),
    ];
    for (name, value) in extra {
        if visitor.random.below(4) == 0 {
            body[name] = value;
        }
    }
    body
}

fn plain(visitor: &mut Visitor) -> Outcome {
    let body = drawing(visitor);
    let answer = visitor.post("/v1/completions", &body)?;
    match good_json(&answer) {
        Err(outcome) => outcome,
        Ok(found) => {
            let choice = &found["choices"][0];
            let right = choice["finish_reason"] == "length"
                && choice["text"].is_string()
                && found["usage"]["completion_tokens"] == body["max_tokens"];
            holds(right, "a text of max_tokens", &found)
        }
    }
}

fn stream(visitor: &mut Visitor) -> Outcome {
    let mut body = drawing(visitor);
    body["stream"] = true.into();
    body["stream_options"] = json!({"include_usage": true});
    let answer = visitor.post("/v1/completions", &body)?;
    match status(&answer, &[200]) {
        Ok(code) if code == "200" => {}
        outcome => return outcome,
    }
    let text = String::from_utf8(answer.body).map_err(|problem| problem.to_string())?;
    events_are_whole(&text, &body["max_tokens"])
}

/// Events with one reason to finish, the usage and the end.
fn events_are_whole(text: &str, tokens: &Value) -> Outcome {
    let Some(text) = text.strip_suffix("data: [DONE]\n\n") else {
        return Err(format!("a stream of {} bytes without its end", text.len()));
    };
    let events = text.split_terminator("\n\n").filter(|event| !event.starts_with(':'));
    let (mut reasons, mut usage) = (0, Value::Null);
    for event in events {
        let data = event.strip_prefix("data: ").ok_or_else(|| format!("an event {event:?}"))?;
        let found: Value =
            serde_json::from_str(data).map_err(|problem| format!("{problem}: {data}"))?;
        let choice = &found["choices"][0];
        reasons += usize::from(choice["finish_reason"] == "length");
        usage = found["usage"]["completion_tokens"].clone();
        if !choice.is_null() && !choice["text"].is_string() {
            return Err(format!("a chunk {data}"));
        }
    }
    holds(reasons == 1 && usage == *tokens, "one reason, and the usage at the end", &usage)
}

fn several(visitor: &mut Visitor) -> Outcome {
    let n = 1 + visitor.random.below(4);
    let prompts: Vec<String> = (0..=visitor.random.below(3)).map(|_| visitor.prompt(100)).collect();
    let body = json!({
        "prompt": prompts,
        "n": n,
        "best_of": n + visitor.random.below(3),
        "max_tokens": 1 + visitor.random.below(60),
    });
    let answer = visitor.post("/v1/completions", &body)?;
    match good_json(&answer) {
        Err(outcome) => outcome,
        Ok(found) => {
            let choices = found["choices"].as_array().map_or(&[][..], Vec::as_slice);
            let in_order = choices.iter().enumerate().all(|(at, choice)| choice["index"] == at);
            let right = in_order && choices.len() == n * prompts.len();
            holds(right, "n choices for each prompt, in order", &found)
        }
    }
}

fn echo(visitor: &mut Visitor) -> Outcome {
    let prompt = visitor.prompt(400);
    echo_of(visitor, prompt)
}

/// An answer of megabytes.
fn large(visitor: &mut Visitor) -> Outcome {
    let prompt = visitor.prompt(20_000);
    echo_of(visitor, prompt)
}

fn echo_of(visitor: &mut Visitor, prompt: String) -> Outcome {
    let body = json!({"prompt": prompt, "max_tokens": 0, "echo": true, "logprobs": 3});
    let answer = visitor.post("/v1/completions", &body)?;
    match good_json(&answer) {
        Err(outcome) => outcome,
        Ok(found) => {
            let (choice, count) = (&found["choices"][0], &found["usage"]["prompt_tokens"]);
            let values = choice["logprobs"]["token_logprobs"].as_array();
            let right = choice["text"] == prompt
                && values.is_some_and(|all| *count == all.len() && all[0].is_null());
            holds(right, "the prompt and a value for each token", &found)
        }
    }
}

fn score(visitor: &mut Visitor) -> Outcome {
    let text = visitor.prompt(400);
    let answer = visitor.post("/v1/score", &json!({"text": text, "top": 3}))?;
    match good_json(&answer) {
        Err(outcome) => outcome,
        Ok(found) => {
            let tokens = found["tokens"].as_array().map_or(0, Vec::len);
            let right = found["scored_tokens"] == tokens.saturating_sub(1) && tokens > 0;
            holds(right, "a value for each token but the first", &found)
        }
    }
}

fn probs(visitor: &mut Visitor) -> Outcome {
    let body = json!({"prompt": visitor.prompt(100), "top": 20, "top_p": 0.9, "temperature": 0.7});
    let answer = visitor.post("/v1/probs", &body)?;
    match good_json(&answer) {
        Err(outcome) => outcome,
        Ok(found) => {
            let candidates = found["candidates"].as_array().map_or(&[][..], Vec::as_slice);
            let values: Vec<f64> =
                candidates.iter().filter_map(|each| each["logprob"].as_f64()).collect();
            holds(values.len() == 20 && values.is_sorted_by(|a, b| a >= b), "20 in order", &found)
        }
    }
}

fn tokenize(visitor: &mut Visitor) -> Outcome {
    let text = visitor.prompt(500);
    let answer = visitor.post("/tokenize", &json!({"content": text}))?;
    let found = match good_json(&answer) {
        Err(outcome) => return outcome,
        Ok(found) => found,
    };
    let answer = visitor.post("/detokenize", &json!({"tokens": found["tokens"]}))?;
    match good_json(&answer) {
        Err(outcome) => outcome,
        Ok(found) => holds(found["content"] == text, "the text again", &found),
    }
}

fn pages(visitor: &mut Visitor) -> Outcome {
    let page = *visitor.random.one_of(PAGES);
    let answer = visitor.ask(&requests::get(page))?;
    // /docs leads to a place in the page.
    let expected: &[u16] = if page == "/docs" { &[200, 303, 307] } else { &[200] };
    status(&answer, expected).map_err(|problem| format!("{page}: {problem}"))
}

/// The model may have none, and no run: then 404, or 400 where a field asks for one.
fn features(visitor: &mut Visitor) -> Outcome {
    let steered = json!({
        "prompt": visitor.prompt(50),
        "steer": [{"feature": visitor.random.below(64), "strength": 2.0, "mode": "hold"}],
    });
    let text = visitor.prompt(80);
    let answer = match visitor.random.below(4) {
        0 => visitor.post("/v1/completions", &steered)?,
        1 => visitor.post("/v1/activations", &json!({"text": text, "top": 5}))?,
        2 => visitor.ask(&requests::get("/v1/features?limit=20"))?,
        _ => visitor.ask(&requests::get("/v1/run"))?,
    };
    status(&answer, &[200, 400, 404])
}
