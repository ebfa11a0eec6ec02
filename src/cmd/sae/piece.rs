//! A piece of text with the activation of a feature at each token: for a terminal, plain, as JSON and
//! as HTML.

use std::fmt::Write as _;
use std::io::IsTerminal;

use machado_core::interpret::Firing;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::html::escaped;

/// A piece of text.
#[derive(Debug)]
pub(super) struct Piece {
    /// Where the feature fires, and how strongly.
    pub firing: Firing,
    /// Texts of the tokens, with the activation after each.
    pub tokens: Vec<(String, f32)>,
}

/// Whether colours may be used on stdout.
pub(super) fn has_colour() -> bool {
    std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

impl Piece {
    /// A line for a terminal, the background the stronger the activation.
    pub fn coloured(&self, max: f32) -> String {
        let mut line = String::new();
        for (token, value) in &self.tokens {
            let share = f64::from((value / max).clamp(0.0, 1.0));
            if share > 0.0 {
                // From a dark to a bright orange; black on what is bright.
                let [red, green] = [70.0 + 185.0 * share, 40.0 + 100.0 * share];
                let ink = if share > 0.5 { 30 } else { 97 };
                let _ = write!(line, "\x1b[{ink};48;2;{};{};0m", red as u8, green as u8);
                let _ = write!(line, "{}\x1b[0m", visible(token));
            } else {
                line.push_str(&visible(token));
            }
        }
        line
    }

    /// Two lines: the text, and below each token how many tenths of the strongest activation it has.
    pub fn plain(&self, max: f32) -> [String; 2] {
        let (mut text, mut digits) = (String::new(), String::new());
        for (token, value) in &self.tokens {
            let token = visible(token);
            let mark = match value {
                0.0 => " ".to_owned(),
                _ => (((value / max * 10.0) as u32).min(9)).to_string(),
            };
            let width = token.width();
            if width > 0 {
                let _ = write!(digits, "{mark:>width$}");
            }
            text.push_str(&token);
        }
        [text.trim_end().to_owned(), digits.trim_end().to_owned()]
    }

    pub fn json(&self) -> Value {
        let (tokens, activations): (Vec<&String>, Vec<f32>) =
            self.tokens.iter().map(|(token, value)| (token, value)).unzip();
        json!({
            "place": self.firing.place,
            "activation": self.firing.value,
            "tokens": tokens,
            "activations": activations,
        })
    }

    /// A paragraph in which the background is the stronger the activation.
    pub fn html(&self, max: f32) -> String {
        let mut html = format!("<p><b>{:.2}</b> ", self.firing.value);
        for (token, value) in &self.tokens {
            let text = escaped(&visible(token));
            let share = (value / max).clamp(0.0, 1.0);
            if share > 0.0 {
                let _ = write!(html, "<i style=\"--a:{share:.2}\" title=\"{value:.3}\">{text}</i>");
            } else {
                html.push_str(&text);
            }
        }
        html + "</p>\n"
    }
}

/// A text on one line: line ends as a sign, and nothing that could command a terminal.
pub(super) fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => '↵',
        '\t' => ' ',
        // Also what turns the direction of writing, and joins lines.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '·',
        c if c.is_control() => '·',
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece() -> Piece {
        let tokens = [("o", 0.0), ("\n", 0.5), ("<\x1b", 2.0), ("日", 4.0)];
        Piece {
            firing: Firing { place: 3, value: 4.0 },
            tokens: tokens.map(|(token, value)| (token.to_owned(), value)).to_vec(),
        }
    }

    #[test]
    fn digits_stand_below_their_tokens() {
        assert_eq!(piece().plain(4.0), ["o↵<·日", " 1 5 9"]);
    }

    #[test]
    fn nothing_commands_the_terminal_or_the_browser() {
        let line = piece().coloured(4.0);
        // Three coloured tokens, each with a beginning and an end.
        assert_eq!(line.matches('\x1b').count(), 6, "{line:?}");
        let html = piece().html(4.0);
        assert!(html.contains("--a:0.50\" title=\"2.000\">&lt;·</i>"), "{html}");
        assert!(!html.contains('\x1b'));
    }
}
