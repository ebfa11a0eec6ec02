//! One layer of Keras by its settings, as one of machado's.

use machado_core::layers::{Activation, DropoutPer};
use machado_core::model::LayerConfig;
use serde::Deserialize;
use serde_json::Value;

use super::config::KerasLayer;
use crate::Result;

/// What a layer of Keras becomes.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// A layer that says where values come in.
    Input,
    /// A layer that turns text into ids.
    Vectorization,
    /// The table of the tokens: how many, and whether id 0 is a mask.
    Embedding { layer: LayerConfig, input_dim: usize, mask_zero: bool },
    /// A layer of machado, perhaps with dropout before it.
    Layer { dropout: Option<LayerConfig>, layer: LayerConfig, has_bias: bool },
    /// A function that the layer before applies to its outputs.
    Activation(Activation),
}

#[derive(Deserialize)]
struct EmbeddingSettings {
    input_dim: usize,
    output_dim: usize,
    #[serde(default)]
    mask_zero: bool,
}

#[derive(Deserialize)]
struct Conv1dSettings {
    filters: usize,
    kernel_size: OneOrList,
    #[serde(default)]
    strides: OneOrList,
    padding: String,
    #[serde(default)]
    dilation_rate: OneOrList,
    #[serde(default = "one")]
    groups: usize,
    data_format: Option<String>,
    #[serde(default)]
    activation: Value,
    #[serde(default = "yes")]
    use_bias: bool,
}

#[derive(Deserialize)]
struct GruSettings {
    units: usize,
    #[serde(default = "tanh")]
    activation: Value,
    #[serde(default = "sigmoid")]
    recurrent_activation: Value,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default = "yes")]
    reset_after: bool,
    #[serde(default)]
    go_backwards: bool,
    #[serde(default)]
    return_state: bool,
    #[serde(default)]
    dropout: f64,
}

#[derive(Deserialize)]
struct DropoutSettings {
    rate: f64,
    #[serde(default)]
    noise_shape: Option<Vec<Option<u64>>>,
}

#[derive(Deserialize)]
struct DenseSettings {
    units: usize,
    #[serde(default)]
    activation: Value,
    #[serde(default = "yes")]
    use_bias: bool,
}

/// A size in one dimension, which Keras writes as a list of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrList {
    One(usize),
    List([usize; 1]),
}

impl Default for OneOrList {
    fn default() -> Self {
        Self::One(1)
    }
}

impl OneOrList {
    fn value(&self) -> usize {
        match *self {
            Self::One(value) | Self::List([value]) => value,
        }
    }
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn tanh() -> Value {
    "tanh".into()
}

fn sigmoid() -> Value {
    "sigmoid".into()
}

/// What machado has for a layer.
///
/// # Errors
/// If it has nothing like it; the error names the layer and what about it is unknown.
pub(super) fn known(layer: &KerasLayer) -> Result<Known> {
    match &layer.class[..] {
        "InputLayer" => Ok(Known::Input),
        "TextVectorization" => Ok(Known::Vectorization),
        "Embedding" => {
            let settings: EmbeddingSettings = settings(layer)?;
            let EmbeddingSettings { input_dim, output_dim, mask_zero } = settings;
            let layer = LayerConfig::Embedding { output_dim };
            Ok(Known::Embedding { layer, input_dim, mask_zero })
        }
        "Conv1D" => conv1d(layer),
        "GRU" => gru(layer),
        "Dropout" | "SpatialDropout1D" => dropout(layer),
        "Dense" => {
            let DenseSettings { units, activation, use_bias } = settings(layer)?;
            let activation = self::activation(layer, &activation)?;
            let dense = LayerConfig::Dense { units: Some(units), activation };
            Ok(Known::Layer { dropout: None, layer: dense, has_bias: use_bias })
        }
        // Its other layer is known only where all of them are.
        "Add" => {
            let sum = LayerConfig::Add { layer: String::new() };
            Ok(Known::Layer { dropout: None, layer: sum, has_bias: false })
        }
        "Activation" => {
            let function = layer.settings.get("activation").unwrap_or(&Value::Null);
            activation(layer, function).map(Known::Activation)
        }
        "Softmax" => Ok(Known::Activation(Activation::Softmax)),
        "ReLU" => Ok(Known::Activation(Activation::Relu)),
        _ => Err(layer.error(
            "machado has no such layer",
            "it has Embedding, Conv1D (causal), GRU, Dropout, SpatialDropout1D, Add, Dense, \
             Activation, Softmax and ReLU",
        )),
    }
}

/// The settings of a layer, read as those of its class.
fn settings<T: for<'j> Deserialize<'j>>(layer: &KerasLayer) -> Result<T> {
    T::deserialize(&layer.settings).map_err(|problem| {
        layer.error(format!("its settings cannot be read ({problem})"), "save it again in Keras")
    })
}

fn conv1d(layer: &KerasLayer) -> Result<Known> {
    let settings: Conv1dSettings = settings(layer)?;
    let kernel_size = settings.kernel_size.value();
    // A kernel that sees one step needs no padding.
    let is_causal = settings.padding == "causal" || kernel_size == 1;
    let one = |name: &str, value: usize| (value != 1).then(|| format!("{name} is {value}, not 1"));
    let problem = one("strides", settings.strides.value())
        .or_else(|| one("dilation_rate", settings.dilation_rate.value()))
        .or_else(|| one("groups", settings.groups))
        .or_else(|| {
            let padding = &settings.padding;
            (!is_causal).then(|| format!("padding is \"{padding}\", not \"causal\""))
        })
        .or_else(|| {
            let format =
                settings.data_format.as_deref().filter(|&format| format != "channels_last");
            format.map(|format| format!("data_format is \"{format}\", not \"channels_last\""))
        });
    if let Some(problem) = problem {
        let hint = "machado's convolution is causal, and sees neighbouring steps";
        return Err(layer.error(problem, hint));
    }
    let activation = activation(layer, &settings.activation)?;
    let conv1d = LayerConfig::Conv1d { filters: settings.filters, kernel_size, activation };
    Ok(Known::Layer { dropout: None, layer: conv1d, has_bias: settings.use_bias })
}

fn gru(layer: &KerasLayer) -> Result<Known> {
    let settings: GruSettings = settings(layer)?;
    let function = |name: &str, value: &Value, expected: &str| {
        let found = function_name(value);
        (found != expected).then(|| format!("{name} is {found}, not {expected}"))
    };
    let problem = function("activation", &settings.activation, "tanh")
        .or_else(|| function("recurrent_activation", &settings.recurrent_activation, "sigmoid"))
        .or_else(|| settings.go_backwards.then(|| "it goes backwards through the text".into()))
        .or_else(|| settings.return_state.then(|| "it gives its state as a second output".into()));
    if let Some(problem) = problem {
        let hint = "machado's GRU is Keras' with its default activations, read forwards";
        return Err(layer.error(problem, hint));
    }
    let gru = LayerConfig::Gru { units: settings.units, reset_after: settings.reset_after };
    // Keras draws the mask of a GRU's inputs once for all steps of a window.
    let dropout = (settings.dropout > 0.0)
        .then_some(LayerConfig::Dropout { rate: settings.dropout, per: DropoutPer::Window });
    Ok(Known::Layer { dropout, layer: gru, has_bias: settings.use_bias })
}

fn dropout(layer: &KerasLayer) -> Result<Known> {
    let DropoutSettings { rate, noise_shape } = settings(layer)?;
    let per = match noise_shape.as_deref() {
        None if layer.class == "SpatialDropout1D" => DropoutPer::Window,
        None => DropoutPer::Step,
        Some([_, Some(1), _]) => DropoutPer::Window,
        Some(other) => {
            let problem = format!("noise_shape is {other:?}");
            let hint = "machado drops values step by step (no noise_shape), or for whole windows \
                        (batch, 1, channels)";
            return Err(layer.error(problem, hint));
        }
    };
    let dropout = LayerConfig::Dropout { rate, per };
    Ok(Known::Layer { dropout: None, layer: dropout, has_bias: false })
}

fn activation(layer: &KerasLayer, function: &Value) -> Result<Activation> {
    Ok(match &function_name(function)[..] {
        "linear" => Activation::Linear,
        "relu" => Activation::Relu,
        "tanh" => Activation::Tanh,
        "softmax" => Activation::Softmax,
        other => {
            let hint = "machado has linear, relu and tanh, and softmax at the end";
            return Err(layer.error(format!("its activation is {other}"), hint));
        }
    })
}

/// The name of a function, which Keras writes as such or as an object.
fn function_name(function: &Value) -> String {
    let name = match function {
        Value::Null => Some("linear"),
        Value::String(name) => Some(&name[..]),
        other => {
            let inner = other.get("config").and_then(Value::as_str);
            inner.or_else(|| other.get("class_name").and_then(Value::as_str))
        }
    };
    name.map_or_else(|| function.to_string(), |name| name.escape_debug().to_string())
}
