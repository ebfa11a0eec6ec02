//! What a run begins with instead of random weights: a model that was trained before, here or in Keras.

use std::path::Path;

use anyhow::Result;
use machado_core::checkpoint::{Learning, Rate};
use machado_core::model::Model;
use machado_core::optimizer::Optimizer;
use machado_core::run::RunConfig;
use machado_core::text::Standardize;

use crate::cli::Settings;
use crate::models::{self, Kept};
use crate::number;

/// A trained model, and what its optimizer remembers.
#[derive(Debug)]
pub struct Beginning {
    /// The model.
    pub model: Model,
    /// Its optimizer, if the file has one and the run takes it.
    pub optimizer: Option<Optimizer>,
    rate: Option<Rate>,
    standardize: Standardize,
    name: String,
}

impl Beginning {
    /// Reads a model file, or the best model of a run's folder.
    pub fn read(path: &Path, vocabulary: Option<&Path>) -> Result<Self> {
        let Kept { checkpoint, path, .. } = models::read_all(path, vocabulary)?;
        let (file, learning) = (checkpoint.file, checkpoint.learning);
        let of_run = file.config.as_ref().map(|run| Rate {
            learning_rate: run.training.learning_rate,
            clip_norm: run.training.clip_norm,
        });
        let (optimizer, rate) = match learning {
            Some(Learning { optimizer, rate, .. }) => (Some(optimizer), rate.or(of_run)),
            None => (None, None),
        };
        Ok(Self {
            model: file.model,
            optimizer,
            rate,
            standardize: file.standardize,
            name: path.display().to_string(),
        })
    }

    /// Puts its layers and vocabulary into the settings of a run, and its optimizer unless the flags
    /// name another.
    pub fn apply(&mut self, config: &mut RunConfig, settings: &Settings) {
        config.model = self.model.config.clone();
        config.text.tokenizer = self.model.tokenizer.kind();
        (config.text.max_vocab, config.text.min_count) = (None, None);
        if settings.standardize.is_none() {
            config.text.standardize = self.standardize;
        }
        let training = &mut config.training;
        if let Some(optimizer) = &self.optimizer
            && settings.optimizer.is_none()
            && settings.weight_decay.is_none()
        {
            training.optimizer = *optimizer.config();
        }
        // The memory of one optimizer is nothing to another.
        self.optimizer.take_if(|optimizer| *optimizer.config() != training.optimizer);
        if let (Some(rate), Some(_)) = (self.rate, &self.optimizer) {
            if settings.learning_rate.is_none() {
                training.learning_rate = rate.learning_rate;
            }
            if settings.clip_norm.is_none() {
                training.clip_norm = rate.clip_norm;
            }
        }
    }

    /// A line for people.
    pub fn describe(&self) -> String {
        match &self.optimizer {
            Some(optimizer) => format!(
                "{}, with {} after {} steps",
                self.name,
                optimizer.config().name(),
                number::grouped(optimizer.steps())
            ),
            None => format!("{}, with a fresh optimizer", self.name),
        }
    }
}
