use serde_json::Value;

use crate::harness::{KNOWING, Place, SMALL};

impl Place {
    /// A place with a run in `run` and its autoencoder in `run/sae`.
    pub(crate) fn with_sae() -> Self {
        let place = Self::new();
        place.write("text.txt", crate::harness::text());
        place.machado(&["train", "text.txt", "--out", "run"]).args(KNOWING).assert().success();
        place.machado(&["sae", "train", "run"]).args(SMALL).assert().success();
        place
    }
}

#[test]
fn a_training_leaves_the_two_files_of_saelens_and_a_log() {
    let place = Place::with_run();
    let args = [&["sae", "train", "run", "--json"], SMALL].concat();
    let json = place.json(&args);
    let variance = json["explained_variance"].as_f64().unwrap();
    assert!((0.5..1.0).contains(&variance), "{json}");
    let l0 = json["l0"].as_f64().unwrap();
    assert!((l0 - 3.0).abs() < 0.3, "{l0} features a state");
    let config: Value = serde_json::from_slice(&place.read("run/sae/cfg.json")).unwrap();
    assert_eq!(config["architecture"], "jumprelu");
    assert_eq!([&config["d_in"], &config["d_sae"]], [8, 32]);
    assert_eq!(config["metadata"]["hook_name"], "gru");
    assert_eq!(config["metadata"]["machado"]["prefixes"], serde_json::json!([8, 32]));
    let log = place.text("run/sae/metrics.jsonl");
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["step"]), (&"done".into(), &79.into()));
    // The same seed gives the same bytes, on any number of threads.
    let weights = place.read("run/sae/sae_weights.safetensors");
    let again = [&["sae", "train", "run", "--out", "again", "--threads", "3"], SMALL].concat();
    place.machado(&again).assert().success();
    assert_eq!(place.read("again/sae_weights.safetensors"), weights);
    assert_eq!(place.read("again/cfg.json"), place.read("run/sae/cfg.json"));
}

#[test]
fn the_autoencoder_of_the_built_in_model_lies_where_the_program_is_called() {
    let place = Place::new();
    place.write("text.txt", crate::harness::text());
    let args = [&["sae", "train", "--text", "text.txt"], SMALL].concat();
    let said = place.machado(&args).assert().success().get_output().stderr.clone();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("\nsaved to    ./sae\n"), "{said}");
    let list = ["sae", "list", "--text", "text.txt", "--top", "2"];
    assert_eq!(place.stdout(&list).lines().count(), 3);
    let parts = ["does not have the text", "--text book.txt"];
    place.fails(&["sae", "list"], 1, &parts);
}

#[test]
fn all_architectures_train() {
    let place = Place::with_run();
    for (name, more) in [("topk", &[][..]), ("l1", &["--l1-coefficient", "0.02"])] {
        let args = ["sae", "train", "run", "--json", "--out", name, "--architecture", name];
        let json = place.json(&[&args[..], SMALL, more].concat());
        assert_eq!(json["architecture"], name);
        assert!(json["explained_variance"].as_f64().unwrap() > 0.4, "{json}");
    }
}

#[test]
fn an_evaluation_says_what_the_features_keep() {
    let place = Place::with_sae();
    let json = place.json(&["sae", "evaluate", "run", "--stability", "--coverage", "--json"]);
    let nats = |key: &str| json["loss_nats"][key].as_f64().unwrap();
    assert!(nats("clean") < nats("output") && nats("output") < nats("mean"), "{json}");
    let recovered = json["recovered_output"].as_f64().unwrap();
    let expected = (nats("mean") - nats("output")) / (nats("mean") - nats("clean"));
    assert!((recovered - expected).abs() < 1e-9);
    assert!(json["recovered_state"].as_f64().unwrap() <= 1.0);
    for key in ["features", "first_prefix", "firings"] {
        assert!((0.0..=1.0).contains(&json["stability"][key].as_f64().unwrap()), "{json}");
    }
    for kind in [
        "features",
        "single units",
        "principal components",
        "random directions",
        "features, untrained",
    ] {
        let covered = &json["coverage"][kind];
        assert!((0.1..=1.0).contains(&covered["mean_f1"].as_f64().unwrap()), "{kind}: {covered}");
        assert!(covered["rules"].as_array().unwrap().iter().any(|rule| rule["rule"] == "a vowel"));
    }
    // The loss of the model by itself is that of `evaluate`, but for the beginnings of the parts
    // that are read side by side.
    let whole = place.json(&["evaluate", "--part", "validation", "--model", "run", "--json"]);
    let difference = whole["loss_nats"].as_f64().unwrap() - nats("clean");
    assert!(difference.abs() < 0.02, "{difference} nats apart");
    let table = place.stdout(&["sae", "evaluate", "run"]);
    assert!(table.contains("by the features, in the recurrence"), "{table}");
}

#[test]
fn a_second_training_has_the_rate_of_the_first() {
    let place = Place::with_run();
    let args = ["sae", "train", "run", "--learning-rate", "0.0001"];
    place.machado(&args).args(SMALL).assert().success();
    let mut config: Value = serde_json::from_slice(&place.read("run/sae/cfg.json")).unwrap();
    assert_eq!(config["metadata"]["machado"]["learning_rate"], 0.0001);
    let stable =
        || place.json(&["sae", "evaluate", "run", "--stability", "--json"])["stability"].clone();
    let slow = stable();
    // A file that does not know its rate takes the one that fits the number of features.
    drop(config["metadata"]["machado"].as_object_mut().unwrap().remove("learning_rate"));
    place.write("run/sae/cfg.json", config.to_string());
    assert_ne!(stable(), slow);
    config["metadata"]["machado"]["learning_rate"] = 0.0001.into();
    place.write("run/sae/cfg.json", config.to_string());
    assert_eq!(stable(), slow);
    // Where none is named, the rule's is kept: 7e-4 · √(16384 / 32).
    place.machado(&["sae", "train", "run", "--out", "other"]).args(SMALL).assert().success();
    let config: Value = serde_json::from_slice(&place.read("other/cfg.json")).unwrap();
    let rate = config["metadata"]["machado"]["learning_rate"].as_f64().unwrap();
    assert!((rate - 7e-4 * 512f64.sqrt()).abs() < 1e-12, "{rate}");
}

#[test]
fn known_features_are_found() {
    let json = Place::new().json(&["sae", "selftest", "--json"]);
    assert!(json["mean_max_cosine"].as_f64() >= Some(0.9), "{json}");
    assert!(json["recovered"].as_f64() >= Some(0.8), "{json}");
    assert!(json["dead"].as_f64() <= Some(0.05), "{json}");
    assert!(json["explained_variance"].as_f64() >= Some(0.9), "{json}");
}

#[test]
fn what_cannot_be_trained_says_why() {
    let place = Place::with_run();
    let fails = |args: &[&str], parts: &[&str]| {
        place.fails(&[&["sae", "train", "run"], args].concat(), 1, parts);
    };
    fails(&["--layer", "gru_7"], &["no layer \"gru_7\"", "it has conv1d, gru"]);
    fails(&["--features", "10", "--k", "11"], &["k must be from 1 to 10", "not 11"]);
    fails(
        &["--features", "10", "--prefixes", "4,8"],
        &["the prefixes must be rising numbers that end with 10, not [4, 8]"],
    );
    // Nothing is left behind.
    assert!(!place.path("run/sae").exists());
}

#[test]
fn an_autoencoder_that_is_missing_or_of_another_model_is_named() {
    let place = Place::with_sae();
    place.fails(
        &["sae", "evaluate", "run", "--sae", "nowhere"],
        1,
        &["there is no autoencoder in nowhere", "hint: train one with `machado sae train`"],
    );
    place.write("other.txt", crate::harness::text());
    place
        .machado(&["train", "other.txt", "--out", "other", "--seed", "7"])
        .args(crate::harness::TINY)
        .assert()
        .success();
    place.fails(
        &["sae", "evaluate", "other", "--sae", "run/sae"],
        1,
        &["was trained on another model"],
    );
    place.write("run/sae/cfg.json", "{\"d_in\": 8}");
    place.fails(&["sae", "evaluate", "run"], 1, &["run/sae", "cfg.json", "missing field"]);
}
