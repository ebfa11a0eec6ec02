//! English and Portuguese.

use serde_json::Value;

use crate::browser::Browser;
use crate::harness::Place;
use crate::serving::Serving;
use crate::views::{VIEWS, fill_views};

/// Visible words that are those of the other language: `from` is the place of the language in words.js that
/// must not be seen any more. Words with something filled in are looked for by what stands around it.
fn words_of(browser: &Browser, from: usize) -> Value {
    browser.value(&format!(
        "(async () => {{
           const {{ words }} = await import('/page/words.js');
           const patterns = Object.values(words)
             .filter((pair) => pair[0] != pair[1] && pair[{from}].replace(/\\{{\\w+\\}}/g, '').length > 3)
             .map((pair) => pair[{from}].split(/\\{{\\w+\\}}/)
               .map((part) => part.replace(/[.*+?^$()|[\\]\\\\{{}}]/g, '\\\\$&')).join('.+?'))
             .map((pattern) => new RegExp(`^${{pattern}}$`));
           const seen = [];
           const walk = document.createTreeWalker(document.querySelector('body'), NodeFilter.SHOW_TEXT);
           while (walk.nextNode()) {{
             const {{ parentElement: parent }} = walk.currentNode;
             if (!parent.checkVisibility() || parent.closest('[data-by], blockquote, pre')) continue;
             seen.push(walk.currentNode.textContent.trim());
           }}
           for (const element of document.querySelectorAll('body *')) {{
             if (!element.checkVisibility()) continue;
             for (const name of ['aria-label', 'title', 'placeholder'])
               if (element.hasAttribute(name)) seen.push(element.getAttribute(name));
           }}
           return seen.filter((text) => text && patterns.some((pattern) => pattern.test(text)));
         }})()"
    ))
}

#[test]
fn one_button_changes_every_word_and_the_choice_is_remembered() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::with_sae();
    let served = Serving::start(&place, &["--run", "run"]);
    browser.open(&served, "write");
    fill_views(&browser);
    let language = "document.documentElement.lang";
    assert_eq!(browser.value(language), "en");
    for (button, tag, other) in [("Português", "pt-BR", 0), ("English", "en", 1)] {
        assert_eq!(browser.text("#language"), button);
        browser.click("#language");
        assert_eq!(browser.value(language), tag);
        for view in VIEWS {
            browser.click(&format!("#tab-{view}"));
            browser.wait(&format!("!document.querySelector('#view-{view}').hidden"));
            assert_eq!(words_of(&browser, other), Value::Array(Vec::new()), "{view} in {tag}");
        }
    }
    browser.click("#language");
    assert_eq!(browser.value("document.title"), "machado: um pequeno modelo de linguagem");
    browser.reload();
    assert_eq!(browser.value(language), "pt-BR");
    browser.click("#tab-write");
    assert_eq!(browser.text("#write-go"), "Escrever");
    // Numbers are written as in the language.
    browser.wait("/\\d,\\d+%/.test(document.querySelector('#write-candidates').textContent)");
}

#[test]
fn no_words_are_missing_in_either_language() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::with_run();
    let served = Serving::start(&place, &["--model", "run"]);
    browser.open(&served, "write");
    let missing = browser.value(
        "(async () => {
           const { words } = await import('/page/words.js');
           const fields = (text) => (text.match(/\\{\\w+\\}/g) ?? []).sort().join();
           const wrong = Object.entries(words).filter(([, pair]) =>
             pair.length != 2 || !pair.every((text) => text.trim()) || fields(pair[0]) != fields(pair[1]));
           const named = [...document.querySelectorAll('*')].flatMap(({ dataset }) =>
             ['t', 'tLabel', 'tTitle', 'tPlaceholder', 'example'].map((name) => dataset[name]));
           // Those that scripts name in full.
           const sources = performance.getEntriesByType('resource').map(({ name }) => name);
           const scripts = sources.filter((name) => name.endsWith('.js') && !name.endsWith('words.js'));
           const texts = await Promise.all(scripts.map(async (name) => (await fetch(name)).text()));
           const said = texts.flatMap((text) => [
             ...text.matchAll(/\\bt\\(\"([\\w.]+)\"/g), ...text.matchAll(/\\bsay\\([^;]*?, \"([\\w.]+)\"/g),
           ]).map((match) => match[1]);
           const unknown = [...named, ...said].filter((key) => key && !(key in words));
           return { wrong, unknown, scripts: scripts.length, said: said.length };
         })()",
    );
    assert_eq!(missing["wrong"], Value::Array(Vec::new()));
    assert_eq!(missing["unknown"], Value::Array(Vec::new()));
    assert!(missing["scripts"].as_u64() > Some(20) && missing["said"].as_u64() > Some(50));
}
