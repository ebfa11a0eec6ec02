//! Draws training curves on a dark background, as SVG and PNG.

use std::fmt::Write;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use kuva::backend::{png::PngBackend, svg::SvgBackend};
use kuva::plot::{LegendEntry, LegendPosition, LegendShape, LinePlot, MarkerShape, ScatterPlot};
use kuva::render::layout::{AxisLabelOverlap, ComputedLayout, Layout, TickFormat};
use kuva::render::{annotations::TextAnnotation, plots::Plot, render::render_multiple};
use kuva::render::{render_utils::compute_tick_step, theme::Theme};

use crate::html::escaped;

/// Width of a drawing in SVG units; the PNG has [`PNG_SCALE`] times as many pixels.
pub const WIDTH: f64 = 1000.0;
/// Height of a drawing in SVG units; the PNG has [`PNG_SCALE`] times as many pixels.
pub const HEIGHT: f64 = 600.0;
/// PNG pixels per SVG unit: two, so that text stays sharp on dense screens.
pub const PNG_SCALE: f64 = 2.0;

const BACKGROUND: &str = "#15181e";
/// About how many ticks an axis has.
const TICKS: usize = 6;
/// A finite value beyond this (a diverged loss) would overflow while scaling the axis.
const LARGEST_VALUE: f64 = 1e100;
/// More points than this cannot be told apart, and only make the SVG large.
const MOST_POINTS: usize = 4000;

/// How the points of a curve are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurveStyle {
    /// A thin line, for many points; the first such curve is light blue.
    Line,
    /// A line with a dot on each point, for few points; the first such curve is orange.
    LineWithMarkers,
}

/// One curve.
#[derive(Debug, Clone)]
pub struct Curve {
    /// Name in the legend.
    pub label: String,
    /// The points (x, y), joined in this order; those that are not finite are skipped.
    pub points: Vec<(f64, f64)>,
    /// How the points are shown; also decides the color.
    pub style: CurveStyle,
}

/// Everything shown in one drawing. Overlong texts are cut.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Text above the curves.
    pub title: String,
    /// Text below the horizontal axis.
    pub x_label: String,
    /// Text beside the vertical axis.
    pub y_label: String,
    /// The curves; later ones are drawn over earlier ones.
    pub curves: Vec<Curve>,
}

/// A chart in both output formats.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// A complete SVG document.
    pub svg: String,
    /// The bytes of a PNG file.
    pub png: Vec<u8>,
}

/// The part of the number line that an axis shows, and the distance between its ticks.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

/// Draws `chart` on a dark background. Returns the SVG text and the PNG bytes.
pub fn draw(chart: &Chart) -> Result<Drawing> {
    let mut line_colors = ["#6cb8ff", "#6fdc9c", "#c3a6ff"].into_iter().cycle();
    let mut marker_colors = ["#ff9f43", "#ff7eb0", "#ffe066"].into_iter().cycle();
    // kuva draws no axes around no plots, so there is always an empty one.
    let mut plots = vec![Plot::Line(LinePlot::new())];
    let (mut legend, mut all_points) = (Vec::new(), Vec::new());
    for curve in &chart.curves {
        let points = drawable_points(&curve.points);
        let (next_color, line_width, dot_radius, shape) = match curve.style {
            // A line through a single point has no length; a dot shows it.
            CurveStyle::Line if points.len() == 1 => {
                (line_colors.next(), 1.5, 3.0, LegendShape::Line)
            }
            CurveStyle::Line => (line_colors.next(), 1.5, 0.0, LegendShape::Line),
            CurveStyle::LineWithMarkers => {
                (marker_colors.next(), 2.0, 4.5, LegendShape::Marker(MarkerShape::Circle))
            }
        };
        let color = next_color.expect("cycling over colors never ends");
        let line = LinePlot::new().with_data(points.clone()).with_color(color);
        plots.push(Plot::Line(line.with_stroke_width(line_width)));
        if dot_radius > 0.0 {
            let dots = ScatterPlot::new().with_data(points.clone()).with_color(color);
            plots.push(Plot::Scatter(dots.with_size(dot_radius)));
        }
        let label = printable(&curve.label, 40);
        legend.push(LegendEntry { label, color: color.into(), shape, dasharray: None });
        all_points.extend(points);
    }
    let scene = render_multiple(plots, layout(chart, legend, all_points));
    // kuva sets no view box, so the drawing could not be resized; the style darkens the rest of the
    // window when a browser opens the file alone, and fits the drawing to a narrow one.
    let root = format!(
        r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" style="background:{BACKGROUND};max-width:100%;height:auto" role="img" aria-label="{}" "#,
        described(chart)
    );
    let svg = SvgBackend::new().render_scene(&scene).replacen("<svg ", &root, 1);
    let png = PngBackend::new().with_scale(PNG_SCALE as f32).render_scene(&scene);
    let png = png.map_err(|message| anyhow!("cannot draw the chart as PNG: {message}"))?;
    Ok(Drawing { svg, png })
}

/// The chart in words, for who cannot see it: its title, and where each curve begins and ends.
fn described(chart: &Chart) -> String {
    let mut words = printable(&chart.title, 75);
    for curve in &chart.curves {
        let points = drawable_points(&curve.points);
        if let (Some(first), Some(last)) = (points.first(), points.last()) {
            let name = printable(&curve.label, 40);
            let _ = write!(
                words,
                "; {name} from {:.4} at {} to {:.4} at {}",
                first.1, first.0, last.1, last.0
            );
        }
    }
    escaped(&words)
}

/// Colors, texts, and axes that fit `points`.
fn layout(chart: &Chart, legend: Vec<LegendEntry>, points: Vec<(f64, f64)>) -> Layout {
    let (steps, values): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
    let (x, y) = (fitted_axis(&steps, 0.02, true), fitted_axis(&values, 0.06, false));
    let grid_color = "#2b313b".into();
    let theme = Theme { background: BACKGROUND.into(), grid_color, ..Theme::dark() };
    let mut layout = Layout::new((x.low, x.high), (y.low, y.high))
        .with_width(WIDTH)
        .with_height(HEIGHT)
        .with_theme(theme)
        .with_title(printable(&chart.title, 75))
        .with_x_label(printable(&chart.x_label, 90))
        .with_y_label(printable(&chart.y_label, 45))
        .with_x_label_offset(0.0, -5.0)
        .with_title_size(21)
        .with_label_size(16)
        .with_tick_size(14)
        .with_body_size(15)
        .with_legend_entries(legend)
        .with_legend_position(LegendPosition::OutsideBottomColumns)
        .with_legend_box(false)
        .with_x_tick_step(x.step)
        .with_ticks(TICKS)
        .with_x_tick_format(tick_format(&x))
        .with_y_tick_format(tick_format(&y))
        .with_x_label_overlap(AxisLabelOverlap::Thin)
        // Without these, kuva would round the ranges outwards to the next tick.
        .with_x_axis_min(x.low)
        .with_x_axis_max(x.high)
        .with_y_axis_min(y.low)
        .with_y_axis_max(y.high);
    if values.is_empty() {
        let middle = ((x.low + x.high) / 2.0, (y.low + y.high) / 2.0);
        let note = TextAnnotation::new("no data yet", middle.0, middle.1).with_font_size(20);
        layout = layout.with_show_grid(false).with_annotation(note);
    }
    // kuva leaves the vertical label and the last tick too close to the edges.
    let frame = ComputedLayout::from_layout(&layout);
    layout.with_force_margins(frame.margin_left + 10.0, frame.margin_right + 8.0)
}

/// The points that can be drawn; of too many, the lowest and highest of each group.
fn drawable_points(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let drawable = |&(x, y): &(f64, f64)| x.abs() <= LARGEST_VALUE && y.abs() <= LARGEST_VALUE;
    let points: Vec<(f64, f64)> = points.iter().copied().filter(drawable).collect();
    if points.len() <= MOST_POINTS {
        return points;
    }
    // Extremes rather than means, so that spikes stay visible.
    let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
    let groups = points.chunks(points.len().div_ceil(MOST_POINTS / 2));
    let extremes =
        groups.map(|group| [group.iter().min_by(by_height), group.iter().max_by(by_height)]);
    extremes.flatten().flatten().copied().collect()
}

/// Cuts `text` to `most` characters, and keeps it from breaking the SVG.
fn printable(text: &str, most: usize) -> String {
    let mut kept: String = text.chars().take(most).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    // XML forbids control characters; kuva would read text between two `$` as a formula.
    kept.replace(char::is_control, " ").replace('$', "\\$")
}

/// An axis that shows all `values`, with a share `room` of their span free at each end.
/// With `prefer_whole`, it ticks only whole numbers if all values are whole.
fn fitted_axis(values: &[f64], room: f64, prefer_whole: bool) -> Axis {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let size = lowest.abs().max(highest.abs());
    let (low, high) = if values.is_empty() || size < 1.0 / LARGEST_VALUE {
        (-room, 1.0 + room)
    } else if highest - lowest > 1e-9 * size {
        let margin = (highest - lowest) * room;
        (lowest - margin, highest + margin)
    } else {
        // Equal values span nothing, which cannot be scaled to the size of the drawing.
        (lowest - 0.1 * size, highest + 0.1 * size)
    };
    let mut step = compute_tick_step(low, high, TICKS);
    let whole = prefer_whole && values.iter().all(|value| value.fract() == 0.0);
    if whole && step.fract() != 0.0 {
        // The only tick steps with a fraction are 2.5 and those below one.
        step = if step < 1.0 { 1.0 } else { 5.0 };
    }
    Axis { low, high, step }
}

/// Writes tick values with just the decimals that tell them apart.
fn tick_format(axis: &Axis) -> TickFormat {
    if !(1e-3..1e9).contains(&axis.low.abs().max(axis.high.abs())) {
        // kuva would write the noise in the last digits, as in 3.0000000000000003e-4.
        let rounded = |value: f64| format!("{value:.6e}").parse().unwrap_or(value);
        return TickFormat::Custom(Arc::new(move |value| TickFormat::Sci.format(rounded(value))));
    }
    let is_exact = |decimals: &i32| {
        let scaled = axis.step * 10f64.powi(*decimals);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    };
    let decimals = (0..12).find(is_exact).unwrap_or(12) as usize;
    TickFormat::Custom(Arc::new(move |value| {
        let mut text = format!("{value:.decimals$}");
        let (start, mut comma) = (usize::from(value < 0.0), text.find('.').unwrap_or(text.len()));
        while comma > start + 3 {
            comma -= 3;
            text.insert(comma, ',');
        }
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(label: &str, points: Vec<(f64, f64)>, style: CurveStyle) -> Curve {
        Curve { label: label.into(), points, style }
    }

    fn chart(curves: Vec<Curve>) -> Chart {
        Chart {
            title: "perda de validação".into(),
            x_label: "passo".into(),
            y_label: "perda".into(),
            curves,
        }
    }

    /// Draws the curves, checks what holds for every drawing, and returns the SVG.
    fn drawn(chart: &Chart) -> String {
        let drawing = draw(chart).expect("every chart can be drawn");
        assert!(drawing.png.starts_with(b"\x89PNG\r\n\x1a\n"));
        let pixels = |at: usize| {
            let bytes = drawing.png[at..at + 4].try_into().expect("a PNG header is longer");
            f64::from(u32::from_be_bytes(bytes))
        };
        assert_eq!((pixels(16), pixels(20)), (WIDTH * PNG_SCALE, HEIGHT * PNG_SCALE));
        assert!(drawing.svg.starts_with("<svg ") && drawing.svg.ends_with("</svg>"));
        assert!(drawing.svg.contains(r#"viewBox="0 0 1000 600""#));
        assert!(!drawing.svg.contains("NaN") && !drawing.svg.contains("inf"));
        // Without ticks, an axis would be of no use.
        assert!(drawing.svg.matches("<text").count() >= 4, "too few texts: {}", drawing.svg);
        drawing.svg
    }

    /// Draws `points` alone, as curves of both styles.
    fn drawn_alone(points: &[(f64, f64)]) -> String {
        let styles = [CurveStyle::Line, CurveStyle::LineWithMarkers];
        drawn(&chart(styles.map(|style| curve("treino", points.to_vec(), style)).to_vec()))
    }

    fn has_text(svg: &str, text: &str) -> bool {
        svg.contains(&format!(">{text}</text>"))
    }

    #[test]
    fn shows_texts_and_both_curves() {
        let svg = drawn(&chart(vec![
            curve("treino", (0..200).map(|i| (f64::from(i), 3.2)).collect(), CurveStyle::Line),
            curve("validação", vec![(50.0, 2.5), (150.0, 2.0)], CurveStyle::LineWithMarkers),
        ]));
        for text in ["perda de validação", "passo", "perda", "treino", "validação", "3.0"] {
            assert!(has_text(&svg, text), "{text} is missing");
        }
        assert!(svg.contains("#6cb8ff") && svg.contains("#ff9f43") && svg.contains(BACKGROUND));
        assert!(!svg.contains("no data yet"));
    }

    #[test]
    fn says_when_there_is_no_data() {
        let nothing = vec![(f64::NAN, 1.0), (1.0, f64::INFINITY)];
        for curves in [vec![], vec![curve("treino", nothing, CurveStyle::Line)]] {
            assert!(has_text(&drawn(&chart(curves)), "no data yet"));
        }
    }

    #[test]
    fn draws_few_or_equal_points() {
        let lone = curve("treino", vec![(100.0, 3.2)], CurveStyle::Line);
        assert!(drawn(&chart(vec![lone])).contains("<circle"), "a lone point is invisible");
        drawn_alone(&[(100.0, 3.2)]);
        assert!(has_text(&drawn_alone(&[(0.0, 0.0)]), "0.2"));
        drawn_alone(&[(5.0, 2.3), (5.0, 2.3)]);
        drawn_alone(&[(0.0, -1.0), (1.0, -1.0)]);
        drawn_alone(&[(1.0, f64::MIN_POSITIVE), (2.0, f64::from_bits(1))]);
        drawn_alone(&[(1.0, 0.1 + 0.2), (2.0, 0.3)]);
    }

    #[test]
    fn skips_points_that_cannot_be_drawn() {
        let svg = drawn_alone(&[
            (0.0, 1.0),
            (f64::NEG_INFINITY, 9.0),
            (10.0, f64::NAN),
            (20.0, f64::MAX),
            (30.0, 2.0),
        ]);
        assert!(has_text(&svg, "2.0") && !has_text(&svg, "9.0"));
    }

    #[test]
    fn ticks_suit_the_values() {
        let long_run = drawn_alone(&[(1.0, 3.2), (312_460.0, 1.6)]);
        assert!(has_text(&long_run, "300,000"));
        let short_run = drawn_alone(&[(0.0, 0.1), (3.0, 0.9)]);
        assert!(has_text(&short_run, "2") && !has_text(&short_run, "1.5"));
        let diverged = drawn_alone(&[(0.0, 3.0), (1000.0, 1e30)]);
        assert!(has_text(&diverged, "1e30"));
        let small = drawn_alone(&[(0.0, 3e-4), (1000.0, 0.0)]);
        assert!(has_text(&small, "3e-4"));
        let narrow = drawn_alone(&[(0.0, 1.6012), (1000.0, 1.6017)]);
        assert!(has_text(&narrow, "1.6013"));
        let negative = drawn_alone(&[(0.0, -123_456.0), (1000.0, -654_321.0)]);
        assert!(has_text(&negative, "-200,000"));
    }

    #[test]
    fn thins_many_points_but_keeps_spikes() {
        let mut points: Vec<(f64, f64)> =
            (0..312_460).map(|step| (f64::from(step), 1.0 + f64::from(step % 7) * 0.01)).collect();
        points[200_001].1 = 8.0;
        let kept = drawable_points(&points);
        assert!(kept.len() <= MOST_POINTS && kept.contains(&(200_001.0, 8.0)));
        let svg = drawn(&chart(vec![curve("treino", points, CurveStyle::Line)]));
        assert!(svg.len() < 100_000, "the SVG has {} bytes", svg.len());
    }

    #[test]
    fn texts_cannot_break_the_drawing() {
        let mut odd = chart(vec![curve("", vec![(1.0, 2.0)], CurveStyle::Line)]);
        odd.title = "<b> & \"$5\" or $6\u{0}\n".into();
        odd.y_label = "muito longo ".repeat(100);
        let svg = drawn(&odd);
        assert!(svg.contains("&lt;b&gt; &amp; &quot;$5&quot; or $6  <"));
        assert!(svg.contains("…</text>"));
    }
}
