//! `metadata.json`: versions, and under `machado` what Keras has no place for.

use machado_core::checkpoint::{Checkpoint, FORMAT_VERSION, Rate};
use machado_core::model::ModelConfig;
use machado_core::run::{Progress, RunConfig, TrainingFacts};
use machado_core::text::Standardize;
use machado_core::tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{METADATA, Vocabulary, error};
use crate::{Error, Result};

/// The version of Keras whose format is written.
const KERAS_VERSION: &str = "3.15.1";

/// What machado keeps in a file of Keras.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Metadata {
    format_version: u64,
    tokenizer: Tokenizer,
    standardize: Standardize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) training: Option<TrainingFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) config: Option<RunConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) progress: Option<Progress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) optimizer: Option<OwnOptimizer>,
}

/// What machado knows of an optimizer more exactly than Keras.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct OwnOptimizer {
    /// Nadam's product of all momenta, which Keras keeps in 32 bits.
    pub(super) momentum_product: f64,
    /// How fast it learns, where no config of a run says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rate: Option<Rate>,
}

impl Metadata {
    /// Reads what machado keeps there, if it made the file.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>> {
        #[derive(Deserialize)]
        struct Members {
            #[serde(default)]
            machado: Value,
        }
        let json = |source| Error::Json { file: METADATA, source };
        let Members { machado: own } = serde_json::from_slice(bytes).map_err(json)?;
        if own.is_null() {
            return Ok(None);
        }
        let found = own["format_version"].as_u64().unwrap_or_default();
        if found > FORMAT_VERSION {
            let supported = FORMAT_VERSION;
            return Err(machado_core::error::Error::NewerModel { found, supported }.into());
        }
        Self::deserialize(own).map(Some).map_err(json)
    }

    /// What machado keeps of a file in its own format.
    pub(super) fn of(checkpoint: &Checkpoint) -> Self {
        let (file, learning) = (&checkpoint.file, &checkpoint.learning);
        Self {
            format_version: FORMAT_VERSION,
            tokenizer: file.model.tokenizer.clone(),
            standardize: file.standardize,
            training: file.training.clone(),
            config: file.config.clone(),
            progress: learning.as_ref().and_then(|learning| learning.progress.clone()),
            optimizer: learning.as_ref().map(|learning| OwnOptimizer {
                momentum_product: learning.optimizer.momentum_product(),
                rate: learning.rate,
            }),
        }
    }

    /// The bytes of the member.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        json!({ "keras_version": KERAS_VERSION, "machado": self }).to_string().into_bytes()
    }

    /// What the ids stand for.
    pub(super) fn vocabulary(&self, size: usize) -> Result<Vocabulary> {
        let found = self.tokenizer.vocabulary_size();
        if found != size {
            let problem = format!("its vocabulary has {found} tokens, but the model has {size}");
            let hint = "the file was changed after machado wrote it; write it again";
            return Err(error(METADATA, problem, hint));
        }
        Ok(self.clone().into_vocabulary())
    }

    /// What the ids stand for, without the rest.
    pub(super) fn into_vocabulary(self) -> Vocabulary {
        Vocabulary { tokenizer: self.tokenizer, standardize: self.standardize }
    }

    /// Whether the settings of the run speak of the same layers as Keras' config.
    pub(super) fn check_layers(&self, layers: &ModelConfig) -> Result<()> {
        match &self.config {
            Some(run) if run.model != *layers => {
                let problem = "the layers of its run are not those in config.json";
                let hint = "the file was changed after machado wrote it; write it again";
                Err(error(METADATA, problem, hint))
            }
            _ => Ok(()),
        }
    }
}
