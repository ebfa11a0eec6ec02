//! A run as data: how it is to go, and how far it is.

mod config;
mod progress;

pub use config::{
    DataConfig, Monitor, RunConfig, SamplesConfig, TextConfig, TokenizerKind, TrainingConfig,
};
pub use progress::{Evaluation, Progress, TrainingFacts};
