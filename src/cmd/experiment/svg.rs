//! Drawings of the report, in the colours of the page they stand in.

use std::fmt::Write;

use crate::html::escaped;

fn open(width: f64, height: f64, label: &str) -> String {
    format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">", escaped(label))
}

fn text(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escaped(text))
}

/// A matrix, `rows` by `columns`; cells are as full as their values are from 0 to `most`.
pub(super) fn heat_map(
    rows: &[&str],
    columns: &[&str],
    values: &[Vec<f64>],
    (most, label): (f64, &str),
) -> String {
    let (left, top, width, height) = (110.0, 30.0, 100.0, 34.0);
    let size = (left + width * columns.len() as f64, top + height * rows.len() as f64 + 6.0);
    let mut out = open(size.0, size.1, label);
    for (j, column) in columns.iter().enumerate() {
        out += &text(left + width * (j as f64 + 0.5), top - 10.0, "middle", column);
    }
    for (i, row) in rows.iter().enumerate() {
        let y = top + height * i as f64;
        out += &text(left - 8.0, y + 22.0, "end", row);
        for (j, &value) in values[i].iter().enumerate() {
            let x = left + width * j as f64;
            let _ = write!(
                out,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" \
                 class=\"cell\" fill-opacity=\"{:.3}\"/>",
                width - 3.0,
                height - 3.0,
                0.05 + 0.85 * (value / most).clamp(0.0, 1.0)
            );
            out += &text(x + width / 2.0, y + 21.0, "middle", &format!("{value:.2}"));
        }
    }
    out + "</svg>"
}

/// Horizontal bars from 0 to 1, with a line at a limit.
pub(super) fn bars(rows: &[(String, f64)], limit: Option<f64>, label: &str) -> String {
    let (left, width, height) = (240.0, 360.0, 26.0);
    let bottom = height * rows.len() as f64 + 4.0;
    let mut out = open(left + width + 60.0, bottom + 4.0, label);
    for (i, (name, value)) in rows.iter().enumerate() {
        let y = height * i as f64 + 4.0;
        let length = width * value.clamp(0.0, 1.0);
        out += &text(left - 8.0, y + 15.0, "end", name);
        let class = if i == 0 { "bar first" } else { "bar" };
        let _ = write!(
            out,
            "<rect x=\"{left}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{:.1}\" rx=\"2\" \
             class=\"{class}\"/>",
            height - 7.0
        );
        out += &text(left + length + 6.0, y + 15.0, "start", &format!("{value:.3}"));
    }
    if let Some(limit) = limit {
        let x = left + width * limit;
        let _ = write!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{bottom:.1}\" class=\"limit\"/>"
        );
    }
    out + "</svg>"
}

/// Curves over places that are equally far from each other; values from 0 to 1.
pub(super) fn curves(places: &[String], curves: &[(&str, Vec<f64>)], label: &str) -> String {
    let (left, top, width, height) = (40.0, 12.0, 560.0, 220.0);
    let mut out = open(left + width + 170.0, top + height + 40.0, label);
    let x = |i: usize| left + width * i as f64 / (places.len().max(2) - 1) as f64;
    let y = |value: f64| top + height * (1.0 - value.clamp(0.0, 1.0));
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let at = y(tick);
        let _ = write!(
            out,
            "<line x1=\"{left}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" class=\"grid\"/>",
            left + width
        );
        out += &text(left - 6.0, at + 4.0, "end", &tick.to_string());
    }
    for (i, place) in places.iter().enumerate() {
        out += &text(x(i), top + height + 18.0, "middle", place);
    }
    out += &text(left + width / 2.0, top + height + 36.0, "middle", "strength");
    for (number, (name, values)) in curves.iter().enumerate() {
        let points: Vec<String> =
            values.iter().enumerate().map(|(i, &v)| format!("{:.1},{:.1}", x(i), y(v))).collect();
        let _ =
            write!(out, "<polyline points=\"{}\" class=\"curve c{number}\"/>", points.join(" "));
        let row = top + 16.0 + 20.0 * number as f64;
        let from = left + width + 12.0;
        let _ = write!(
            out,
            "<line x1=\"{from:.1}\" x2=\"{:.1}\" y1=\"{row:.1}\" y2=\"{row:.1}\" class=\"curve c{number}\"/>",
            from + 18.0
        );
        out += &text(from + 24.0, row + 4.0, "start", name);
    }
    out + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_are_whole_and_hold_their_figures() {
        let map = heat_map(&["a", "b<"], &["c"], &[vec![0.25], vec![1.0]], (1.0, "answers"));
        assert!(map.contains(">0.25</text>") && map.contains(">b&lt;</text>"), "{map}");
        let bars = bars(&[("one".into(), 0.5), ("two".into(), 7.0)], Some(0.8), "bars");
        // What is too long is cut at the end of the scale.
        assert!(bars.contains("width=\"180.0\"") && bars.contains("width=\"360.0\""), "{bars}");
        let curves = curves(&["0".into(), "1".into()], &[("p", vec![0.0, 1.0])], "curves");
        assert!(curves.contains("points=\"40.0,232.0 600.0,12.0\""), "{curves}");
        for drawing in [map, bars, curves] {
            assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>"));
            assert!(!drawing.contains("NaN"));
        }
    }
}
