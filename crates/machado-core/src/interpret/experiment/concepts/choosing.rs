//! From the features that know a concept to the one that does something, and how strongly it is
//! held.

use super::Bench;
use crate::error::{Error, Result};
use crate::interpret::effect::pushed;
use crate::interpret::{ConceptScores, Handle, Place, Push, Sampled, Scored};
use crate::model::Intervention;

/// How much less than the best a feature may know the concept and still be chosen for what it does,
/// in AUROC.
const NEARLY_AS_GOOD: f64 = 0.1;

/// How much more texts may surprise the unsteered model than its own where a strength is chosen, as
/// a share.
pub(super) const MOST_EXTRA: f64 = 0.20;

/// What was chosen.
pub(super) struct Chosen {
    pub(super) scored: Scored,
    pub(super) handle: Handle,
    pub(super) strength: f32,
}

/// The feature that does most for the words of its own concept, beyond those of the others, among
/// those that know the concept; at the strength at which it does most while texts stay fluent.
pub(super) fn choose(benches: &[Bench<'_>], own: usize, found: &ConceptScores) -> Result<Chosen> {
    let bench = &benches[own];
    let auroc = |scored: &Scored| scored.study.auroc;
    // What never fires has an AUROC of ½ exactly, and no strength to be held at.
    let fires = |scored: &&Scored| bench.lab.max_activations[scored.number] > 0.0;
    let best = found.features.iter().filter(fires).map(auroc).fold(0.0, f64::max);
    let is_near = |scored: &&Scored| auroc(scored) >= best - NEARLY_AS_GOOD;
    let mut able = Vec::new();
    for scored in found.features.iter().filter(fires).filter(is_near) {
        let max = bench.lab.max_activations[scored.number];
        let handle = Handle::feature(bench.lab.sae, scored.number, max)?;
        let scores: Result<Vec<f64>> = benches
            .iter()
            .map(|bench| bench.trials[0].output_score(&handle, Push::Clamp(0.5), &bench.place))
            .collect();
        let scores = scores?;
        let all = scores.iter().sum::<f64>() / scores.len() as f64;
        // What lifts any noun is no feature of a concept; a single concept has no others to tell it by.
        let score = if scores.len() > 1 { scores[own] - all } else { scores[own] };
        able.push((score, *scored, handle));
    }
    able.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.number.cmp(&b.1.number)));
    let best = able.into_iter().next();
    let nothing = || Error::Intervention {
        problem: "no feature is active where the concept is; train the autoencoder for longer"
            .into(),
    };
    let (_, scored, handle) = best.ok_or_else(nothing)?;
    let strength = strength(bench, &handle, &bench.place)?;
    Ok(Chosen { scored, handle, strength })
}

/// The strength with the best score among those that leave texts fluent; the weakest if none does.
pub(super) fn strength(bench: &Bench<'_>, handle: &Handle, place: &Place) -> Result<f32> {
    let (trial, plain) = (&bench.trials[0], &bench.plain[0]);
    let mut best = (bench.config.strengths[0], f64::NEG_INFINITY);
    for (number, &strength) in bench.config.strengths.iter().enumerate() {
        let score = trial.output_score(handle, Push::Clamp(strength), place)?;
        let sampled = trial.sampled(&hold(handle, strength, place))?;
        let is_fluent = extra(&sampled, plain) <= MOST_EXTRA;
        if number == 0 || (is_fluent && score > best.1) {
            best = (strength, score);
        }
        // What has broken at one strength does not heal at a stronger one.
        if !is_fluent {
            break;
        }
    }
    Ok(best.0)
}

/// A handle held at a strength.
pub(super) fn hold(handle: &Handle, strength: f32, place: &Place) -> Vec<Intervention> {
    pushed(handle, Push::Clamp(strength), place).0
}

/// How much more texts surprise the unsteered model than its own, as a share.
pub(super) fn extra(sampled: &Sampled, plain: &Sampled) -> f64 {
    sampled.nats_per_token / plain.nats_per_token - 1.0
}
