//! Each gradient written by hand against the slope of the loss, for every weight of small models.

use machado_core::data::{Batch, Start, Target};
use machado_core::layers::{Activation, DropoutPer};
use machado_core::math::simd::VectorUnit;
use machado_core::math::threads::Compute;
use machado_core::model::{Engine, LayerConfig, ModelConfig, StepKey};
use machado_core::rng::{Purpose, Rng};

const VOCABULARY: usize = 7;

/// Random windows.
fn batch(rows: usize, time: usize, start: Start) -> Batch {
    let mut rng = Rng::new(5, Purpose::Shuffle, 0);
    let windows = (0..rows * (time + 1)).map(|_| rng.below(VOCABULARY as u64) as u32).collect();
    Batch { windows, rows, time, start }
}

fn weights(engine: &Engine) -> Vec<f32> {
    let mut rng = Rng::new(9, Purpose::Weights, 0);
    (0..engine.network().table().len()).map(|_| (0.5 * rng.normal()) as f32).collect()
}

fn check(layers: Vec<LayerConfig>, target: Target, batch: &Batch) {
    let config = ModelConfig { layers };
    let compute = Compute::new(2, VectorUnit::detect()).unwrap();
    let mut engine = Engine::new(&config, VOCABULARY, compute).unwrap();
    let mut weights = weights(&engine);
    let key = StepKey { seed: 3, step: 4 };
    let mut loss_and_gradients = |weights: &[f32]| {
        engine.load(weights);
        let mut gradients = vec![0.0; weights.len()];
        let loss = engine.gradients(batch, target, key, &mut gradients).loss();
        (loss, gradients)
    };
    let (_, gradients) = loss_and_gradients(&weights);
    let h = 2e-3f32;
    let mut largest = 0f64;
    for i in 0..weights.len() {
        let kept = weights[i];
        weights[i] = kept + h;
        let above = loss_and_gradients(&weights).0;
        weights[i] = kept - h;
        let below = loss_and_gradients(&weights).0;
        weights[i] = kept;
        let slope = (above - below) / (2.0 * f64::from(h));
        let difference = (slope - f64::from(gradients[i])).abs();
        assert!(
            difference < 1e-4 + 2e-3 * slope.abs(),
            "weight {i}: gradient {} but slope {slope}",
            gradients[i]
        );
        largest = largest.max(slope.abs());
    }
    assert!(largest > 0.01, "a check of zeros proves nothing");
}

fn dense() -> LayerConfig {
    LayerConfig::Dense { units: None, activation: Activation::Softmax }
}

#[test]
fn every_layer_in_one_stack() {
    let layers = || {
        vec![
            LayerConfig::Embedding { output_dim: 3 },
            // tanh, since relu has no slope at its corner.
            LayerConfig::Conv1d { filters: 4, kernel_size: 3, activation: Activation::Tanh },
            LayerConfig::gru(3),
            LayerConfig::dropout(0.3),
            LayerConfig::gru(5),
            LayerConfig::Dense { units: Some(4), activation: Activation::Tanh },
            dense(),
        ]
    };
    check(layers(), Target::All, &batch(11, 6, Start::Fresh));
    check(layers(), Target::Last, &batch(11, 6, Start::Fresh));
}

/// Sums of a sum, two sums of one layer, and dropout that holds for a whole window.
#[test]
fn around_layers() {
    let sum_with = |layer: &str| LayerConfig::Add { layer: layer.into() };
    let layers = || {
        vec![
            LayerConfig::Embedding { output_dim: 3 },
            LayerConfig::Conv1d { filters: 5, kernel_size: 3, activation: Activation::Tanh },
            LayerConfig::Dropout { rate: 0.3, per: DropoutPer::Window },
            LayerConfig::gru(5),
            sum_with("conv1d"),
            LayerConfig::dropout(0.3),
            LayerConfig::gru(5),
            sum_with("add"),
            sum_with("conv1d"),
            dense(),
        ]
    };
    check(layers(), Target::All, &batch(11, 6, Start::Fresh));
    check(layers(), Target::Last, &batch(11, 6, Start::Fresh));
    // An embedding that is needed by itself is not joined with the convolution.
    let mut layers = layers();
    layers[1] = LayerConfig::Conv1d { filters: 3, kernel_size: 2, activation: Activation::Tanh };
    layers.truncate(2);
    layers.extend([sum_with("embedding"), dense()]);
    check(layers, Target::All, &batch(11, 6, Start::Fresh));
}

#[test]
fn a_gru_whose_reset_gate_comes_before_the_product() {
    let gru = |units| LayerConfig::Gru { units, reset_after: false };
    let layers = || {
        vec![
            LayerConfig::Embedding { output_dim: 3 },
            gru(5),
            LayerConfig::dropout(0.3),
            // Wider than a panel.
            gru(19),
            dense(),
        ]
    };
    check(layers(), Target::All, &batch(11, 6, Start::Fresh));
    check(layers(), Target::Last, &batch(6, 4, Start::Fresh));
}

#[test]
fn a_relu_convolution_wider_than_the_window() {
    let layers = vec![
        LayerConfig::Embedding { output_dim: 2 },
        LayerConfig::Conv1d { filters: 6, kernel_size: 5, activation: Activation::Relu },
        dense(),
    ];
    check(layers, Target::All, &batch(3, 3, Start::Fresh));
}

#[test]
fn a_convolution_of_width_one() {
    let layers = vec![
        LayerConfig::Embedding { output_dim: 2 },
        LayerConfig::Conv1d { filters: 6, kernel_size: 1, activation: Activation::Linear },
        dense(),
    ];
    check(layers, Target::All, &batch(3, 4, Start::Fresh));
}

#[test]
fn a_weight_of_many_panels() {
    let layers = vec![
        LayerConfig::Embedding { output_dim: 2 },
        LayerConfig::Dense { units: Some(37), activation: Activation::Tanh },
        LayerConfig::gru(2),
        dense(),
    ];
    check(layers, Target::All, &batch(9, 4, Start::Fresh));
}

/// No gradient flows back through a state that is carried in, so only weights that have no part in
/// it (the dense layer's) have their slope as gradient. That the state does come in shows in the
/// loss: it differs from that of a fresh start.
#[test]
fn with_a_state_carried_in() {
    let config = ModelConfig {
        layers: vec![
            LayerConfig::Embedding { output_dim: 3 },
            LayerConfig::Conv1d { filters: 4, kernel_size: 3, activation: Activation::Tanh },
            LayerConfig::gru(5),
            dense(),
        ],
    };
    let mut engine = Engine::new(&config, VOCABULARY, Compute::single()).unwrap();
    let mut weights = weights(&engine);
    let mut after = |weights: &[f32], start: Start| {
        let key = StepKey { seed: 3, step: 4 };
        let mut gradients = vec![0.0; weights.len()];
        engine.load(weights);
        engine.evaluate(&batch(9, 4, Start::Fresh), Target::All);
        let loss = engine.gradients(&batch(9, 4, start), Target::All, key, &mut gradients).loss();
        (loss, gradients)
    };
    let (loss, gradients) = after(&weights, Start::Carried);
    assert!((loss - after(&weights, Start::Fresh).0).abs() > 1e-3);
    for i in weights.len() - 6 * VOCABULARY..weights.len() {
        let (kept, h) = (weights[i], 2e-3);
        weights[i] = kept + h;
        let above = after(&weights, Start::Carried).0;
        weights[i] = kept - h;
        let below = after(&weights, Start::Carried).0;
        weights[i] = kept;
        let slope = (above - below) / (2.0 * f64::from(h));
        assert!(
            (slope - f64::from(gradients[i])).abs() < 1e-4 + 2e-3 * slope.abs(),
            "{} {slope}",
            gradients[i]
        );
    }
}

/// An embedding with a convolution right over it is computed as look-ups; with a layer between them
/// that does nothing, as a product for each tap.
#[test]
fn look_ups_equal_products() {
    let layers = |between: &[LayerConfig]| {
        let embedding = LayerConfig::Embedding { output_dim: 5 };
        let (filters, activation) = (20, Activation::Relu);
        let conv1d = LayerConfig::Conv1d { filters, kernel_size: 3, activation };
        let rest = [conv1d, LayerConfig::gru(4), dense()];
        [&[embedding], between, &rest].concat()
    };
    let computed = |layers: Vec<LayerConfig>| {
        let config = ModelConfig { layers };
        let compute = Compute::new(2, VectorUnit::detect()).unwrap();
        let mut engine = Engine::new(&config, VOCABULARY, compute).unwrap();
        let weights = weights(&engine);
        engine.load(&weights);
        let mut gradients = vec![0.0; weights.len()];
        let key = StepKey { seed: 0, step: 0 };
        engine.gradients(&batch(19, 6, Start::Fresh), Target::All, key, &mut gradients);
        // Windows of one step are shorter than what the convolution sees.
        engine.evaluate(&batch(19, 1, Start::Carried), Target::All);
        (engine.probabilities(&batch(19, 6, Start::Carried)), gradients)
    };
    let (found, expected) = (computed(layers(&[])), computed(layers(&[LayerConfig::dropout(0.0)])));
    let pairs = [(found.0, expected.0), (found.1, expected.1)];
    for (found, expected) in pairs {
        assert_eq!(found.len(), expected.len());
        for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
            assert!((a - b).abs() < 1e-5, "value {i}: {a}, not {b}");
        }
    }
}

/// A GRU so wide that some panels are summed together, the last piece has fewer of them, and columns
/// are copied together; more steps than are summed at a time; rows that are no whole stripe. For each
/// weight the slope in a random direction is the gradient times the direction.
#[test]
fn a_wide_gru_on_each_vector_unit() {
    let layers = vec![
        LayerConfig::Embedding { output_dim: 3 },
        LayerConfig::gru(272),
        LayerConfig::Dense { units: None, activation: Activation::Softmax },
    ];
    let config = ModelConfig { layers };
    for unit in VectorUnit::available() {
        let compute = Compute::new(2, unit).unwrap();
        let mut engine = Engine::new(&config, VOCABULARY, compute).unwrap();
        let table = engine.network().table().clone();
        let mut weights = table.initial_values(4);
        // Embeddings begin small, and so would the gradient of the kernel that they meet.
        weights[table.range(0)].iter_mut().for_each(|weight| *weight *= 20.0);
        let batch = batch(5, 40, Start::Fresh);
        let key = StepKey { seed: 0, step: 0 };
        let mut gradients = vec![0.0; weights.len()];
        engine.load(&weights);
        engine.gradients(&batch, Target::All, key, &mut gradients);
        for (number, spec) in table.specs().iter().enumerate() {
            let range = table.range(number);
            let mut rng = Rng::new(6, Purpose::Weights, number as u64);
            // Along the gradient's signs, so that the slope is large, and random in size.
            let direction: Vec<f64> = gradients[range.clone()]
                .iter()
                .map(|g| f64::from(g.signum()) * rng.uniform())
                .collect();
            let norm = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
            let mut loss_at = |h: f64| {
                let mut moved = weights.clone();
                for (weight, d) in moved[range.clone()].iter_mut().zip(&direction) {
                    *weight += (h * d / norm) as f32;
                }
                engine.load(&moved);
                engine.evaluate(&batch, Target::All).loss()
            };
            let h = 0.02;
            let slope = (loss_at(h) - loss_at(-h)) / (2.0 * h);
            let pairs = gradients[range.clone()].iter().zip(&direction);
            let expected = pairs.map(|(&g, d)| f64::from(g) * d / norm).sum::<f64>();
            let difference = (slope - expected).abs();
            assert!(
                difference < 1e-4 + 5e-3 * expected.abs(),
                "{} {}: slope {slope}, gradient {expected}",
                unit.name(),
                spec.name
            );
            assert!(expected > 1e-3, "{}: a check of zeros proves nothing", spec.name);
        }
    }
}

/// What a batch leaves in the buffers is never seen by the next one, however many rows or steps it has.
#[test]
fn buffers_are_used_again_without_a_trace() {
    let config = ModelConfig {
        layers: vec![
            LayerConfig::Embedding { output_dim: 3 },
            LayerConfig::Conv1d { filters: 5, kernel_size: 2, activation: Activation::Tanh },
            LayerConfig::gru(4),
            dense(),
        ],
    };
    let engine = || {
        let compute = Compute::new(2, VectorUnit::detect()).unwrap();
        let mut engine = Engine::new(&config, VOCABULARY, compute).unwrap();
        let weights = weights(&engine);
        engine.load(&weights);
        engine
    };
    let key = StepKey { seed: 0, step: 0 };
    let mut used = engine();
    let mut gradients = vec![0.0; used.network().table().len()];
    for (rows, time) in [(21, 9), (3, 2), (1, 12), (21, 9), (8, 1)] {
        for target in [Target::All, Target::Last] {
            let batch = batch(rows, time, Start::Fresh);
            let loss = used.gradients(&batch, target, key, &mut gradients);
            let mut expected = vec![0.0; gradients.len()];
            assert_eq!(engine().gradients(&batch, target, key, &mut expected), loss);
            assert_eq!(gradients, expected, "{rows} rows, {time} steps");
        }
    }
}
