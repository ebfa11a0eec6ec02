//! The layers of a model with their weights ready for computing.

use super::config::{LayerConfig, ModelConfig};
use super::site::Site;
use crate::error::Result;
use crate::layers::{
    Add, Conv1d, Dense, Dropout, Embedding, Gru, GruResetBefore, Layer, Piece, TokenConv1d,
};
use crate::math::buffer::Buffer;
use crate::math::simd::VectorUnit;
use crate::params::{ParameterSpec, ParameterTable};

/// A stack of layers and the table of their weights.
#[derive(Clone, Debug)]
pub struct Network {
    layers: Vec<Layer>,
    table: ParameterTable,
    /// Values of each layer's weights.
    weights_len: Vec<usize>,
    vocabulary_size: usize,
    /// Layers of the config that became part of the next one.
    joined: usize,
}

impl Network {
    /// The layers of `config` for a vocabulary of this size, with weights of 0.
    ///
    /// # Errors
    /// If the layers do not fit together.
    pub fn new(config: &ModelConfig, vocabulary_size: usize, unit: VectorUnit) -> Result<Self> {
        let stack = stack(config, vocabulary_size, unit)?;
        let mut specs = Vec::new();
        for (layer, name) in stack.iter().zip(config.layer_names()) {
            for spec in layer.parameters() {
                specs.push(ParameterSpec { name: format!("{name}/{}", spec.name), ..spec });
            }
        }
        let count = stack.len();
        let layers = join_look_ups(stack, vocabulary_size, unit);
        let joined = count - layers.len();
        let table = ParameterTable::new(specs);
        let size = |layer: &Layer| layer.parameters().iter().map(ParameterSpec::size).sum();
        let weights_len = layers.iter().map(size).collect();
        Ok(Self { layers, table, weights_len, vocabulary_size, joined })
    }

    /// Takes over the values of all weights.
    ///
    /// # Panics
    /// If there are more or fewer than in the table.
    pub fn load(&mut self, weights: &[f32]) {
        assert_eq!(weights.len(), self.table.len(), "number of weights");
        let mut rest = weights;
        for (layer, &len) in self.layers.iter_mut().zip(&self.weights_len) {
            let (own, others) = rest.split_at(len);
            layer.load(own);
            rest = others;
        }
    }

    /// The layers in their order, some of them joined into one.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The layers' own number of the layer at a place in the config; a site's layer is never joined
    /// with one after it.
    pub(super) fn number_of(&self, site: &Site) -> usize {
        site.place() - self.joined
    }

    /// Multiply-adds per token on the way forward; the way back takes twice as many.
    pub fn multiply_adds(&self) -> usize {
        self.layers.iter().map(Layer::multiply_adds).sum()
    }

    /// The table of all weights.
    pub fn table(&self) -> &ParameterTable {
        &self.table
    }

    /// The pieces of the gradients of all layers, in their order.
    pub fn gradient_pieces(&self) -> Vec<Piece> {
        let pieces = self.layers.iter().enumerate().flat_map(|(layer, inner)| {
            let lengths = inner.gradient_pieces().into_iter().enumerate();
            lengths.map(move |(number, len)| Piece { layer, number, values: Buffer::zeros(len) })
        });
        pieces.collect()
    }

    /// Puts the pieces into the order of the table, in `gradients`.
    pub fn unpack_gradients(&self, pieces: &[Piece], gradients: &mut [f32]) {
        let mut rest = gradients;
        for (place, (layer, &len)) in self.layers.iter().zip(&self.weights_len).enumerate() {
            let (own, others) = rest.split_at_mut(len);
            let first = pieces.partition_point(|piece| piece.layer < place);
            let end = pieces.partition_point(|piece| piece.layer <= place);
            layer.unpack_gradient(&pieces[first..end], own);
            rest = others;
        }
    }

    /// The number of tokens, `V`.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }
}

/// The layers of a config, one for each of its own.
///
/// # Errors
/// If they do not fit together.
pub(super) fn stack(
    config: &ModelConfig,
    vocabulary_size: usize,
    unit: VectorUnit,
) -> Result<Vec<Layer>> {
    config.check()?;
    let mut layers: Vec<Layer> = Vec::new();
    for (place, layer) in config.layers.iter().enumerate() {
        let input_dim = layers.last().map_or(vocabulary_size, Layer::output_dim);
        let source = |name: &str| config.place(name).expect("a config that was checked");
        layers.push(match *layer {
            LayerConfig::Embedding { output_dim } => {
                Layer::Embedding(Embedding::new(unit, vocabulary_size, output_dim))
            }
            LayerConfig::Conv1d { filters, kernel_size, activation } => {
                Layer::Conv1d(Conv1d::new(unit, input_dim, filters, kernel_size, activation))
            }
            LayerConfig::Gru { units, reset_after: true } => {
                Layer::Gru(Gru::new(unit, input_dim, units))
            }
            LayerConfig::Gru { units, reset_after: false } => {
                Layer::GruResetBefore(GruResetBefore::new(unit, input_dim, units))
            }
            LayerConfig::Dropout { rate, per } => {
                Layer::Dropout(Dropout::new(unit, rate, per, input_dim, place))
            }
            LayerConfig::Add { ref layer } => Layer::Add(Add::new(source(layer), input_dim)),
            LayerConfig::Dense { units, activation } => {
                let units = units.unwrap_or(vocabulary_size);
                Layer::Dense(Dense::new(unit, input_dim, units, activation))
            }
        });
    }
    Ok(layers)
}

/// Joins an embedding with the convolution over it, where that is faster. Weights and results are
/// those of the two, but for rounding.
fn join_look_ups(mut stack: Vec<Layer>, vocabulary_size: usize, unit: VectorUnit) -> Vec<Layer> {
    if let [Layer::Embedding(embedding), Layer::Conv1d(conv1d), ..] = &stack[..]
        && TokenConv1d::pays(vocabulary_size)
        // What the embedding alone gives is not known any more.
        && !stack.iter().any(|layer| layer.adds() == Some(0))
    {
        let (embedding, conv1d) = (embedding.clone(), conv1d.clone());
        let joined = TokenConv1d::new(unit, vocabulary_size, embedding, conv1d);
        stack.splice(..2, [Layer::TokenConv1d(joined)]);
        for layer in &mut stack {
            if let Layer::Add(add) = layer {
                *add = Add::new(add.source() - 1, add.output_dim());
            }
        }
    }
    stack
}
