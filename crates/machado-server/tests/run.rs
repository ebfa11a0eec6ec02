//! A training that is watched.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use machado_server::WatchedRun;
use serde_json::{Value, json};

use crate::common::{Running, characters, config, served};

fn watched(folder: &std::path::Path) -> WatchedRun {
    WatchedRun {
        name: "book".into(),
        folder: folder.to_owned(),
        config: json!({ "training": { "steps": 9 } }),
        total_steps: Some(9),
        newer: Box::new(|| None),
    }
}

fn step(number: u64) -> String {
    format!("{}\n", json!({ "event": "step", "step": number, "loss": 3.0 }))
}

#[test]
fn curves_come_while_they_grow_and_the_stream_ends_with_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    File::create(&path).unwrap().write_all((step(1) + &step(2)).as_bytes()).unwrap();
    let models = vec![served("book", characters())];
    let running = Running::start(models, Some(watched(folder.path())), config());

    let run = running.get("/v1/run").json();
    assert_eq!((&run["name"], &run["state"]), (&json!("book"), &json!("training")));
    assert_eq!((&run["steps"], &run["total_steps"]), (&json!(2), &json!(9)));
    assert_eq!(run["events"].as_array().unwrap().len(), 2);
    assert_eq!(run["next"], 2);
    assert_eq!(running.get("/v1/models").json()["data"][0]["meta"]["run"], true);
    let wrong = running.get("/v1/run/events?from=x");
    assert_eq!((wrong.status, wrong.json()["error"]["param"].clone()), (400, json!("from")));

    let mut stream = TcpStream::connect(running.address).unwrap();
    let request = "GET /v1/run/events?from=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(|line| line.unwrap());
    let mut next = || -> (String, Value) {
        let id = lines.by_ref().find(|line| line.starts_with("id: ")).unwrap();
        let data = lines.next().unwrap();
        (id, serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap())
    };
    assert_eq!(next(), ("id: 1".into(), json!({ "event": "step", "step": 2, "loss": 3.0 })));
    let mut log = OpenOptions::new().append(true).open(&path).unwrap();
    log.write_all(step(3).as_bytes()).unwrap();
    assert_eq!(next().1["step"], 3);
    log.write_all(format!("{}\n", json!({ "event": "done", "step": 3 })).as_bytes()).unwrap();
    assert_eq!(next().1["event"], "done");
    assert!(lines.all(|line| !line.starts_with("data")), "after the end");
    assert_eq!(running.get("/v1/run").json()["state"], "finished");
}

#[test]
fn a_better_model_of_the_run_takes_the_place_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    File::create(folder.path().join("metrics.jsonl")).unwrap();
    let better = std::sync::Mutex::new(Some({
        let mut model = crate::common::model(characters(), 24);
        // It says nothing but its first token.
        model.weights.fill(0.0);
        let unit = machado_core::math::simd::VectorUnit::detect();
        let standardize = machado_core::text::Standardize::None;
        machado_server::ServedModel::new("book".into(), model, standardize, unit).unwrap()
    }));
    let newer = Box::new(move || better.lock().unwrap().take());
    let run = WatchedRun { newer, ..watched(folder.path()) };
    let running = Running::start(vec![served("book", characters())], Some(run), config());
    let ask = || running.complete(&json!({ "prompt": "a", "max_tokens": 5, "temperature": 0 }));
    let before = ask()["system_fingerprint"].clone();
    let began = std::time::Instant::now();
    while ask()["system_fingerprint"] == before {
        assert!(began.elapsed().as_secs() < 20, "no newer model");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let first = characters().token(0);
    assert_eq!(ask()["choices"][0]["text"], first.repeat(5));
}
