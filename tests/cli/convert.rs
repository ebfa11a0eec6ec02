use serde_json::Value;

use crate::harness::{Place, TINY, text};

/// A file that Keras wrote; `crates/machado-interop/tests/fixtures/make.py` tells what is in it.
fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/machado-interop/tests/fixtures");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

/// A place with some of them.
fn place_with(names: &[&str]) -> Place {
    let place = Place::new();
    names.iter().for_each(|name| place.write(name, fixture(name)));
    place
}

#[test]
fn a_model_that_goes_to_keras_and_comes_back_is_the_same() {
    let place = Place::new();
    place.write("text.txt", text());
    for (number, more) in [
        &["--tokenizer", "char", "--max-vocab", "15", "--optimizer", "adamw"][..],
        &["--tokenizer", "word", "--gru-layers", "2", "--sampling", "streams"],
        &["--tokenizer", "bpe", "--max-vocab", "300", "--optimizer", "sgd", "--dropout", "0.1"],
    ]
    .iter()
    .enumerate()
    {
        let run = format!("run{number}");
        place
            .machado(&["train", "text.txt", "--out", &run])
            .args(TINY)
            .args(*more)
            .assert()
            .success();
        for file in ["model.safetensors", "last.safetensors"] {
            let (from, keras, back) = (
                format!("{run}/{file}"),
                format!("{run}/{file}.keras"),
                format!("{run}/back-{file}"),
            );
            place.machado(&["convert", &from, &keras]).assert().success();
            place.machado(&["convert", &keras, &back]).assert().success();
            assert!(place.read(&from) == place.read(&back), "{from}");
        }
    }
}

#[test]
fn convert_says_what_it_wrote_and_leaves_what_is_there() {
    let place = place_with(&["nadam.keras", "activations.keras", "vocabulary.json"]);
    let vocabulary = ["--vocabulary", "vocabulary.json"];
    let convert = |args: &[&str]| place.stdout(&[&["convert"], args, &vocabulary[..]].concat());
    let told = convert(&["nadam.keras", "model.safetensors"]);
    assert!(
        told.starts_with("model.safetensors: 164 parameters, 7 tokens, nadam after 3 steps"),
        "{told}"
    );
    let before = place.read("model.safetensors");
    let again = ["convert", "activations.keras", "model.safetensors"];
    place.fails(&[&again[..], &vocabulary].concat(), 1, &["exists already", "--overwrite"]);
    assert!(place.read("model.safetensors") == before);
    let told = convert(&["activations.keras", "model.safetensors", "--overwrite", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["to"], "model.safetensors");
    assert_eq!(told["parameters"], 120);
    assert_eq!(told["optimizer_steps"], Value::Null);
    assert!(told["notes"][0].as_str().unwrap().contains("kernel_regularizer"), "{told}");
    assert!(place.read("model.safetensors") != before);
}

#[test]
fn the_ending_says_the_format() {
    let place = place_with(&["nadam.keras"]);
    let args = ["convert", "nadam.keras", "model.h5"];
    place.fails(&args, 2, &["must end in .safetensors, .keras, .onnx or .json", "model.h5"]);
    place.fails(&["convert", "no.keras", "model.safetensors"], 1, &["cannot read no.keras"]);
}

#[test]
fn a_model_goes_to_programs_that_only_run_it() {
    let place = Place::with_run();
    let told = place.json(&["convert", "run/last.safetensors", "model.onnx", "--json"]);
    assert_eq!(told["optimizer_steps"], Value::Null);
    assert!(told["notes"][0].as_str().unwrap().contains("optimizer"), "{told}");
    let graph = place.read("model.onnx");
    for name in ["tokens", "probabilities", "gru.state.next", "tokenizer.json"] {
        assert!(graph.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
    }
    // Of the best model alone nothing is lost.
    let told = place.json(&["convert", "run", "tokenizer.json", "--json"]);
    assert_eq!(told["notes"], serde_json::json!([]));
    let tokenizer: Value = serde_json::from_slice(&place.read("tokenizer.json")).unwrap();
    assert_eq!(tokenizer["decoder"]["type"], "Fuse");
}

#[test]
fn every_command_takes_a_model_of_keras() {
    let place = Place::with_run();
    place.machado(&["convert", "run", "model.keras"]).assert().success();
    for args in [
        &["predict", "a cor "][..],
        &["generate", "a cor ", "--tokens", "20", "--seed", "7"],
        &["evaluate", "text.txt"],
        &["decode", "text.txt", "--windows", "2"],
    ] {
        let with = |model: &str| place.stdout(&[args, &["--json", "--model", model]].concat());
        let timeless = |told: String| -> Vec<Value> {
            let objects = told.lines().map(|line| serde_json::from_str(line).unwrap());
            let mut objects: Vec<Value> = objects.collect();
            objects.iter_mut().for_each(|object| object["tokens_per_second"] = Value::Null);
            objects
        };
        let [keras, own] = ["model.keras", "run/model.safetensors"].map(|m| timeless(with(m)));
        assert_eq!(keras, own, "{args:?}");
    }
    let info = place.json(&["info", "model.keras", "--json"]);
    assert_eq!(info["tokenizer"], "char");
    assert_eq!(info["training"]["steps"], 30);
    let tiny = ["--features", "16", "--k", "2", "--positions", "5000"];
    place
        .machado(&["sae", "train", "model.keras", "--text", "text.txt"])
        .args(tiny)
        .assert()
        .success();
    place.machado(&["sae", "list", "model.keras", "--text", "text.txt"]).assert().success();
}

#[test]
fn a_model_without_vocabulary_needs_one() {
    let place = place_with(&["sequential.keras", "vocabulary.json", "vectorization.keras"]);
    let predict = ["predict", "a cor", "--model", "sequential.keras"];
    place.fails(&predict, 1, &["sequential.keras", "its 7 tokens stand for", "--vocabulary"]);
    let with = |file: &'static str| [&predict[..], &["--vocabulary", file, "--json"]].concat();
    let told = place.json(&with("vocabulary.json"));
    assert_eq!(told["candidates"].as_array().unwrap().len(), 7);
    // The characters of a text, found in lower case.
    place.write("text.txt", "A AA cccc rrr OOo E d");
    assert_eq!(place.json(&with("text.txt"))["candidates"].as_array().unwrap().len(), 7);
    place.write("other.txt", "abcdefghijk");
    let parts = ["the text given", "11 different characters", "the model has 7 tokens"];
    place.fails(&with("other.txt"), 1, &parts);
    place.fails(&with("none.txt"), 1, &["cannot read none.txt"]);
    // Where the file has one, nothing is needed.
    let told = place.json(&["info", "vectorization.keras", "--json"]);
    assert_eq!(told["standardize"], "lower");
    assert_eq!(told["vocabulary_size"], 15);
}

#[test]
fn a_layer_that_machado_does_not_have_is_named() {
    let place = place_with(&["lstm.keras", "vocabulary.json"]);
    let args = ["info", "lstm.keras", "--vocabulary", "vocabulary.json"];
    place.fails(
        &args,
        1,
        &["lstm.keras: layer \"memory\" (LSTM): machado has no such layer", "hint: "],
    );
}

#[test]
fn a_training_that_keras_began_goes_on() {
    let place = place_with(&["nadam.keras", "vocabulary.json"]);
    place.write("text.txt", "a cor doce e o car da roda ".repeat(60));
    let from = ["--from", "nadam.keras", "--vocabulary", "vocabulary.json"];
    let length = ["--steps", "20", "--window", "8", "--batch-size", "8", "--eval-every", "10"];
    let train =
        ["train", "text.txt", "--out", "run", "--split", "0.8:0.1", "--schedule", "constant"];
    let output =
        place.machado(&train).args(from).args(length).assert().success().get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("begins with nadam.keras, with nadam after 3 steps"), "{said}");
    let settings: toml::Table = place.text("run/config.toml").parse().unwrap();
    assert_eq!(settings["training"]["learning_rate"].as_float(), Some(0.01));
    assert_eq!(settings["training"]["clip_norm"].as_float(), Some(0.5));
    let convert = ["convert", "run/last.safetensors", "on.keras", "--json"];
    assert_eq!(place.json(&convert)["optimizer_steps"], 23);
    // And from there once more, with what flags say.
    let on = ["--from", "on.keras", "--optimizer", "adam", "--out", "run2"];
    let mut again = place.machado(&["train", "text.txt", "--split", "0.8:0.1"]);
    let output = again.args(on).args(length).assert().success().get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("begins with on.keras, with a fresh optimizer"), "{said}");
    place.machado(&["train", "--resume", "run2", "--steps", "30"]).assert().success();
    let layers = ["train", "text.txt", "--from", "on.keras", "--units", "5"];
    place.fails(&layers, 2, &["--from", "--units"]);
}
