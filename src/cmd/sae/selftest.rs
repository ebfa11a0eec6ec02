//! `machado sae selftest`: does the training find features that are known?

use std::io::Write;

use anyhow::{Result, bail};
use machado_core::interpret::{
    Architecture, Recovery, SaeConfig, SaeMeasure, SaeMeter, SaeTrainer, Scaling, Superposition,
};
use machado_core::math::threads::Compute;
use serde_json::json;

use crate::cli::SaeSelftestArgs;

/// Values of a state, true directions, and how many of them are active at a time.
const D_IN: usize = 64;
const TRUE_FEATURES: usize = 128;
const ACTIVE: f64 = 4.0;

/// States to learn from, and to measure on afterwards.
const STEPS: u64 = 2000;
const BATCH: usize = 1024;
const LEARNING_RATE: f64 = 4.5e-3;
const MEASURED: usize = 50_000;

/// What must be reached: mean cosine, share of the directions, and at most this share of the
/// features never active.
const BARS: [f64; 3] = [0.90, 0.80, 0.05];

pub(super) fn run(args: &SaeSelftestArgs) -> Result<()> {
    let compute = crate::cmd::compute(&args.compute)?;
    let (recovery, measure) = find(args.seed, compute)?;
    let dead = measure.dead() as f64 / TRUE_FEATURES as f64;
    let passed =
        recovery.mean_max_cosine >= BARS[0] && recovery.recovered >= BARS[1] && dead <= BARS[2];
    let mut out = std::io::stdout().lock();
    if args.json {
        let figures = json!({
            "mean_max_cosine": recovery.mean_max_cosine,
            "recovered": recovery.recovered,
            "unique": recovery.unique,
            "dead": dead,
            "explained_variance": measure.explained_variance,
            "l0": measure.l0,
            "d_in": D_IN,
            "true_features": TRUE_FEATURES,
            "states": STEPS * BATCH as u64,
            "seed": args.seed,
            "passed": passed,
        });
        writeln!(out, "{figures}")?;
    } else {
        writeln!(
            out,
            "states              {TRUE_FEATURES} directions in {D_IN} dimensions, {ACTIVE} at a time\n\
             mean max cosine     {:.4}   (at least {:.2})\n\
             recovered           {:.1}%   (at least {:.0}%): directions with a feature above 0.9\n\
             dead                {:.1}%   (at most {:.0}%)\n\
             explained variance  {:.4}",
            recovery.mean_max_cosine,
            BARS[0],
            100.0 * recovery.recovered,
            100.0 * BARS[1],
            100.0 * dead,
            100.0 * BARS[2],
            measure.explained_variance,
        )?;
    }
    if !passed {
        bail!(
            "the autoencoder did not find enough of the known features\n\
             hint: this is a fault of machado or of the machine; try --vector-unit portable and \
             report what differs"
        );
    }
    Ok(())
}

/// Trains on states of known directions.
fn find(seed: u64, compute: Compute) -> Result<(Recovery, SaeMeasure)> {
    let config = SaeConfig {
        architecture: Architecture::BatchTopK,
        d_sae: TRUE_FEATURES,
        k: ACTIVE as usize,
        prefixes: vec![TRUE_FEATURES],
        batch_size: BATCH,
        steps: STEPS,
        // So few features bear, and so few states want, twice the rate of the rule.
        learning_rate: Some(LEARNING_RATE),
        seed,
    };
    let mut truth = Superposition::new(D_IN, TRUE_FEATURES, ACTIVE, seed);
    let mut states = Vec::new();
    truth.draw(MEASURED, &mut states);
    let unit = compute.unit();
    let mut trainer = SaeTrainer::new(config, Scaling::of(&states, D_IN), compute)?;
    let mut batch = Vec::new();
    for _ in 0..STEPS {
        batch.clear();
        truth.draw(BATCH, &mut batch);
        trainer.step(&batch)?;
    }
    let sae = trainer.finish(&states)?;
    let mut meter = SaeMeter::new(&sae, unit);
    states.chunks_exact(D_IN).for_each(|state| meter.add(state));
    Ok((truth.recovery(&sae), meter.finish()))
}
