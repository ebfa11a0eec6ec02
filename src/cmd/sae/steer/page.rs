//! The figures of a steered feature as a page with curves, which needs no other file.

use std::fmt::Write;

use machado_core::interpret::{Dose, Effect};

use super::report::{COLUMNS, Report, name_of};
use crate::html::{escaped, page, wide};

/// Sizes of a chart, and of the space for its axes.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 258.0;
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 42.0;
const MARGIN: f64 = 10.0;

/// The whole page.
pub(super) fn html(report: &Report<'_>) -> String {
    let title = format!("Steering feature {}", report.args.feature);
    let paragraphs = |lines: Vec<String>| -> String {
        lines.iter().map(|line| format!("<p>{}</p>\n", escaped(line))).collect()
    };
    let examples: String = report
        .examples()
        .into_iter()
        .map(|(name, [prompt, text])| {
            let (prompt, text) = (escaped(prompt), escaped(text));
            format!(
                "<h3>{}</h3>\n<blockquote lang=\"\"><span class=\"soft\">{prompt}</span>{text}</blockquote>\n",
                escaped(&name)
            )
        })
        .collect();
    let body = format!(
        "{}<h2>What follows</h2>\n{}\n<h2>Over the strength</h2>\n<div class=\"charts\">\n{}</div>\n\
         <p><small>Hollow: the text is broken (there is no score then). Orange: the controls at the best strength. Dotted: \
         unsteered. Dashed: where text counts as broken.</small></p>\n\
         <h2>All figures</h2>\n{}<h2>What it writes</h2>\n{examples}",
        paragraphs(report.head()),
        paragraphs(report.findings()),
        charts(report),
        wide("all figures", &table(report)),
    );
    page(&title, &body)
}

/// One figure over the strength.
struct Chart<'a> {
    name: &'a str,
    explained: &'a str,
    figure: fn(&Effect) -> f64,
    /// Without steering.
    unsteered: f64,
    /// Where text counts as broken.
    limit: Option<f64>,
    /// Whether it says something where the text is broken.
    of_broken: bool,
}

fn charts(report: &Report<'_>) -> String {
    let unsteered = &report.response.unsteered;
    let charts = [
        Chart {
            name: "Score",
            explained: "how much likelier the words become, beyond words like them, in nats",
            figure: |effect| effect.exact.output_score(),
            unsteered: 0.0,
            limit: None,
            of_broken: false,
        },
        Chart {
            name: "Concept",
            explained: "how often it comes in a thousand words that are written",
            figure: |effect| effect.sampled.concept_per_thousand_words(),
            unsteered: unsteered.concept_per_thousand_words(),
            limit: None,
            of_broken: true,
        },
        Chart {
            name: "Surprise",
            explained: "nats per token of what is written, to the unsteered model",
            figure: |effect| effect.sampled.nats_per_token,
            unsteered: unsteered.nats_per_token,
            limit: Some(1.25 * unsteered.nats_per_token),
            of_broken: true,
        },
        Chart {
            name: "Known words",
            explained: "the share of the written words that the text has",
            figure: |effect| effect.sampled.known_words,
            unsteered: unsteered.known_words,
            limit: Some(0.8 * unsteered.known_words),
            of_broken: true,
        },
    ];
    charts.iter().map(|chart| chart.drawn(report)).collect()
}

impl Chart<'_> {
    fn drawn(&self, report: &Report<'_>) -> String {
        let shown = |effect: &Effect| self.of_broken || !report.is_broken(effect);
        let all = &report.response.doses;
        let doses: Vec<&Dose> = all.iter().filter(|dose| shown(&dose.effect)).collect();
        let controls: Vec<(f64, f64, String)> = report
            .compared
            .iter()
            .flat_map(|compared| {
                let at = f64::from(compared.strength);
                let each = compared.controls.iter().filter(|c| shown(&c.effect));
                each.map(move |c| (at, (self.figure)(&c.effect), name_of(&c.kind)))
            })
            .collect();
        let values = doses.iter().map(|dose| (self.figure)(&dose.effect));
        let values = values.chain(controls.iter().map(|(_, y, _)| *y));
        let y = Axis::fitted(
            values.chain([self.unsteered]).chain(self.limit),
            [HEIGHT - BOTTOM, MARGIN],
        );
        let strengths = all.iter().map(|dose| f64::from(dose.strength));
        let x = Axis::fitted(strengths, [LEFT, WIDTH - MARGIN]);
        let point = |dose: &Dose| (x.at(dose.strength.into()), y.at((self.figure)(&dose.effect)));
        let mut svg = frame(&x, &y);
        let mut level = |value: f64, class: &str| {
            let (y, right) = (y.at(value), WIDTH - MARGIN);
            let _ = write!(svg, "<path class=\"{class}\" d=\"M{LEFT} {y:.1}H{right}\"/>");
        };
        level(self.unsteered, "none");
        self.limit.into_iter().for_each(|limit| level(limit, "limit"));
        let path: Vec<String> =
            doses.iter().map(|dose| point(dose)).map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        if !path.is_empty() {
            let _ = write!(svg, "<path class=\"curve c0\" d=\"M{}\"/>", path.join("L"));
        }
        for dose in &doses {
            let class = if dose.is_broken { "broken" } else { "dot" };
            let tip = format!("{}: {:.3}", dose.strength, (self.figure)(&dose.effect));
            svg.push_str(&dot(point(dose), class, &tip));
        }
        for (strength, value, name) in &controls {
            let tip = format!("{name}: {value:.3}");
            svg.push_str(&dot((x.at(*strength), y.at(*value)), "control", &tip));
        }
        format!(
            "<figure><figcaption>{}</figcaption><small>{}</small>\n\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}: {}\">{svg}</svg></figure>\n",
            self.name, self.explained, self.name, self.explained
        )
    }
}

fn dot((x, y): (f64, f64), class: &str, tip: &str) -> String {
    let tip = escaped(tip);
    format!(
        "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{tip}</title></circle>"
    )
}

/// Lines and numbers of the axes.
fn frame(x: &Axis, y: &Axis) -> String {
    let mut svg = String::new();
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - MARGIN);
    for value in y.ticks() {
        let (at, left) = (y.at(value), LEFT - 6.0);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/>\
             <text class=\"tick\" x=\"{left}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            at + 4.0,
            tick(value),
        );
    }
    for value in x.ticks() {
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x.at(value),
            bottom + 17.0,
            tick(value),
        );
    }
    let _ = write!(
        svg,
        "<text class=\"tick\" x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">strength</text>",
        bottom + 34.0
    );
    svg
}

fn tick(value: f64) -> String {
    // Sums of steps have crumbs in their last places.
    let rounded = (value * 1e6).round() / 1e6;
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

/// A stretch of numbers on a stretch of the drawing.
struct Axis {
    from: f64,
    to: f64,
    /// Where the two lie.
    ends: [f64; 2],
}

impl Axis {
    fn fitted(values: impl Iterator<Item = f64>, ends: [f64; 2]) -> Self {
        let fold = |(from, to): (f64, f64), value: f64| (from.min(value), to.max(value));
        let all = (f64::INFINITY, f64::NEG_INFINITY);
        let (from, to) = values.filter(|value| value.is_finite()).fold(all, fold);
        // A single value has no stretch of its own.
        let (from, to) = match to - from {
            width if width > 0.0 => (from - 0.04 * width, to + 0.04 * width),
            _ if from.is_finite() => (from - 1.0, to + 1.0),
            _ => (0.0, 1.0),
        };
        Self { from, to, ends }
    }

    fn at(&self, value: f64) -> f64 {
        let [begin, end] = self.ends;
        let value = if value.is_finite() { value } else { self.to };
        begin + (value - self.from) / (self.to - self.from) * (end - begin)
    }

    /// Four to nine round numbers.
    fn ticks(&self) -> Vec<f64> {
        let width = self.to - self.from;
        let decade = 10f64.powf((width / 4.0).log10().floor());
        let step = [5.0, 2.0, 1.0].map(|n| n * decade).into_iter().find(|step| width / step >= 4.0);
        let step = step.unwrap_or(decade);
        let first = (self.from / step).ceil() as i64;
        (first..).map(|n| n as f64 * step).take_while(|value| *value <= self.to).collect()
    }
}

fn table(report: &Report<'_>) -> String {
    let head: String =
        COLUMNS.iter().map(|column| format!("<th scope=\"col\">{column}</th>")).collect();
    let row = |(name, cells): (String, Vec<String>)| {
        let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", escaped(&name))
    };
    let rows: String = report.rows().into_iter().map(row).collect();
    format!(
        "<table class=\"figures\">\n<tr><th scope=\"col\">strength</th>{head}</tr>\n{rows}</table>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers_within_their_ends() {
        let ticks = |values: &[f64]| {
            let axis = Axis::fitted(values.iter().copied(), [0.0, 100.0]);
            axis.ticks().into_iter().map(tick).collect::<Vec<_>>()
        };
        assert_eq!(ticks(&[-2.0, 10.0]), ["-2", "0", "2", "4", "6", "8", "10"]);
        assert_eq!(ticks(&[0.5]), ["-0.5", "0", "0.5", "1", "1.5"]);
        assert_eq!(
            ticks(&[0.71, 0.74]),
            ["0.71", "0.715", "0.72", "0.725", "0.73", "0.735", "0.74"]
        );
        assert!(ticks(&[f64::INFINITY]).len() > 3);
        let axis = Axis::fitted([0.0, 1.0].into_iter(), [100.0, 0.0]);
        assert!((axis.at(0.5) - 50.0).abs() < 1e-9 && axis.at(1.0) < axis.at(0.0));
    }

    #[test]
    fn text_cannot_become_tags() {
        assert_eq!(escaped("<b a=\"1\"> & é"), "&lt;b a=&quot;1&quot;&gt; &amp; é");
    }
}
