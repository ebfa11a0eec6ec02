//! Whole models: `cargo bench --bench model`. `machado bench` measures the same without this crate.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use machado_core::data::{Batch, Start, Target};
use machado_core::generate::{GeneratorConfig, write_texts};
use machado_core::layers::Activation;
use machado_core::math::simd::VectorUnit;
use machado_core::math::threads::Compute;
use machado_core::model::{LayerConfig, Model, ModelConfig, StepKey};
use machado_core::optimizer::{Optimizer, OptimizerConfig};
use machado_core::rng::{Purpose, Rng};
use machado_core::sample::Sampler;
use machado_core::tokenizer::{CharTokenizer, Tokenizer};
use machado_core::train::{Learner, Lesson};

const VOCABULARY: u32 = 82;
const ROWS: usize = 32;
const WINDOW: usize = 128;

/// The tutorial's model with so many units.
fn model(units: usize) -> Model {
    let layers = vec![
        LayerConfig::Embedding { output_dim: 16 },
        LayerConfig::Conv1d { filters: 32, kernel_size: 3, activation: Activation::Relu },
        LayerConfig::gru(units),
        LayerConfig::Dense { units: None, activation: Activation::Softmax },
    ];
    let characters: Vec<char> = ('!'..).take(VOCABULARY as usize).collect();
    let tokenizer = Tokenizer::Char(CharTokenizer::from(characters));
    Model::new(ModelConfig { layers }, tokenizer, 1).expect("a sound model")
}

fn compute() -> Compute {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    Compute::new(threads, VectorUnit::detect()).expect("threads start")
}

fn batch() -> Batch {
    let mut rng = Rng::new(1, Purpose::Shuffle, 0);
    let ids = (0..ROWS * (WINDOW + 1)).map(|_| rng.below(VOCABULARY.into()) as u32);
    Batch { windows: ids.collect(), rows: ROWS, time: WINDOW, start: Start::Fresh }
}

fn training(c: &mut Criterion) {
    let mut group = c.benchmark_group("training step");
    group.throughput(Throughput::Elements((ROWS * WINDOW) as u64)).sample_size(20);
    for units in [128, 256, 512] {
        let model = model(units);
        let optimizer = Optimizer::new(OptimizerConfig::default(), model.weights.len());
        let mut learner = Learner::new(model, optimizer, compute()).expect("a learner");
        let (batch, target) = (batch(), Target::All);
        let mut step = 0;
        group.bench_function(format!("{units} units"), |b| {
            b.iter(|| {
                step += 1;
                let key = StepKey { seed: 1, step };
                let lesson = Lesson { target, key, learning_rate: 1e-3, clip_norm: None };
                learner.learn(&batch, lesson).expect("finite numbers")
            });
        });
        group.bench_function(format!("forward only, {units} units"), |b| {
            learner.load();
            let engine = learner.engine_mut();
            b.iter(|| engine.evaluate(&batch, target));
        });
    }
    group.finish();
}

/// With what comes before the first token: the weights are repacked for each group of texts.
fn writing(c: &mut Criterion) {
    let model = model(128);
    let mut group = c.benchmark_group("writing");
    group.sample_size(20);
    for texts in [1, 64] {
        let config = GeneratorConfig {
            mixture: None,
            interventions: Vec::new(),
            sampler: Sampler::default(),
            tokens: 1000,
            stop: Vec::new(),
            seed: 1,
            purpose: Purpose::Generate,
            first: 0,
        };
        group.throughput(Throughput::Elements((texts * config.tokens) as u64));
        let compute = compute();
        group.bench_function(format!("{texts} at a time"), |b| {
            b.iter(|| write_texts(&model, &compute, &[], texts, &config).expect("texts"));
        });
    }
    group.finish();
}

criterion_group!(models, training, writing);
criterion_main!(models);
