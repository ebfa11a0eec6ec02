//! From the features that know a concept to the one that does something, and how strongly it is
//! held.

use std::sync::Arc;

use super::Bench;
use crate::error::{Error, Result};
use crate::interpret::{ConceptScores, Handle, Place, Push, Sampled, Scored, Steering};
use crate::model::Intervention;

/// How much less than the best a feature may know the concept and still be chosen for what it does,
/// in AUROC.
const NEARLY_AS_GOOD: f64 = 0.1;

/// Of the features that know it, those whose texts are looked at.
const TRIED: usize = 3;

/// How much more texts may surprise the unsteered model than its own where a strength is chosen, as
/// a share.
pub(super) const MOST_EXTRA: f64 = 0.20;

/// What was chosen.
pub(super) struct Chosen {
    pub(super) scored: Scored,
    pub(super) handle: Handle,
    pub(super) strength: f32,
}

/// The feature that does most for the words among those that know the concept, at the strength at
/// which it does most while texts stay fluent.
pub(super) fn choose(bench: &Bench<'_>, found: &ConceptScores) -> Result<Chosen> {
    let auroc = |scored: &Scored| scored.study.auroc;
    let best = found.features.iter().map(auroc).fold(0.0, f64::max);
    let mut able = Vec::new();
    for scored in found.features.iter().filter(|scored| auroc(scored) >= best - NEARLY_AS_GOOD) {
        let max = bench.lab.max_activations[scored.number];
        let handle = Handle::feature(bench.lab.sae, scored.number, max)?;
        let score = bench.trials[0].output_score(&handle, Push::Clamp(0.5), &bench.place)?;
        able.push((score, *scored, handle));
    }
    able.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.number.cmp(&b.1.number)));
    let mut chosen: Option<(f64, Chosen)> = None;
    for (_, scored, handle) in able.into_iter().take(TRIED) {
        let (strength, score) = strength(bench, &handle)?;
        if chosen.as_ref().is_none_or(|(best, _)| score > *best) {
            chosen = Some((score, Chosen { scored, handle, strength }));
        }
    }
    let nothing = || Error::Intervention {
        problem: "no feature is active where the concept is; train the autoencoder for longer"
            .into(),
    };
    chosen.map(|(_, chosen)| chosen).ok_or_else(nothing)
}

/// The strength with the best score among those that leave texts fluent, and that score; the weakest
/// if none does.
pub(super) fn strength(bench: &Bench<'_>, handle: &Handle) -> Result<(f32, f64)> {
    let (trial, plain) = (&bench.trials[0], &bench.plain[0]);
    let mut best = (bench.config.strengths[0], f64::NEG_INFINITY);
    for (place, &strength) in bench.config.strengths.iter().enumerate() {
        let score = trial.output_score(handle, Push::Clamp(strength), &bench.place)?;
        let sampled = trial.sampled(&[hold(handle, strength, &bench.place)])?;
        let is_fluent = extra(&sampled, plain) <= MOST_EXTRA;
        if place == 0 || (is_fluent && score > best.1) {
            best = (strength, score);
        }
        // What has broken at one strength does not heal at a stronger one.
        if !is_fluent {
            break;
        }
    }
    Ok(best)
}

/// A handle held at a strength.
pub(super) fn hold(handle: &Handle, strength: f32, place: &Place) -> Intervention {
    let change = Arc::new(Steering::new().and(handle.clone(), Push::Clamp(strength)));
    Intervention { site: place.site.clone(), reach: place.reach, change }
}

/// How much more texts surprise the unsteered model than its own, as a share.
pub(super) fn extra(sampled: &Sampled, plain: &Sampled) -> f64 {
    sampled.nats_per_token / plain.nats_per_token - 1.0
}
