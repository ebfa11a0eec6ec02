//! The report as a page: tables, drawings, and what was written.

use machado_core::interpret::experiment::ConceptReport;

use super::{Report, text};
use crate::cmd::experiment::html::bars;
use crate::cmd::experiment::svg;
use crate::html::{escaped, page, wide};

/// The page.
pub(super) fn report(report: &Report<'_>) -> String {
    let title = "Does a model have features of the concepts of its text?";
    let paragraphs: String = text::heading(report)
        .split("\n\n")
        .map(|part| format!("<p>{}</p>\n", escaped(part)))
        .collect();
    let parts = [
        paragraphs,
        bars(&report.bars, "concepts"),
        crossed(report),
        ways(report),
        examples(report),
        format!("<h2>All figures</h2>\n<pre>{}</pre>\n", escaped(&text::report(report))),
    ];
    page(title, &parts.join("\n"))
}

fn crossed(report: &Report<'_>) -> String {
    let concepts = &report.figures.concepts;
    let names: Vec<&str> = concepts.iter().map(|one| &one.name[..]).collect();
    let with_none: Vec<&str> = std::iter::once("none").chain(names.iter().copied()).collect();
    let mut rates = vec![concepts.iter().map(|one| one.unsteered_per_thousand_words).collect()];
    rates.extend(report.figures.rates.iter().cloned());
    let map = |rows: &[&str], values: &[Vec<f64>], (least, label): (f64, &str)| {
        // Where nothing happens, nothing should glow.
        let most = values.iter().flatten().copied().fold(least, f64::max);
        wide(label, &svg::heat_map(rows, &names, values, (most, label)))
    };
    format!(
        "<h2>Whose feature is held, and what is written</h2>\n<p class=\"soft\">A row for each feature, \
         a column for each concept: its words in a thousand that are written.</p>\n{}\n\
         <p class=\"soft\">And the nats that the words gain after the prompts, beyond words as long and as \
         frequent.</p>\n{}\n",
        map(&with_none, &rates, (5.0, "words of each concept written")),
        map(&names, &report.figures.scores, (1.0, "nats gained by the words of each concept"))
    )
}

fn ways(report: &Report<'_>) -> String {
    let one = |concept: &ConceptReport| {
        let row = |way: &machado_core::interpret::experiment::Did| {
            format!(
                "<tr><th scope=\"row\">{}</th><td>{:.2}</td><td>{:+.2}</td><td>{:.1}</td><td>{:.0}%</td><td>{:.0}%</td></tr>\n",
                escaped(&way.method),
                way.strength,
                way.score,
                way.per_thousand_words,
                100.0 * way.extra_nats,
                100.0 * way.known_words
            )
        };
        let rows: String = concept.ways.iter().map(row).collect();
        let head: String =
            ["way", "strength", "score", "words in 1000", "extra nats", "known words"]
                .map(|name| format!("<th scope=\"col\">{name}</th>"))
                .concat();
        let table = format!("<table class=\"figures\">\n<tr>{head}</tr>\n{rows}</table>\n");
        format!(
            "<h3>{}</h3>\n<p class=\"soft\">Feature {}, AUROC {:.3}; p {:.3}, for all concepts together \
             {:.3}. Unsteered: {:.1} words in a thousand.</p>\n{}",
            escaped(&concept.name),
            concept.feature,
            concept.knows.auroc,
            concept.p_value,
            concept.p_value_holm,
            concept.unsteered_per_thousand_words,
            wide(&format!("ways to steer to {}", concept.name), &table)
        )
    };
    let all: String = report.figures.concepts.iter().map(one).collect();
    format!("<h2>Ways to steer</h2>\n{all}")
}

fn examples(report: &Report<'_>) -> String {
    let one = |concept: &ConceptReport| {
        let [prompt, plain, steered] = concept.example.each_ref().map(|text| escaped(text));
        format!(
            "<h3>{}</h3>\n<p class=\"soft\">As it is</p>\n<pre><span class=\"soft\">{prompt}</span>{plain}</pre>\n\
             <p class=\"soft\">With feature {} held</p>\n\
             <pre><span class=\"soft\">{prompt}</span>{steered}</pre>\n",
            escaped(&concept.name),
            concept.feature
        )
    };
    let all: String = report.figures.concepts.iter().map(one).collect();
    format!("<h2>What is written</h2>\n{all}")
}
