//! Text from a model on a terminal. A model can write any character that it has seen, and from single
//! bytes also others: some of them a terminal would obey instead of showing them.

use std::borrow::Cow;
use std::io::IsTerminal;

use serde_json::Value;

/// A text as it is printed on `out`: to files and pipes as it is; on a terminal what would move a
/// cursor, change a colour or ring a bell becomes its number, but for line ends and tabs.
pub fn on<'t>(out: &impl IsTerminal, text: &'t str) -> Cow<'t, str> {
    if out.is_terminal() { without_controls(text) } else { Cow::Borrowed(text) }
}

/// JSON as it is printed on `out`: the same value, on a terminal with all such characters escaped.
pub fn json_on(out: &impl IsTerminal, value: &Value) -> String {
    let json = value.to_string();
    if out.is_terminal() { json_without_controls(&json) } else { json }
}

/// JSON itself asks for escapes only below U+0020, and has no such characters outside strings.
fn json_without_controls(json: &str) -> String {
    replace_controls(json, |c| format!("\\u{:04x}", u32::from(c)))
}

/// A text without characters that a terminal obeys.
pub fn without_controls(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_obeyed) {
        Cow::Owned(replace_controls(text, |c| c.escape_unicode().to_string()))
    } else {
        Cow::Borrowed(text)
    }
}

fn replace_controls(text: &str, by: impl Fn(char) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) { out.push_str(&by(c)) } else { out.push(c) }
    }
    out
}

fn is_obeyed(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_becomes_its_number() {
        let text = "a\u{1b}[2J\r\tb\n\u{9b}\u{7f}é";
        assert_eq!(without_controls(text), "a\\u{1b}[2J\\u{d}\tb\n\\u{9b}\\u{7f}é");
        assert!(matches!(without_controls("a cor\n"), Cow::Borrowed("a cor\n")));
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({ "text": "a\u{1b}\u{9b}\u{7f}é\n" });
        let shown = json_without_controls(&value.to_string());
        assert!(!shown.contains(is_obeyed), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON"), value);
    }
}
