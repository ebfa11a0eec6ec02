//! Words and widths that both fronts show.

use machado_core::sample::Sampler;
use machado_core::session::{Origin, Session};

use crate::candidates::Drawing;
use crate::columns::{self, width_of};
use crate::{drawing, visible};

/// Every origin.
pub(super) const ALL: [Origin; 3] = [Origin::Picked, Origin::Typed, Origin::Drawn];

/// A text that can be shown: line ends stay, a tab becomes an arrow, and what would move a cursor,
/// turn the direction of writing or not be seen becomes its number.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible::without_controls(text).chars() {
        let unseen = matches!(
            c,
            '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}'
        );
        match c {
            '\n' => out.push(c),
            '\t' => out.push('⇥'),
            c if unseen => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// A cleaned text in lines of at most `most` columns, cut at spaces where there are some.
pub(super) fn wrap(text: &str, most: usize) -> Vec<String> {
    let most = most.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let (mut line, mut used) = (String::new(), 0);
        for c in paragraph.chars() {
            let width = width_of(c);
            if used + width > most && !line.is_empty() {
                let rest = match line.rfind(' ').map(|place| place + 1) {
                    Some(place) if c != ' ' && place < line.len() => line.split_off(place),
                    _ => String::new(),
                };
                lines.push(std::mem::replace(&mut line, rest));
                used = columns::width(&line);
            }
            // A character that is wider than the whole line has no place there.
            if width <= most {
                line.push(c);
                used += width;
            }
        }
        lines.push(line);
    }
    lines
}

/// Which of the candidates the model would write.
pub(super) fn drawing_of(sampler: &Sampler) -> Drawing {
    if sampler.temperature == 0.0 { Drawing::First } else { Drawing::Any }
}

/// The settings that are in force.
pub(super) fn settings(sampler: &Sampler) -> String {
    let settings = drawing::settings(sampler);
    let mut words: Vec<String> = settings
        .iter()
        .map(|&(name, value)| format!("{name} {}", (value * 1e6).round() / 1e6))
        .collect();
    if !sampler.bans.is_empty() {
        words.push("bans".into());
    }
    if drawing_of(sampler) == Drawing::First {
        words.push("probabilities as at temperature 1".into());
    }
    words.join(" · ")
}

/// How much the text surprised the model.
pub(super) fn score(session: &Session) -> String {
    let all = session.score(&ALL);
    let (Some(mean), Some(last)) = (all.nats_per_token(), session.chosen().last()) else {
        return "surprise: nothing written yet".into();
    };
    let yours = session.score(&[Origin::Picked, Origin::Typed]);
    let yours = yours
        .nats_per_token()
        .map_or(String::new(), |mean| format!("; yours {mean:.2} over {}", yours.tokens));
    let (nats, percent) = (last.nats, (-last.nats).exp() * 100.0);
    format!(
        "surprise: {mean:.2} nats per token over {}{yours}; the last {nats:.2} ({percent:.1}%)",
        all.tokens
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_its_number() {
        assert_eq!(clean("a\tb\nc é"), "a⇥b\nc é");
        assert_eq!(clean("\u{1b}[2J\r\u{202e}"), "\\u{1b}[2J\\u{d}\\u{202e}");
    }

    #[test]
    fn lines_are_cut_at_spaces_where_there_are_some() {
        let check = |text: &str, columns, expected: &[&str]| {
            assert_eq!(wrap(text, columns), expected, "{text:?} in {columns}");
        };
        check("", 5, &[""]);
        check("a cor do céu", 6, &["a cor ", "do céu"]);
        check("a cor do céu", 5, &["a cor", " do ", "céu"]);
        check("abcdefgh", 3, &["abc", "def", "gh"]);
        check("a\n\nb", 3, &["a", "", "b"]);
        check("世界世", 4, &["世界", "世"]);
        check("世a", 1, &["a"]);
    }
}
