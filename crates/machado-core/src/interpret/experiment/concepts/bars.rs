//! What the experiment should reach, concept by concept.

use super::{ConceptReport, ConceptsReport, Did};
use crate::interpret::experiment::Bar;

/// The figure of a concept.
type Figure = fn(&ConceptReport) -> f64;

/// Name, whether less is better, limit, figure.
const BARS: [(&str, bool, f64, Figure); 10] = [
    ("gate: AUROC of the mean difference, other text", false, 0.80, |c| c.difference_knows.auroc),
    ("AUROC of the feature, other text", false, 0.80, |c| c.knows.auroc),
    ("AUROC of the feature, held-out words", false, 0.70, |c| {
        c.knows.held_out_words.unwrap_or(f64::NAN)
    }),
    ("score: nats gained beyond words like them", false, 0.5, |c| c.ways[0].score),
    ("words in 1000, (steered + 1) / (unsteered + 1)", false, 2.0, |c| {
        (c.ways[0].per_thousand_words + 1.0) / (c.unsteered_per_thousand_words + 1.0)
    }),
    ("extra nats of steered texts, as a share", true, 0.25, |c| c.ways[0].extra_nats),
    ("p among other features (Holm)", true, 0.05, |c| c.p_value_holm),
    ("score beyond the read-out alone", false, 0.0, |c| beyond(c, "feature, read-out only")),
    ("score beyond the difference of means", false, 0.0, |c| beyond(c, "difference of means")),
    ("score beyond the best unit", false, 0.0, |c| beyond(c, "best unit")),
];

/// What the concepts reached.
pub fn concept_bars(report: &ConceptsReport) -> Vec<Bar> {
    let of_each = |&(name, at_most, limit, figure): &(&str, bool, f64, Figure)| {
        Bar::new(name, at_most, limit, report.concepts.iter().map(figure).collect())
    };
    let mut bars: Vec<Bar> = BARS.iter().map(of_each).collect();
    bars.push(Bar::new("score beyond that for any other concept", false, 0.0, own_beyond(report)));
    bars
}

/// By how much the feature's score is better than another way's.
fn beyond(concept: &ConceptReport, method: &str) -> f64 {
    let other = concept.ways.iter().find(|way: &&Did| way.method == method);
    concept.ways[0].score - other.map_or(f64::NAN, |way| way.score)
}

/// For each feature by how much it lifts its own concept more than any other one.
fn own_beyond(report: &ConceptsReport) -> Vec<f64> {
    let rows = report.scores.iter().enumerate();
    rows.map(|(own, row)| {
        let others = row.iter().enumerate().filter(|(other, _)| *other != own);
        // With no other concept there is nothing to say.
        let best = others.map(|(_, score)| *score).reduce(f64::max);
        row[own] - best.unwrap_or(f64::NAN)
    })
    .collect()
}
