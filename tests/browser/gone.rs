//! A server that goes away and comes back.

use crate::browser::Browser;
use crate::harness::Place;
use crate::serving::Serving;

#[test]
fn a_server_that_goes_away_while_it_writes_loses_nothing_and_can_be_asked_again() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::with_slow_run();
    let mut served = Serving::start(&place, &["--model", "run"]);
    browser.open(&served, "write");
    browser.fill("#write-prompt", "o mar ");
    browser.fill("#write-setting-max_tokens", "4000");
    browser.click("#write-go");
    browser.wait("document.querySelectorAll('#write-text [role=option]').length >= 10");
    served.kill();
    browser.wait("!document.querySelector('#gone').hidden");
    assert!(browser.text("#gone-text").contains("The server does not answer"));
    assert_eq!(browser.text("#write-status"), "Interrupted: the server does not answer.");
    let kept = browser.text("#write-text");
    assert!(kept.chars().count() >= 10);
    assert_eq!(browser.text("#write-prompt-shown").trim_end(), "o mar");
    // It is still away, and nothing happens but that this is said.
    browser.click("#gone-retry");
    browser.wait("document.querySelector('#gone-text').textContent.startsWith('Still no answer')");
    assert_eq!(browser.text("#write-text"), kept);
    // The page sees by itself that it is back; going on is for the person to say.
    let _served = Serving::start_at(&place, served.port(), &["--model", "run"]);
    browser.wait("document.querySelector('#gone').classList.contains('back')");
    assert_eq!(browser.text("#gone-retry"), "Go on");
    browser.click("#gone-retry");
    browser.wait("document.querySelector('#gone').hidden");
    browser.wait(&format!(
        "document.querySelector('#write-text').innerText.length > {}",
        kept.encode_utf16().count() + 5
    ));
    assert!(browser.text("#write-text").starts_with(&kept));
    browser.click("#write-stop");
}

#[test]
fn what_was_asked_while_the_server_was_away_is_done_when_it_is_back() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::with_run();
    let mut served = Serving::start(&place, &["--model", "run"]);
    browser.open(&served, "score");
    served.kill();
    browser.fill("#score-text", "o mar");
    browser.click("#score-go");
    browser.wait("!document.querySelector('#gone').hidden");
    let _served = Serving::start_at(&place, served.port(), &["--model", "run"]);
    browser.click("#gone-retry");
    browser.wait("document.querySelectorAll('#score-tokens [role=option]').length == 5");
    assert_eq!(browser.value("document.querySelector('#gone').hidden"), true);
}
