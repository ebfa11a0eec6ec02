//! Whether an answer is what it should be.

use serde_json::Value;

use crate::connection::Answer;

/// What happened in a word or two, or what is wrong.
pub(crate) type Outcome = Result<String, String>;

/// An answer of one of these statuses. Those from 400 on must have the one shape of errors; 503
/// with a time after which to try again is always in order, as all places may be taken.
pub(crate) fn status(answer: &Answer, expected: &[u16]) -> Outcome {
    let status = answer.status();
    let wrong = |what: &str| Err(format!("{status}, {what}: {}", answer.start()));
    if status != 503 && !expected.contains(&status) {
        return wrong(&format!("instead of {expected:?}"));
    }
    if answer.head.header("x-request-id").is_none_or(str::is_empty) {
        return wrong("without x-request-id");
    }
    if status < 400 {
        return Ok(status.to_string());
    }
    let json = answer.json().map_err(|problem| format!("{problem:#}"))?;
    let error = json["error"].as_object();
    let well_formed = error.is_some_and(|error| {
        let text = |name: &str| error.get(name).is_some_and(Value::is_string);
        let maybe = |name: &str| error.get(name).is_some_and(|it| it.is_string() || it.is_null());
        error.len() == 4 && text("message") && text("type") && maybe("param") && maybe("code")
    });
    if !well_formed {
        return wrong("an error of another shape");
    }
    let error = &json["error"];
    if error["type"] != kind_of(status) {
        return wrong("an error of another type");
    }
    if status != 503 {
        return Ok(status.to_string());
    }
    let wait = answer.head.header("retry-after").and_then(|value| value.parse::<u32>().ok());
    match (wait, error["code"].as_str()) {
        (Some(1..), Some(code)) => Ok(format!("503 {code}")),
        _ => wrong("without Retry-After or code"),
    }
}

fn kind_of(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        404 => "not_found_error",
        503 => "unavailable_error",
        _ => "invalid_request_error",
    }
}

/// A good answer's JSON, or else the outcome of the one that came.
pub(crate) fn json(answer: &Answer) -> Result<Value, Outcome> {
    match status(answer, &[200]) {
        Ok(code) if code == "200" => answer.json().map_err(|problem| Err(format!("{problem:#}"))),
        outcome => Err(outcome),
    }
}

/// `Ok` with a word if something holds, or else what does not, and the answer.
pub(crate) fn holds(condition: bool, what: &str, answer: &Value) -> Outcome {
    if condition {
        return Ok("200".to_owned());
    }
    let mut shown = answer.to_string();
    shown.truncate(shown.floor_char_boundary(300));
    Err(format!("not so: {what}: {shown}"))
}
