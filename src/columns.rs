//! Texts in the columns of a terminal, where a character may take none, one or two.

use unicode_width::UnicodeWidthChar;

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// Columns that a character takes.
pub fn width_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// As much of a text as fits into `columns`, with "…" where something is missing.
pub fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |c: &char| {
        let width = width_of(*c);
        let fits = width <= left;
        left -= width.min(left);
        fits
    };
    let mut out: String = text.chars().take_while(fits).collect();
    if columns > 0 {
        out.push('…');
    }
    out
}

/// A text, padded with spaces or clipped to exactly `columns`.
pub fn fit(text: &str, columns: usize) -> String {
    let mut out = clip(text, columns);
    out.extend(std::iter::repeat_n(' ', columns - width(&out).min(columns)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_clipped_by_columns_and_not_by_characters() {
        assert_eq!(clip("céu azul", 8), "céu azul");
        assert_eq!(clip("céu azul", 4), "céu…");
        assert_eq!(clip("世界世界", 5), "世界…");
        assert_eq!(clip("世界世界", 4), "世…");
        assert_eq!(clip("ab", 1), "…");
        assert_eq!(clip("ab", 0), "");
        assert_eq!(fit("世", 4), "世  ");
        assert_eq!(fit("世界", 2), "… ");
    }
}
