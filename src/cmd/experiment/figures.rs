//! Means over seeds, for both forms of the report.

use machado_core::interpret::experiment::{Auroc, Ranked, ScienceReport, Steered};

/// A way of steering, on average over seeds.
pub(super) struct SteeredMean {
    pub(super) method: String,
    pub(super) strength: f64,
    pub(super) target: f64,
    pub(super) flipped: f64,
    pub(super) in_language: f64,
    pub(super) extra_nats: Option<f64>,
    pub(super) topic_words: Option<f64>,
}

/// The mean of some figures.
fn mean(figures: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = figures.fold((0.0, 0.0), |(sum, count), figure| (sum + figure, count + 1.0));
    sum / f64::max(count, 1.0)
}

/// `0.91 … 0.99`, or nothing for a single figure.
pub(super) fn range(figures: &[f64]) -> String {
    if figures.len() < 2 {
        return String::new();
    }
    let lowest = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{lowest:.3} … {highest:.3}")
}

/// `12%`, or a dash where there is nothing.
pub(super) fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "–".into(), |share| format!("{:.0}%", 100.0 * share))
}

/// The place of the highest of some figures.
pub(super) fn likeliest(figures: &[f64]) -> usize {
    let best = figures.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(place, _)| place)
}

/// The probabilities of the answers as the models are.
pub(super) fn unsteered(seeds: &[ScienceReport]) -> Vec<f64> {
    let topics = 0..seeds[0].topics.len();
    topics.map(|topic| mean(seeds.iter().map(|seed| seed.effects.unsteered[topic]))).collect()
}

/// For each topic whose feature is held the probabilities of the answers.
pub(super) fn matrix(seeds: &[ScienceReport]) -> Vec<Vec<f64>> {
    let topics = 0..seeds[0].topics.len();
    let cell = |i: usize, j: usize| mean(seeds.iter().map(|seed| seed.effects.matrix[i][j]));
    topics.clone().map(|i| topics.clone().map(|j| cell(i, j)).collect()).collect()
}

/// Each way to find a topic, with its AUROC for the target and on average over topics.
pub(super) fn detection(seeds: &[ScienceReport]) -> Vec<(String, [f64; 6])> {
    let figures = |row: usize| {
        let of = |pick: &dyn Fn(&ScienceReport) -> Auroc| {
            let all: Vec<Auroc> = seeds.iter().map(pick).collect();
            let mean_of = |part: fn(&Auroc) -> f64| mean(all.iter().map(part));
            [
                mean_of(|auroc| auroc.first_language),
                mean_of(|auroc| auroc.second_language),
                mean_of(|auroc| auroc.held_out_words),
            ]
        };
        let target = of(&|seed| seed.detection[row].target);
        let all = of(&|seed| seed.detection[row].mean);
        [target[0], target[1], target[2], all[0], all[1], all[2]]
    };
    let rows = seeds[0].detection.iter().enumerate();
    rows.map(|(row, detection)| (detection.method.clone(), figures(row))).collect()
}

fn rows_mean(seeds: &[ScienceReport], of: fn(&ScienceReport) -> &[Steered]) -> Vec<SteeredMean> {
    let rows = of(&seeds[0]).iter().enumerate();
    rows.map(|(row, first)| {
        let mean_of = |part: fn(&Steered) -> f64| mean(seeds.iter().map(|s| part(&of(s)[row])));
        SteeredMean {
            method: first.method.clone(),
            strength: mean_of(|row| f64::from(row.strength)),
            target: mean_of(|row| row.target),
            flipped: mean_of(|row| row.flipped),
            in_language: mean_of(|row| row.in_language),
            extra_nats: first.extra_nats.map(|_| mean_of(|row| row.extra_nats.unwrap_or(0.0))),
            topic_words: first.topic_words.map(|_| mean_of(|row| row.topic_words.unwrap_or(0.0))),
        }
    })
    .collect()
}

/// Ways to steer.
pub(super) fn steered(seeds: &[ScienceReport]) -> Vec<SteeredMean> {
    rows_mean(seeds, |seed| &seed.effects.steered)
}

/// The feature at rising strengths.
pub(super) fn dose(seeds: &[ScienceReport]) -> Vec<SteeredMean> {
    rows_mean(seeds, |seed| &seed.effects.dose)
}

/// The feature among others, in words.
pub(super) fn ranked(seeds: &[ScienceReport]) -> String {
    let line = |what: &str, of: fn(&ScienceReport) -> &Ranked| {
        let part = |part: fn(&Ranked) -> f64| mean(seeds.iter().map(|seed| part(of(seed))));
        format!(
            "  {} {what}: P(neuro) {:.3} on average, {:.3} the highest; p of the feature {:.3}, \
             {:.3} counting only what leaves text fluent\n",
            of(&seeds[0]).others,
            part(|ranked| ranked.mean),
            part(|ranked| ranked.highest),
            part(|ranked| ranked.p_value),
            part(|ranked| ranked.p_value_fluent),
        )
    };
    line("other features at the same strength", |seed| &seed.effects.among_features)
        + &line("directions by chance, as long", |seed| &seed.effects.among_directions)
}
