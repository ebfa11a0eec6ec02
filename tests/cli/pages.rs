//! What holds for every page and drawing: it needs nothing else, and whoever does not see it or has
//! no mouse can use it.

/// The opening tags of a kind, without their ends.
fn tags<'a>(markup: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!("<{name}");
    let rest = markup.split(&opening[..]).skip(1).filter(|rest| rest.starts_with([' ', '>']));
    rest.map(|rest| rest.split('>').next().unwrap()).collect()
}

/// Nothing is fetched from anywhere. An SVG names its own format by an address that nobody visits, and
/// its own parts by their names.
fn check_needs_nothing(markup: &str) {
    let markup = markup.replace("xmlns=\"http://www.w3.org/2000/svg\"", "").replace("url(#", "");
    for asks in ["http:", "https:", "src=", "href=", "url(", "@import", "<link", "<iframe"] {
        assert!(!markup.contains(asks), "it asks for something: {asks}");
    }
    for tag in markup.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        assert!(!tag.contains("NaN"), "a place that is no number: {tag}");
    }
}

/// A page of HTML.
pub(crate) fn check_page(page: &str) {
    check_needs_nothing(page);
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">") && page.ends_with("</html>\n"));
    assert!(page.contains("<meta name=\"viewport\"") && page.contains("<meta charset=\"utf-8\">"));
    assert!(page.contains("prefers-color-scheme: dark"));
    let title = page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    assert!(title.is_some_and(|title| title.len() > 5), "no title");
    assert_eq!((tags(page, "main").len(), tags(page, "h1").len()), (1, 1));
    // Headings go down one step at a time.
    let mut level = 0;
    for rest in page.split("<h").skip(1) {
        let Some(next) = rest.chars().next().and_then(|c| c.to_digit(10)) else { continue };
        assert!(next <= level + 1, "a heading of level {next} below one of level {level}");
        level = next;
    }
    for svg in tags(page, "svg") {
        assert!(svg.contains("role=\"img\"") && svg.contains("aria-label=\""), "{svg}");
    }
    for th in tags(page, "th") {
        assert!(th.contains("scope="), "a heading of neither row nor column");
    }
    for input in tags(page, "input") {
        let id = input.split("id=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert!(page.contains(&format!("<label for=\"{id}\">")), "{input} has no label");
    }
    // What moves sideways must do so by keys, and say what it is.
    for wide in tags(page, "div").into_iter().filter(|div| div.contains("class=\"wide\"")) {
        assert!(wide.contains("tabindex=\"0\"") && wide.contains("aria-label=\""), "{wide}");
    }
    for name in ["main", "div", "table", "details", "svg", "blockquote", "figure", "p"] {
        let closing = format!("</{name}>");
        assert_eq!(tags(page, name).len(), page.matches(&closing[..]).count(), "{name}");
    }
}

/// A drawing that stands alone.
pub(crate) fn check_drawing(svg: &str) {
    check_needs_nothing(svg);
    let root = svg.split('>').next().unwrap();
    assert!(root.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    for attribute in ["xmlns=", "viewBox=", "role=", "aria-label=\""] {
        assert!(root.contains(attribute), "no {attribute} in {root}");
    }
}
