//! Turning features of a model's autoencoder up and down for one request.

use std::sync::Arc;

use machado_core::interpret::{Handle, Push, Steering};
use machado_core::model::{Intervention, Reach};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::engine::LaneKey;
use crate::error::{ApiError, ApiResult};
use crate::served::ServedModel;

/// A feature, and what is done with it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct SteerField {
    /// Its number.
    pub feature: usize,
    /// How strongly, in the strongest activation that it had in its text.
    #[serde(default)]
    pub strength: Option<f32>,
    /// `hold` (the default) holds it there, `add` adds as much at each step, `off` takes it out.
    #[serde(default)]
    pub mode: Option<String>,
}

/// Features of one request, at most.
const MOST_STEERED: usize = 64;

/// The largest amount of a strength; far beyond what breaks any text.
const MOST_STRENGTH: f32 = 1000.0;

/// Where a request is computed: with the model as it is, or changed.
///
/// # Errors
/// If the model has no autoencoder, or a field makes no sense.
pub fn lane(
    model: &Arc<ServedModel>,
    steer: Option<&[SteerField]>,
    reach: Option<&str>,
) -> ApiResult<LaneKey> {
    let reach = match reach {
        None | Some("state") => Reach::State,
        Some("output") => Reach::Output,
        Some(other) => {
            let message = format!("steer_reach must be \"state\" or \"output\", not \"{other}\"");
            return Err(ApiError::of("steer_reach", message));
        }
    };
    let steer = steer.unwrap_or_default();
    if steer.is_empty() {
        let (changes, interventions) = ("".into(), [].into());
        return Ok(LaneKey { model: model.clone(), changes, interventions });
    }
    let Some(autoencoder) = &model.autoencoder else {
        return Err(ApiError::of("steer", no_features(model)).with_code("no_features"));
    };
    if steer.len() > MOST_STEERED {
        let message =
            format!("at most {MOST_STEERED} features can be steered, not {}", steer.len());
        return Err(ApiError::of("steer", message));
    }
    let mut steering = Steering::new();
    let mut changes = format!("{reach:?}");
    let mut held: Vec<usize> = Vec::new();
    for (place, field) in steer.iter().enumerate() {
        let at = |name: &str| format!("steer[{place}].{name}");
        let push = push(field).map_err(|(name, message)| {
            ApiError::of(&at(name), format!("{} {message}", at(name)))
        })?;
        if !matches!(push, Push::Add(_)) {
            if held.contains(&field.feature) {
                let message =
                    format!("feature {} is held twice, but can have one strength", field.feature);
                return Err(ApiError::of(&at("feature"), message));
            }
            held.push(field.feature);
        }
        let strongest = autoencoder.facts.max_activations.get(field.feature).copied();
        let handle = Handle::feature(&autoencoder.sae, field.feature, strongest.unwrap_or(0.0));
        let handle = handle.map_err(|error| ApiError::of(&at("feature"), error.to_string()))?;
        changes += &format!(",{}:{push:?}", field.feature);
        steering = steering.and(handle, push);
    }
    let site = autoencoder.site.clone();
    let intervention = Intervention { site, reach, change: Arc::new(steering) };
    intervention.check(&model.model.config)?;
    let interventions = [intervention].into();
    Ok(LaneKey { model: model.clone(), changes: changes.into(), interventions })
}

/// What is said where features are asked of a model without.
pub fn no_features(model: &ServedModel) -> String {
    format!(
        "the model \"{}\" has no features: train an autoencoder with `machado sae train`, and start the \
         server again",
        model.id
    )
}

fn push(field: &SteerField) -> Result<Push, (&'static str, String)> {
    let strength = || match field.strength {
        None => Err(("strength", "is missing; 2 is twice the strongest".to_owned())),
        Some(strength) if strength.abs() <= MOST_STRENGTH => Ok(strength),
        Some(strength) => Err((
            "strength",
            format!("must be from -{MOST_STRENGTH} to {MOST_STRENGTH}, not {strength}"),
        )),
    };
    match field.mode.as_deref() {
        None | Some("hold") => strength().map(Push::Clamp),
        Some("add") => strength().map(Push::Add),
        Some("off") => Ok(Push::Off),
        Some(other) => {
            Err(("mode", format!("must be \"hold\", \"add\" or \"off\", not \"{other}\"")))
        }
    }
}
