//! Where each weight lies in Keras' file: the one table for reading and writing.

use machado_core::model::LayerConfig;

/// A weight's path and shape.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its path, or none for a weight that machado's layer has and Keras' layer does without.
    pub(super) path: Option<String>,
    /// Its axes, the same on both sides.
    pub(super) shape: Vec<usize>,
    /// Whether an optimizer changes it.
    pub(super) is_trainable: bool,
}

/// What decides where the weights of a layer lie.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    /// The layer's group: `layers/gru_1`.
    pub(super) group: String,
    /// Whether it has a bias.
    pub(super) has_bias: bool,
    /// Whether an optimizer changes its weights.
    pub(super) is_trainable: bool,
}

impl Shelf {
    /// The places of a layer's weights, in the order of machado's table, which is also Keras'.
    pub(super) fn places(
        &self,
        layer: &LayerConfig,
        input_dim: usize,
        vocabulary_size: usize,
    ) -> Vec<Place> {
        let (folder, shapes) = match *layer {
            LayerConfig::Embedding { output_dim } => ("", vec![vec![vocabulary_size, output_dim]]),
            LayerConfig::Conv1d { filters, kernel_size, .. } => {
                ("", vec![vec![kernel_size, input_dim, filters], vec![filters]])
            }
            LayerConfig::Gru { units, reset_after } => {
                let gates = 3 * units;
                let bias = if reset_after { vec![2, gates] } else { vec![gates] };
                ("/cell", vec![vec![input_dim, gates], vec![units, gates], bias])
            }
            LayerConfig::Dense { units, .. } => {
                let units = units.unwrap_or(vocabulary_size);
                ("", vec![vec![input_dim, units], vec![units]])
            }
            LayerConfig::Dropout { .. } | LayerConfig::Add { .. } => ("", Vec::new()),
        };
        let is_bias = |number: usize| number > 0 && number + 1 == shapes.len();
        let place = |(number, shape): (usize, &Vec<usize>)| Place {
            path: (self.has_bias || !is_bias(number))
                .then(|| format!("{}{folder}/vars/{number}", self.group)),
            shape: shape.clone(),
            is_trainable: self.is_trainable,
        };
        shapes.iter().enumerate().map(place).collect()
    }
}

/// Outputs of a layer; `before` are those of the one before it.
pub(super) fn output_dim(layer: &LayerConfig, before: usize, vocabulary_size: usize) -> usize {
    match *layer {
        LayerConfig::Embedding { output_dim } => output_dim,
        LayerConfig::Conv1d { filters, .. } => filters,
        LayerConfig::Gru { units, .. } => units,
        LayerConfig::Dense { units, .. } => units.unwrap_or(vocabulary_size),
        LayerConfig::Dropout { .. } | LayerConfig::Add { .. } => before,
    }
}
