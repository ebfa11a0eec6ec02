//! `machado serve` as a process: how it begins, what it says, how it ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::harness::{Place, TINY, text};
use crate::serving::Serving;

/// The status and the body of what a path answers.
fn get(serving: &Serving, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(&serving.address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    (answer[9..12].parse().unwrap(), body)
}

#[test]
fn the_model_inside_the_program_is_served_without_any_flag() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    assert!(serving.said.starts_with("models      machado ("), "{:?}", serving.said);
    assert_eq!(get(&serving, "/health"), (200, "{\"status\":\"ok\"}".into()));
    let (status, page) = get(&serving, "/");
    assert!(status == 200 && page.contains("<title>machado</title>"));
}

#[test]
fn models_have_the_names_of_their_runs_or_those_that_are_given() {
    let place = Place::with_run();
    let run = "run/model.safetensors";
    let serving = Serving::start(&place, &["--model", "run", "--model", &format!("eça={run}")]);
    let (_, models) = get(&serving, "/v1/models");
    let models: serde_json::Value = serde_json::from_str(&models).unwrap();
    assert_eq!(models["data"][0]["id"], "run");
    assert_eq!(models["data"][1]["id"], "eça");
    place.fails(
        &["serve", "--model", "run", "--model", run],
        2,
        &["two models are called \"run\"", "--model NAME=FILE"],
    );
}

#[test]
fn a_run_is_watched_and_its_features_are_there() {
    let place = Place::new();
    place.write("text.txt", text());
    place.machado(&["train", "text.txt", "--out", "run"]).args(TINY).assert().success();
    let sae = ["sae", "train", "run", "--features", "16", "--k", "4", "--positions", "5000"];
    place.machado(&sae).assert().success();
    let serving = Serving::start(&place, &["--run", "run"]);
    assert!(serving.said.contains("with 16 features"), "{:?}", serving.said);
    let (_, run) = get(&serving, "/v1/run");
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!((&run["state"], &run["total_steps"]), (&"finished".into(), &30.into()));
    assert_eq!(run["config"]["training"]["steps"], 30);
    assert_eq!(run["events"].as_array().unwrap().len(), place.events("run").len());
}

/// An autoencoder of another model is left out where it only happens to lie there, and is an error
/// where it is named.
#[test]
fn features_of_another_model_are_not_taken() {
    let place = Place::with_run();
    let other = ["train", "text.txt", "--out", "other", "--seed", "9"];
    place.machado(&other).args(TINY).assert().success();
    let sae = ["sae", "train", "run", "--features", "16", "--k", "4", "--positions", "5000"];
    place.machado(&sae).args(["--out", "other/sae"]).assert().success();
    let serving = Serving::start(&place, &["--model", "other"]);
    let said = &serving.said;
    assert!(said.contains("is served without its features"), "{said}");
    place.fails(
        &["serve", "--model", "other", "--sae", "other/sae"],
        1,
        &["trained on another model"],
    );
}

#[cfg(unix)]
#[test]
fn told_to_stop_it_ends_well() {
    for signal in ["INT", "TERM"] {
        let serving = Serving::start(&Place::new(), &[]);
        serving.signal(signal);
        let (code, said) = serving.ended();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.ends_with("stopped\n"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn told_twice_it_ends_at_once() {
    let mut serving = Serving::start(&Place::new(), &[]);
    // Somebody who reads nothing, so that the text does not come to its end.
    let mut stream = TcpStream::connect(&serving.address).unwrap();
    let body = r#"{"prompt": "a", "max_tokens": 4096, "n": 32, "stream": true, "logprobs": 5}"#;
    let head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length";
    stream.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    let mut some = [0; 200];
    stream.read_exact(&mut some).unwrap();
    serving.signal("TERM");
    // It takes no new connections now, and waits for the one that it has.
    while TcpStream::connect(&serving.address).is_ok() {
        std::thread::yield_now();
    }
    // What comes within a moment counts as the same signal.
    while serving.is_running() {
        serving.signal("INT");
    }
    let (code, said) = serving.ended();
    assert_eq!(code, Some(130), "{said}");
}

#[test]
fn what_cannot_be_served_is_said() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    place.fails(&["serve", "--port", &port], 1, &["is taken by another program", "--port"]);
    place.fails(&["serve", "--host", "0.0.0.0", "--port", "0"], 2, &["--api-key", "--insecure"]);
    place.fails(&["serve", "--host", "here"], 2, &["an address such as 127.0.0.1"]);
    place.fails(&["serve", "--model", "none.safetensors"], 1, &["none.safetensors"]);
    place.fails(&["serve", "--model", "=x"], 2, &["NAME=FILE"]);
    place.fails(&["serve", "--run", "none"], 1, &["there is no run in none"]);
    place.fails(&["serve", "--parallel", "0"], 2, &["--parallel"]);
}
