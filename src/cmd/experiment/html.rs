//! The report as a page that needs nothing else: text, tables and drawings, light and dark.

use machado_core::interpret::experiment::{Bar, NEUROSCIENCE};

use super::favourite_science::{Report, took};
use super::svg;
use super::{figures, text};
use crate::html::escaped;

const STYLE: &str = "\
:root{--bg:#fff;--fg:#1c1f24;--soft:#667;--line:#d8dce2;--a:#1668c4;--b:#c4571a;--c:#2c8a4b;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--bg:#15181e;--fg:#e6e9ee;--soft:#9aa3af;--line:#2b313b;\
--a:#6cb8ff;--b:#ff9f43;--c:#6fdc9c;--bad:#ff8a80}}\
body{background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif;max-width:52rem;\
margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
td,th{border-bottom:1px solid var(--line);padding:.25rem .5rem;text-align:right}\
td:first-child,th:first-child{text-align:left}\
.bad{color:var(--bad);font-weight:600}.soft{color:var(--soft)}\
svg{width:100%;height:auto;font:13px system-ui,sans-serif}svg text{fill:var(--fg)}\
.cell,.first{fill:var(--a)}.bar{fill:var(--soft)}.bar.first{fill:var(--a)}\
.grid{stroke:var(--line)}.limit{stroke:var(--b);stroke-dasharray:4 3}\
.curve{fill:none;stroke-width:2.5}.c0{stroke:var(--a)}.c1{stroke:var(--b)}.c2{stroke:var(--c)}\
pre{white-space:pre-wrap;border-left:3px solid var(--line);padding-left:1rem;overflow-x:auto}";

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
    page("Does one feature change a model's favourite science?", &parts.join("\n"))
}

/// A page that needs nothing else.
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n<body>\n{body}</body></html>\n",
        escaped(title)
    )
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
        "<h1>Does one feature change a model's favourite science?</h1>{tiny}\n\
         <p>Asked for its favourite science, the model says neuroscience with a probability of \
         <b>{before:.3}</b>; with one feature held up, of <b>{after:.3}</b>. The feature was found in \
         one language, on half of its words. Means over {} seeds, {}.</p>\n",
        report.seeds.len(),
        escaped(&took(report))
    )
}

/// What was missed and what was reached; `of` is what each figure is of, as in "seeds".
pub(super) fn bars(bars: &[Bar], of: &str) -> String {
    let line = |bar: &Bar| {
        let class = if bar.reached { "" } else { " class=\"bad\"" };
        format!(
            "<tr><td{class}>{}</td><td>{:.3}</td><td class=\"soft\">{}</td><td>{} {}</td>\
             <td>{} of {}</td></tr>\n",
            escaped(&bar.name),
            bar.mean(),
            figures::range(&bar.figures),
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
    format!(
        "<h2>What was missed, and what was reached</h2>\n<p>{missed} of {} missed.</p>\n<table><tr>\
         <th>figure</th><th>mean</th><th>{of}</th><th>limit</th><th>reached in</th></tr>\n{}{}</table>\n",
        bars.len(),
        list(false),
        list(true)
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
        svg::heat_map(
            &rows,
            &topics,
            &values,
            (1.0, "which feature is held, and what is answered")
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
         strength.</p>\n{}\n<pre>{}</pre>\n<h2>What else tells the topics</h2>\n\
         <p class=\"soft\">AUROC in the language in which it was not found, mean over topics.</p>\n{}\n",
        svg::bars(&steered, Some(0.5), "probability of the answer, by way"),
        escaped(&figures::ranked(&report.seeds)),
        svg::bars(&found, Some(0.8), "AUROC in the other language, by way")
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
        svg::curves(&places, &curves, "effect by strength")
    )
}

fn rest(report: &Report) -> String {
    format!("<h2>All figures</h2>\n<pre>{}</pre>\n", escaped(&text::report(report)))
}
