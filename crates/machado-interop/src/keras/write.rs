//! A model of machado as the bytes of a `.keras` file.

use machado_core::checkpoint::{Checkpoint, Rate};
use machado_core::layers::DropoutPer;
use machado_core::model::{LayerConfig, Model, ModelConfig};
use serde_json::{Value, json};

use super::hdf5::{Array, Arrays};
use super::metadata::Metadata;
use super::places::{Shelf, output_dim};
use super::{CONFIG, METADATA, WEIGHTS, archive, optimizer};
use crate::Result;

/// The name of the layer where ids come in.
const INPUT: &str = "input_layer";

/// The bytes of a `.keras` file that `keras.models.load_model` opens without any other code, and
/// from which [`read`](super::read) gives the same checkpoint. The model takes ids and gives
/// probabilities. The same checkpoint gives the same bytes.
///
/// # Errors
/// If the archive cannot be made, which no model that fits into memory causes.
pub fn write(checkpoint: &Checkpoint) -> Result<Vec<u8>> {
    let model = &checkpoint.file.model;
    let mut config = config_of(model);
    let mut arrays = Arrays::default();
    insert_weights(model, &mut arrays)?;
    let rate = rate_of(checkpoint);
    let learning = checkpoint.learning.as_ref();
    let rate_variable = optimizer::rate_variable(rate);
    let product = learning.map_or(1.0, |of| of.optimizer.momentum_product());
    let product = [optimizer::variable(product)];
    if let Some(learning) = learning {
        config["compile_config"] = optimizer::compile_config(learning.optimizer.config(), rate);
        let table = model.parameters()?;
        let weights = table.specs().iter().enumerate();
        let weights = weights.map(|(number, spec)| (spec.shape.clone(), table.range(number)));
        optimizer::write(&learning.optimizer, &rate_variable, &product, weights, &mut arrays);
        if let Some(states) = &learning.states {
            arrays.insert_streams(states);
        }
    }
    archive::pack(&[
        (METADATA, &Metadata::of(checkpoint).to_bytes()),
        (CONFIG, config.to_string().as_bytes()),
        (WEIGHTS, &arrays.to_bytes()?),
    ])
}

/// How fast the model learns: as the optimizer says, or the run.
fn rate_of(checkpoint: &Checkpoint) -> Rate {
    let of_run = checkpoint.file.config.as_ref().map(|run| Rate {
        learning_rate: run.training.learning_rate,
        clip_norm: run.training.clip_norm,
    });
    let own = checkpoint.learning.as_ref().and_then(|learning| learning.rate);
    own.or(of_run).unwrap_or(Rate { learning_rate: 0.001, clip_norm: None })
}

fn insert_weights<'m>(model: &'m Model, arrays: &mut Arrays<'m>) -> Result<()> {
    let vocabulary_size = model.tokenizer.vocabulary_size();
    let table = model.parameters()?;
    let (mut number, mut input_dim) = (0, vocabulary_size);
    for (layer, name) in model.config.layers.iter().zip(model.config.layer_names()) {
        let group = format!("layers/{name}");
        let shelf = Shelf { group, has_bias: true, is_trainable: true };
        for place in shelf.places(layer, input_dim, vocabulary_size) {
            let path = place.path.expect("a layer with a bias has all its weights");
            arrays.insert(path, Array::F32(place.shape, &model.weights[table.range(number)]));
            number += 1;
        }
        input_dim = output_dim(layer, input_dim, vocabulary_size);
    }
    assert_eq!(number, table.specs().len(), "weights of all layers");
    Ok(())
}

/// The contents of `config.json`: a `Sequential`, or where layers are added a functional model.
fn config_of(model: &Model) -> Value {
    let ModelConfig { layers } = &model.config;
    let vocabulary_size = model.tokenizer.vocabulary_size();
    let is_chain = !layers.iter().any(|layer| matches!(layer, LayerConfig::Add { .. }));
    let input = json!({ "batch_shape": [null, null], "dtype": "int32", "name": INPUT });
    let mut objects = vec![object("InputLayer", input)];
    let mut flow = Flow { last: INPUT.into(), dims: Vec::new() };
    for (layer, name) in layers.iter().zip(model.config.layer_names()) {
        let mut object = keras_layer(layer, &name, vocabulary_size);
        let nodes = flow.through(layer, &name, vocabulary_size);
        if !is_chain {
            object["inbound_nodes"] = nodes;
        }
        objects.push(object);
    }
    if is_chain {
        return json!({
            "module": "keras",
            "class_name": "Sequential",
            "config": { "name": "machado", "trainable": true, "layers": objects },
            "registered_name": null,
        });
    }
    for object in &mut objects {
        object["name"] = object["config"]["name"].clone();
        if object["inbound_nodes"].is_null() {
            object["inbound_nodes"] = json!([]);
        }
    }
    json!({
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {
            "name": "machado",
            "trainable": true,
            "layers": objects,
            "input_layers": [INPUT, 0, 0],
            "output_layers": [flow.last, 0, 0],
        },
        "registered_name": "Functional",
    })
}

/// How values flow from layer to layer, as a functional model tells it.
struct Flow {
    /// The name of the layer before.
    last: String,
    /// Each layer and its outputs.
    dims: Vec<(String, usize)>,
}

impl Flow {
    /// The one call of a layer, whose output flows on from there.
    fn through(&mut self, layer: &LayerConfig, name: &str, vocabulary_size: usize) -> Value {
        let before = self.dims.last().map_or(vocabulary_size, |(_, dim)| *dim);
        let input = self.tensor(&self.last);
        let argument = match layer {
            LayerConfig::Add { layer } => json!([input, self.tensor(layer)]),
            _ => input,
        };
        self.dims.push((name.to_owned(), output_dim(layer, before, vocabulary_size)));
        self.last = name.to_owned();
        json!([{ "args": [argument], "kwargs": {} }])
    }

    /// The output of a layer.
    fn tensor(&self, layer: &str) -> Value {
        let dim = self.dims.iter().find(|(name, _)| name == layer).map(|(_, dim)| *dim);
        let (shape, dtype) = match dim {
            Some(dim) => (json!([null, null, dim]), "float32"),
            None => (json!([null, null]), "int32"),
        };
        json!({
            "class_name": "__keras_tensor__",
            "config": { "shape": shape, "dtype": dtype, "keras_history": [layer, 0, 0] },
        })
    }
}

/// A layer as Keras serializes it; what is not said has Keras' default.
fn keras_layer(layer: &LayerConfig, name: &str, vocabulary_size: usize) -> Value {
    let (class, mut config) = match *layer {
        LayerConfig::Embedding { output_dim } => {
            ("Embedding", json!({ "input_dim": vocabulary_size, "output_dim": output_dim }))
        }
        LayerConfig::Conv1d { filters, kernel_size, activation } => (
            "Conv1D",
            json!({
                "filters": filters,
                "kernel_size": [kernel_size],
                "padding": "causal",
                "activation": activation.name(),
            }),
        ),
        LayerConfig::Gru { units, reset_after } => {
            ("GRU", json!({ "units": units, "return_sequences": true, "reset_after": reset_after }))
        }
        LayerConfig::Dropout { rate, per: DropoutPer::Step } => {
            ("Dropout", json!({ "rate": rate }))
        }
        LayerConfig::Dropout { rate, per: DropoutPer::Window } => {
            ("SpatialDropout1D", json!({ "rate": rate }))
        }
        LayerConfig::Add { .. } => ("Add", json!({})),
        LayerConfig::Dense { units, activation } => {
            let units = units.unwrap_or(vocabulary_size);
            ("Dense", json!({ "units": units, "activation": activation.name() }))
        }
    };
    config["name"] = name.into();
    object(class, config)
}

fn object(class: &str, config: Value) -> Value {
    json!({
        "module": "keras.layers",
        "class_name": class,
        "config": config,
        "registered_name": null,
    })
}
