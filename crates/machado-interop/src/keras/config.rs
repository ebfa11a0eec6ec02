//! `config.json`: which layers a Keras model has, in the order in which values flow through them.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{CONFIG, error};
use crate::{Error, Result};

const SAVE_AGAIN: &str = "save the model again in Keras, as a .keras file";

/// The most bytes of a config; Keras' are some thousands.
const MOST_BYTES: usize = 4 << 20;

/// The most layers of a model that is looked at; more than machado's own limit, which counts no
/// inputs and activations.
const MOST_LAYERS: usize = 1000;

/// The most layers whose outputs one layer takes; machado's sums have two.
const MOST_SOURCES: usize = 16;

/// What `config.json` says.
#[derive(Debug)]
pub(super) struct KerasConfig {
    /// The layers, each after those whose outputs it takes.
    pub(super) layers: Vec<KerasLayer>,
    /// The optimizer, if the model was compiled with one.
    pub(super) optimizer: Option<Value>,
}

/// One layer as Keras describes it.
#[derive(Clone, Debug)]
pub(super) struct KerasLayer {
    /// Its class: `GRU`.
    pub(super) class: String,
    /// Its name: `gru`.
    pub(super) name: String,
    /// Its settings.
    pub(super) settings: Value,
    /// Its group among the weights: `layers/gru`.
    pub(super) group: String,
    /// The places, among the layers, of those that it takes outputs of; the layer just before first.
    pub(super) inputs: Vec<usize>,
}

impl KerasLayer {
    /// An error about this layer.
    pub(super) fn error(&self, problem: impl Into<String>, hint: &str) -> Error {
        error(&self.place(), problem, hint)
    }

    /// How messages name it.
    pub(super) fn place(&self) -> String {
        format!("layer {:?} ({})", self.name, self.class.escape_debug())
    }
}

/// An object as Keras serializes it.
#[derive(Deserialize)]
struct Object {
    class_name: String,
    config: Value,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    inbound_nodes: Vec<Value>,
    #[serde(default)]
    compile_config: Option<Map<String, Value>>,
}

/// Reads the layers and the optimizer.
///
/// # Errors
/// If it is no config of a `Sequential`, or of a functional model that is a chain.
pub(super) fn read(json: &[u8]) -> Result<KerasConfig> {
    if json.len() > MOST_BYTES {
        let problem = format!("it has {} bytes; a config has at most {MOST_BYTES}", json.len());
        return Err(error(CONFIG, problem, SAVE_AGAIN));
    }
    let model: Object = from_json(json)?;
    let optimizer = model.compile_config.and_then(|mut compile| compile.remove("optimizer"));
    let layers = match &model.class_name[..] {
        "Sequential" => sequential(&model.config)?,
        "Functional" | "Model" => functional(&model.config)?,
        other => {
            let problem = format!("the model is of the class {}", other.escape_debug());
            let hint = "machado reads Sequential models, and functional ones that are a chain of \
                        layers; build one in Keras with the same layers and copy the weights over";
            return Err(error(CONFIG, problem, hint));
        }
    };
    Ok(KerasConfig { layers, optimizer: optimizer.filter(|optimizer| !optimizer.is_null()) })
}

fn from_json<'j, T: Deserialize<'j>>(json: &'j [u8]) -> Result<T> {
    serde_json::from_slice(json)
        .map_err(|problem| error(CONFIG, format!("it cannot be read ({problem})"), SAVE_AGAIN))
}

/// The objects under `layers`.
fn objects(config: &Value) -> Result<Vec<Object>> {
    let layers = config.get("layers").cloned().unwrap_or_default();
    let objects: Vec<Object> = serde_json::from_value(layers).map_err(|problem| {
        error(CONFIG, format!("its list of layers cannot be read ({problem})"), SAVE_AGAIN)
    })?;
    if objects.len() > MOST_LAYERS {
        let problem = format!("the model has {} layers", objects.len());
        return Err(error(CONFIG, problem, &format!("machado reads at most {MOST_LAYERS}")));
    }
    Ok(objects)
}

/// The layers of a list, each with its group among the weights, and no inputs yet.
///
/// Keras names a group by the layer's class and not by its name, since names differ from session to
/// session; of several of a class the second one gets `_1`.
fn with_groups(objects: &[Object]) -> Vec<KerasLayer> {
    let mut layers: Vec<KerasLayer> = Vec::with_capacity(objects.len());
    for object in objects {
        // Keras puts underscores between words, but no layer with weights has a name of two.
        let kind = object.class_name.to_lowercase();
        let before = layers.iter().filter(|layer| layer.class == object.class_name).count();
        let number = if before == 0 { String::new() } else { format!("_{before}") };
        let named = object.config.get("name").and_then(Value::as_str);
        let name = object.name.as_deref().or(named).unwrap_or(&kind).to_owned();
        layers.push(KerasLayer {
            class: object.class_name.clone(),
            name,
            settings: object.config.clone(),
            group: format!("layers/{kind}{number}"),
            inputs: Vec::new(),
        });
    }
    layers
}

fn sequential(config: &Value) -> Result<Vec<KerasLayer>> {
    let mut layers = with_groups(&objects(config)?);
    for (place, layer) in layers.iter_mut().enumerate().skip(1) {
        layer.inputs = vec![place - 1];
    }
    Ok(layers)
}

/// The layers of a functional model, put in the order of their calls.
fn functional(config: &Value) -> Result<Vec<KerasLayer>> {
    let objects = objects(config)?;
    let mut waiting = Vec::with_capacity(objects.len());
    for (layer, object) in with_groups(&objects).into_iter().zip(&objects) {
        let [sources, more @ ..] = &object.inbound_nodes[..] else {
            waiting.push((layer, Vec::new()));
            continue;
        };
        if !more.is_empty() {
            let hint = "machado has no weights that two layers share";
            return Err(layer.error("it is called more than once", hint));
        }
        let mut names = Vec::new();
        collect_sources(sources, &mut names);
        if names.len() > MOST_SOURCES {
            let hint = "machado reads functional models that are a chain of layers, with Add for \
                        sums of two of them";
            return Err(layer.error(format!("it takes {} outputs", names.len()), hint));
        }
        waiting.push((layer, names));
    }
    let mut ordered: Vec<KerasLayer> = Vec::with_capacity(waiting.len());
    let mut place_of: HashMap<String, usize> = HashMap::new();
    while !waiting.is_empty() {
        let last = ordered.len().checked_sub(1);
        let next = waiting.iter().enumerate().find_map(|(number, (_, sources))| {
            let mut places: Vec<usize> =
                sources.iter().filter_map(|name| place_of.get(name).copied()).collect();
            let follows = last.is_none_or(|last| places.contains(&last));
            places.sort_by_key(|&place| std::cmp::Reverse(place));
            (follows && places.len() == sources.len()).then_some((number, places))
        });
        let Some((number, inputs)) = next else {
            let (layer, sources) = &waiting[0];
            let problem = format!(
                "it takes the output of {}, but the layer before it is {}",
                if sources.is_empty() { "no layer".into() } else { sources.join(" and ") },
                ordered.last().map_or_else(|| "none".into(), KerasLayer::place)
            );
            let hint = "machado reads functional models that are a chain of layers, with Add for \
                        sums around some of them";
            return Err(layer.error(problem, hint));
        };
        let (mut layer, _) = waiting.remove(number);
        layer.inputs = inputs;
        place_of.entry(layer.name.clone()).or_insert(ordered.len());
        ordered.push(layer);
    }
    let last = ordered.last().map(|layer| layer.name.as_str());
    let outputs = config.get("output_layers").unwrap_or(&Value::Null);
    let output = outputs.pointer("/0").and_then(|first| first.as_str().or(first[0].as_str()));
    let more = outputs.pointer("/1").is_some_and(Value::is_array);
    if more || output != last {
        let problem = format!("the output of the model is {outputs}, not that of the last layer");
        return Err(error(CONFIG, problem, "machado reads models with one output, at the end"));
    }
    Ok(ordered)
}

/// The names of the layers whose outputs a call takes: `["gru", 0, 0]` under `keras_history` in
/// Keras 3; a list that begins so itself in Keras 2.
fn collect_sources(call: &Value, names: &mut Vec<String>) {
    match call {
        Value::Object(fields) => {
            if let Some(name) = fields.get("keras_history").and_then(|history| history[0].as_str())
            {
                names.push(name.to_owned());
            } else {
                fields.values().for_each(|value| collect_sources(value, names));
            }
        }
        Value::Array(values) => match &values[..] {
            [Value::String(name), Value::Number(_), Value::Number(_), ..] => {
                names.push(name.clone());
            }
            values => values.iter().for_each(|value| collect_sources(value, names)),
        },
        _ => {}
    }
}
