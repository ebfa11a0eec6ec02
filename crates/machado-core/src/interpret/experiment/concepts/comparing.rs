//! What the chosen feature does, beside everything that might do as much.

use super::choosing::{Chosen, extra, hold, strength};
use super::{Bench, ConceptReport, Did, Knows};
use crate::error::Result;
use crate::interpret::{
    ConceptScores, Contrast, Handle, Kind, Place, Push, Rank, Sampled, Scored, drawn, rank_p_value,
    words,
};
use crate::model::Reach;

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
    let (trial, plain) = (&bench.trials[1], &bench.plain[1]);
    let score = trial.output_score(&chosen.handle, Push::Clamp(chosen.strength), &bench.place)?;
    let steered = trial.sampled(&hold(&chosen.handle, chosen.strength, &bench.place))?;
    let example = [plain.example[0].clone(), plain.example[1].clone(), steered.example[1].clone()];
    let (p_value, others) = rank(bench, chosen, score, extra(&steered, plain) <= STILL_TEXT)?;
    let mut ways = vec![did("feature", chosen.strength, score, (&steered, plain))];
    ways.extend(controls(bench, chosen)?);
    Ok(ConceptReport {
        name: bench.wanted.name.clone(),
        measured_words: bench.wanted.words.clone(),
        control_words: bench.wanted.control_words.clone(),
        tokens: found.tested[0],
        feature: chosen.scored.number,
        knows: knows(Some(&chosen.scored)),
        unit_knows: knows(found.unit.as_ref()),
        difference_knows: knows(found.difference.as_ref()),
        unsteered_per_thousand_words: plain.concept_per_thousand_words(),
        unsteered_known_words: plain.known_words,
        others,
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

fn did(method: &str, strength: f32, score: f64, (steered, plain): (&Sampled, &Sampled)) -> Did {
    Did {
        method: method.into(),
        strength,
        score,
        per_thousand_words: steered.concept_per_thousand_words(),
        extra_nats: extra(steered, plain),
        known_words: steered.known_words,
    }
}

/// Whatever needs no feature, each at a strength that was chosen as the feature's was.
fn controls(bench: &Bench<'_>, chosen: &Chosen) -> Result<Vec<Did>> {
    let (reading, concept) = (&bench.lab.reading, &bench.wanted.concept);
    let study = concept.study[0].clone();
    // All words of the concept: what has labels may use them.
    let labels: Vec<bool> =
        concept.kinds[study.clone()].iter().map(|kind| *kind != Kind::Negative).collect();
    let contrast = Contrast::of(reading, study, &labels)?;
    let mut rng = Rng::new(bench.config.seed, Purpose::SteerControls, 7);
    let random = contrast.along(&random_direction(&mut rng, reading.site.dim))?;
    let of_state = [
        ("difference of means", contrast.difference_of_means()?),
        ("best unit", contrast.best_unit()?.handle),
        ("a direction by chance", random.with_unit(chosen.handle.unit())),
    ];
    let mut rows = Vec::new();
    let mut row = |method: &str, handle: &Handle, place: &Place| -> Result<()> {
        let strength = strength(bench, handle, place)?;
        let trial = &bench.trials[1];
        let score = trial.output_score(handle, Push::Clamp(strength), place)?;
        let steered = trial.sampled(&hold(handle, strength, place))?;
        rows.push(did(method, strength, score, (&steered, &bench.plain[1])));
        Ok(())
    };
    if bench.place.reach == Reach::State {
        let output = Place { reach: Reach::Output, ..bench.place.clone() };
        row("feature, read-out only", &chosen.handle, &output)?;
    }
    for (method, handle) in &of_state {
        row(method, handle, &bench.place)?;
    }
    Ok(rows)
}

/// The rank of the feature among others at its strength. What breaks the text counts as having done
/// nothing, the feature too: whatever is held beyond reason makes any word likelier. Also how many
/// others there are.
fn rank(bench: &Bench<'_>, chosen: &Chosen, score: f64, is_text: bool) -> Result<(f64, usize)> {
    let (lab, trial) = (&bench.lab, &bench.trials[1]);
    let live = (0..lab.sae.d_sae())
        .filter(|&other| other != chosen.scored.number && lab.max_activations[other] > 0.0);
    let others = drawn(live.collect(), bench.config.controls, bench.config.seed);
    let handle = |&other: &usize| Handle::feature(lab.sae, other, lab.max_activations[other]);
    let handles: Result<Vec<Handle>> = others.iter().map(handle).collect();
    let handles = handles?;
    let place = (&handles[..], &bench.place);
    let rank = Rank::among(trial, lab.reading.compute, place, (chosen.strength, score))?;
    let mut scores = rank.others;
    for (other, handle) in scores.iter_mut().zip(&handles) {
        // Whoever does less need not be asked for a text.
        if *other >= score {
            let held = hold(handle, chosen.strength, &bench.place);
            if extra(&trial.sampled(&held)?, &bench.plain[1]) > STILL_TEXT {
                *other = 0.0;
            }
        }
    }
    Ok((rank_p_value(if is_text { score } else { 0.0 }, &scores), scores.len()))
}

/// Each feature held, and what becomes of the words of each concept: scores in nats, and words in a
/// thousand that are written.
pub(super) fn matrices(benches: &[Bench<'_>], held: &[Chosen]) -> Result<[Vec<Vec<f64>>; 2]> {
    let (mut scores, mut rates) = (Vec::new(), Vec::new());
    for chosen in held {
        let push = Push::Clamp(chosen.strength);
        let score =
            |bench: &Bench<'_>| bench.trials[1].output_score(&chosen.handle, push, &bench.place);
        scores.push(benches.iter().map(score).collect::<Result<Vec<f64>>>()?);
        // All write after the same prompts: the texts of one are those of all.
        let Some(first) = benches.first() else { continue };
        let held = hold(&chosen.handle, chosen.strength, &first.place);
        let texts = first.trials[1].texts(&held)?;
        let written: usize = texts.iter().map(|text| words(text).count()).sum();
        let rate = |bench: &Bench<'_>| {
            let own: u64 = texts.iter().map(|text| (bench.wanted.count)(text)).sum();
            1000.0 * own as f64 / written.max(1) as f64
        };
        rates.push(benches.iter().map(rate).collect());
    }
    Ok([scores, rates])
}
