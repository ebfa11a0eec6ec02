//! Keeping: one file is a whole model, and one more kind of file is a whole run.
//!
//! Both are safetensors files (`docs/checkpoint.md` describes them field by field): named tensors,
//! and a few JSON strings with config, tokenizer and how the model was trained. The second kind
//! also has what the optimizer and the run remember. The same contents give the same bytes.

mod container;

use serde::de::DeserializeOwned;
use serde_json::json;

use self::container::{Container, Tensor};
use crate::error::{Error, Result};
use crate::model::{self, Model, ModelConfig};
use crate::optimizer::{Optimizer, OptimizerConfig};
use crate::params::ParameterTable;
use crate::run::{Progress, RunConfig, TrainingFacts};
use crate::tokenizer::Tokenizer;

/// The version of the files that this program writes, and the highest that it reads.
pub const FORMAT_VERSION: u64 = 1;

/// Keys of the metadata.
mod key {
    pub(super) const FORMAT_VERSION: &str = "machado.format_version";
    pub(super) const MODEL: &str = "machado.model";
    pub(super) const TOKENIZER: &str = "machado.tokenizer";
    pub(super) const TRAINING: &str = "machado.training";
    pub(super) const CONFIG: &str = "machado.config";
    pub(super) const PROGRESS: &str = "machado.progress";
    pub(super) const OPTIMIZER: &str = "machado.optimizer";
}

/// The tensor with the state of the streams.
const STREAM_STATES: &str = "streams/states";

/// What a model file holds.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// The model.
    pub model: Model,
    /// How it was trained.
    pub training: Option<TrainingFacts>,
    /// The config of the run that it comes from.
    pub config: Option<RunConfig>,
}

/// What a run needs to go on.
#[derive(Debug)]
pub(crate) struct Resume {
    pub(crate) model: Model,
    pub(crate) optimizer: Optimizer,
    pub(crate) progress: Progress,
    pub(crate) states: Option<Vec<f32>>,
}

/// The bytes of a model file.
pub fn write_model(
    model: &Model,
    training: Option<&TrainingFacts>,
    config: Option<&RunConfig>,
) -> Vec<u8> {
    model_container(model, training, config).to_bytes()
}

/// Reads a model file, or the model in a file to resume from.
///
/// # Errors
/// If the bytes are no model, a damaged one, or one of a later format.
pub fn read_model(bytes: &[u8]) -> Result<ModelFile> {
    let container = Container::from_bytes(bytes)?;
    let config: ModelConfig = required(&container, key::MODEL)?;
    let tokenizer: Tokenizer = required(&container, key::TOKENIZER)?;
    if tokenizer.vocabulary_size() == 0 {
        return Err(damaged("its vocabulary is empty".into()));
    }
    let table = model::parameters(&config, tokenizer.vocabulary_size())?;
    let weights = flat(&container, &table, "")?;
    if let Some(place) = weights.iter().position(|weight| !weight.is_finite()) {
        return Err(damaged(format!("weight {place} is {}", weights[place])));
    }
    Ok(ModelFile {
        model: Model { config, tokenizer, weights },
        training: optional(&container, key::TRAINING)?,
        config: optional(&container, key::CONFIG)?,
    })
}

/// The bytes of a file to resume from.
pub(crate) fn write_resume(
    model: &Model,
    training: &TrainingFacts,
    config: &RunConfig,
    optimizer: &Optimizer,
    progress: &Progress,
    states: Option<&[f32]>,
) -> Vec<u8> {
    let mut container = model_container(model, Some(training), Some(config));
    for (name, moments) in optimizer.config().moment_names().iter().zip(optimizer.moments()) {
        push_flat(&mut container, model, &format!("optimizer/{name}/"), moments);
    }
    if let Some(states) = states {
        let tensor = Tensor { shape: vec![states.len()], values: states.to_vec() };
        container.tensors.insert(STREAM_STATES.into(), tensor);
    }
    let remembered = json!({
        "steps": optimizer.steps(),
        "momentum_product": optimizer.momentum_product(),
    });
    container.metadata.insert(key::OPTIMIZER.into(), remembered.to_string());
    container.metadata.insert(key::PROGRESS.into(), to_json(progress));
    container.to_bytes()
}

/// Reads what a file to resume from has beside its model.
pub(crate) fn read_resume(bytes: &[u8], model: Model, config: &OptimizerConfig) -> Result<Resume> {
    let container = Container::from_bytes(bytes)?;
    let Some(progress) = optional(&container, key::PROGRESS)? else {
        let problem = "this is a model, not a file to resume from (last.safetensors)".into();
        return Err(Error::Resume { problem });
    };
    let table = model.parameters()?;
    let moments = config
        .moment_names()
        .iter()
        .map(|name| flat(&container, &table, &format!("optimizer/{name}/")))
        .collect::<Result<_>>()?;
    #[derive(serde::Deserialize)]
    struct Remembered {
        steps: u64,
        momentum_product: f64,
    }
    let remembered: Remembered = required(&container, key::OPTIMIZER)?;
    let optimizer =
        Optimizer::restore(*config, moments, remembered.steps, remembered.momentum_product);
    let states = container.tensors.get(STREAM_STATES).map(|tensor| tensor.values.clone());
    Ok(Resume { model, optimizer, progress, states })
}

fn model_container(
    model: &Model,
    training: Option<&TrainingFacts>,
    config: Option<&RunConfig>,
) -> Container {
    let mut container = Container::default();
    push_flat(&mut container, model, "", &model.weights);
    let metadata = &mut container.metadata;
    // What Hugging Face's readers look for: tensors laid out as PyTorch's.
    metadata.insert("format".into(), "pt".into());
    metadata.insert(key::FORMAT_VERSION.into(), FORMAT_VERSION.to_string());
    metadata.insert(key::MODEL.into(), to_json(&model.config));
    metadata.insert(key::TOKENIZER.into(), to_json(&model.tokenizer));
    if let Some(training) = training {
        metadata.insert(key::TRAINING.into(), to_json(training));
    }
    if let Some(config) = config {
        metadata.insert(key::CONFIG.into(), to_json(config));
    }
    container
}

fn push_flat(container: &mut Container, model: &Model, prefix: &str, values: &[f32]) {
    let table = model.parameters().expect("a model that exists has layers that fit together");
    for (i, spec) in table.specs().iter().enumerate() {
        let tensor = Tensor { shape: spec.shape.clone(), values: values[table.range(i)].to_vec() };
        container.tensors.insert(format!("{prefix}{}", spec.name), tensor);
    }
}

/// The values of all weights of a table (or of a moment of theirs), one behind the other.
fn flat(container: &Container, table: &ParameterTable, prefix: &str) -> Result<Vec<f32>> {
    // Not more than the file holds: the layers of a crafted file may claim anything.
    let mut values = Vec::new();
    for spec in table.specs() {
        let name = format!("{prefix}{}", spec.name);
        let Some(tensor) = container.tensors.get(&name) else {
            return Err(damaged(format!("it has no tensor \"{name}\"")));
        };
        if tensor.shape != spec.shape {
            let (found, expected) = (&tensor.shape, &spec.shape);
            let problem = format!("tensor \"{name}\" has shape {found:?} instead of {expected:?}");
            return Err(damaged(problem));
        }
        values.extend_from_slice(&tensor.values);
    }
    Ok(values)
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain structs and numbers always have a JSON form")
}

fn required<T: DeserializeOwned>(container: &Container, key: &str) -> Result<T> {
    optional(container, key)?.ok_or_else(|| damaged(format!("its metadata has no \"{key}\"")))
}

fn optional<T: DeserializeOwned>(container: &Container, key: &str) -> Result<Option<T>> {
    let Some(text) = container.metadata.get(key) else { return Ok(None) };
    serde_json::from_str(text)
        .map(Some)
        .map_err(|error| damaged(format!("its metadata \"{key}\" cannot be read ({error})")))
}

fn damaged(problem: String) -> Error {
    Error::DamagedModel { problem }
}
