//! Everything that decides how a run goes: the contents of a preset and of a run's `config.toml`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::{BatchPlan, Part, Parts, Sampling, Shuffle, Split, Target};
use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::optimizer::{OptimizerConfig, Schedule};
use crate::text::Standardize;
pub use crate::tokenizer::TokenizerKind;
use crate::tokenizer::VocabularyConfig;

/// Windows evaluated at a time. They do not influence each other, so any number gives the same.
const VALIDATION_ROWS: usize = 64;

/// Windows of a validation stream at least, so that few of them begin with an empty state.
const STREAM_STEPS: usize = 16;

/// A whole run. The same config, text and program give the same model, byte for byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// What is done to the text.
    pub text: TextConfig,
    /// How it is cut into batches.
    pub data: DataConfig,
    /// The layers.
    pub model: ModelConfig,
    /// How the weights learn.
    pub training: TrainingConfig,
    /// Text written along the way.
    pub samples: SamplesConfig,
}

/// What is done to the text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextConfig {
    /// The files that it came from, for whoever reads the text; the library does not.
    #[serde(default)]
    pub files: Vec<String>,
    /// What a token is.
    pub tokenizer: TokenizerKind,
    /// What is done before it becomes tokens.
    pub standardize: Standardize,
    /// At most so many tokens; see [`VocabularyConfig`] for this and the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_vocab: Option<usize>,
    /// What comes less often is no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_count: Option<u64>,
}

impl TextConfig {
    /// What the vocabulary is made of.
    pub fn vocabulary(&self) -> VocabularyConfig {
        let Self { tokenizer, max_vocab, min_count, .. } = *self;
        VocabularyConfig { kind: tokenizer, max_vocab, min_count }
    }
}

/// How the text is cut into batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Training, validation and test part.
    pub split: Split,
    /// Overlapping windows or contiguous streams.
    pub sampling: Sampling,
    /// Time steps of a window, `T`.
    pub window: usize,
    /// From the start of one window to the next, in tokens (windows only).
    pub shift: usize,
    /// Rows of a batch, `B`.
    pub batch_size: usize,
    /// Windows held for shuffling, or `"all"`; 0 keeps their order (windows only).
    pub shuffle_buffer: Shuffle,
    /// Whether each token of a window is followed by a prediction, or only the last one.
    pub target: Target,
}

/// What decides which weights are the best so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// The highest validation accuracy, as in the tutorial.
    ValAccuracy,
    /// The lowest validation loss.
    ValLoss,
}

impl Monitor {
    /// `val_accuracy` or `val_loss`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValAccuracy => "val_accuracy",
            Self::ValLoss => "val_loss",
        }
    }
}

/// How the weights learn. The run ends at the first of `epochs`, `steps` and `minutes` that is
/// reached; at least one must be given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Passes over the training part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Batches in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Minutes of training; the library has no clock, its caller keeps the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// Decides first weights, order of the windows, dropout and samples.
    pub seed: u64,
    /// The learning rate, at its highest.
    pub learning_rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Steps in which it rises from 0.
    pub warmup_steps: u64,
    /// The largest norm of all gradients together; larger ones are scaled down to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// What decides which weights are the best.
    pub monitor: Monitor,
    /// Evaluations in a row without a better one after which the run ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// Steps between evaluations; at the end of an epoch there is always one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval_every: Option<u64>,
    /// From the start of one validation window to the next, in tokens; 1 is the tutorial's.
    pub eval_shift: usize,
    /// From gradients to weights.
    pub optimizer: OptimizerConfig,
}

/// Text written along the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplesConfig {
    /// Steps between samples; 0 writes none.
    pub every: u64,
    /// What they begin with.
    pub prompt: String,
    /// One sample at each of these temperatures.
    pub temperatures: Vec<f64>,
    /// Tokens of each.
    pub tokens: usize,
}

impl RunConfig {
    /// Checks each number by itself and the layers together.
    ///
    /// # Errors
    /// If one is outside its range; the error names its flag.
    pub fn check(&self) -> Result<()> {
        self.model.check()?;
        self.training.optimizer.check()?;
        let (data, training) = (&self.data, &self.training);
        let most = usize::MAX as f64;
        // Each byte is a token there; and with a single token there is nothing to predict.
        let least_vocab = if self.text.tokenizer == TokenizerKind::Bpe { 256.0 } else { 2.0 };
        let numbers = [
            ("--window", data.window as f64, 1.0, 65_536.0),
            ("--max-vocab", self.text.max_vocab.map_or(256.0, |n| n as f64), least_vocab, 1e6),
            ("--min-count", self.text.min_count.map_or(1.0, |n| n as f64), 1.0, most),
            ("--shift", data.shift as f64, 1.0, most),
            ("--batch-size", data.batch_size as f64, 1.0, 65_536.0),
            ("--epochs", training.epochs.map_or(1.0, |n| n as f64), 1.0, most),
            ("--steps", training.steps.map_or(1.0, |n| n as f64), 1.0, most),
            ("--eval-every", training.eval_every.map_or(1.0, |n| n as f64), 1.0, most),
            ("--eval-shift", training.eval_shift as f64, 1.0, most),
            ("--patience", training.patience.map_or(1.0, |n| n as f64), 1.0, most),
            ("--sample-tokens", self.samples.tokens as f64, 1.0, 1e6),
        ];
        for (name, value, least, most) in numbers {
            if !(least..=most).contains(&value) {
                let range = format!("from {least} to {most}");
                let expected = if most < 1e9 { range } else { format!("at least {least}") };
                return Err(out_of_range(name, &expected, value));
            }
        }
        let positive = [
            ("--learning-rate", Some(training.learning_rate)),
            ("--clip-norm", training.clip_norm),
            ("--minutes", training.minutes),
        ];
        for (name, value) in positive {
            if let Some(value) = value
                && !(value > 0.0 && value.is_finite())
            {
                return Err(out_of_range(name, "greater than 0", value));
            }
        }
        for &temperature in &self.samples.temperatures {
            if !(temperature >= 0.0 && temperature.is_finite()) {
                return Err(out_of_range("--sample-temperature", "0 or more", temperature));
            }
        }
        if training.epochs.is_none() && training.steps.is_none() && training.minutes.is_none() {
            return Err(Error::OutOfRange {
                what: "the length of the run".into(),
                expected: "given by --epochs, --steps or --minutes".into(),
                found: "nothing".into(),
            });
        }
        Ok(())
    }

    /// The first setting in which another config differs, apart from those that may change when a
    /// run goes on: its length, and where the texts lie.
    pub fn first_difference(&self, other: &Self) -> Option<String> {
        let fixed = |config: &Self| {
            let mut config = config.clone();
            config.text.files.clear();
            let training = &mut config.training;
            (training.epochs, training.steps, training.minutes) = (None, None, None);
            training.patience = None;
            serde_json::to_value(config).expect("plain structs always have a JSON form")
        };
        first_difference(&fixed(self), &fixed(other), "")
    }

    /// How the training part is cut into batches.
    pub fn training_plan(&self, parts: &Parts) -> BatchPlan {
        BatchPlan {
            range: parts.range(Part::Train),
            sampling: self.data.sampling,
            window: self.data.window,
            shift: self.data.shift,
            batch_size: self.data.batch_size,
            shuffle: self.data.shuffle_buffer,
            seed: self.training.seed,
        }
    }

    /// How the validation part is: as the model is trained, either windows from an empty state, in
    /// order, or a few streams with the state carried on.
    pub fn validation_plan(&self, parts: &Parts) -> BatchPlan {
        let range = parts.range(Part::Validation);
        let steps = range.len() / self.data.window.max(1);
        let (sampling, rows) = match self.data.sampling {
            Sampling::Windows => (Sampling::Windows, VALIDATION_ROWS),
            // A part that is too short for streams is one of windows.
            Sampling::Streams if steps < 2 => (Sampling::Windows, VALIDATION_ROWS),
            Sampling::Streams => {
                (Sampling::Streams, (steps / STREAM_STEPS).clamp(1, VALIDATION_ROWS))
            }
        };
        BatchPlan {
            range,
            sampling,
            batch_size: rows,
            shift: self.training.eval_shift,
            shuffle: Shuffle::Buffer(0),
            ..self.training_plan(parts)
        }
    }

    /// The step at which the run ends, if `epochs` or `steps` decides that.
    pub fn total_steps(&self, batches_per_epoch: u64) -> Option<u64> {
        let by_epochs = self.training.epochs.map(|epochs| epochs.saturating_mul(batches_per_epoch));
        match (by_epochs, self.training.steps) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

fn out_of_range(what: &str, expected: &str, found: f64) -> Error {
    Error::OutOfRange { what: what.into(), expected: expected.into(), found: found.to_string() }
}

/// The path of the first value that differs between two JSON trees of the same kind.
fn first_difference(a: &Value, b: &Value, path: &str) -> Option<String> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                first_difference(
                    a.get(key).unwrap_or(&Value::Null),
                    b.get(key).unwrap_or(&Value::Null),
                    &path,
                )
            })
        }
        (a, b) => (a != b).then(|| path.to_owned()),
    }
}
