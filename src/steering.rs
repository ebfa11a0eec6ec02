//! From flags to what is changed inside a model, and back to words.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use machado_core::interpret::{Handle, Push, Reading, Steering};
use machado_core::math::threads::Compute;
use machado_core::model::{Intervention, Model, Reach, Site};
use machado_core::tokenizer::UnknownPolicy;
use serde_json::{Value, json};

use crate::cli::{ReachArg, SteerArgs, Steered, UsageError};
use crate::known_text::KnownText;
use crate::models::LoadedModel;
use crate::sae_folder::{self, LoadedSae};
use crate::say::say;

/// What the flags change inside a model.
#[derive(Debug)]
pub struct Steer {
    /// For the model.
    pub interventions: Vec<Intervention>,
    /// The same, which counts what the box cuts off.
    steering: Arc<Steering>,
    in_box: bool,
    /// What is pushed, as JSON.
    pushes: Vec<Value>,
}

/// What the flags say, if they say anything. `path` is where the model was found.
pub fn read(
    args: &SteerArgs,
    loaded: &LoadedModel,
    path: Option<&Path>,
    compute: &Compute,
) -> Result<Option<Steer>> {
    if args.steer.is_empty() && args.steer_unit.is_empty() && args.steer_toward.is_none() {
        return Ok(None);
    }
    let model = &loaded.file.model;
    let sae = autoencoder(args, model, path)?;
    let site = site(args, model, sae.as_ref())?;
    for (flag, pushes) in [("--steer", &args.steer), ("--steer-unit", &args.steer_unit)] {
        let held = pushes.iter().filter(|steered| !matches!(steered.push, Push::Add(_)));
        let mut numbers: Vec<_> = held.map(|steered| steered.number).collect();
        numbers.sort_unstable();
        if let Some(pair) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            let problem =
                format!("{flag} holds {} at two strengths, but it can have only one", pair[0]);
            bail!(UsageError(problem));
        }
    }
    let mut pushes = Pushes { steering: Steering::new(), described: Vec::new() };
    if let Some(sae) = &sae {
        for &Steered { number, push } in &args.steer {
            pushes.add(feature(sae, number)?, push, json!({ "feature": number }));
        }
    }
    for &Steered { number, push } in &args.steer_unit {
        let handle = Handle::value(site.dim, number)
            .with_context(|| format!("--steer-unit {number}, in layer {}", site.name))?;
        pushes.add(handle, push, json!({ "unit": number }));
    }
    if let (Some(toward), Some(away)) = (&args.steer_toward, &args.steer_away) {
        let handle = difference(loaded, compute, &site, [toward, away])?;
        let which =
            json!({ "toward": toward.display().to_string(), "away": away.display().to_string() });
        pushes.add(handle, Push::Clamp(args.steer_strength as f32), which);
    }
    Ok(Some(pushes.at(site, reach(args.steer_reach), args.steer_box)))
}

/// A feature of an autoencoder, to be pushed.
pub fn feature(loaded: &LoadedSae, number: usize) -> Result<Handle> {
    let strongest = loaded.facts.max_activations.get(number).copied().unwrap_or(0.0);
    Handle::feature(&loaded.sae, number, strongest).map_err(|error| {
        let (all, live) = (loaded.sae.d_sae(), live(loaded).len());
        let hint = if number < all {
            format!("take another one; of its {all} features {live} are active somewhere")
        } else {
            format!(
                "the autoencoder has {all} features, numbered from 0; `machado sae list` lists them"
            )
        };
        anyhow!("feature {number} cannot be steered: {error}\nhint: {hint}")
    })
}

/// The features that are active somewhere.
pub fn live(loaded: &LoadedSae) -> Vec<usize> {
    let strongest = loaded.facts.max_activations.iter().enumerate();
    strongest.filter(|(_, strongest)| **strongest > 0.0).map(|(number, _)| number).collect()
}

/// From the word of the command line.
pub fn reach(reach: ReachArg) -> Reach {
    match reach {
        ReachArg::State => Reach::State,
        ReachArg::Output => Reach::Output,
    }
}

/// The word of the command line.
pub fn reach_name(reach: Reach) -> &'static str {
    match reach {
        Reach::State => "state",
        Reach::Output => "output",
    }
}

impl Steer {
    /// What was steered, as it stands in `--json`. The share of the values cut off by the box is that
    /// until now.
    pub fn json(&self) -> Value {
        let Intervention { site, reach, .. } = &self.interventions[0];
        let mut steering = json!({
            "layer": site.name,
            "reach": reach_name(*reach),
            "box": self.in_box,
            "pushes": self.pushes,
        });
        if self.in_box {
            steering["clipped_share"] = json!(self.steering.clipped_share());
        }
        steering
    }

    /// Says how much the box cut off.
    pub fn say_clipped(&self) {
        if self.in_box {
            let share = 100.0 * self.steering.clipped_share();
            say(&format!("{share:.2}% of the values were cut to ±1"));
        }
    }
}

/// What is pushed so far.
struct Pushes {
    steering: Steering,
    described: Vec<Value>,
}

impl Pushes {
    fn add(&mut self, handle: Handle, push: Push, mut which: Value) {
        let (mode, strength) = match push {
            Push::Clamp(strength) => ("clamp", strength),
            Push::Add(strength) => ("add", strength),
            Push::Off => ("off", 0.0),
        };
        which["mode"] = mode.into();
        which["strength"] = short(strength).into();
        which["strongest"] = short(handle.unit()).into();
        self.described.push(which);
        self.steering = std::mem::take(&mut self.steering).and(handle, push);
    }

    fn at(self, site: Site, reach: Reach, in_box: bool) -> Steer {
        let steering = Arc::new(if in_box { self.steering.in_box() } else { self.steering });
        let change = steering.clone();
        let interventions = vec![Intervention { site, reach, change }];
        Steer { interventions, steering, in_box, pushes: self.described }
    }
}

/// A number of four bytes as short as it was typed.
fn short(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// The autoencoder, where a feature is steered.
fn autoencoder(args: &SteerArgs, model: &Model, path: Option<&Path>) -> Result<Option<LoadedSae>> {
    let folder = args.sae.clone().unwrap_or_else(|| sae_folder::beside(path));
    // Units and texts need none; but where one is named, its layer is meant.
    let wanted = !args.steer.is_empty() || args.sae.is_some();
    wanted.then(|| sae_folder::read(&folder, model)).transpose()
}

fn site(args: &SteerArgs, model: &Model, sae: Option<&LoadedSae>) -> Result<Site> {
    let name = args.steer_layer.as_ref().or(sae.map(|sae| &sae.facts.site));
    match name {
        Some(name) => Ok(Site::new(&model.config, name)?),
        None => match Site::last_state(&model.config) {
            Some(site) => Ok(site),
            None => bail!("the model has no GRU\nhint: name a layer with --steer-layer"),
        },
    }
}

/// The direction from one text to another.
fn difference(
    loaded: &LoadedModel,
    compute: &Compute,
    site: &Site,
    [toward, away]: [&PathBuf; 2],
) -> Result<Handle> {
    let text =
        |path: &PathBuf| KnownText::read(loaded, std::slice::from_ref(path), UnknownPolicy::Skip);
    let (toward, away) = (text(toward)?, text(away)?);
    let model = &loaded.file.model;
    let [toward, away] =
        [&toward, &away].map(|text| Reading { model, compute, site, ids: &text.ids });
    Handle::difference_of_means(&toward, &away)
        .context("no direction from --steer-away to --steer-toward")
}
