//! The report as plain text: what was missed first.

use std::time::Duration;

use machado_core::interpret::experiment::{Bar, NEUROSCIENCE, ScienceReport};

use super::favourite_science::{Report, took};
use super::figures::{self, share};
use crate::number::{duration, grouped};

/// One seed in a line.
pub(super) fn seed_line(report: &ScienceReport, elapsed: Duration) -> String {
    let feature = &report.features[NEUROSCIENCE];
    let [first, second] = report.gates.probe_auroc;
    format!(
        "seed {}: loss / entropy {:.3}; AUROC of the probe {first:.3} and {second:.3}, of the feature \
         {:.3}, in the other language {:.3}, of held-out words {:.3}; P(neuroscience) {:.3} → {:.3}; \
         {} since the beginning",
        report.seed,
        report.gates.loss_nats / report.gates.entropy_nats,
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
    let parts = [
        heading(report),
        bars(&report.bars, "seeds"),
        matrix(report),
        detection(report),
        steering(report),
        dose(report),
        seeds(report),
        example(report),
    ];
    parts.join("\n")
}

fn heading(report: &Report) -> String {
    let tiny = if report.is_tiny { "THIS WAS --tiny: THE FIGURES MEAN NOTHING.\n" } else { "" };
    let first = &report.seeds[0];
    format!(
        "{tiny}Does one feature change a model's favourite science?\n\n\
         {} seeds in {}. Each has a corpus of {} words in two languages, a GRU of {} units and an\n\
         autoencoder with {} features ({} of them in a state on average). Figures are means over the\n\
         seeds, unless it says otherwise.\n",
        report.seeds.len(),
        took(report),
        grouped(first.tokens as u64),
        report.config.units,
        first.autoencoder.d_sae,
        report.config.k,
    )
}

/// What was missed and what was reached; `of` is what each figure is of, as in "seed".
pub(super) fn bars(bars: &[Bar], of: &str) -> String {
    let line = |bar: &Bar| {
        let sign = if bar.at_most { "≤" } else { "≥" };
        // What could be told in none has no figure.
        let [mean, range] = match bar.mean() {
            mean if mean.is_finite() => [format!("{mean:.3}"), figures::range(&bar.figures)],
            _ => ["–".into(), String::new()],
        };
        format!(
            "  {:<48} {mean:>8}  {range:<18} {sign} {:<5} in {} of {}\n",
            bar.name,
            bar.limit,
            bar.reached_in,
            bar.figures.len()
        )
    };
    let list = |reached: bool| -> String {
        bars.iter().filter(|bar| bar.reached == reached).map(line).collect()
    };
    let [missed, reached] = [false, true].map(list);
    let or_nothing = |list: String| if list.is_empty() { "  nothing\n".to_owned() } else { list };
    format!(
        "Missed (mean, lowest to highest, what counts as reached, in how many {of}):\n{}\n\
         Reached, in at least four {of} of five:\n{}",
        or_nothing(missed),
        or_nothing(reached)
    )
}

fn matrix(report: &Report) -> String {
    let topics = &report.seeds[0].topics;
    let head: String = topics.iter().map(|topic| format!("{topic:>13}")).collect();
    let row = |name: &str, values: &[f64]| -> String {
        let values: String = values.iter().map(|value| format!("{value:>13.3}")).collect();
        format!("  {name:<13}{values}\n")
    };
    let rows = figures::matrix(&report.seeds);
    let steered: String =
        topics.iter().zip(&rows).map(|(topic, values)| row(topic, values)).collect();
    format!(
        "Which feature is held (a row), and what is answered then:\n  {:<13}{head}\n{}{steered}",
        "",
        row("none", &figures::unsteered(&report.seeds))
    )
}

fn detection(report: &Report) -> String {
    let head = ["same", "other", "held-out", "same", "other", "held-out"];
    let head: String = head.iter().map(|name| format!("{name:>10}")).collect();
    let line = |(method, values): (String, [f64; 6])| -> String {
        let values: String = values.iter().map(|value| format!("{value:>10.3}")).collect();
        format!("  {method:<31}{values}\n")
    };
    let lines: String = figures::detection(&report.seeds).into_iter().map(line).collect();
    format!(
        "How well it tells neuroscience, and all topics on average, from the others (AUROC), in the same\n\
         language, the other language, and with held-out words:\n  {:<31}{head}\n{lines}",
        ""
    )
}

fn steering(report: &Report) -> String {
    let line = |row: figures::SteeredMean| {
        format!(
            "  {:<31}{:>9.2}{:>10.3}{:>10}{:>10.3}{:>10}{:>10}\n",
            row.method,
            row.strength,
            row.target,
            share(Some(row.flipped)),
            row.in_language,
            share(row.extra_nats),
            row.topic_words.map_or_else(|| "–".into(), |words| format!("{words:.0}")),
        )
    };
    let lines: String = figures::steered(&report.seeds).into_iter().map(line).collect();
    let head = ["strength", "P(neuro)", "flipped", "language", "extra", "words"];
    let head: String = head.iter().map(|name| format!("{name:>10}")).collect();
    let ranked = figures::ranked(&report.seeds);
    format!(
        "Ways to change the answer, each at the strength that was best on other questions and texts\n\
         (extra: how much more steered texts surprise the model as it is; words: of the topic, in 1000):\n  {:<30}{head}\n{lines}\n{ranked}",
        ""
    )
}

fn dose(report: &Report) -> String {
    let line = |row: figures::SteeredMean| {
        format!(
            "  {:>8.2}{:>10.3}{:>10.3}{:>10}{:>12.0}\n",
            row.strength,
            row.target,
            row.in_language,
            share(row.extra_nats),
            row.topic_words.unwrap_or(0.0),
        )
    };
    let lines: String = figures::dose(&report.seeds).into_iter().map(line).collect();
    let breaks: Vec<String> = report
        .seeds
        .iter()
        .map(|seed| seed.effects.breaks_at.map_or_else(|| "never".into(), |at| at.to_string()))
        .collect();
    format!(
        "More and less of the feature (1: as strong as ever in the corpus):\n  strength  P(neuro)  \
         language     extra  words/1000\n{lines}\nSteered texts surprise half as much again from this \
         strength on: {}\n",
        breaks.join(", ")
    )
}

fn seeds(report: &Report) -> String {
    let line = |seed: &ScienceReport| {
        let feature = &seed.features[NEUROSCIENCE];
        let grouping = seed.grouping.as_ref().map_or_else(String::new, |g| {
            format!(
                "; {} features with a topic: cosine {:.2} within, {:.2} between, p {:.3}, neighbours agree \
                 {:.2} (chance {:.2})",
                g.features, g.within, g.between, g.p_value, g.neighbours_agree, g.by_chance
            )
        });
        format!(
            "  seed {}: feature {} at strength {}, active on {:.1}% of tokens; autoencoder explains \
             {:.3}, {:.1} features a state, {:.0}% dead{grouping}\n",
            seed.seed,
            feature.feature,
            feature.strength,
            100.0 * feature.density,
            seed.autoencoder.explained_variance,
            seed.autoencoder.l0,
            100.0 * seed.autoencoder.dead,
        )
    };
    let lines: String = report.seeds.iter().map(line).collect();
    format!("Each seed:\n{lines}")
}

fn example(report: &Report) -> String {
    let first = &report.seeds[0];
    let mut out = String::from("Questions of the first seed that nothing was chosen by:\n");
    for example in &first.effects.examples {
        let says = |values: &[f64]| {
            let best = figures::likeliest(values);
            format!("{} ({:.2})", first.topics[best], values[best])
        };
        out += &format!(
            "  {}\n      as it is: {}   steered: {}\n",
            example.prompt,
            says(&example.before),
            says(&example.after)
        );
    }
    let [plain, steered] = first.effects.texts.each_ref().map(|text| text.replace('\n', "\n    "));
    out + &format!("\nA text as the model writes it:\n    {plain}\n\nand steered:\n    {steered}\n")
}
