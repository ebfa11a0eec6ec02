//! Pages of HTML: one file, nothing from the network, light or dark as the reader has it. All pages
//! share one style.

const STYLE: &str = include_str!("html/style.css");

/// A field that hides each `<details>` of the page without what is typed.
pub const SEARCH: &str = include_str!("html/search.html");

/// A whole page with its title as the heading above `body`.
pub fn page(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         {body}</main>\n</body>\n</html>\n"
    )
}

/// A table or drawing that may be wider than a phone: it can be moved sideways, also by keys.
pub fn wide(label: &str, content: &str) -> String {
    format!(
        "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">\n{content}</div>\n",
        escaped(label)
    )
}

/// A text that cannot be taken for markup, between tags or in quotes.
pub fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c if c.is_control() && c != '\n' => html.push('·'),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least contrast of text, and that of lines and dots (WCAG 2.1, 1.4.3 and 1.4.11).
    const TEXT: f64 = 4.5;
    const DRAWN: f64 = 3.0;

    #[test]
    fn no_text_is_markup() {
        assert_eq!(escaped("<a b='\"'>&\u{1}"), "&lt;a b=&#39;&quot;&#39;&gt;&amp;·");
        let page = page("</title><script>", "");
        assert!(page.contains("<title>&lt;/title&gt;&lt;script&gt;</title>"));
        assert!(!page.contains("http") && page.contains("prefers-color-scheme: dark"));
        assert!(wide("\"", "").contains("aria-label=\"&quot;\""));
    }

    /// Red, green and blue of a colour of the style, from 0 to 1.
    fn colour(theme: &str, name: &str) -> [f64; 3] {
        let value = theme.split(&format!("--{name}: ")).nth(1).unwrap_or_else(|| panic!("{name}"));
        let value = value.split(';').next().unwrap_or_default();
        let part = |i: usize| match value.strip_prefix('#') {
            Some(hex) => u32::from_str_radix(&hex[2 * i..][..2], 16).ok(),
            None => value.split(' ').nth(i).and_then(|part| part.parse().ok()),
        };
        [0, 1, 2].map(|i| f64::from(part(i).unwrap_or_else(|| panic!("{name}: {value}"))) / 255.0)
    }

    /// WCAG's relative luminance.
    fn luminance(colour: [f64; 3]) -> f64 {
        let linear =
            colour.map(|x| if x <= 0.04045 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let [a, b] = [luminance(a), luminance(b)];
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn everything_can_be_told_from_its_background() {
        let themes: Vec<&str> = STYLE.split(":root {").skip(1).collect();
        assert_eq!(themes.len(), 2, "light and dark");
        for theme in themes {
            let of = |name: &str| colour(theme, name);
            let paper = of("paper");
            for (name, least) in [
                ("ink", TEXT),
                ("soft", TEXT),
                ("red", TEXT),
                ("blue", DRAWN),
                ("orange", DRAWN),
                ("green", DRAWN),
            ] {
                let found = contrast(of(name), paper);
                assert!(found >= least, "{name} on paper: {found:.2} in {theme}");
            }
            // Text on the strongest activation, nine tenths of it heat.
            let heat = of("heat");
            let strongest = [0, 1, 2].map(|i| 0.9 * heat[i] + 0.1 * paper[i]);
            let found = contrast(of("ink"), strongest);
            assert!(found >= TEXT, "ink on heat: {found:.2} in {theme}");
        }
    }
}
