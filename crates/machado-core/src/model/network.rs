//! The layers of a model with their weights ready for computing.

use super::config::{LayerConfig, ModelConfig};
use crate::error::Result;
use crate::layers::{Conv1d, Dense, Dropout, Embedding, Gru, Layer};
use crate::math::simd::VectorUnit;
use crate::params::{ParameterSpec, ParameterTable};

/// A stack of layers and the table of their weights.
#[derive(Clone, Debug)]
pub struct Network {
    layers: Vec<Layer>,
    table: ParameterTable,
    vocabulary_size: usize,
}

impl Network {
    /// The layers of `config` for a vocabulary of this size, with weights of 0.
    ///
    /// # Errors
    /// If the layers do not fit together.
    pub fn new(config: &ModelConfig, vocabulary_size: usize, unit: VectorUnit) -> Result<Self> {
        config.check()?;
        let mut layers: Vec<Layer> = Vec::new();
        for (place, layer) in config.layers.iter().enumerate() {
            let input_dim = layers.last().map_or(vocabulary_size, Layer::output_dim);
            layers.push(build(layer, place, input_dim, vocabulary_size, unit));
        }
        let mut specs = Vec::new();
        for (layer, name) in layers.iter().zip(config.layer_names()) {
            for spec in layer.parameters() {
                specs.push(ParameterSpec { name: format!("{name}/{}", spec.name), ..spec });
            }
        }
        let table = ParameterTable::new(specs);
        Ok(Self { layers, table, vocabulary_size })
    }

    /// Takes over the values of all weights.
    ///
    /// # Panics
    /// If there are more or fewer than in the table.
    pub fn load(&mut self, weights: &[f32]) {
        assert_eq!(weights.len(), self.table.len(), "number of weights");
        let mut rest = weights;
        for layer in &mut self.layers {
            let (own, others) = rest.split_at(layer.weights_len());
            layer.load(own);
            rest = others;
        }
    }

    /// The layers in their order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The table of all weights.
    pub fn table(&self) -> &ParameterTable {
        &self.table
    }

    /// The number of tokens, `V`.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }
}

fn build(
    layer: &LayerConfig,
    place: usize,
    input_dim: usize,
    vocabulary_size: usize,
    unit: VectorUnit,
) -> Layer {
    match *layer {
        LayerConfig::Embedding { output_dim } => {
            Layer::Embedding(Embedding::new(vocabulary_size, output_dim))
        }
        LayerConfig::Conv1d { filters, kernel_size, activation } => {
            Layer::Conv1d(Conv1d::new(unit, input_dim, filters, kernel_size, activation))
        }
        LayerConfig::Gru { units } => Layer::Gru(Gru::new(unit, input_dim, units)),
        LayerConfig::Dropout { rate } => Layer::Dropout(Dropout::new(unit, rate, input_dim, place)),
        LayerConfig::Dense { units, activation } => {
            let units = units.unwrap_or(vocabulary_size);
            Layer::Dense(Dense::new(unit, input_dim, units, activation))
        }
    }
}
