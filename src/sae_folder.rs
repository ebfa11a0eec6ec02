//! The folder of an autoencoder: SAELens' two files, and an example for who computes it elsewhere.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use machado_core::interpret::{Reading, Sae, SaeConfig, SaeMeasure};
use machado_core::model::{Model, Site};
use machado_interop::saelens::{self, Example, SaeFacts, SaeFiles};

use crate::files;

/// The name of the folder beside a model.
pub const NAME: &str = "sae";

/// Where the autoencoder of a model lies: beside the model file, or in the folder of the run; for the
/// model inside the program, where the program was started.
pub fn beside(run: Option<&Path>) -> PathBuf {
    match run {
        Some(path) if path.is_dir() => path.join(NAME),
        Some(path) => path.with_file_name(NAME),
        None => PathBuf::from(NAME),
    }
}

/// States in the example.
const EXAMPLE_STATES: usize = 64;

/// Says so if a folder has an autoencoder already.
pub fn refuse_to_replace(folder: &Path) -> Result<()> {
    if folder.join(saelens::CONFIG).exists() {
        bail!(
            "the folder {} already holds an autoencoder\n\
             hint: choose another --out, or remove that folder",
            folder.display()
        );
    }
    Ok(())
}

/// Saves an autoencoder.
pub fn write(folder: &Path, sae: &Sae, facts: &SaeFacts) -> Result<()> {
    let files = saelens::write(sae, facts)?;
    files::create_folder(folder)?;
    // The config last: without it a folder is none of an autoencoder.
    files::write(&folder.join(saelens::WEIGHTS), &files.weights)?;
    files::write(&folder.join(saelens::CONFIG), &files.config)
}

/// Saves the first states of a range beside what the autoencoder makes of them.
pub fn write_example(
    folder: &Path,
    reading: &Reading<'_>,
    sae: &Sae,
    range: Range<usize>,
) -> Result<()> {
    let range = range.start..range.end.min(range.start + EXAMPLE_STATES);
    let mut states = Vec::with_capacity(range.len() * sae.d_in());
    reading.for_each(range, |_, state| states.extend_from_slice(state))?;
    let example = Example::of(sae, reading.compute.unit(), &states).write()?;
    files::write(&folder.join(Example::NAME), &example)
}

/// What is known of an autoencoder of a site of a model after a whole training, measured on states
/// that were not learnt from and on those of the whole text.
pub fn facts(
    model: &Model,
    site: &Site,
    config: &SaeConfig,
    [held_out, whole]: [&SaeMeasure; 2],
) -> SaeFacts {
    SaeFacts {
        tool_version: env!("CARGO_PKG_VERSION").into(),
        site: site.name.clone(),
        model_fingerprint: fingerprint(model),
        architecture: config.architecture.name().into(),
        k: config.k,
        prefixes: config.prefixes.clone(),
        seed: config.seed,
        batch_size: config.batch_size,
        steps: config.steps,
        learning_rate: Some(config.highest_learning_rate()),
        positions: whole.positions(),
        explained_variance: held_out.explained_variance,
        l0: held_out.l0,
        max_activations: whole.max_activations.clone(),
        active_positions: whole.active_positions.clone(),
    }
}

/// An autoencoder, and what is known of it.
#[derive(Debug)]
pub struct LoadedSae {
    /// The autoencoder.
    pub sae: Sae,
    /// What is known of it.
    pub facts: SaeFacts,
}

/// Reads the autoencoder of a model.
pub fn read(folder: &Path, model: &Model) -> Result<LoadedSae> {
    if !folder.join(saelens::CONFIG).exists() {
        bail!(
            "there is no autoencoder in {} ({} is missing)\n\
             hint: train one with `machado sae train`",
            folder.display(),
            saelens::CONFIG
        );
    }
    let read = |name| files::read(&folder.join(name));
    let saved = SaeFiles { config: read(saelens::CONFIG)?, weights: read(saelens::WEIGHTS)? };
    let context = || format!("in {}", folder.display());
    let found = saelens::read(&saved).with_context(context)?;
    let Some(facts) = found.facts else {
        bail!(
            "the autoencoder in {} was not made by machado, so its site and the strength of its \
             features are not known\nhint: measure them with `machado sae import {}`",
            folder.display(),
            folder.display()
        );
    };
    if facts.model_fingerprint != fingerprint(model) {
        bail!(
            "the autoencoder in {} was trained on another model than this one\n\
             hint: train it again with `machado sae train`, or name the model that it belongs to",
            folder.display()
        );
    }
    Ok(LoadedSae { sae: found.sae, facts })
}

/// The fingerprint of a model as it stands in the facts.
pub fn fingerprint(model: &Model) -> String {
    format!("{:016x}", model.fingerprint())
}
