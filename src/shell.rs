//! Commands for people to copy.

/// A word as a shell reads it back: in quotes if it has to be.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,=@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.chars().all(|c| plain(c) || c == ' ') {
        format!("\"{word}\"")
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A path as a shell reads it back, and no command takes it for a flag.
pub fn quoted_path(path: &str) -> String {
    if path.starts_with('-') { quoted(&format!("./{path}")) } else { quoted(path) }
}

/// How the user called this program.
pub fn program() -> String {
    quoted_path(&std::env::args().next().unwrap_or_else(|| "machado".into()))
}

/// The arguments of a command that takes a text and flags; a text may begin like a flag.
pub fn with_text(flags: &str, text: &str) -> String {
    let quoted = quoted(text);
    if text.starts_with('-') { format!("{flags} -- {quoted}") } else { format!("{quoted} {flags}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them_otherwise() {
        assert_eq!(quoted_path("runs/sample"), "runs/sample");
        assert_eq!(quoted_path("A menina estava "), "\"A menina estava \"");
        assert_eq!(quoted_path("Dom Casmurro (1899)"), "'Dom Casmurro (1899)'");
        assert_eq!(quoted_path("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted_path("-odd"), "./-odd");
        assert_eq!(quoted_path("-odd one"), "\"./-odd one\"");
        assert_eq!(quoted_path(""), "\"\"");
    }

    #[test]
    fn a_text_is_taken_for_no_flag() {
        assert_eq!(with_text("--model run", "O mar "), "\"O mar \" --model run");
        assert_eq!(with_text("--model run", "- Sim!"), "--model run -- '- Sim!'");
        assert_eq!(with_text("--model run", ""), "\"\" --model run");
    }
}
