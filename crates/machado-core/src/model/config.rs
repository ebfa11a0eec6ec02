//! Which layers a model has.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layers::{Activation, DropoutPer};

/// The largest width of a layer. Wider ones are a slip of the keyboard, not a model for a CPU.
const MAX_WIDTH: usize = 16_384;

/// The most layers of a model.
const MOST_LAYERS: usize = 256;

/// One layer; the names are Keras'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum LayerConfig {
    /// A row of a table for each token; always the first layer, and only there.
    Embedding {
        /// Values per token.
        output_dim: usize,
    },
    /// A causal convolution over time.
    Conv1d {
        /// Outputs.
        filters: usize,
        /// Steps that each output sees: its own and those before.
        kernel_size: usize,
        /// Applied to each output.
        #[serde(default)]
        activation: Activation,
    },
    /// A gated recurrent unit.
    Gru {
        /// Units, the size of the state.
        units: usize,
        /// Whether the reset gate is applied after the recurrent product. With `true`, Keras' default
        /// and this one, training is much faster; `false` is for models that were trained so.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        reset_after: bool,
    },
    /// Switches off a random share of the values while training.
    Dropout {
        /// The share, from 0 to less than 1.
        rate: f64,
        /// Whether each step of a window draws anew.
        #[serde(default, skip_serializing_if = "is_default")]
        per: DropoutPer,
    },
    /// Adds the output of an earlier layer to that of the layer before: a residual connection.
    Add {
        /// The name of the earlier layer, such as `gru` or `dropout_1`; both have the same width.
        layer: String,
    },
    /// A fully connected layer; the last one has `activation = "softmax"` and no `units`, since it
    /// has one for each token.
    Dense {
        /// Outputs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        units: Option<usize>,
        /// Applied to each output.
        #[serde(default)]
        activation: Activation,
    },
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl LayerConfig {
    /// A GRU.
    pub fn gru(units: usize) -> Self {
        Self::Gru { units, reset_after: true }
    }

    /// Dropout where each step draws anew.
    pub fn dropout(rate: f64) -> Self {
        Self::Dropout { rate, per: DropoutPer::Step }
    }

    /// Its type, as in a config.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Embedding { .. } => "embedding",
            Self::Conv1d { .. } => "conv1d",
            Self::Gru { .. } => "gru",
            Self::Dropout { .. } => "dropout",
            Self::Add { .. } => "add",
            Self::Dense { .. } => "dense",
        }
    }
}

/// The stack of layers, from the token ids to the logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The layers in their order.
    pub layers: Vec<LayerConfig>,
}

impl ModelConfig {
    /// Checks that the layers fit together.
    ///
    /// # Errors
    /// If they do not; the error names the layer.
    pub fn check(&self) -> Result<()> {
        let count = self.layers.len();
        if !(2..=MOST_LAYERS).contains(&count) {
            return Err(Error::OutOfRange {
                what: "the number of layers".into(),
                expected: format!("from 2 (an embedding and a dense) to {MOST_LAYERS}"),
                found: count.to_string(),
            });
        }
        for (i, layer) in self.layers.iter().enumerate() {
            let problem = match (i == 0, i + 1 == count, layer) {
                (true, _, LayerConfig::Embedding { .. }) => check_sizes(layer),
                (true, ..) => Some("a model begins with an embedding and ends with a dense".into()),
                (_, _, LayerConfig::Embedding { .. }) => {
                    Some("an embedding can only be the first layer".into())
                }
                (_, true, LayerConfig::Dense { units: None, activation: Activation::Softmax }) => {
                    None
                }
                (_, true, _) => Some(
                    "the last layer must be a dense with activation = \"softmax\" and no units \
                     (it has one for each token)"
                        .into(),
                ),
                (.., LayerConfig::Add { layer }) => self.check_sum(i, layer),
                _ => check_sizes(layer),
            };
            if let Some(problem) = problem {
                let layer = layer.type_name().to_owned();
                return Err(Error::Layers { number: i + 1, layer, problem });
            }
        }
        Ok(())
    }

    /// The same layers with nothing switched off while learning.
    pub fn without_dropout(&self) -> Self {
        let mut layers = self.layers.clone();
        for layer in &mut layers {
            if let LayerConfig::Dropout { rate, .. } = layer {
                *rate = 0.0;
            }
        }
        Self { layers }
    }

    /// What hinders layer number `i` from adding the output of the one of this name.
    fn check_sum(&self, i: usize, name: &str) -> Option<String> {
        let Some(source) = self.place(name).filter(|&source| source + 1 < i) else {
            let names = &self.layer_names()[..i.max(1) - 1];
            return Some(format!(
                "layer must be the name of one before the last ({}), not \"{name}\"",
                names.join(", ")
            ));
        };
        let (earlier, before) = (self.width(source), self.width(i - 1));
        (earlier != before)
            .then(|| format!("{name} has {earlier} outputs, but the layer before has {before}"))
    }

    /// The place of the layer of this name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.layer_names().iter().position(|known| known == name)
    }

    /// Outputs of layer number `i`, which is not the last one.
    pub(super) fn width(&self, i: usize) -> usize {
        match self.layers[i] {
            LayerConfig::Embedding { output_dim } => output_dim,
            LayerConfig::Conv1d { filters, .. } => filters,
            LayerConfig::Gru { units, .. } => units,
            LayerConfig::Dense { units, .. } => units.unwrap_or(0),
            LayerConfig::Dropout { .. } | LayerConfig::Add { .. } => self.width(i - 1),
        }
    }

    /// The names of the layers, as Keras gives them.
    pub fn layer_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            let kind = layer.type_name();
            let before = self.layers[..i].iter().filter(|l| l.type_name() == kind).count();
            names.push(if before == 0 { kind.to_owned() } else { format!("{kind}_{before}") });
        }
        names
    }
}

fn check_sizes(layer: &LayerConfig) -> Option<String> {
    let check = |name: &str, value: usize| {
        let fits = (1..=MAX_WIDTH).contains(&value);
        (!fits).then(|| format!("{name} must be from 1 to {MAX_WIDTH}, not {value}"))
    };
    match *layer {
        LayerConfig::Embedding { output_dim } => check("output_dim", output_dim),
        LayerConfig::Conv1d { filters, kernel_size, activation } => check("filters", filters)
            .or_else(|| check("kernel_size", kernel_size))
            .or_else(|| check_activation(activation)),
        LayerConfig::Gru { units, .. } => check("units", units),
        LayerConfig::Dropout { rate, .. } => check_share("rate", rate),
        LayerConfig::Add { .. } => None,
        LayerConfig::Dense { units: Some(units), activation } => {
            check("units", units).or_else(|| check_activation(activation))
        }
        LayerConfig::Dense { units: None, .. } => Some("units is missing".into()),
    }
}

fn check_share(name: &str, value: f64) -> Option<String> {
    (!(0.0..1.0).contains(&value))
        .then(|| format!("{name} must be from 0 to less than 1, not {value}"))
}

fn check_activation(activation: Activation) -> Option<String> {
    (activation == Activation::Softmax)
        .then(|| "activation = \"softmax\" is for the last layer only".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tutorial() -> ModelConfig {
        ModelConfig {
            layers: vec![
                LayerConfig::Embedding { output_dim: 16 },
                LayerConfig::Conv1d { filters: 32, kernel_size: 3, activation: Activation::Relu },
                LayerConfig::gru(128),
                LayerConfig::Dense { units: None, activation: Activation::Softmax },
            ],
        }
    }

    #[test]
    fn repeated_layers_are_numbered_as_in_keras() {
        let mut config = tutorial();
        config.layers.insert(3, LayerConfig::gru(64));
        config.layers.insert(4, LayerConfig::gru(64));
        assert_eq!(config.layer_names(), ["embedding", "conv1d", "gru", "gru_1", "gru_2", "dense"]);
    }

    fn check_problem(change: impl Fn(&mut Vec<LayerConfig>), expected: &str) {
        let mut config = tutorial();
        change(&mut config.layers);
        let message = config.check().expect_err("layers that do not fit").to_string();
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn a_sum_needs_an_earlier_layer_of_the_same_width() {
        let with = |layer: &str, units| {
            let mut config = tutorial();
            config.layers.insert(3, LayerConfig::gru(units));
            config.layers.insert(4, LayerConfig::Add { layer: layer.into() });
            config.check().map_err(|error| error.to_string())
        };
        assert_eq!(with("gru", 128), Ok(()));
        for (layer, units, expected) in [
            ("gru", 64, "layer 5 (add): gru has 128 outputs, but the layer before has 64"),
            ("gru_1", 128, "one before the last (embedding, conv1d, gru), not \"gru_1\""),
            ("add", 128, "one before the last (embedding, conv1d, gru), not \"add\""),
            ("", 128, "not \"\""),
        ] {
            let message = with(layer, units).expect_err("a sum that does not fit");
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn layers_that_do_not_fit_are_named() {
        assert!(tutorial().check().is_ok());
        check_problem(|layers| layers.rotate_left(1), "layer 1 (conv1d)");
        check_problem(|layers| layers.truncate(3), "layer 3 (gru): the last layer must be a dense");
        check_problem(|layers| layers.clear(), "the number of layers");
        check_problem(|layers| layers[2] = LayerConfig::gru(0), "units must be from 1");
        check_problem(|layers| layers[2] = LayerConfig::dropout(1.0), "rate must be");
        check_problem(
            |layers| layers[2] = LayerConfig::Embedding { output_dim: 4 },
            "only be the first layer",
        );
        check_problem(
            |layers| {
                layers[2] = LayerConfig::Dense { units: Some(5), activation: Activation::Softmax };
            },
            "for the last layer only",
        );
    }
}
