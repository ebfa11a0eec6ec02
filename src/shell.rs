//! Commands for people to copy.

/// A word as a shell reads it back: in quotes if it has to be.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,=@%".contains(c);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        word.to_owned()
    } else if word.chars().all(|c| plain(c) || c == ' ') {
        let path = if word.starts_with('-') { "./" } else { "" };
        format!("\"{path}{word}\"")
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them_otherwise() {
        assert_eq!(quoted("runs/sample"), "runs/sample");
        assert_eq!(quoted("A menina estava "), "\"A menina estava \"");
        assert_eq!(quoted("Dom Casmurro (1899)"), "'Dom Casmurro (1899)'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted("-odd"), "\"./-odd\"");
        assert_eq!(quoted(""), "\"\"");
    }
}
