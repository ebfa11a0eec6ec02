//! The layers of a Keras model together, as a stack of machado's.

use machado_core::layers::Activation;
use machado_core::model::{LayerConfig, ModelConfig};
use serde_json::Value;

use super::config::KerasLayer;
use super::layer::{Known, known};
use super::places::{Place, Shelf, output_dim};
use super::{CONFIG, Vocabulary, error};
use crate::Result;

/// Settings of which the model's answers know nothing, but its further training would.
const FOR_TRAINING_ONLY: [&str; 10] = [
    "embeddings_regularizer",
    "kernel_regularizer",
    "recurrent_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "embeddings_constraint",
    "kernel_constraint",
    "recurrent_constraint",
    "bias_constraint",
    "recurrent_dropout",
];

/// A stack of machado's layers, and what else the layers of Keras say.
#[derive(Clone, Debug)]
pub(super) struct Converted {
    /// The layers.
    pub(super) config: ModelConfig,
    /// Tokens.
    pub(super) vocabulary_size: usize,
    /// The layer that turns text into ids, if the model has it.
    pub(super) vectorization: Option<KerasLayer>,
    /// What was left out.
    pub(super) notes: Vec<String>,
    /// Where the weights of each layer lie.
    shelves: Vec<Shelf>,
    /// The embedding that takes id 0 for "no token here".
    masking: Option<KerasLayer>,
}

/// The stack so far.
#[derive(Default)]
struct Stack {
    layers: Vec<LayerConfig>,
    shelves: Vec<Shelf>,
    /// For each layer of Keras the place in `layers` of the one with its outputs; none where there
    /// is no such layer, or no longer.
    outputs: Vec<Option<usize>>,
    vocabulary_size: Option<usize>,
    vectorization: Option<KerasLayer>,
    masking: Option<KerasLayer>,
    notes: Vec<String>,
}

/// The stack of machado's layers that computes the same.
///
/// # Errors
/// If a layer is of another kind, or stands where machado has none of its kind.
pub(super) fn convert(layers: &[KerasLayer]) -> Result<Converted> {
    let mut stack = Stack::default();
    for layer in layers {
        stack.add(layer)?;
    }
    let Some(vocabulary_size) = stack.vocabulary_size else {
        let hint =
            "machado reads language models: an Embedding first, a Dense over the tokens last";
        return Err(error(CONFIG, "the model has no Embedding", hint));
    };
    if let Some(last) = layers.last() {
        stack.finish(last, vocabulary_size)?;
    }
    let Stack { layers, shelves, vectorization, masking, notes, .. } = stack;
    let config = ModelConfig { layers };
    config.check()?;
    Ok(Converted { config, vocabulary_size, vectorization, notes, shelves, masking })
}

impl Stack {
    fn add(&mut self, layer: &KerasLayer) -> Result<()> {
        let known = known(layer)?;
        self.note_what_is_left_out(layer);
        let output = match known {
            Known::Input => None,
            Known::Vectorization => {
                self.vectorization = Some(layer.clone());
                None
            }
            Known::Embedding { layer: embedding, input_dim, mask_zero } => {
                if self.vocabulary_size.replace(input_dim).is_some() {
                    let hint = "machado's models have one Embedding, at the beginning";
                    return Err(layer.error("it is the second one", hint));
                }
                if input_dim == 0 {
                    let hint = "a model needs a vocabulary; save it again in Keras";
                    return Err(layer.error("it knows no tokens (input_dim is 0)", hint));
                }
                self.masking = mask_zero.then(|| layer.clone());
                self.push(layer, embedding, true)
            }
            Known::Layer { layer: LayerConfig::Add { .. }, .. } => self.add_sum(layer)?,
            Known::Layer { dropout, layer: known, has_bias } => {
                if let Some(dropout) = dropout {
                    self.push(layer, dropout, false);
                }
                self.push(layer, known, has_bias)
            }
            Known::Activation(function) => self.apply(layer, function)?,
        };
        self.outputs.push(output);
        Ok(())
    }

    /// Appends a layer; returns its place.
    fn push(&mut self, from: &KerasLayer, layer: LayerConfig, has_bias: bool) -> Option<usize> {
        let is_trainable = from.settings.get("trainable") != Some(&Value::Bool(false));
        self.shelves.push(Shelf { group: from.group.clone(), has_bias, is_trainable });
        self.layers.push(layer);
        Some(self.layers.len() - 1)
    }

    /// A sum of the layer before and one other.
    fn add_sum(&mut self, layer: &KerasLayer) -> Result<Option<usize>> {
        let hint = "machado adds the output of one earlier layer to that of the layer before";
        let [_, other] = layer.inputs[..] else {
            let problem = format!("it adds {} outputs", layer.inputs.len());
            return Err(layer.error(problem, hint));
        };
        let Some(place) = self.outputs[other] else {
            return Err(layer.error("it adds values that machado has no name for", hint));
        };
        let config = ModelConfig { layers: self.layers.clone() };
        let name = config.layer_names()[place].clone();
        Ok(self.push(layer, LayerConfig::Add { layer: name }, false))
    }

    /// Gives a function to the layer before.
    fn apply(&mut self, layer: &KerasLayer, function: Activation) -> Result<Option<usize>> {
        match self.layers.last_mut() {
            Some(
                LayerConfig::Dense { activation, .. } | LayerConfig::Conv1d { activation, .. },
            ) if *activation == Activation::Linear => *activation = function,
            _ if function == Activation::Linear => {}
            _ => {
                let problem = "it does not come right after a Dense or Conv1D without activation";
                let hint = "machado applies functions to the outputs of a Dense or Conv1D only";
                return Err(layer.error(problem, hint));
            }
        }
        // What the layer before gave without the function is not to be had any more.
        if let Some(before) = self.outputs.last_mut() {
            *before = None;
        }
        Ok(self.layers.len().checked_sub(1))
    }

    fn note_what_is_left_out(&mut self, layer: &KerasLayer) {
        let is_set = |name: &&&str| match layer.settings.get(**name) {
            None | Some(Value::Null) => false,
            Some(value) => value.as_f64() != Some(0.0),
        };
        let names: Vec<&str> = FOR_TRAINING_ONLY.iter().filter(is_set).copied().collect();
        if !names.is_empty() {
            self.notes.push(format!(
                "{} of {} is left out: what the model says is the same, but it would go on \
                 learning without it",
                names.join(" and "),
                layer.place()
            ));
        }
        if layer.settings.get("use_bias") == Some(&Value::Bool(false)) {
            self.notes.push(format!(
                "{} has no bias, and gets one of zeros: what the model says is the same, but it \
                 would learn one",
                layer.place()
            ));
        }
    }

    /// Makes of the last layer the one that has an output for each token.
    fn finish(&mut self, last: &KerasLayer, vocabulary_size: usize) -> Result<()> {
        let hint = "the last layer must be a Dense with an output for each token, and softmax or \
                    no activation (logits)";
        let Some(LayerConfig::Dense { units, activation }) = self.layers.last_mut() else {
            return Err(last.error("the model ends with it", hint));
        };
        if *units != Some(vocabulary_size) {
            let units = units.unwrap_or_default();
            let problem =
                format!("it has {units} outputs, but the Embedding knows {vocabulary_size} tokens");
            return Err(last.error(problem, hint));
        }
        if !matches!(activation, Activation::Linear | Activation::Softmax) {
            let problem = format!("the activation at the end is {}", activation.name());
            return Err(last.error(problem, hint));
        }
        (*units, *activation) = (None, Activation::Softmax);
        Ok(())
    }
}

impl Converted {
    /// Where the values of all weights lie, in the order of machado's table.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut input_dim = self.vocabulary_size;
        let mut places = Vec::new();
        for (layer, shelf) in self.config.layers.iter().zip(&self.shelves) {
            places.extend(shelf.places(layer, input_dim, self.vocabulary_size));
            input_dim = output_dim(layer, input_dim, self.vocabulary_size);
        }
        places
    }

    /// Masking changes nothing where id 0 never comes, that is where it is no character.
    pub(super) fn check_masking(&self, vocabulary: &Vocabulary) -> Result<()> {
        match &self.masking {
            Some(layer) if !super::vocabulary::begins_with_padding(vocabulary) => {
                let problem = "mask_zero is on, but id 0 is a token of the vocabulary";
                let hint = "machado reads every token; train in Keras with mask_zero=False";
                Err(layer.error(problem, hint))
            }
            _ => Ok(()),
        }
    }
}
