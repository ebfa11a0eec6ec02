//! What the experiment must reach, and what it reached.

use serde::Serialize;

use super::ask::likeliest;
use super::science::{Detection, ScienceReport};
use super::science_words::{NEUROSCIENCE, PHYSICS};

/// The share of the seeds in which a bar must be reached.
const ENOUGH: f64 = 0.8;

/// One thing that must be reached, with what each seed gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// What is measured.
    pub name: String,
    /// The least that counts as reached, or the most.
    pub limit: f64,
    /// Whether less is better.
    pub at_most: bool,
    /// The figure of each seed; NaN where there is none.
    pub figures: Vec<f64>,
    /// In how many seeds it was reached.
    pub reached_in: usize,
    /// Whether that are at least four of five.
    pub reached: bool,
}

impl Bar {
    /// The mean of the seeds' figures.
    pub fn mean(&self) -> f64 {
        self.figures.iter().sum::<f64>() / self.figures.len().max(1) as f64
    }

    /// With the figures of some seeds.
    pub fn new(name: &str, at_most: bool, limit: f64, figures: Vec<f64>) -> Self {
        let is_reached =
            |figure: &&f64| if at_most { **figure <= limit } else { **figure >= limit };
        let reached_in = figures.iter().filter(is_reached).count();
        let reached = reached_in as f64 >= ENOUGH * figures.len() as f64 && !figures.is_empty();
        Self { name: name.into(), limit, at_most, figures, reached_in, reached }
    }
}

/// The figure of a seed.
type Figure = fn(&ScienceReport) -> f64;

/// Name, whether less is better, limit, figure: first the gates, then what is claimed, then the
/// controls.
const BARS: [(&str, bool, f64, Figure); 22] = [
    ("validation loss / entropy of the grammar", true, 1.05, |r| {
        r.gates.loss_nats / r.gates.entropy_nats
    }),
    ("AUROC of a probe, the worse language", false, 0.97, |r| {
        r.gates.probe_auroc[0].min(r.gates.probe_auroc[1])
    }),
    ("P(neuroscience), unsteered", true, 0.10, |r| r.effects.unsteered[NEUROSCIENCE]),
    ("P(neuroscience), steered", false, 0.50, |r| r.effects.matrix[NEUROSCIENCE][NEUROSCIENCE]),
    ("answer flips to neuroscience (1: yes)", false, 1.0, |r| f64::from(u8::from(flips(r)))),
    ("AUROC of the feature, same language", false, 0.90, |r| {
        r.features[NEUROSCIENCE].auroc.first_language
    }),
    ("AUROC of the feature, other language", false, 0.80, |r| {
        r.features[NEUROSCIENCE].auroc.second_language
    }),
    ("AUROC of the feature, held-out words", false, 0.80, |r| {
        r.features[NEUROSCIENCE].auroc.held_out_words
    }),
    ("topic × topic: mean of the diagonal", false, 0.50, |r| sides(r)[0]),
    ("topic × topic: mean beside the diagonal", true, 0.15, |r| sides(r)[1]),
    ("extra nats of steered texts, as a share", true, 0.25, |r| {
        r.effects.steered[0].extra_nats.unwrap_or(f64::NAN)
    }),
    ("answer stays in the question's language", false, 0.95, |r| r.effects.steered[0].in_language),
    ("p among other features that leave text fluent", true, 0.02, |r| {
        r.effects.among_features.p_value_fluent
    }),
    ("p among directions that leave text fluent", true, 0.02, |r| {
        r.effects.among_directions.p_value_fluent
    }),
    ("p among other features, whatever they break", true, 0.02, |r| {
        r.effects.among_features.p_value
    }),
    ("p among directions, whatever they break", true, 0.02, |r| r.effects.among_directions.p_value),
    ("P(physics), turned down / unsteered", true, 0.99, |r| {
        r.effects.usual_answer_turned_down[1] / r.effects.usual_answer_turned_down[0]
    }),
    ("p that features of a topic point alike", true, 0.01, |r| {
        r.grouping.as_ref().map_or(f64::NAN, |grouping| grouping.p_value)
    }),
    ("AUROC beyond an untrained model's feature", false, 0.10, |r| {
        beyond(r, "feature of an untrained model")
    }),
    ("AUROC beyond the best principal component", false, 0.10, |r| {
        beyond(r, "best principal component")
    }),
    ("P(neuroscience) beyond the read-out alone", false, 0.0, |r| {
        gains(r, "feature, read-out only")
    }),
    ("P(neuroscience) beyond the difference of means", false, 0.0, |r| {
        gains(r, "difference of means")
    }),
];

/// What some seeds reached.
pub fn bars(reports: &[ScienceReport]) -> Vec<Bar> {
    let bar = |&(name, at_most, limit, figure): &(&str, bool, f64, Figure)| {
        Bar::new(name, at_most, limit, reports.iter().map(figure).collect())
    };
    BARS.iter().map(bar).collect()
}

fn flips(report: &ScienceReport) -> bool {
    likeliest(&report.effects.unsteered) == PHYSICS
        && likeliest(&report.effects.matrix[NEUROSCIENCE]) == NEUROSCIENCE
}

/// The mean of the matrix on its diagonal, and beside it.
fn sides(report: &ScienceReport) -> [f64; 2] {
    let (mut sums, mut counts) = ([0.0; 2], [0.0; 2]);
    for (i, row) in report.effects.matrix.iter().enumerate() {
        for (j, value) in row.iter().enumerate() {
            let side = usize::from(i != j);
            sums[side] += value;
            counts[side] += 1.0;
        }
    }
    [sums[0] / counts[0], sums[1] / counts[1]]
}

/// By how much the features' AUROC in the other language is higher than another way's, over all
/// topics.
fn beyond(report: &ScienceReport, method: &str) -> f64 {
    let of = |method: &str| {
        let row = report.detection.iter().find(|row: &&Detection| row.method == method);
        row.map_or(f64::NAN, |row| row.mean.second_language)
    };
    of("feature") - of(method)
}

/// By how much the feature raises the answer more than another way.
fn gains(report: &ScienceReport, method: &str) -> f64 {
    let rows = &report.effects.steered;
    let other = rows.iter().find(|row| row.method == method);
    rows[0].target - other.map_or(f64::NAN, |row| row.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_of_five_seeds_must_reach_a_bar() {
        let reached = |figures: &[f64]| {
            let bar = Bar::new("p", true, 0.02, figures.to_vec());
            (bar.reached_in, bar.reached)
        };
        assert_eq!(reached(&[0.01, 0.02, 0.01, 0.01, 0.5]), (4, true));
        assert_eq!(reached(&[0.01, 0.03, 0.01, 0.01, 0.5]), (3, false));
        assert_eq!(reached(&[0.01]), (1, true));
        assert_eq!(reached(&[f64::NAN]), (0, false));
        assert_eq!(reached(&[]), (0, false));
        assert!(!Bar::new("AUROC", false, 0.8, vec![0.9, 0.7]).reached);
    }
}
