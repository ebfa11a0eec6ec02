//! The optimizer of a Keras model, and what it remembers.
//!
//! Under `optimizer/vars` lie, numbered: the steps done, the learning rate (unless a schedule gives
//! it), for each weight that learns its moments, and at the end Nadam's product of all momenta.

use machado_core::checkpoint::{Learning, Rate};
use machado_core::optimizer::{Betas, Optimizer, OptimizerConfig};
use serde::Deserialize;
use serde_json::{Value, json};

use super::hdf5::{Array, Arrays, Weights};
use super::metadata::OwnOptimizer;
use super::places::Place;
use super::{CONFIG, WEIGHTS, error};
use crate::{Error, Result};

const VARIABLES: &str = "optimizer/vars";

const SAVE_AGAIN: &str = "save the model again in Keras, or without its optimizer: \
                          `model.save(\"model.keras\", include_optimizer=False)`";

/// Settings of which machado's optimizers have nothing.
const UNKNOWN_SETTINGS: [&str; 4] =
    ["amsgrad", "use_ema", "gradient_accumulation_steps", "loss_scale_factor"];

#[derive(Deserialize)]
struct Settings {
    class_name: String,
    config: Value,
}

/// The settings of all optimizers that machado has.
#[derive(Deserialize)]
struct Constants {
    learning_rate: Value,
    #[serde(default)]
    global_clipnorm: Option<f64>,
    #[serde(default)]
    weight_decay: Option<f64>,
    beta_1: Option<f64>,
    beta_2: Option<f64>,
    epsilon: Option<f64>,
    #[serde(default)]
    momentum: f64,
    #[serde(default)]
    nesterov: bool,
}

/// Reads the optimizer of a model whose weights lie at these places. One that machado does not have
/// is left out with a note.
///
/// # Errors
/// If what it remembers is damaged, or does not fit the weights.
pub(super) fn read(
    settings: &Value,
    weights: &mut Weights,
    places: &[Place],
    own: Option<OwnOptimizer>,
    notes: &mut Vec<String>,
) -> Result<Option<Learning>> {
    let unreadable = |problem: serde_json::Error| {
        error(CONFIG, format!("its optimizer cannot be read ({problem})"), SAVE_AGAIN)
    };
    let Settings { class_name, config } = Settings::deserialize(settings).map_err(unreadable)?;
    let constants = || Constants::deserialize(&config).map_err(unreadable);
    let of_class = match &class_name[..] {
        "Nadam" | "Adam" | "AdamW" | "SGD" => constants().map(|c| optimizer(&class_name, &c))?,
        _ => None,
    };
    let is_on = |name: &&&str| {
        config.get(**name).is_some_and(|value| !value.is_null() && value != &Value::Bool(false))
    };
    let unknown = UNKNOWN_SETTINGS.iter().find(is_on);
    let (Some(optimizer), None) = (of_class, unknown) else {
        let with = unknown.map_or_else(String::new, |name| format!(" with {name}"));
        notes.push(format!(
            "the optimizer {class_name}{with} is left out, as machado has none like it; learning \
             goes on with a fresh one"
        ));
        return Ok(None);
    };
    optimizer.check().map_err(|problem| error(CONFIG, problem.to_string(), SAVE_AGAIN))?;
    let constants = constants()?;
    for name in ["clipnorm", "clipvalue"].iter().filter(is_on) {
        notes.push(format!("{name} of the optimizer is left out; machado has global_clipnorm"));
    }
    for place in places.iter().filter(|place| !place.is_trainable) {
        if let Some(path) = &place.path {
            notes.push(format!("{path} did not learn in Keras (trainable=False), but would here"));
        }
    }
    let mut reader = Reader { weights, next: 0 };
    let steps = reader.steps()?;
    let learning_rate = reader.learning_rate(&constants.learning_rate, notes)?;
    let before_moments = reader.skip_number()?;
    let moments = reader.moments(&optimizer, places, steps)?;
    let product = match (&optimizer, before_moments) {
        (OptimizerConfig::Nadam(betas), None) => {
            reader.skip_number()?.unwrap_or_else(|| momentum_product(*betas, steps))
        }
        (OptimizerConfig::Nadam(_), Some(product)) => product,
        _ => 1.0,
    };
    if reader.weights.shape(&reader.path())?.is_some() {
        let problem = format!("there are more variables than {class_name} has for these weights");
        return Err(reader.damaged(&problem));
    }
    // What machado wrote itself is exact, if it is of the same step.
    let exact = own.filter(|own| variable(own.momentum_product) == variable(product));
    let (product, rate) = match exact {
        Some(own) => (own.momentum_product, own.rate),
        None => {
            let rate = Rate { learning_rate, clip_norm: constants.global_clipnorm };
            (product, Some(rate))
        }
    };
    let optimizer = Optimizer::restore(optimizer, moments, steps, product);
    Ok(Some(Learning { optimizer, rate, progress: None, states: None }))
}

/// The optimizer of a class with these constants, if machado has one that does the same.
fn optimizer(class: &str, constants: &Constants) -> Option<OptimizerConfig> {
    let default = Betas::default();
    let betas = Betas {
        beta_1: constants.beta_1.unwrap_or(default.beta_1),
        beta_2: constants.beta_2.unwrap_or(default.beta_2),
        epsilon: constants.epsilon.unwrap_or(default.epsilon),
    };
    let decay = constants.weight_decay.filter(|&decay| decay != 0.0);
    match (class, decay) {
        ("Nadam", None) => Some(OptimizerConfig::Nadam(betas)),
        ("Adam", None) => Some(OptimizerConfig::Adam(betas)),
        ("Adam" | "AdamW", Some(weight_decay)) => {
            Some(OptimizerConfig::AdamW { betas, weight_decay })
        }
        ("AdamW", None) => Some(OptimizerConfig::AdamW { betas, weight_decay: 0.0 }),
        ("SGD", None) => Some(OptimizerConfig::Sgd {
            momentum: constants.momentum,
            nesterov: constants.nesterov,
        }),
        _ => None,
    }
}

/// Reads one variable after the other.
struct Reader<'w> {
    weights: &'w mut Weights,
    /// The number of the next one.
    next: usize,
}

impl Reader<'_> {
    fn path(&self) -> String {
        format!("{VARIABLES}/{}", self.next)
    }

    fn damaged(&self, problem: &str) -> Error {
        error(&format!("{WEIGHTS}, {}", self.path()), problem, SAVE_AGAIN)
    }

    /// The steps done; none if nothing is remembered.
    fn steps(&mut self) -> Result<u64> {
        if self.weights.shape(&self.path())?.is_none() {
            return Ok(0);
        }
        let steps = self.weights.integer(&self.path())?;
        let steps = u64::try_from(steps)
            .map_err(|_| self.damaged(&format!("the number of steps is {steps}")))?;
        self.next += 1;
        Ok(steps)
    }

    /// The learning rate: that of a variable, of the settings, or that with which a schedule begins.
    fn learning_rate(&mut self, setting: &Value, notes: &mut Vec<String>) -> Result<f64> {
        if let Some(rate) = setting.as_f64() {
            return Ok(self.skip_number()?.unwrap_or_else(|| shortest(variable(rate))));
        }
        let class = setting.get("class_name").and_then(Value::as_str).unwrap_or("unknown");
        let first = setting.pointer("/config/initial_learning_rate").and_then(Value::as_f64);
        let first = first.unwrap_or(0.001);
        notes.push(format!(
            "the schedule {class} of the learning rate is left out; it began at {first}"
        ));
        Ok(first)
    }

    /// The next variable, if it is a number; else it stays the next one.
    fn skip_number(&mut self) -> Result<Option<f64>> {
        let path = self.path();
        let is_number = self.weights.shape(&path)?.is_some_and(|shape| shape.is_empty());
        if !is_number {
            return Ok(None);
        }
        self.next += 1;
        Ok(self.weights.tensor(&path, &[])?.first().map(|&value| shortest(value)))
    }

    /// For each moment of the optimizer one value per weight.
    fn moments(
        &mut self,
        optimizer: &OptimizerConfig,
        places: &[Place],
        steps: u64,
    ) -> Result<Vec<Vec<f32>>> {
        let names = optimizer.moment_names();
        let mut moments = vec![Vec::new(); names.len()];
        let is_fresh = steps == 0 && self.weights.shape(&self.path())?.is_none();
        for place in places {
            for (name, moment) in names.iter().zip(&mut moments) {
                if is_fresh || !place.is_trainable || place.path.is_none() {
                    let size = place.shape.iter().product::<usize>();
                    moment.resize(moment.len() + size, 0.0);
                    continue;
                }
                let values = self.weights.tensor(&self.path(), &place.shape)?;
                if *name == "velocity" && values.iter().any(|&value| value < 0.0) {
                    return Err(self.damaged("a mean of squares is negative"));
                }
                moment.extend(values);
                self.next += 1;
            }
        }
        Ok(moments)
    }
}

/// The number that a person wrote, of the one in 32 bits that came of it: 0.001, and not
/// 0.0010000000474974513.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().expect("a number that was written can be read")
}

/// Steps after which Nadam's momenta no longer differ: 0.96 to their power is less than a number can
/// tell from nothing, beside 1.
const WARM: u64 = 1000;

/// Nadam's product of all momenta after so many steps; Keras did not always keep it.
fn momentum_product(betas: Betas, steps: u64) -> f64 {
    let momentum = |step: u64| betas.beta_1 * (1.0 - 0.5 * 0.96f64.powf(step as f64));
    let warm: f64 = (1..=steps.min(WARM)).map(momentum).product();
    warm * betas.beta_1.powf(steps.saturating_sub(WARM) as f64)
}

/// A number in the form of a variable, which has 32 bits.
pub(super) fn variable(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}

/// The learning rate in the form of a variable.
pub(super) fn rate_variable(rate: Rate) -> [f32; 1] {
    [variable(rate.learning_rate)]
}

/// Adds the variables of an optimizer. `weights` has the shape of each weight and its place in the
/// moments; `rate` and `product` are those of [`rate_variable`] and of the optimizer.
pub(super) fn write<'v>(
    optimizer: &'v Optimizer,
    rate: &'v [f32; 1],
    product: &'v [f32; 1],
    weights: impl Iterator<Item = (Vec<usize>, std::ops::Range<usize>)>,
    arrays: &mut Arrays<'v>,
) {
    let mut variables = vec![
        Array::I64(i64::try_from(optimizer.steps()).unwrap_or(i64::MAX)),
        Array::F32(Vec::new(), rate),
    ];
    for (shape, range) in weights {
        for moment in optimizer.moments() {
            variables.push(Array::F32(shape.clone(), &moment[range.clone()]));
        }
    }
    if matches!(optimizer.config(), OptimizerConfig::Nadam(_)) {
        variables.push(Array::F32(Vec::new(), product));
    }
    for (number, variable) in variables.into_iter().enumerate() {
        arrays.insert(format!("{VARIABLES}/{number}"), variable);
    }
}

/// What `model.compile` was called with.
pub(super) fn compile_config(optimizer: &OptimizerConfig, rate: Rate) -> Value {
    let adam = |betas: &Betas, weight_decay: Option<f64>| {
        json!({
            "weight_decay": weight_decay,
            "beta_1": betas.beta_1,
            "beta_2": betas.beta_2,
            "epsilon": betas.epsilon,
        })
    };
    let (class, mut config) = match optimizer {
        OptimizerConfig::Nadam(betas) => ("Nadam", adam(betas, None)),
        OptimizerConfig::Adam(betas) => ("Adam", adam(betas, None)),
        OptimizerConfig::AdamW { betas, weight_decay } => {
            ("AdamW", adam(betas, Some(*weight_decay)))
        }
        OptimizerConfig::Sgd { momentum, nesterov } => {
            ("SGD", json!({ "momentum": momentum, "nesterov": nesterov }))
        }
    };
    config["name"] = optimizer.name().into();
    config["learning_rate"] = rate.learning_rate.into();
    config["global_clipnorm"] = rate.clip_norm.into();
    json!({
        "optimizer": {
            "module": "keras.optimizers",
            "class_name": class,
            "config": config,
            "registered_name": null,
        },
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(beta_1: f64, steps: u64, expected: f64) {
        let found = momentum_product(Betas { beta_1, ..Betas::default() }, steps);
        assert!((found - expected).abs() <= 1e-12 * expected, "{found} for {expected}");
    }

    /// 0.9 · (1 - 0.5 · 0.96) = 0.468, and 0.468 · 0.9 · (1 - 0.5 · 0.96²) = 0.22711104.
    #[test]
    fn products_of_few_and_of_many_steps() {
        check(0.9, 0, 1.0);
        check(0.9, 1, 0.468);
        check(0.9, 2, 0.227_111_04);
        let of_a_million = (1..=1_000_000)
            .map(|step| 0.999_999 * (1.0 - 0.5 * 0.96f64.powf(f64::from(step))))
            .product();
        check(0.999_999, 1_000_000, of_a_million);
        // A file can claim any number, and no steps are counted one by one.
        check(0.999_999, i64::MAX as u64, 0.0);
        check(0.9, i64::MAX as u64, 0.0);
    }
}
