//! What a person can do, and how it is said.

use std::path::PathBuf;

use machado_core::session::Until;

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    /// Pick the candidate with this number, from 1.
    Pick(usize),
    /// Type a text.
    Type(String),
    /// Let the model write; so many tokens as usual where none are said.
    Write(Option<Until>),
    /// Take so many steps back.
    Undo(usize),
    /// Bring so many back.
    Redo(usize),
    /// Take so many tokens back.
    TakeBack(usize),
    /// Another temperature.
    Temperature(f64),
    /// Save, perhaps in another file.
    Save(Option<PathBuf>),
    /// Show the whole text.
    Show,
    /// Show the candidates again.
    Again,
    /// Tell what can be done.
    Help,
    /// Print the text and end.
    Quit,
}

/// On the screen, as a line, and what it does.
pub(super) const HELP: [(&str, &str, &str); 13] = [
    ("1…9, 0", "N", "pick that candidate"),
    ("↑ ↓ Enter", "", "choose a candidate and pick it"),
    ("+", "+TEXT", "type a text; \\n is a line end, \\t a tab, \\\\ a backslash"),
    ("w", "w [N]", "the model writes some tokens, or N"),
    ("e", "e", "the model writes to the end of a word"),
    (".", ".", "the model writes to the end of a sentence"),
    ("u", "u [N]", "undo a step, or N"),
    ("r", "r [N]", "redo what was undone"),
    ("Backspace", "b [N]", "take one token back, or N"),
    ("← →  t", "t T", "temperature down and up, or to T"),
    ("s", "s [FILE]", "save the text"),
    ("", "p", "print the text so far"),
    ("q  Ctrl-C", "q", "print the text on the standard output and end"),
];

/// What a line says.
pub(super) fn parse(line: &str) -> Result<Command, String> {
    if let Some(text) = line.strip_prefix('+') {
        return match unescape(text)? {
            text if text.is_empty() => Err("expected a text after \"+\"".into()),
            text => Ok(Command::Type(text)),
        };
    }
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let count = || match rest {
        "" => Ok(None),
        _ => whole(rest).map(Some),
    };
    let or_one = || Ok::<usize, String>(count()?.unwrap_or(1));
    let alone = |command: Command| match rest {
        "" => Ok(command),
        _ => Err(format!("expected nothing after {word:?}, not {rest:?}")),
    };
    match word {
        "" => Ok(Command::Again),
        "w" => Ok(Command::Write(count()?.map(Until::Tokens))),
        "e" => alone(Command::Write(Some(Until::Word))),
        "." => alone(Command::Write(Some(Until::Sentence))),
        "u" => Ok(Command::Undo(or_one()?)),
        "r" => Ok(Command::Redo(or_one()?)),
        "b" => Ok(Command::TakeBack(or_one()?)),
        "t" => temperature(rest),
        "s" => Ok(Command::Save((!rest.is_empty()).then(|| rest.into()))),
        "p" => alone(Command::Show),
        "?" | "h" => alone(Command::Help),
        "q" => alone(Command::Quit),
        _ if word.chars().all(|c| c.is_ascii_digit()) => alone(Command::Pick(whole(word)?)),
        _ => Err(format!(
            "expected a number, \"+text\", w, e, ., u, r, b, t, s, p, ? or q, not {line:?}"
        )),
    }
}

/// The temperature in a text.
pub(super) fn temperature(text: &str) -> Result<Command, String> {
    match text.replace(',', ".").parse::<f64>() {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(Command::Temperature(value)),
        _ => Err(format!("expected a temperature of 0 or more, as in \"t 0.7\", not {text:?}")),
    }
}

fn whole(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n >= 1 => Ok(n),
        _ => Err(format!("expected a whole number of at least 1, not {text:?}")),
    }
}

/// A typed text with what stands for line ends and tabs replaced by them.
pub(super) fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('\\') => out.push('\\'),
                other => {
                    let found = other.map_or(String::new(), String::from);
                    return Err(format!(
                        "expected \\n, \\t or \\\\ where there is a backslash, not \"\\{found}\""
                    ));
                }
            },
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_commands() {
        let check = |line: &str, expected| assert_eq!(parse(line), Ok(expected), "{line:?}");
        check("3", Command::Pick(3));
        check(" 12 ", Command::Pick(12));
        check("+ é a ", Command::Type(" é a ".into()));
        check("++1", Command::Type("+1".into()));
        check("+a\\n\\\\n\\tb", Command::Type("a\n\\n\tb".into()));
        check("w", Command::Write(None));
        check("w 20", Command::Write(Some(Until::Tokens(20))));
        check("e", Command::Write(Some(Until::Word)));
        check(".", Command::Write(Some(Until::Sentence)));
        check("u", Command::Undo(1));
        check("r  2", Command::Redo(2));
        check("b 7", Command::TakeBack(7));
        check("t 0,5", Command::Temperature(0.5));
        check("s", Command::Save(None));
        check("s a story.txt", Command::Save(Some("a story.txt".into())));
        check("", Command::Again);
        check("q", Command::Quit);
    }

    #[test]
    fn a_wrong_line_is_told_what_was_expected() {
        let check = |line: &str, part: &str| {
            let message = parse(line).expect_err("wrong");
            assert!(message.contains(part), "{line:?}: {message}");
        };
        check("x", "expected a number, \"+text\"");
        check("0", "at least 1, not \"0\"");
        check("99999999999999999999999", "expected a whole number");
        check("-1", "expected a number, \"+text\"");
        check("w lots", "expected a whole number of at least 1, not \"lots\"");
        check("q now", "expected nothing after \"q\", not \"now\"");
        check("t", "expected a temperature of 0 or more");
        check("t inf", "not \"inf\"");
        check("t -1", "not \"-1\"");
        check("+", "expected a text after");
        check("+\\x", "not \"\\x\"");
        check("+a\\", "not \"\\\"");
    }

    #[test]
    fn the_help_tells_of_each_line_that_is_understood() {
        for (_, line, _) in HELP {
            let example = line.replace("TEXT", "a").replace("[N]", "2").replace("[FILE]", "f");
            let example = example.replace('N', "2").replace('T', "1");
            assert!(parse(&example).is_ok(), "{example}");
        }
    }
}
