//! Pages of HTML: one file, nothing from the network, light or dark as the reader likes it.

use crate::html::escaped;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d2229; --paper: #fdfcfa; --faint: #6b7480; --line: #ddd8cf; --heat: 255 140 20; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --paper: #14171c; --faint: #98a2ae; --line: #2b313b; --heat: 230 110 10; } }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; } h3 { font-size: 1rem; margin-bottom: 0.3rem; }
p { margin: 0.2rem 0; } .faint { color: var(--faint); }
.texts { font: 14px/1.6 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.texts i { font-style: normal; background: rgb(var(--heat) / calc(0.1 + 0.8 * var(--a))); border-radius: 2px; }
.texts b { font-weight: normal; color: var(--faint); margin-right: 0.5rem; }
table { border-collapse: collapse; } td, th { padding: 0.15rem 0.8rem 0.15rem 0; text-align: left; vertical-align: top; }
.bars { display: flex; align-items: end; height: 4rem; gap: 2px; width: 20rem; border-bottom: 1px solid var(--line); }
.bars span { flex: 1; background: rgb(var(--heat)); min-height: 1px; }
details { border-bottom: 1px solid var(--line); padding: 0.3rem 0; } summary { cursor: pointer; }
summary span { display: inline-block; min-width: 5.5rem; font-variant-numeric: tabular-nums; }
input { font: inherit; width: 100%; padding: 0.4rem 0.6rem; box-sizing: border-box; margin: 1rem 0; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 4px; }
";

/// A whole page.
pub(super) fn page(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         {body}</body>\n</html>\n"
    )
}

/// A field that hides each `<details>` without what is typed.
pub(super) const SEARCH: &str =
    "<input type=\"search\" placeholder=\"search: a word, a rule, a number\" aria-label=\"search\">
<p class=\"faint\" id=\"count\"></p>
<script>
addEventListener('DOMContentLoaded', () => {
  const field = document.querySelector('input'), count = document.getElementById('count');
  const all = [...document.querySelectorAll('details')].map(e => [e, e.textContent.toLowerCase()]);
  const search = () => {
    const wanted = field.value.toLowerCase();
    let shown = 0;
    for (const [element, text] of all) shown += !(element.hidden = !text.includes(wanted));
    count.textContent = shown + ' of ' + all.length + ' features';
  };
  field.addEventListener('input', search);
  search();
});
</script>
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        assert_eq!(escaped("<a b='\"'>&\u{1}"), "&lt;a b=&#39;&quot;&#39;&gt;&amp;·");
        let page = page("</title><script>", "");
        assert!(page.contains("<title>&lt;/title&gt;&lt;script&gt;</title>"));
        assert!(!page.contains("http") && page.contains("prefers-color-scheme: dark"));
    }
}
