//! A language model: a stack of layers read from a config, and its weights.
//!
//! [`Model`] is what is kept in files. [`Engine`] trains and evaluates: given ids, it returns the
//! loss and the gradients. [`Streams`] reads texts token by token and says what may come next.

mod block;
mod config;
mod engine;
mod network;
mod site;
mod streams;
mod summary;

pub use config::{LayerConfig, ModelConfig};
pub use engine::{Engine, StepKey};
pub use network::Network;
pub use site::{Intervene, Intervention, Reach, Site};
pub use streams::{StreamState, Streams};
pub use summary::{LayerSummary, summarize};

use crate::error::Result;
use crate::math::simd::VectorUnit;
use crate::params::ParameterTable;
use crate::rng::mix;
use crate::tokenizer::Tokenizer;

/// A config, the tokenizer that gives its ids, and its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The stack of layers.
    pub config: ModelConfig,
    /// Between text and ids.
    pub tokenizer: Tokenizer,
    /// All weights, in the order of [`parameters`].
    pub weights: Vec<f32>,
}

impl Model {
    /// A model with first weights drawn from `seed`.
    ///
    /// # Errors
    /// If the layers do not fit together.
    pub fn new(config: ModelConfig, tokenizer: Tokenizer, seed: u64) -> Result<Self> {
        let table = parameters(&config, tokenizer.vocabulary_size())?;
        Ok(Self { config, tokenizer, weights: table.initial_values(seed) })
    }

    /// A number that another model's weights do not have.
    pub fn fingerprint(&self) -> u64 {
        self.weights.iter().fold(0, |sum, weight| mix(sum ^ u64::from(weight.to_bits())))
    }

    /// The table of its weights.
    ///
    /// # Errors
    /// If the layers do not fit together.
    pub fn parameters(&self) -> Result<ParameterTable> {
        parameters(&self.config, self.tokenizer.vocabulary_size())
    }
}

/// The table of all weights of a config for a vocabulary of this size.
///
/// # Errors
/// If the layers do not fit together.
pub fn parameters(config: &ModelConfig, vocabulary_size: usize) -> Result<ParameterTable> {
    Ok(Network::new(config, vocabulary_size, VectorUnit::detect())?.table().clone())
}
