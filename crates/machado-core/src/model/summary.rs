//! A model's layers with their shapes and sizes, as Keras' `summary` shows them.

use serde::Serialize;

use super::config::ModelConfig;
use super::network::stack;
use crate::error::Result;
use crate::math::simd::VectorUnit;

/// One line of a summary like Keras'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerSummary {
    /// Its name: the type, with `_1`, `_2`, … for repetitions.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub layer_type: &'static str,
    /// Rows, time steps (both left open) and channels.
    pub output_shape: [Option<usize>; 3],
    /// Values of its weights.
    pub parameters: usize,
}

/// One line for each layer of a model with a vocabulary of this size.
///
/// # Errors
/// If the layers do not fit together.
pub fn summarize(config: &ModelConfig, vocabulary_size: usize) -> Result<Vec<LayerSummary>> {
    let layers = stack(config, vocabulary_size, VectorUnit::detect())?;
    let lines = config.layer_names().into_iter().zip(&config.layers).zip(&layers);
    Ok(lines
        .map(|((name, config), layer)| LayerSummary {
            name,
            layer_type: config.type_name(),
            output_shape: [None, None, Some(layer.output_dim())],
            parameters: layer.parameters().iter().map(|spec| spec.size()).sum(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Activation;
    use crate::model::LayerConfig;

    /// For 86 characters: 86·16 + (3·16·32 + 32) + (32·384 + 128·384 + 2·384) + (128·86 + 86).
    #[test]
    fn the_summary_of_the_tutorial_counts_as_keras_does() {
        let tutorial = ModelConfig {
            layers: vec![
                LayerConfig::Embedding { output_dim: 16 },
                LayerConfig::Conv1d { filters: 32, kernel_size: 3, activation: Activation::Relu },
                LayerConfig::gru(128),
                LayerConfig::Dense { units: None, activation: Activation::Softmax },
            ],
        };
        let lines = summarize(&tutorial, 86).expect("a model");
        let parameters: Vec<usize> = lines.iter().map(|line| line.parameters).collect();
        assert_eq!(parameters, [1376, 1568, 62_208, 11_094]);
        assert_eq!(lines[3].output_shape, [None, None, Some(86)]);
    }
}
