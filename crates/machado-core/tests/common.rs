use machado_core::data::{CorpusReader, ReadText, Sampling, Shuffle, Target};
use machado_core::layers::Activation;
use machado_core::math::matmul::padded;
use machado_core::math::simd::VectorUnit;
use machado_core::math::threads::Compute;
use machado_core::model::{LayerConfig, ModelConfig};
use machado_core::optimizer::{OptimizerConfig, Schedule};
use machado_core::run::{
    DataConfig, Monitor, RunConfig, SamplesConfig, TextConfig, TrainingConfig,
};
use machado_core::train::{Trainer, TrainingText};

/// A text that can be learnt: words in an order that has a rule.
pub(crate) fn text() -> String {
    let words = ["a cor", "do céu", "é azul,", "e o mar", "também;", "mas à noite\n"];
    (0..200).flat_map(|i| [words[i % 6], words[i * i % 5], " "]).collect()
}

/// A small run with every kind of layer.
pub(crate) fn config() -> RunConfig {
    RunConfig {
        text: TextConfig::default(),
        data: DataConfig {
            split: "0.8:0.15".parse().unwrap(),
            sampling: Sampling::Windows,
            window: 12,
            shift: 3,
            batch_size: 20,
            shuffle_buffer: Shuffle::Buffer(50),
            target: Target::All,
        },
        model: ModelConfig {
            layers: vec![
                LayerConfig::Embedding { output_dim: 5 },
                LayerConfig::Conv1d { filters: 7, kernel_size: 3, activation: Activation::Relu },
                LayerConfig::dropout(0.1),
                LayerConfig::gru(9),
                LayerConfig::Dense { units: None, activation: Activation::Softmax },
            ],
        },
        training: TrainingConfig {
            epochs: Some(2),
            steps: None,
            minutes: None,
            seed: 42,
            learning_rate: 0.01,
            schedule: Schedule::Cosine,
            warmup_steps: 5,
            clip_norm: Some(1.0),
            monitor: Monitor::ValLoss,
            patience: None,
            eval_every: Some(7),
            eval_shift: 5,
            optimizer: OptimizerConfig::default(),
        },
        samples: SamplesConfig {
            every: 10,
            prompt: "a cor ".into(),
            temperatures: vec![0.0, 1.0],
            tokens: 20,
        },
    }
}

/// The text in tokens of the config's kind.
pub(crate) fn training_text(config: &RunConfig) -> TrainingText {
    let text = config.text.standardize.apply(&text()).into_owned();
    let mut reader = CorpusReader::new(config.text.vocabulary(), text.len());
    reader.add(&text);
    let ReadText { corpus, tokenizer, characters, .. } =
        reader.finish(&config.data.split, None).unwrap();
    TrainingText { corpus, tokenizer, characters }
}

pub(crate) fn compute(threads: usize) -> Compute {
    Compute::new(threads, VectorUnit::detect()).unwrap()
}

pub(crate) fn trainer(config: &RunConfig, threads: usize) -> Trainer {
    Trainer::new(config.clone(), training_text(config), compute(threads)).unwrap()
}

pub(crate) fn resumed(config: &RunConfig, file: &[u8]) -> Trainer {
    Trainer::resume(config.clone(), training_text(config), file, compute(2)).unwrap()
}

/// `values: [rows, n]` with padded rows.
pub(crate) fn pad(values: &[f32], n: usize) -> Vec<f32> {
    let mut out = vec![0.0; values.len() / n * padded(n)];
    for (row, out) in values.chunks_exact(n).zip(out.chunks_exact_mut(padded(n))) {
        out[..n].copy_from_slice(row);
    }
    out
}

/// The reverse of [`pad`].
pub(crate) fn unpad(values: &[f32], n: usize) -> Vec<f32> {
    values.chunks_exact(padded(n)).flat_map(|row| &row[..n]).copied().collect()
}
