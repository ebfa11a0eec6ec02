//! What the chosen feature does, beside everything that might do as much.

use super::choosing::{Chosen, extra, strength};
use super::{Bench, ConceptReport, Did, Knows};
use crate::error::Result;
use crate::interpret::{
    ConceptScores, Contrast, Effect, Handle, Kind, Place, Push, Rank, Sampled, Scored, Steering,
    drawn, rank_p_value,
};
use crate::model::{Intervention, Reach};

use crate::interpret::pca::random_direction;
use crate::rng::{Purpose, Rng};

/// How much more texts may surprise the unsteered model and still count as text, as a share.
const STILL_TEXT: f64 = 0.25;

/// The figures of a concept.
pub(super) fn compare(
    bench: &Bench<'_>,
    found: &ConceptScores,
    chosen: &Chosen,
) -> Result<ConceptReport> {
    let trial = &bench.trials[1];
    let plain = trial.sampled(&[])?;
    let push = Push::Clamp(chosen.strength);
    let effect = trial.effect(&chosen.handle, push, &bench.place)?;
    let example =
        [plain.example[0].clone(), plain.example[1].clone(), effect.sampled.example[1].clone()];
    let p_value = rank(bench, chosen, (&effect, &plain))?;
    let mut ways = vec![did("feature", chosen.strength, &effect, &plain)];
    ways.extend(controls(bench, chosen, &plain)?);
    Ok(ConceptReport {
        name: bench.wanted.name.clone(),
        words: bench.wanted.words.clone(),
        control_words: bench.wanted.control_words.clone(),
        tokens: found.tested[0],
        feature: chosen.scored.number,
        knows: knows(Some(&chosen.scored)),
        unit_knows: knows(found.unit.as_ref()),
        difference_knows: knows(found.difference.as_ref()),
        unsteered_per_thousand_words: plain.concept_per_thousand_words(),
        ways,
        p_value,
        p_value_holm: p_value,
        example,
    })
}

fn knows(scored: Option<&Scored>) -> Knows {
    let Some(scored) = scored else { return Knows::default() };
    let separation = scored.test.unwrap_or(scored.study);
    Knows { auroc: separation.auroc, f1: separation.f1, held_out_words: scored.held_out_auroc }
}

fn did(method: &str, strength: f32, effect: &Effect, plain: &Sampled) -> Did {
    Did {
        method: method.into(),
        strength,
        score: effect.exact.output_score(),
        per_thousand_words: effect.sampled.concept_per_thousand_words(),
        extra_nats: extra(&effect.sampled, plain),
        known_words: effect.sampled.known_words,
    }
}

/// Whatever needs no feature, each at a strength that was chosen as the feature's was.
fn controls(bench: &Bench<'_>, chosen: &Chosen, plain: &Sampled) -> Result<Vec<Did>> {
    let (reading, concept) = (&bench.lab.reading, &bench.wanted.concept);
    let study = concept.study[0].clone();
    let labels: Vec<bool> =
        concept.kinds[study.clone()].iter().map(|kind| *kind == Kind::Chosen).collect();
    let contrast = Contrast::of(reading, study, &labels)?;
    let mut rng = Rng::new(bench.config.seed, Purpose::SteerControls, 7);
    let random = contrast.along(&random_direction(&mut rng, reading.site.dim))?;
    let of_state = [
        ("difference of means", contrast.difference_of_means()?),
        ("best unit", contrast.best_unit()?.handle),
        ("a direction by chance", random.with_unit(chosen.handle.unit())),
    ];
    let mut rows = Vec::new();
    let mut row = |method: &str, handle: &Handle, place: &Place, strength: f32| -> Result<()> {
        let effect = bench.trials[1].effect(handle, Push::Clamp(strength), place)?;
        rows.push(did(method, strength, &effect, plain));
        Ok(())
    };
    if bench.place.reach == Reach::State {
        let output = Place { reach: Reach::Output, ..bench.place.clone() };
        row("feature, read-out only", &chosen.handle, &output, chosen.strength)?;
    }
    for (method, handle) in &of_state {
        let (strength, _) = strength(bench, handle)?;
        row(method, handle, &bench.place, strength)?;
    }
    Ok(rows)
}

/// The rank of the feature among others at its strength. What breaks the text counts as having done
/// nothing, the feature too: whatever is held beyond reason makes any word likelier.
fn rank(bench: &Bench<'_>, chosen: &Chosen, (effect, plain): (&Effect, &Sampled)) -> Result<f64> {
    let (lab, trial) = (&bench.lab, &bench.trials[1]);
    let live = (0..lab.sae.d_sae())
        .filter(|&other| other != chosen.scored.number && lab.max_activations[other] > 0.0);
    let others = drawn(live.collect(), bench.config.controls, bench.config.seed);
    let handle = |&other: &usize| Handle::feature(lab.sae, other, lab.max_activations[other]);
    let handles: Result<Vec<Handle>> = others.iter().map(handle).collect();
    let handles = handles?;
    let score = effect.exact.output_score();
    let place = (&handles[..], &bench.place);
    let rank = Rank::among(trial, lab.reading.compute, place, (chosen.strength, score))?;
    let mut scores = rank.others;
    for (other, handle) in scores.iter_mut().zip(&handles) {
        // Whoever does less need not be asked for a text.
        if *other >= score {
            let held = hold(handle, chosen.strength, &bench.place);
            if extra(&trial.sampled(&[held])?, plain) > STILL_TEXT {
                *other = 0.0;
            }
        }
    }
    let is_text = extra(&effect.sampled, plain) <= STILL_TEXT;
    Ok(rank_p_value(if is_text { score } else { 0.0 }, &scores))
}

fn hold(handle: &Handle, strength: f32, place: &Place) -> Intervention {
    let change = Steering::new().and(handle.clone(), Push::Clamp(strength));
    Intervention {
        site: place.site.clone(),
        reach: place.reach,
        change: std::sync::Arc::new(change),
    }
}

/// Each feature held, and what becomes of the words of each concept: scores in nats, and words in a
/// thousand that are written.
pub(super) fn matrices(benches: &[Bench<'_>], held: &[Chosen]) -> Result<[Vec<Vec<f64>>; 2]> {
    let (mut scores, mut rates) = (Vec::new(), Vec::new());
    for chosen in held {
        let (mut score_row, mut rate_row) = (Vec::new(), Vec::new());
        for bench in benches {
            let push = Push::Clamp(chosen.strength);
            let effect = bench.trials[1].effect(&chosen.handle, push, &bench.place)?;
            score_row.push(effect.exact.output_score());
            rate_row.push(effect.sampled.concept_per_thousand_words());
        }
        scores.push(score_row);
        rates.push(rate_row);
    }
    Ok([scores, rates])
}
