//! Files that Keras wrote, and files that Keras reads; `fixtures/make.py` made both.

use machado_core::checkpoint::Checkpoint;
use machado_core::data::{Batch, Start, Target};
use machado_core::layers::{Activation, DropoutPer};
use machado_core::math::threads::Compute;
use machado_core::model::{Engine, LayerConfig, Model, StepKey};
use machado_core::optimizer::{clip_factor, global_norm};
use machado_core::text::Standardize;
use machado_core::tokenizer::UnknownPolicy;
use machado_interop::keras::{self, KerasFile};
use serde_json::Value;

const ROWS: usize = 4;

/// Both compute in `f32`, in another order.
const TOLERANCE: f64 = 1e-5;

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn expected(name: &str) -> Value {
    let all: Value = serde_json::from_slice(&fixture("expected.json")).unwrap();
    all[name].clone()
}

fn read(name: &str) -> KerasFile {
    keras::read(&fixture(&format!("{name}.keras")), Some(&fixture("vocabulary.json"))).unwrap()
}

fn floats(values: &Value) -> Vec<f32> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

fn ids(values: &Value) -> Vec<u32> {
    values.as_array().unwrap().iter().map(|value| value.as_u64().unwrap() as u32).collect()
}

/// A batch whose rows are these windows, each with one token more that is only a target.
fn batch(windows: Vec<u32>, rows: usize) -> Batch {
    let time = windows.len() / rows - 1;
    Batch { windows, rows, time, start: Start::Fresh }
}

fn engine(model: &Model) -> Engine {
    let vocabulary_size = model.tokenizer.vocabulary_size();
    let mut engine = Engine::new(&model.config, vocabulary_size, Compute::single()).unwrap();
    engine.load(&model.weights);
    engine
}

/// What may follow each of these tokens, row by row.
fn probabilities(model: &Model, inputs: &[u32], rows: usize) -> Vec<f32> {
    let windows = inputs
        .chunks(inputs.len() / rows)
        // The target, which plays no part.
        .flat_map(|row| [row, &[0]].concat())
        .collect();
    engine(model).probabilities(&batch(windows, rows))
}

fn check_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(f64::from((a - b).abs()) <= TOLERANCE, "{what} {place}: {a}, not Keras' {b}");
    }
}

fn check_answers(name: &str) -> KerasFile {
    let (file, expected) = (read(name), expected(name));
    let found = probabilities(&file.checkpoint.file.model, &ids(&expected["inputs"]), ROWS);
    check_close(&found, &floats(&expected["probabilities"]), name);
    file
}

#[test]
fn the_tutorials_model_says_what_it_says_in_keras() {
    let file = check_answers("sequential");
    assert!(file.notes.is_empty(), "{:?}", file.notes);
    assert_eq!(file.checkpoint.learning, None);
    let names = file.checkpoint.file.model.config.layer_names();
    assert_eq!(names, ["embedding", "conv1d", "gru", "dense"]);
}

#[test]
fn a_functional_model_with_a_sum_and_both_kinds_of_gru() {
    let file = check_answers("functional");
    let gru = |reset_after| LayerConfig::Gru { units: 5, reset_after };
    let dropout = LayerConfig::Dropout { rate: 0.2, per: DropoutPer::Window };
    let layers = &file.checkpoint.file.model.config.layers;
    let sum = LayerConfig::Add { layer: "gru".into() };
    assert_eq!(layers[1..5], [dropout, gru(true), gru(false), sum]);
    assert_eq!(file.notes.len(), 1, "{:?}", file.notes);
    assert!(file.notes[0].contains("\"two\" (GRU) has no bias"), "{:?}", file.notes);
}

#[test]
fn activations_that_are_layers_of_their_own() {
    let file = check_answers("activations");
    let layers = &file.checkpoint.file.model.config.layers;
    assert_eq!(
        layers[1..],
        [
            LayerConfig::Dropout { rate: 0.1, per: DropoutPer::Window },
            LayerConfig::Dense { units: Some(6), activation: Activation::Tanh },
            LayerConfig::dropout(0.3),
            LayerConfig::Dense { units: None, activation: Activation::Softmax },
        ]
    );
    assert_eq!(file.notes.len(), 1, "{:?}", file.notes);
    assert!(file.notes[0].starts_with("kernel_regularizer of layer"), "{:?}", file.notes);
}

/// With a line end among its tokens, the file is one that Keras wrote and cannot open.
#[test]
fn a_model_that_takes_text_brings_its_vocabulary() {
    let file = keras::read(&fixture("vectorization.keras"), None).unwrap().checkpoint.file;
    let expected = expected("vectorization");
    assert_eq!(file.standardize, Standardize::Lower);
    let tokenizer = &file.model.tokenizer;
    let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
    let text = file.standardize.apply(expected["text"].as_str().unwrap()).into_owned();
    tokenizer.encode_piece(&text, &mut encoding).unwrap();
    let found = encoding.ids.to_vec();
    assert_eq!(found, ids(&expected["ids"]));
    assert_eq!(tokenizer.decode(&found), text);
    let probabilities = probabilities(&file.model, &found, 1);
    check_close(&probabilities, &floats(&expected["probabilities"]), "vectorization");
}

/// Goes on with a training that Keras began, on the same batches.
fn check_training(name: &str) {
    let (file, expected) = (check_answers(name), expected(name));
    assert!(file.notes.is_empty(), "{:?}", file.notes);
    let learning = file.checkpoint.learning.expect("an optimizer");
    let (mut optimizer, rate) = (learning.optimizer, learning.rate.unwrap());
    assert_eq!((optimizer.config().name(), optimizer.steps()), (name, 3));
    let mut model = file.checkpoint.file.model;
    let losses = floats(&expected["losses"]);
    for (step, windows) in expected["batches"].as_array().unwrap().iter().enumerate() {
        let mut engine = engine(&model);
        let mut gradients = vec![0.0; model.weights.len()];
        let batch = batch(ids(windows), ROWS);
        let key = StepKey { seed: 0, step: 0 };
        let loss = engine.gradients(&batch, Target::All, key, &mut gradients).loss();
        check_close(&[loss as f32], &[losses[step]], &format!("{name}: loss of step"));
        let compute = Compute::single();
        let factor = clip_factor(global_norm(compute.unit(), &gradients), rate.clip_norm);
        optimizer.step(&compute, &mut model.weights, &gradients, factor, rate.learning_rate);
    }
    check_close(&model.weights, &floats(&expected["weights"]), &format!("{name}: weight"));
}

#[test]
fn a_training_with_nadam_goes_on() {
    check_training("nadam");
}

#[test]
fn a_training_with_adam_goes_on() {
    check_training("adam");
}

#[test]
fn a_training_with_adamw_goes_on() {
    check_training("adamw");
}

#[test]
fn a_training_with_sgd_goes_on() {
    check_training("sgd");
}

const ALL: [&str; 7] = ["sequential", "functional", "activations", "nadam", "adam", "adamw", "sgd"];

/// Through machado's own format, as `machado convert` takes them.
#[test]
fn a_model_that_goes_out_and_comes_back_is_the_same() {
    for name in ALL {
        let ours = read(name).checkpoint.to_bytes();
        let written = keras::write(&Checkpoint::read(&ours).unwrap()).unwrap();
        let back = keras::read(&written, None).unwrap();
        assert!(back.notes.is_empty(), "{name}: {:?}", back.notes);
        assert!(back.checkpoint.to_bytes() == ours, "{name}");
        assert!(keras::write(&back.checkpoint).unwrap() == written, "{name}");
        // Keras has opened these bytes, and found the same probabilities and further steps.
        let opened = fixture(&format!("written.{name}.keras"));
        assert!(written == opened, "{name}: run make.py with the program, and look what it says");
    }
}
