//! Keeping: one file is a whole model, and one more kind of file is a whole run.
//!
//! Both are safetensors files (`docs/checkpoint.md` describes them field by field): named tensors,
//! and a few JSON strings with config, tokenizer and how the model was trained. The second kind
//! also has what the optimizer and the run remember. The same contents give the same bytes.

mod container;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::container::{Container, Tensor};
use crate::error::{Error, Result};
use crate::model::{self, Model, ModelConfig};
use crate::optimizer::{Optimizer, OptimizerConfig};
use crate::params::ParameterTable;
use crate::run::{Progress, RunConfig, TrainingFacts};
use crate::text::Standardize;
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
    pub(super) const STANDARDIZE: &str = "machado.standardize";
}

/// The tensor with the state of the streams.
const STREAM_STATES: &str = "streams/states";

/// See [`has_too_many_values`].
const FREE_VALUES: usize = 500_000;
/// See [`has_too_many_values`].
const BYTES_PER_VALUE: usize = 10;

/// What a model file holds.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// The model.
    pub model: Model,
    /// How it was trained.
    pub training: Option<TrainingFacts>,
    /// The config of the run that it comes from.
    pub config: Option<RunConfig>,
    /// What was done to the text that it learnt from, and is done to a prompt.
    pub standardize: Standardize,
}

/// All that a file of either kind holds.
///
/// What a [`Trainer`](crate::train::Trainer) writes comes back byte for byte from
/// [`to_bytes`](Self::to_bytes).
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The model, and what is known of it.
    pub file: ModelFile,
    /// What learning goes on from; nothing in a file with just a model.
    pub learning: Option<Learning>,
}

/// What learning goes on from.
#[derive(Clone, Debug, PartialEq)]
pub struct Learning {
    /// The optimizer, with what it remembers.
    pub optimizer: Optimizer,
    /// How fast it learns, where no config of a run says it.
    pub rate: Option<Rate>,
    /// How far the run is that it belongs to.
    pub progress: Option<Progress>,
    /// The state of the run's streams.
    pub states: Option<Vec<f32>>,
}

/// How fast an optimizer learns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// The learning rate.
    pub learning_rate: f64,
    /// The largest norm of all gradients together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
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

/// What the metadata says of an optimizer.
#[derive(Serialize, Deserialize)]
struct Remembered {
    steps: u64,
    momentum_product: f64,
    /// Only where the file has no config of a run, which would say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<OptimizerConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<Rate>,
}

impl Checkpoint {
    /// Reads a file of either kind.
    ///
    /// # Errors
    /// If the bytes are no model, a damaged one, or one of a later format.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let container = Container::from_bytes(bytes)?;
        let file = model_of(&container)?;
        let Some(remembered) = optional::<Remembered>(&container, key::OPTIMIZER)? else {
            return Ok(Self { file, learning: None });
        };
        let of_run = file.config.as_ref().map(|config| config.training.optimizer);
        let Some(config) = of_run.or(remembered.config) else {
            return Err(damaged("it has the state of an optimizer, but does not say which".into()));
        };
        let learning = Learning {
            optimizer: optimizer_of(&container, &file.model.parameters()?, config, &remembered)?,
            rate: remembered.rate,
            progress: optional(&container, key::PROGRESS)?,
            states: states_of(&container),
        };
        Ok(Self { file, learning: Some(learning) })
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let ModelFile { model, training, config, standardize } = &self.file;
        let mut container = model_container(model, training.as_ref(), config.as_ref());
        if config.is_none() && *standardize != Standardize::None {
            container.metadata.insert(key::STANDARDIZE.into(), to_json(standardize));
        }
        if let Some(Learning { optimizer, rate, progress, states }) = &self.learning {
            let unsaid = config.is_none().then(|| *optimizer.config());
            push_optimizer(&mut container, model, optimizer, unsaid, *rate);
            push_states(&mut container, states.as_deref());
            if let Some(progress) = progress {
                container.metadata.insert(key::PROGRESS.into(), to_json(progress));
            }
        }
        container.to_bytes()
    }
}

/// Reads a model file, or the model in a file to resume from.
///
/// # Errors
/// If the bytes are no model, a damaged one, or one of a later format.
pub fn read_model(bytes: &[u8]) -> Result<ModelFile> {
    model_of(&Container::from_bytes(bytes)?)
}

/// Whether JSON has more values than a file of so many bytes can be in need of: one for ten bytes,
/// and some hundred thousand.
///
/// Written, a value takes two bytes; read, it can take a hundred. A vocabulary, the longest list of
/// all, has far more bytes of weights than tokens.
pub fn has_too_many_values(json: &[u8], file_bytes: usize) -> bool {
    let commas = json.iter().filter(|&&byte| byte == b',').count();
    commas > FREE_VALUES + file_bytes / BYTES_PER_VALUE
}

fn model_of(container: &Container) -> Result<ModelFile> {
    let config: ModelConfig = required(container, key::MODEL)?;
    let tokenizer: Tokenizer = required(container, key::TOKENIZER)?;
    if tokenizer.vocabulary_size() == 0 {
        return Err(damaged("its vocabulary is empty".into()));
    }
    let table = model::parameters(&config, tokenizer.vocabulary_size())?;
    let weights = flat(container, &table, "")?;
    if let Some(place) = weights.iter().position(|weight| !weight.is_finite()) {
        return Err(damaged(format!("weight {place} is {}", weights[place])));
    }
    let run: Option<RunConfig> = optional(container, key::CONFIG)?;
    let standardize = match &run {
        Some(run) => run.text.standardize,
        None => optional(container, key::STANDARDIZE)?.unwrap_or(Standardize::None),
    };
    Ok(ModelFile {
        model: Model { config, tokenizer, weights },
        training: optional(container, key::TRAINING)?,
        config: run,
        standardize,
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
    push_optimizer(&mut container, model, optimizer, None, None);
    push_states(&mut container, states);
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
    let remembered = required(&container, key::OPTIMIZER)?;
    let optimizer = optimizer_of(&container, &table, *config, &remembered)?;
    let states = states_of(&container);
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

/// The optimizer that a file remembers.
fn optimizer_of(
    container: &Container,
    table: &ParameterTable,
    config: OptimizerConfig,
    remembered: &Remembered,
) -> Result<Optimizer> {
    let moments = config
        .moment_names()
        .iter()
        .map(|name| flat(container, table, &format!("optimizer/{name}/")))
        .collect::<Result<_>>()?;
    let &Remembered { steps, momentum_product, .. } = remembered;
    Ok(Optimizer::restore(config, moments, steps, momentum_product))
}

fn push_optimizer(
    container: &mut Container,
    model: &Model,
    optimizer: &Optimizer,
    config: Option<OptimizerConfig>,
    rate: Option<Rate>,
) {
    for (name, moments) in optimizer.config().moment_names().iter().zip(optimizer.moments()) {
        push_flat(container, model, &format!("optimizer/{name}/"), moments);
    }
    let (steps, momentum_product) = (optimizer.steps(), optimizer.momentum_product());
    let remembered = Remembered { steps, momentum_product, config, rate };
    container.metadata.insert(key::OPTIMIZER.into(), to_json(&remembered));
}

fn states_of(container: &Container) -> Option<Vec<f32>> {
    container.tensors.get(STREAM_STATES).map(|tensor| tensor.values.clone())
}

fn push_states(container: &mut Container, states: Option<&[f32]>) {
    if let Some(states) = states {
        let tensor = Tensor { shape: vec![states.len()], values: states.to_vec() };
        container.tensors.insert(STREAM_STATES.into(), tensor);
    }
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
