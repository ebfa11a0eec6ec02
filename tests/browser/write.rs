//! The view to write in.

use serde_json::json;
use thirtyfour::Key;

use crate::browser::Browser;
use crate::harness::Place;
use crate::serving::Serving;

/// The tokens that are there, as the model wrote them.
fn tokens(browser: &Browser) -> Vec<String> {
    let tokens = browser.value(
        "[...document.querySelectorAll('#write-text [role=option]')].map((one) => one.dataset.token)",
    );
    serde_json::from_value(tokens).unwrap()
}

/// Waits until all that was asked for is written.
#[track_caller]
pub(crate) fn wait_for_tokens(browser: &Browser, count: usize) {
    browser.wait(&format!(
        "document.querySelector('#view-write').ariaBusy == 'false'
           && document.querySelectorAll('#write-text [role=option]').length == {count}"
    ));
}

/// A browser at the page of a run of its own, which is to write 40 tokens.
fn ready() -> Option<(Browser, Place, Serving)> {
    let browser = Browser::start()?;
    let place = Place::with_run();
    let served = Serving::start(&place, &["--model", "run"]);
    browser.open(&served, "write");
    browser.fill("#write-prompt", "A cor do ");
    browser.fill("#write-setting-max_tokens", "40");
    Some((browser, place, served))
}

#[test]
fn a_text_comes_in_piece_by_piece_and_can_be_stopped() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::with_slow_run();
    let served = Serving::start(&place, &["--model", "run"]);
    browser.open(&served, "write");
    browser.fill("#write-setting-max_tokens", "4000");
    browser.click("#write-go");
    browser.wait("document.querySelectorAll('#write-text [role=option]').length >= 5");
    let early = tokens(&browser);
    assert!(early.len() < 4000, "all at once");
    browser.wait(&format!(
        "document.querySelectorAll('#write-text [role=option]').length > {}",
        early.len()
    ));
    browser.click("#write-stop");
    browser.wait("document.querySelector('#write-status').textContent == 'Stopped.'");
    let stopped = tokens(&browser);
    assert!(stopped.len() < 4000 && stopped.starts_with(&early));
}

#[test]
fn each_token_is_as_warm_as_it_was_surprising_and_says_its_probability() {
    let Some((browser, _place, _served)) = ready() else { return };
    browser.click("#write-go");
    wait_for_tokens(&browser, 40);
    // What the server says about the same text.
    let text = format!("A cor do {}", tokens(&browser).concat());
    let score = browser.post("v1/score", &json!({ "text": text }));
    let same = browser.value(&format!(
        "[...document.querySelectorAll('#write-text [role=option]')].map((one, i) => {{
           const {{ token, logprob }} = ({score}).tokens.slice(-40)[i];
           const said = Number(one.ariaLabel.match(/([\\d.]+)%$/)[1]) / 100;
           const warmth = Number(one.style.getPropertyValue('--a'));
           const bits = -logprob / Math.LN2;
           return {{ token: one.dataset.token == token,
                    said: Math.abs(said - Math.exp(logprob)) < 0.0006,
                    warm: Math.abs(warmth - Math.min(1, bits / 10)) < 0.001,
                    seen: bits < 0.1 || !getComputedStyle(one).backgroundColor.endsWith(', 0)') }};
         }})"
    ));
    let same = same.as_array().unwrap();
    assert_eq!(same.len(), 40);
    for (number, one) in same.iter().enumerate() {
        let all = one.as_object().unwrap();
        assert!(all.values().all(|yes| yes == true), "token {number}: {one}");
    }
    // It is said for the eye, too, wherever one points.
    let label = browser.value("document.querySelector('#write-text [data-index=\"7\"]').ariaLabel");
    let percent = label.as_str().unwrap().rsplit(' ').next().unwrap().to_owned();
    browser.point_at("#write-text [data-index='7']");
    browser.wait(&format!(
        "document.querySelector('#write-look').textContent.includes(': {percent} by the model')"
    ));
}

#[test]
fn a_click_on_a_token_shows_alternatives_and_a_choice_goes_on_from_there() {
    let Some((browser, _place, _served)) = ready() else { return };
    browser.click("#write-go");
    wait_for_tokens(&browser, 40);
    let before = tokens(&browser);
    browser.click("#write-text [data-index='10']");
    browser
        .wait("document.querySelector('#write-next-title').textContent.startsWith('Instead of')");
    // The token that stands there is marked among its alternatives.
    let chosen = browser.wait("document.querySelector('#write-candidates .chosen')?.dataset.token");
    assert_eq!(chosen.as_str().unwrap(), before[10]);
    let other = browser
        .value("document.querySelector('#write-candidates button:not(.chosen)').dataset.token");
    browser.click("#write-candidates button:not(.chosen)");
    wait_for_tokens(&browser, 51);
    let after = tokens(&browser);
    assert_eq!(after[..10], before[..10]);
    assert_eq!(after[10], other.as_str().unwrap());
    let by = "document.querySelector('#write-text [data-index=\"10\"]').dataset.by";
    assert_eq!(browser.value(by), "picked");
    // What was there is not lost: one step back, and among the versions.
    browser.click("#write-undo");
    assert_eq!(tokens(&browser), before);
    browser.click("#write-redo");
    assert_eq!(tokens(&browser), after);
    browser.click("#write-versions summary");
    browser.click("#write-version-list button");
    assert_eq!(tokens(&browser), before);
}

#[test]
fn a_click_far_down_a_long_text_hits_what_was_aimed_at() {
    let Some((browser, _place, _served)) = ready() else { return };
    browser.fill("#write-setting-max_tokens", "4000");
    browser.click("#write-go");
    wait_for_tokens(&browser, 4000);
    browser.value("document.querySelector('#write-text [data-index=\"3500\"]').scrollIntoView()");
    let before = tokens(&browser);
    browser.click("#write-text [data-index='3500']");
    let chosen = browser.wait("document.querySelector('#write-candidates .chosen')?.dataset.token");
    assert_eq!(chosen.as_str().unwrap(), before[3500]);
    assert_eq!(
        browser.value("document.querySelector('#write-text .cursor').dataset.index"),
        "3500"
    );
}

#[test]
fn ones_own_words_can_stand_in_the_text_and_the_model_goes_on_from_them() {
    let Some((browser, _place, _served)) = ready() else { return };
    browser.click("#write-go");
    wait_for_tokens(&browser, 40);
    let before = tokens(&browser);
    browser.click("#write-text [data-index='4']");
    browser.fill("#write-own-text", "mar azul");
    browser.send("#write-own-text", Key::Enter);
    wait_for_tokens(&browser, 5);
    browser.click("#write-continue");
    wait_for_tokens(&browser, 45);
    let after = tokens(&browser);
    assert_eq!(after[..4], before[..4]);
    assert_eq!(after[4], "mar azul");
    // The text is still there after a reload.
    browser.reload();
    wait_for_tokens(&browser, 45);
    assert_eq!(tokens(&browser), after);
}

#[test]
fn the_same_seed_writes_the_same_text() {
    let Some((browser, _place, _served)) = ready() else { return };
    browser.click(".more-settings summary");
    browser.fill("#write-setting-seed", "7");
    browser.click("#write-go");
    wait_for_tokens(&browser, 40);
    let first = tokens(&browser);
    browser.click("#write-go");
    browser.wait("document.querySelector('#write-versions').hidden == false");
    wait_for_tokens(&browser, 40);
    assert_eq!(tokens(&browser), first);
    browser.fill("#write-setting-seed", "8");
    browser.click("#write-go");
    browser.wait("document.querySelectorAll('#write-version-list li').length == 2");
    wait_for_tokens(&browser, 40);
    assert_ne!(tokens(&browser), first);
}

#[test]
fn all_can_be_done_with_the_keyboard_alone() {
    let Some((browser, _place, _served)) = ready() else { return };
    browser.reload();
    browser.wait("document.querySelector('#model-facts').textContent.includes('·')");
    tab_to(&browser, "#write-prompt");
    browser.press(Key::Control + "a");
    browser.press("o mar ");
    browser.press(Key::Control + Key::Enter);
    wait_for_tokens(&browser, 40);
    let before = tokens(&browser);
    tab_to(&browser, "#write-text");
    // The cursor is at the first token; five to the right, and one back.
    for key in [Key::Right, Key::Right, Key::Right, Key::Right, Key::Right, Key::Left] {
        browser.press(key);
    }
    assert_eq!(browser.value("document.querySelector('#write-text .cursor').dataset.index"), "4");
    browser.press(Key::Enter);
    browser.wait("document.querySelector('#write-candidates .chosen')");
    tab_to(&browser, "#write-candidates button:not(.chosen)");
    let other = browser.value("document.activeElement.dataset.token");
    browser.press(Key::Enter);
    wait_for_tokens(&browser, 45);
    let after = tokens(&browser);
    assert_eq!(after[..4], before[..4]);
    assert_eq!(after[4], other.as_str().unwrap());
    // Who chose by keyboard is not thrown out of the list.
    assert_eq!(browser.value("document.activeElement.closest('#write-candidates') != null"), true);
    shift_tab_to(&browser, "#write-undo");
    browser.press(" ");
    assert_eq!(tokens(&browser), before);
    // From tab to tab with the arrow keys.
    shift_tab_to(&browser, "#tab-write");
    browser.press(Key::Right);
    browser.wait("!document.querySelector('#view-lesson').hidden");
    assert_eq!(browser.value("document.activeElement.id"), "tab-lesson");
    browser.press(Key::End);
    browser.wait("!document.querySelector('#view-api').hidden");
}

fn tab_to(browser: &Browser, css: &str) {
    go_to(browser, css, |browser| browser.press(Key::Tab));
}

fn shift_tab_to(browser: &Browser, css: &str) {
    go_to(browser, css, |browser| browser.press(Key::Shift + Key::Tab));
}

#[track_caller]
fn go_to(browser: &Browser, css: &str, press: impl Fn(&Browser)) {
    let mut seen = Vec::new();
    for _ in 0..60 {
        press(browser);
        let here = browser.value(&format!(
            "[document.activeElement.matches(\"{css}\"),
              document.activeElement.id || document.activeElement.tagName]"
        ));
        if here[0] == true {
            return;
        }
        seen.push(here[1].clone());
    }
    panic!("{css} is not reached, only {seen:?}");
}

#[test]
fn the_temperature_reshapes_the_bars_and_asks_the_server_nothing() {
    let Some((browser, _place, _served)) = ready() else { return };
    // What was typed is asked for a moment later; after a reload it is there from the beginning.
    browser.reload();
    let bars = "[...document.querySelectorAll('#write-candidates .value')].map((one) => one.textContent).join()";
    browser.wait(&format!(
        "({bars}).includes('%') && document.querySelector('#write-next-status').textContent"
    ));
    browser.count_requests();
    let before = browser.value(bars);
    let highest = "parseFloat(document.querySelector('#write-candidates .value').textContent)";
    let at_first = browser.value(highest).as_f64().unwrap();
    for _ in 0..8 {
        browser.send("#write-setting-temperature", Key::Left);
    }
    let after = browser.wait(&format!("({bars}) != {before} && ({bars})"));
    assert_ne!(before, after);
    // Colder: the likeliest is likelier. The page says what temperature it is.
    assert!(browser.value(highest).as_f64().unwrap() > at_first);
    assert_eq!(browser.text("[for=write-setting-temperature] output"), "0.40");
    // At 0 only one is left.
    browser.send("#write-setting-temperature", Key::Home);
    browser.wait(&format!("({bars}).startsWith('100%,out,out')"));
    assert_eq!(browser.requests(), Vec::<String>::new());
}

#[test]
fn characters_that_the_model_does_not_know_are_named() {
    let Some((browser, _place, _served)) = ready() else { return };
    browser.fill("#write-prompt", "o mar ß e ß");
    browser.click("#write-go");
    wait_for_tokens(&browser, 40);
    browser.wait("document.querySelector('#write-status').textContent.includes('ß ×2')");
}
