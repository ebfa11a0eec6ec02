//! What stands where on a screen of any size. Pure: [`screen`](super::screen) prints it.

use machado_core::predict::Candidate;

use super::command::HELP;
use super::show::wrap;
use crate::candidates::{Drawing, rows};
use crate::columns::{clip, fit, width};

/// How a piece of a row looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    /// Less important.
    Dim,
    /// More important.
    Strong,
    /// A bar of a probability.
    Bar,
    /// The candidate that Enter picks.
    Chosen,
}

/// A row: pieces from left to right.
pub(super) type Row = Vec<(Style, String)>;

/// What is to be seen.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// The text so far, cleaned.
    pub(super) text: &'a str,
    pub(super) candidates: &'a [Candidate],
    /// Which of them the model would write.
    pub(super) drawing: Drawing,
    /// The place of the one that Enter picks.
    pub(super) selected: usize,
    pub(super) settings: &'a str,
    pub(super) score: &'a str,
    /// A message, a question or the most important keys.
    pub(super) footer: &'a str,
    /// Whether the help stands where the text and the candidates are.
    pub(super) help: bool,
}

/// The columns at most that a token takes.
const TOKEN: usize = 24;

/// The rows of a screen: exactly `height`, none wider than `columns`.
pub(super) fn lay_out(view: &View<'_>, columns: usize, height: usize) -> Vec<Row> {
    // On a low screen the text and the candidates are what matters.
    let has_title = height >= 7;
    let has_score = height >= 6;
    let has_footer = height >= 3;
    let around = 2 * usize::from(has_title) + usize::from(has_score) + usize::from(has_footer);
    let inside = height - around.min(height);
    let mut rows = Vec::with_capacity(height);
    if has_title {
        let title = clip(&format!("machado write · {}", view.settings), columns);
        rows.push(vec![(Style::Strong, title)]);
    }
    if view.help {
        rows.extend(help(columns).into_iter().take(inside));
        rows.resize(usize::from(has_title) + inside, Row::new());
        if has_title {
            rows.push(rule(columns));
        }
    } else {
        let shown = view.candidates.len().min(inside / 2);
        rows.extend(text(view.text, columns, inside - shown));
        if has_title {
            rows.push(rule(columns));
        }
        rows.extend(candidates(view, columns, shown));
    }
    if has_score {
        rows.push(vec![(Style::Dim, clip(view.score, columns))]);
    }
    if has_footer {
        rows.push(vec![(Style::Plain, clip(view.footer, columns))]);
    }
    rows
}

fn rule(columns: usize) -> Row {
    vec![(Style::Dim, "─".repeat(columns))]
}

/// The end of the text in `height` rows.
fn text(text: &str, columns: usize, height: usize) -> Vec<Row> {
    // The cursor needs a column at the end.
    let mut lines = wrap(text, columns.saturating_sub(1));
    if let Some(last) = lines.last_mut().filter(|_| columns > 0) {
        last.push('▏');
    }
    let lines = lines.split_off(lines.len().saturating_sub(height));
    let mut rows: Vec<Row> =
        lines.into_iter().map(|line| vec![(Style::Plain, clip(&line, columns))]).collect();
    rows.resize(height, Row::new());
    rows
}

fn candidates(view: &View<'_>, columns: usize, height: usize) -> Vec<Row> {
    // The list moves so that the selected one is always seen.
    let first = (view.selected + 1).saturating_sub(height);
    let rows = rows(view.candidates, TOKEN.min(columns / 2), view.drawing);
    let shown = rows.iter().enumerate().skip(first).take(height);
    shown
        .map(|(place, row)| {
            let key = match place {
                0..9 => (place + 1).to_string(),
                9 => "0".into(),
                _ => " ".into(),
            };
            let chosen = place == view.selected;
            let mark = if chosen { "▸" } else { " " };
            let left = format!("{mark} {key}  {} ", row.token);
            let number = format!(" {}  ", row.number);
            let room = columns.saturating_sub(width(&left) + width(&number));
            let bar = row.bar(room.saturating_sub(1).min(60));
            let style = if chosen { Style::Chosen } else { Style::Plain };
            narrow(vec![(style, left), (Style::Plain, number), (Style::Bar, bar)], columns)
        })
        .collect()
}

/// A row cut to `columns`.
fn narrow(row: Row, columns: usize) -> Row {
    let mut left = columns;
    row.into_iter()
        .map(|(style, text)| {
            let text = if width(&text) > left { clip(&text, left) } else { text };
            left -= width(&text);
            (style, text)
        })
        .collect()
}

fn help(columns: usize) -> Vec<Row> {
    let keys = HELP.iter().filter(|(key, ..)| !key.is_empty());
    let line = |(key, _, meaning): &(&str, &str, &str)| format!("  {}{meaning}", fit(key, 12));
    keys.map(|entry| vec![(Style::Plain, clip(&line(entry), columns))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(count: u32) -> Vec<Candidate> {
        let tokens = ["a", " ", "\n", "世界", "uma palavra muito, muito comprida", "\u{301}"];
        (0..count)
            .map(|id| Candidate {
                token: tokens[id as usize % tokens.len()].into(),
                id,
                probability: 0.5f64.powi(id as i32 + 1),
            })
            .collect()
    }

    fn shown(rows: &[Row]) -> Vec<String> {
        let row = |row: &Row| row.iter().map(|(_, text)| text.as_str()).collect::<String>();
        rows.iter().map(|r| row(r).trim_end().to_owned()).collect()
    }

    fn view<'a>(text: &'a str, candidates: &'a [Candidate]) -> View<'a> {
        let (settings, score) = ("temperature 1", "surprise: nothing written yet");
        let footer = "? help";
        let drawing = Drawing::Any;
        View { text, candidates, drawing, selected: 0, settings, score, footer, help: false }
    }

    #[test]
    fn text_above_candidates_below() {
        let candidates = candidates(3);
        let rows = lay_out(&view("A menina estava", &candidates), 40, 11);
        let bar = |columns: usize| "█".repeat(columns);
        let expected = [
            "machado write · temperature 1".into(),
            "A menina estava▏".into(),
            String::new(),
            String::new(),
            String::new(),
            "─".repeat(40),
            format!("▸ 1  \"a\"   0.5000  {}", bar(10)),
            format!("  2  \" \"   0.2500  {}", bar(5)),
            format!("  3  \"\\n\"  0.1250  {}▌", bar(2)),
            "surprise: nothing written yet".into(),
            "? help".into(),
        ];
        assert_eq!(shown(&rows), expected);
        assert_eq!(rows[6][0].0, Style::Chosen);
    }

    #[test]
    fn the_one_that_is_always_drawn_is_marked() {
        let candidates = candidates(2);
        let view = View { drawing: Drawing::First, ..view("", &candidates) };
        let rows = shown(&lay_out(&view, 40, 5));
        assert_eq!(rows[2], "▸ 1  \"a\"  0.5000 drawn  ███████▌");
        assert_eq!(rows[3], "  2  \" \"  0.2500        ███▊");
    }

    #[test]
    fn every_size_is_filled_and_never_exceeded() {
        let text = "Uma linha comprida com 世界 e mais.\n\nOutra ".repeat(20);
        for count in [0, 1, 3, 30] {
            let candidates = candidates(count);
            for help in [false, true] {
                for selected in 0..count.max(1) as usize {
                    let view = View { selected, help, ..view(&text, &candidates) };
                    for (columns, height) in (0..90).map(|n| (n, n / 3)).chain([(1, 40), (200, 1)])
                    {
                        let rows = lay_out(&view, columns, height);
                        assert_eq!(rows.len(), height, "{columns} × {height}");
                        for row in &rows {
                            let used: usize = row.iter().map(|(_, text)| width(text)).sum();
                            assert!(used <= columns, "{used} of {columns}: {row:?}");
                        }
                        let seen = rows.iter().any(|r| r.iter().any(|p| p.0 == Style::Chosen));
                        assert!(seen || help || count == 0 || height < 2, "{columns} × {height}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_end_of_a_long_text_is_seen() {
        let text = (0..100).map(|line| format!("{line}\n")).collect::<String>();
        let rows = shown(&lay_out(&view(&text, &candidates(2)), 20, 10));
        assert_eq!(rows[1..5], ["97", "98", "99", "▏"]);
    }
}
