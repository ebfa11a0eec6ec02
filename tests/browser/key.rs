//! A server that wants a key.

use crate::browser::Browser;
use crate::harness::Place;
use crate::serving::Serving;
use crate::write::wait_for_tokens;

#[test]
fn a_key_is_asked_for_until_it_fits_and_is_kept_for_this_tab_only() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::with_run();
    let served = Serving::start(&place, &["--model", "run", "--api-key", "sesame"]);
    browser.go(&served.page());
    browser.wait("document.querySelector('#key').open");
    assert!(browser.text("#key-text").contains("started with --api-key"));
    assert_eq!(browser.value("document.activeElement.id"), "key-value");
    browser.fill("#key-value", "pepper");
    browser.click("#key button[value=ok]");
    browser.wait(
        "document.querySelector('#key').open && document.querySelector('#key-text').textContent.includes('not accept')",
    );
    browser.fill("#key-value", "sesame");
    browser.click("#key button[value=ok]");
    browser.wait("document.querySelector('#model-facts').textContent.includes('·')");
    browser.fill("#write-setting-max_tokens", "40");
    browser.click("#write-go");
    wait_for_tokens(&browser, 40);
    // Examples are copied into chats, so they never have the key itself.
    browser.click("#tab-api");
    let examples = browser.text("#api-list");
    assert!(examples.contains("Bearer YOUR_KEY") && !examples.contains("sesame"));
    // A reload asks nothing, and after forgetting the key the next request asks again.
    browser.reload();
    browser.wait("document.querySelector('#model-facts').textContent.includes('·')");
    assert_eq!(browser.value("document.querySelector('#key').open"), false);
    browser.click("#api-key-set");
    browser.reload();
    browser.wait("document.querySelector('#key').open");
    // Whoever has none is told so, and can try again.
    browser.click("#key button[value='']");
    browser
        .wait("document.querySelector('#model-facts').textContent.includes('That did not work')");
    browser.click("#model-facts button");
    browser.wait("document.querySelector('#key').open");
}
