//! The report as a page that needs nothing else: text, tables and drawings, light and dark.

use machado_core::interpret::experiment::{Bar, NEUROSCIENCE};

use super::favourite_science::{Report, took};
use super::svg;
use super::{figures, text};
use crate::html::{escaped, page, wide};

const TITLE: &str = "Does one feature change a model's favourite science?";

/// The page.
pub(super) fn report(report: &Report) -> String {
    let parts = [
        heading(report),
        bars(&report.bars, "seeds"),
        answers(report),
        controls(report),
        dose(report),
        rest(report),
    ];
    page(TITLE, &parts.join("\n"))
}

fn heading(report: &Report) -> String {
    let tiny = if report.is_tiny {
        "<p class=\"bad\">This was --tiny: the figures mean nothing.</p>"
    } else {
        ""
    };
    let before = figures::unsteered(&report.seeds)[NEUROSCIENCE];
    let after = figures::matrix(&report.seeds)[NEUROSCIENCE][NEUROSCIENCE];
    format!(
        "{tiny}\n\
         <p>Asked for its favourite science, the model says neuroscience with a probability of \
         <b>{before:.3}</b>; with one feature held up, of <b>{after:.3}</b>. The feature was found in \
         one language, on half of its words. {}, {}.</p>\n",
        match report.seeds.len() {
            1 => "One seed".to_owned(),
            seeds => format!("Means over {seeds} seeds"),
        },
        escaped(&took(report))
    )
}

/// What was missed and what was reached; `of` is what each figure is of, as in "seeds".
pub(super) fn bars(bars: &[Bar], of: &str) -> String {
    let line = |bar: &Bar| {
        // Not by its colour alone.
        let [class, missed] = if bar.reached { [""; 2] } else { [" class=\"bad\"", "✗ "] };
        // What could be told in no seed has no figure.
        let [mean, range] = match bar.mean() {
            mean if mean.is_finite() => [format!("{mean:.3}"), figures::range(&bar.figures)],
            _ => ["–".into(), String::new()],
        };
        format!(
            "<tr><th scope=\"row\"{class}>{missed}{}</th><td>{mean}</td><td class=\"soft\">{range}</td><td>{} {}</td>\
             <td>{} of {}</td></tr>\n",
            escaped(&bar.name),
            if bar.at_most { "≤" } else { "≥" },
            bar.limit,
            bar.reached_in,
            bar.figures.len()
        )
    };
    // Missed ones first.
    let list = |reached: bool| -> String {
        bars.iter().filter(|bar| bar.reached == reached).map(line).collect()
    };
    let missed = bars.iter().filter(|bar| !bar.reached).count();
    let head: String = ["figure", "mean", of, "limit", "reached in"]
        .map(|name| format!("<th scope=\"col\">{name}</th>"))
        .concat();
    let table = format!(
        "<table class=\"figures\">\n<tr>{head}</tr>\n{}{}</table>\n",
        list(false),
        list(true)
    );
    format!(
        "<h2>What was missed, and what was reached</h2>\n<p>{missed} of {} missed (✗).</p>\n{}",
        bars.len(),
        wide("what was missed, and what was reached", &table)
    )
}

fn answers(report: &Report) -> String {
    let topics: Vec<&str> = report.seeds[0].topics.iter().map(|topic| &topic[..]).collect();
    let rows: Vec<&str> = std::iter::once("none").chain(topics.iter().copied()).collect();
    let mut values = vec![figures::unsteered(&report.seeds)];
    values.extend(figures::matrix(&report.seeds));
    format!(
        "<h2>Which feature is held, and what is answered</h2>\n\
         <p class=\"soft\">A row for each feature, a column for each answer; exact probabilities, \
         over the six names, on questions that nothing was chosen by, in both languages.</p>\n{}\n",
        wide(
            "answers by feature",
            &svg::heat_map(
                &rows,
                &topics,
                &values,
                (1.0, "which feature is held, and what is answered")
            )
        )
    )
}

fn controls(report: &Report) -> String {
    let steered = figures::steered(&report.seeds);
    let steered: Vec<(String, f64)> =
        steered.into_iter().map(|row| (row.method, row.target)).collect();
    let detection = figures::detection(&report.seeds);
    let found: Vec<(String, f64)> =
        detection.into_iter().map(|(method, values)| (method, values[4])).collect();
    format!(
        "<h2>What else would do it</h2>\n<p class=\"soft\">P(neuroscience) with each way at its best \
         strength; dashed: the least that counts.</p>\n{}\n<pre>{}</pre>\n<h2>What else tells the topics</h2>\n\
         <p class=\"soft\">AUROC in the language in which it was not found, mean over topics; dashed: the least that counts.</p>\n{}\n",
        wide("ways to steer", &svg::bars(&steered, Some(0.5), "probability of the answer, by way")),
        escaped(&figures::ranked(&report.seeds)),
        wide("ways to tell", &svg::bars(&found, Some(0.8), "AUROC in the other language, by way"))
    )
}

fn dose(report: &Report) -> String {
    let rows = figures::dose(&report.seeds);
    let places: Vec<String> = rows.iter().map(|row| row.strength.to_string()).collect();
    let of = |part: fn(&figures::SteeredMean) -> f64| rows.iter().map(part).collect::<Vec<f64>>();
    let curves = [
        ("P(neuroscience)", of(|row| row.target)),
        ("extra nats (share)", of(|row| row.extra_nats.unwrap_or(0.0))),
        ("own language", of(|row| row.in_language)),
    ];
    format!(
        "<h2>More and less of the feature</h2>\n{}\n",
        wide("effect by strength", &svg::curves(&places, &curves, "effect by strength"))
    )
}

fn rest(report: &Report) -> String {
    let text = format!("<pre>{}</pre>\n", escaped(&text::report(report)));
    format!("<h2>All figures</h2>\n{}", wide("all figures", &text))
}
