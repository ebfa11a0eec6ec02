//! The report as plain text.

use std::fmt::Write;
use std::time::Duration;

use machado_core::interpret::experiment::{Bar, NEUROSCIENCE, ScienceReport};

use super::favourite_science::{Report, took};
use crate::number::duration;

/// One seed in a line.
pub(super) fn seed_line(report: &ScienceReport, elapsed: Duration) -> String {
    let feature = &report.features[NEUROSCIENCE];
    format!(
        "seed {}: loss / entropy {:.3}, probe {:.3} {:.3}, AUROC {:.3} {:.3} {:.3}, \
         P(neuroscience) {:.3} → {:.3}, after {}",
        report.seed,
        report.gates.loss_nats / report.gates.entropy_nats,
        report.gates.probe_auroc[0],
        report.gates.probe_auroc[1],
        feature.auroc.first_language,
        feature.auroc.second_language,
        feature.auroc.held_out_words,
        report.effects.unsteered[NEUROSCIENCE],
        report.effects.matrix[NEUROSCIENCE][NEUROSCIENCE],
        duration(elapsed),
    )
}

/// The whole report.
pub(super) fn report(report: &Report) -> String {
    serde_json::to_string_pretty(&report.seeds).unwrap_or_default()
        + &took(report)
        + &bars_text(&report.bars)
}

fn bars_text(bars: &[Bar]) -> String {
    let mut out = String::new();
    for bar in bars {
        let _ = writeln!(out, "{} {:?} {}", bar.name, bar.figures, bar.reached);
    }
    out
}
