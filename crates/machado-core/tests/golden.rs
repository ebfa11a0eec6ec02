//! Numbers that Keras computed; `golden/make_golden.py` made them and says with which versions.

use std::collections::HashMap;

use machado_core::data::{Batch, Start, Target};
use machado_core::layers::Activation;
use machado_core::math::threads::Compute;
use machado_core::model::{Engine, LayerConfig, ModelConfig, StepKey};
use machado_core::optimizer::{Optimizer, OptimizerConfig, Schedule, clip_factor, global_norm};
use machado_core::text::Standardize;
use machado_core::tokenizer::{CharTokenizer, Tokenizer, UnknownPolicy};
use serde_json::Value;

use crate::common::{pad, unpad};

/// Keras computes in `f32` too, in another order.
const TOLERANCE: f64 = 3e-6;

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn floats(array: &Value) -> Vec<f32> {
    let data = array.get("data").unwrap_or(array);
    data.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

fn batch(inputs: &Value, targets: &Value) -> Batch {
    let shape = inputs["shape"].as_array().unwrap();
    let (rows, time) = (shape[0].as_u64().unwrap() as usize, shape[1].as_u64().unwrap() as usize);
    let ids = |v: &Value| -> Vec<u32> {
        v["data"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
    };
    let (inputs, targets) = (ids(inputs), ids(targets));
    let last = targets.len() / rows;
    let windows = (0..rows)
        .flat_map(|row| {
            let mut window = inputs[row * time..][..time].to_vec();
            window.push(targets[(row + 1) * last - 1]);
            if last > 1 {
                assert_eq!(window[1..time], targets[row * time..][..time - 1], "shifted by one");
            }
            window
        })
        .collect();
    Batch { windows, rows, time, start: Start::Fresh }
}

fn small_model(grus: &[usize]) -> ModelConfig {
    let mut layers = vec![
        LayerConfig::Embedding { output_dim: 4 },
        LayerConfig::Conv1d { filters: 5, kernel_size: 3, activation: Activation::Relu },
    ];
    layers.extend(grus.iter().map(|&units| LayerConfig::gru(units)));
    layers.push(LayerConfig::Dense { units: None, activation: Activation::Softmax });
    ModelConfig { layers }
}

fn reset_before() -> ModelConfig {
    let mut config = small_model(&[6]);
    config.layers[2] = LayerConfig::Gru { units: 6, reset_after: false };
    config
}

/// An engine with the fixture's weights, and these weights flat.
fn engine_with(config: &ModelConfig, weights: &Value) -> (Engine, Vec<f32>) {
    let mut engine = Engine::new(config, 11, Compute::single()).unwrap();
    let table = engine.network().table();
    let flat: Vec<f32> =
        table.specs().iter().flat_map(|spec| floats(&weights[&spec.name])).collect();
    assert_eq!(flat.len(), table.len());
    engine.load(&flat);
    (engine, flat)
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let difference = f64::from((a - b).abs());
        assert!(difference <= tolerance, "{what}[{i}]: {a} instead of Keras' {b}");
    }
}

fn check_gradients(name: &str, config: &ModelConfig, target: Target) {
    let golden = fixture(name);
    let (mut engine, flat) = engine_with(config, &golden["weights"]);
    let batch = batch(&golden["inputs"], &golden["targets"]);
    if target == Target::All {
        let probabilities = engine.probabilities(&batch);
        assert_close(&probabilities, &floats(&golden["probabilities"]), TOLERANCE, "probabilities");
    }
    let mut gradients = vec![0.0; flat.len()];
    let loss = engine.gradients(&batch, target, StepKey { seed: 0, step: 0 }, &mut gradients);
    assert!((loss.loss() - golden["loss"].as_f64().unwrap()).abs() < TOLERANCE, "{loss:?}");
    assert!((loss.accuracy() - golden["accuracy"].as_f64().unwrap()).abs() < 1e-6, "{loss:?}");
    let table = engine.network().table();
    for (i, spec) in table.specs().iter().enumerate() {
        let expected = floats(&golden["gradients"][&spec.name]);
        assert_close(&gradients[table.range(i)], &expected, TOLERANCE, &spec.name);
    }
}

#[test]
fn the_tutorials_model_has_keras_probabilities_loss_and_gradients() {
    check_gradients("gradients", &small_model(&[6]), Target::All);
}

#[test]
fn two_grus_have_keras_gradients() {
    check_gradients("gradients_two_gru", &small_model(&[6, 5]), Target::All);
}

#[test]
fn the_target_last_has_keras_gradients() {
    check_gradients("gradients_last", &small_model(&[6]), Target::Last);
}

#[test]
fn a_reset_gate_before_the_product_has_keras_gradients() {
    check_gradients("gradients_reset_before", &reset_before(), Target::All);
}

#[test]
fn a_gru_with_an_initial_state_gives_keras_outputs() {
    use machado_core::layers::{BlockShape, Gru, Input, Layer, Mode};
    use machado_core::math::simd::VectorUnit;

    let golden = fixture("gru_forward");
    let shape: Vec<usize> = golden["input"]["shape"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_u64().unwrap() as usize)
        .collect();
    let [rows, time, channels] = shape[..] else { panic!("{shape:?}") };
    let state = floats(&golden["initial_state"]);
    let units = state.len() / rows;
    let time_major = |values: &[f32], width: usize| -> Vec<f32> {
        (0..time)
            .flat_map(|t| (0..rows).map(move |row| (row * time + t) * width))
            .flat_map(|start| values[start..start + width].to_vec())
            .collect()
    };
    let weights = &golden["weights"];
    let flat: Vec<f32> = ["gru/kernel", "gru/recurrent_kernel", "gru/bias"]
        .iter()
        .flat_map(|name| floats(&weights[*name]))
        .collect();
    for unit in VectorUnit::available() {
        let mut layer = Layer::Gru(Gru::new(unit, channels, units));
        layer.load(&flat);
        let mut pass = layer.new_pass();
        let mut state = pad(&state, units);
        let input = pad(&time_major(&floats(&golden["input"]), channels), channels);
        let block = BlockShape { time, rows };
        layer.forward(
            block,
            Mode::Inference,
            Input::Values(&input),
            (&mut state[..]).into(),
            &mut pass,
        );
        let expected = time_major(&floats(&golden["output"]), units);
        assert_close(&unpad(pass.output(), units), &expected, TOLERANCE, unit.name());
        assert_close(
            &unpad(&state, units),
            &expected[(time - 1) * rows * units..],
            TOLERANCE,
            "last state",
        );
    }
}

/// A GRU that Keras' own test suite publishes: kernel 0.01, recurrent kernel 0.02, bias 0.03 over
/// `arange(72)` as (3, 6, 4).
#[test]
fn the_gru_of_keras_own_tests() {
    use machado_core::layers::{BlockShape, Gru, Input, Layer, Mode};
    use machado_core::math::simd::VectorUnit;

    let mut layer = Layer::Gru(Gru::new(VectorUnit::detect(), 4, 3));
    let weights = [vec![0.01; 4 * 9], vec![0.02; 3 * 9], vec![0.03; 2 * 9]].concat();
    layer.load(&weights);
    let input: Vec<f32> = (0..6)
        .flat_map(|t| {
            (0..3).flat_map(move |row| (0..4).map(move |c| (row * 24 + t * 4 + c) as f32))
        })
        .collect();
    let input = pad(&input, 4);
    let mut state = pad(&[0.0; 9], 3);
    let mut pass = layer.new_pass();
    let block = BlockShape { time: 6, rows: 3 };
    layer.forward(
        block,
        Mode::Inference,
        Input::Values(&input),
        (&mut state[..]).into(),
        &mut pass,
    );
    let state = unpad(&state, 3);
    for (row, expected) in [0.521_728_9, 0.637_165_9, 0.393_849_64].into_iter().enumerate() {
        assert_close(&state[row * 3..][..3], &[expected; 3], TOLERANCE, "state");
    }
}

fn optimizer(name: &str, config: &Value) -> OptimizerConfig {
    let mut fields = config.as_object().unwrap().clone();
    for foreign in ["learning_rate", "global_clipnorm"] {
        fields.remove(foreign);
    }
    fields.insert("name".into(), name.into());
    serde_json::from_value(Value::Object(fields)).unwrap()
}

#[test]
fn optimizers_take_keras_steps() {
    for case in fixture("optimizers")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let known = OptimizerConfig::NAMES.iter().find(|known| name.starts_with(*known)).unwrap();
        let known = if name.starts_with("adamw") { "adamw" } else { known };
        let config = optimizer(known, &case["config"]);
        let learning_rate = case["config"]["learning_rate"].as_f64().unwrap();
        let limit = case["config"].get("global_clipnorm").and_then(Value::as_f64);
        let both = |v: &Value| [floats(&v["a"]), floats(&v["b"])].concat();
        let mut weights = both(&case["initial"]);
        let mut optimizer = Optimizer::new(config, weights.len());
        let compute = Compute::single();
        let steps = case["gradients"].as_array().unwrap().iter();
        for (i, (gradients, values)) in steps.zip(case["values"].as_array().unwrap()).enumerate() {
            let gradients = both(gradients);
            let factor = clip_factor(global_norm(compute.unit(), &gradients), limit);
            optimizer.step(&compute, &mut weights, &gradients, factor, learning_rate);
            assert_close(&weights, &both(values), TOLERANCE, &format!("{name}, step {}", i + 1));
        }
    }
}

#[test]
fn ten_training_steps_have_keras_losses_and_end_at_keras_weights() {
    let golden = fixture("training");
    let (mut engine, mut weights) = engine_with(&small_model(&[6]), &golden["weights"]);
    let config = optimizer("nadam", &golden["optimizer"]["config"]);
    let learning_rate = golden["optimizer"]["config"]["learning_rate"].as_f64().unwrap();
    let mut optimizer = Optimizer::new(config, weights.len());
    let mut gradients = vec![0.0; weights.len()];
    let batches = golden["batches"].as_array().unwrap();
    for (step, (data, expected)) in batches.iter().zip(floats(&golden["losses"])).enumerate() {
        engine.load(&weights);
        let batch = batch(&data["inputs"], &data["targets"]);
        let key = StepKey { seed: 0, step: step as u64 };
        let loss = engine.gradients(&batch, Target::All, key, &mut gradients).loss();
        assert!((loss - f64::from(expected)).abs() < 1e-5, "step {step}: {loss}, not {expected}");
        optimizer.step(&Compute::single(), &mut weights, &gradients, 1.0, learning_rate);
    }
    let names: HashMap<&str, std::ops::Range<usize>> = {
        let table = engine.network().table();
        table.specs().iter().enumerate().map(|(i, s)| (s.name.as_str(), table.range(i))).collect()
    };
    for (name, range) in names {
        let expected = floats(&golden["final_weights"][name]);
        assert_close(&weights[range], &expected, 2e-5, name);
    }
}

#[test]
fn vocabularies_and_ids_are_those_of_text_vectorization() {
    for case in fixture("vocabulary")["cases"].as_array().unwrap() {
        let standardize = match case["standardize"].as_str().unwrap() {
            "lower" => Standardize::Lower,
            _ => Standardize::None,
        };
        let text = standardize.apply(case["text"].as_str().unwrap()).into_owned();
        let tokenizer = Tokenizer::Char(CharTokenizer::from_text(&text));
        let vocabulary: Vec<String> =
            (0..tokenizer.vocabulary_size() as u32).map(|id| tokenizer.token(id)).collect();
        let expected: Vec<&str> =
            case["vocabulary"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        assert_eq!(vocabulary, expected);
        let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
        tokenizer.encode_piece(&text, &mut encoding).unwrap();
        let ids: Vec<u32> =
            case["ids"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect();
        assert_eq!(encoding.ids.to_vec(), ids);
    }
}

#[test]
fn schedules_have_keras_values() {
    for case in fixture("schedules")["cases"].as_array().unwrap() {
        let config = &case["config"];
        let number = |key: &str| config.get(key).and_then(Value::as_f64).unwrap_or(0.0);
        let warmup = number("warmup_steps");
        let peak = number("warmup_target").max(number("initial_learning_rate"));
        let alpha = number("alpha");
        let steps = case["steps"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap());
        for (step, expected) in steps.zip(floats(&case["values"])) {
            let progress = (step - warmup) / number("decay_steps");
            let factor = Schedule::Cosine.factor(step as u64, warmup as u64, progress);
            // Keras' `alpha` is a floor that we do not have; 0 is its default.
            let floor = if step < warmup { 0.0 } else { alpha };
            let rate = peak * (floor + (1.0 - floor) * factor);
            assert!((rate - f64::from(expected)).abs() < 1e-8, "step {step}: {rate}");
        }
    }
}

#[test]
fn first_values_have_keras_limits() {
    let golden = fixture("initializers");
    let limits = golden["glorot_uniform"].as_array().unwrap();
    assert!(!limits.is_empty());
    for case in limits {
        use machado_core::params::{Initializer, ParameterSpec, ParameterTable};
        let shape: Vec<usize> = case["shape"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap() as usize)
            .collect();
        // Many copies of the shape, so that the largest value comes close to the limit.
        let spec =
            ParameterSpec { name: "w".into(), shape, initializer: Initializer::GlorotUniform };
        let largest = (0..200)
            .flat_map(|seed| ParameterTable::new(vec![spec.clone()]).initial_values(seed))
            .fold(0f32, |max, value| max.max(value.abs()));
        let limit = case["limit"].as_f64().unwrap() as f32;
        assert!(largest <= limit && largest > 0.999 * limit, "{largest} of {limit}");
    }
}
