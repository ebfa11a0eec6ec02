//! Training an autoencoder once more, with the settings of one that there is.

use std::ops::Range;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use machado_core::interpret::{Architecture, Reading, Sae, SaeConfig, Stability};
use machado_interop::saelens::SaeFacts;

/// What a training with the next seed finds again.
pub(super) fn stability(
    reading: &Reading<'_>,
    sae: &Sae,
    facts: &SaeFacts,
    [study, held_out]: [Range<usize>; 2],
) -> Result<Stability> {
    let other = train(reading, sae, facts, facts.seed + 1, [study, held_out])?;
    let first_prefix = facts.prefixes.first().copied().unwrap_or(sae.d_sae());
    let unit = reading.compute.unit();
    Ok(Stability::of([sae, &other], &facts.active_positions, first_prefix, unit))
}

/// An autoencoder with the settings of another one and this seed.
pub(super) fn train(
    reading: &Reading<'_>,
    sae: &Sae,
    facts: &SaeFacts,
    seed: u64,
    [study, held_out]: [Range<usize>; 2],
) -> Result<Sae> {
    let architecture = match &facts.architecture[..] {
        "batchtopk" => Architecture::BatchTopK,
        "topk" => Architecture::TopK,
        other => bail!(
            "only batchtopk and topk can be trained again, and this autoencoder is of {other}"
        ),
    };
    let config = SaeConfig {
        architecture,
        d_sae: sae.d_sae(),
        k: facts.k,
        prefixes: facts.prefixes.clone(),
        batch_size: facts.batch_size,
        steps: facts.steps,
        learning_rate: facts.learning_rate,
        seed,
    };
    let bar = ProgressBar::new(config.steps).with_style(
        ProgressStyle::with_template("{bar:30} {percent}% of a second training, {eta} left")
            .expect("a fixed template"),
    );
    let other = reading.train_sae(config, study, held_out, |step| {
        bar.set_position(step.step);
        true
    })?;
    bar.finish_and_clear();
    Ok(other)
}
