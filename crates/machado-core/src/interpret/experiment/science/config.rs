//! How large the experiment is.

use crate::data::{Sampling, Shuffle, Split, Target};
use crate::interpret::{Architecture, SaeConfig};
use crate::layers::Activation;
use crate::model::{LayerConfig, ModelConfig};
use crate::optimizer::{Betas, OptimizerConfig, Schedule};
use crate::run::{
    DataConfig, Monitor, RunConfig, SamplesConfig, TextConfig, TokenizerKind, TrainingConfig,
};
use crate::text::Standardize;

/// The sizes of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct ScienceConfig {
    /// Decides corpus, weights and controls.
    pub seed: u64,
    /// Documents to train on.
    pub documents: u64,
    /// Documents to validate on, and as many to test on.
    pub held_out_documents: u64,
    /// Units of the GRU.
    pub units: usize,
    /// Steps of the model's training.
    pub steps: u64,
    /// Features of the autoencoder.
    pub d_sae: usize,
    /// Features of a state.
    pub k: usize,
    /// Features that must describe a state by themselves, before all of them.
    pub first_prefix: usize,
    /// Steps of the autoencoder's training, of 1024 states each.
    pub sae_steps: u64,
    /// Documents of each topic in each set with known topics.
    pub documents_of_topic: usize,
    /// Texts written to measure fluency.
    pub texts: usize,
    /// Other features, and directions, to rank a feature among.
    pub controls: usize,
}

impl ScienceConfig {
    /// The sizes of the experiment as it is reported.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            documents: 6000,
            held_out_documents: 400,
            units: 128,
            steps: 2400,
            d_sae: 512,
            k: 12,
            first_prefix: 64,
            sae_steps: 500,
            documents_of_topic: 24,
            texts: 48,
            controls: 100,
        }
    }

    /// Sizes that only show that everything runs.
    pub fn tiny(seed: u64) -> Self {
        Self {
            documents: 300,
            held_out_documents: 60,
            units: 16,
            steps: 20,
            d_sae: 48,
            k: 4,
            first_prefix: 12,
            sae_steps: 20,
            documents_of_topic: 3,
            texts: 4,
            controls: 5,
            ..Self::new(seed)
        }
    }

    /// How the model is trained on a corpus that is split like this.
    pub(super) fn run(&self, split: Split) -> RunConfig {
        RunConfig {
            text: TextConfig {
                files: Vec::new(),
                tokenizer: TokenizerKind::Word,
                standardize: Standardize::None,
                max_vocab: None,
                min_count: Some(1),
            },
            data: DataConfig {
                split,
                sampling: Sampling::Streams,
                window: 32,
                shift: 1,
                batch_size: 16,
                shuffle_buffer: Shuffle::Buffer(0),
                target: Target::All,
            },
            model: self.model(),
            training: TrainingConfig {
                epochs: None,
                steps: Some(self.steps),
                minutes: None,
                seed: self.seed,
                learning_rate: 0.01,
                schedule: Schedule::Cosine,
                warmup_steps: 50,
                clip_norm: Some(1.0),
                monitor: Monitor::ValLoss,
                patience: None,
                eval_every: Some((self.steps / 6).max(1)),
                eval_shift: 32,
                optimizer: OptimizerConfig::Adam(Betas::default()),
            },
            samples: SamplesConfig {
                every: 0,
                prompt: "q : what is your favourite science ? a : my favourite science is".into(),
                temperatures: vec![1.0],
                tokens: 40,
            },
        }
    }

    fn model(&self) -> ModelConfig {
        ModelConfig {
            layers: vec![
                LayerConfig::Embedding { output_dim: self.units / 2 },
                LayerConfig::gru(self.units),
                LayerConfig::Dense { units: None, activation: Activation::Softmax },
            ],
        }
    }

    /// How an autoencoder of its states is trained.
    pub fn sae(&self) -> SaeConfig {
        SaeConfig {
            architecture: Architecture::BatchTopK,
            d_sae: self.d_sae,
            k: self.k,
            prefixes: vec![self.first_prefix, self.d_sae],
            batch_size: 1024,
            steps: self.sae_steps,
            learning_rate: Some(1.1e-3),
            seed: self.seed,
        }
    }
}
