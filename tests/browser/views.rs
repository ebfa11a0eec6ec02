//! The views one after the other, each with something in it, for what holds for all of them.

use serde_json::json;

use crate::browser::Browser;
use crate::write::wait_for_tokens;

pub(crate) const VIEWS: [&str; 6] = ["write", "lesson", "score", "features", "training", "api"];

/// Puts something into each view, as somebody would who tries all of them.
pub(crate) fn fill_views(browser: &Browser) {
    show(browser, "write");
    browser.fill("#write-setting-max_tokens", "60");
    browser.click(".more-settings summary");
    browser.click(".limits summary");
    browser.click("#write-go");
    wait_for_tokens(browser, 60);
    browser.click("#write-text [data-index='20']");
    browser.wait("document.querySelector('#write-candidates .chosen')");
    browser.click("#write-candidates button:not(.chosen)");
    wait_for_tokens(browser, 81);
    browser.click("#write-versions summary");
    browser.click("#write-text [data-index='30']");
    browser.wait("document.querySelector('#write-candidates .chosen')");
    show(browser, "lesson");
    browser.wait("document.querySelector('#lesson-table td')");
    browser.click("#lesson-draw-many");
    show(browser, "score");
    browser.click("[data-example='score.example.english']");
    browser.wait("document.querySelector('#score-worst button')");
    browser.click("#score-worst button");
    show(browser, "features");
    browser.wait(
        "!document.querySelector('#features-none').hidden || document.querySelector('#features-list button')",
    );
    if browser.value("document.querySelector('#features-none').hidden") == true {
        fill_features(browser);
    }
    show(browser, "training");
    browser.wait(
        "!document.querySelector('#training-none').hidden || document.querySelector('#training-loss svg')",
    );
    show(browser, "api");
    browser.wait("document.querySelector('#api-list pre')");
}

fn fill_features(browser: &Browser) {
    browser.wait("document.querySelector('#map-picture circle')");
    browser.click("#features-list button");
    browser.wait("document.querySelector('#feature-title').textContent");
    browser.click("#feature-steer");
    browser.wait("document.querySelector('#steer-sliders input')");
    browser.click("#steer-go");
    browser.wait("document.querySelector('#steer-steered-figures').textContent");
    browser.fill("#fires-text", "e o mar também");
    browser.click("#fires-go");
    browser.click("#fires-tokens [data-index='7']");
    browser.wait("document.querySelector('#fires-title').textContent.includes('“')");
    browser.click("#map-groups summary");
}

pub(crate) fn show(browser: &Browser, view: &str) {
    browser.click(&format!("#tab-{view}"));
    browser.wait(&format!("!document.querySelector('#view-{view}').hidden"));
}

/// Colours as a reader can have them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Colours {
    Light,
    Dark,
}

impl Colours {
    pub(crate) const ALL: [Self; 2] = [Self::Light, Self::Dark];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(crate) fn choose(self, browser: &Browser) {
        let still = json!({ "name": "prefers-reduced-motion", "value": "reduce" });
        let scheme = json!({ "name": "prefers-color-scheme", "value": self.name() });
        browser.devtools("Emulation.setEmulatedMedia", json!({ "features": [scheme, still] }));
    }
}

/// A window as wide as this, and high enough for all of the page.
pub(crate) fn resize(browser: &Browser, width: u32) {
    let size = |height: u64| {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        browser.devtools("Emulation.setDeviceMetricsOverride", metrics);
    };
    size(900);
    let height = browser.value("document.documentElement.scrollHeight").as_u64().unwrap();
    size(height.max(900));
    // Curves are drawn for the new width a moment later.
    browser.wait(
        "!document.querySelector('#training-loss > svg')?.checkVisibility()
           || document.querySelector('#training-loss > svg').viewBox.baseVal.width
              == Math.min(640, document.querySelector('#training-loss').clientWidth)",
    );
}
