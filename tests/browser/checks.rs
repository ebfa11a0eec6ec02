//! What holds for every view: whoever sees badly, has no mouse or a small screen can use it, and nothing is
//! asked from elsewhere.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::harness::Place;
use crate::serving::Serving;
use crate::views::{Colours, VIEWS, fill_views, resize, show};

/// Roles of what can be used, as Chromium tells them to a screen reader.
const CONTROLS: &[&str] = &[
    "button",
    "checkbox",
    "combobox",
    "dialog",
    "link",
    "listbox",
    "option",
    "progressbar",
    "radio",
    "searchbox",
    "slider",
    "spinbutton",
    "tab",
    "tablist",
    "tabpanel",
    "textbox",
    "image",
    "img",
    "heading",
    "DisclosureTriangle",
    "navigation",
    "region",
    "complementary",
];

fn ready() -> Option<(Browser, Place, Serving)> {
    let browser = Browser::start()?;
    let place = Place::with_sae();
    let served = Serving::start(&place, &["--run", "run"]);
    browser.open(&served, "write");
    fill_views(&browser);
    browser.value(&format!("(() => {{ window.checks = {}; }})()", include_str!("checks.js")));
    Some((browser, place, served))
}

/// Checks in every view that a function of `checks.js` finds nothing wrong.
#[track_caller]
fn check_views(browser: &Browser, what: &str, width: u32) {
    let mut wrong = Vec::new();
    for view in VIEWS {
        show(browser, view);
        resize(browser, width);
        let found: Vec<String> =
            serde_json::from_value(browser.value(&format!("checks.{what}()"))).unwrap();
        wrong.extend(found.into_iter().map(|one| format!("{view}: {one}")));
    }
    assert!(wrong.is_empty(), "{what} at {width} pixels:\n{}", wrong.join("\n"));
}

#[test]
fn all_text_can_be_read_in_light_and_dark() {
    let Some((browser, _place, _served)) = ready() else { return };
    for colours in Colours::ALL {
        colours.choose(&browser);
        check_views(&browser, "lowContrast", 1280);
    }
    browser.click("#language");
    check_views(&browser, "lowContrast", 390);
}

#[test]
fn nothing_is_wider_than_a_phone_and_everything_is_large_enough_for_a_finger() {
    let Some((browser, _place, _served)) = ready() else { return };
    for width in [360, 390, 700, 1280] {
        check_views(&browser, "tooWide", width);
    }
    check_views(&browser, "smallTargets", 360);
    check_views(&browser, "barelyScrolling", 360);
    check_views(&browser, "barelyScrolling", 1280);
    browser.click("#language");
    check_views(&browser, "tooWide", 360);
}

#[test]
fn a_screen_reader_finds_headings_in_order_and_a_name_for_everything() {
    let Some((browser, _place, _served)) = ready() else { return };
    for what in ["headings", "references", "deadLinks"] {
        check_views(&browser, what, 1280);
    }
    browser.devtools("Accessibility.enable", json!({}));
    let mut named = 0;
    for view in VIEWS {
        show(&browser, view);
        let tree = browser.devtools("Accessibility.getFullAXTree", json!({}));
        for node in tree["nodes"].as_array().unwrap() {
            let role = node["role"]["value"].as_str().unwrap_or_default();
            if node["ignored"] == true || !CONTROLS.contains(&role) {
                continue;
            }
            let name = node["name"]["value"].as_str().unwrap_or_default();
            assert!(!name.trim().is_empty(), "{view}: a {role} without a name: {node}");
            named += 1;
        }
    }
    assert!(named > 200, "only {named} controls found");
}

#[test]
fn nothing_is_asked_from_elsewhere_and_nothing_is_complained_of() {
    let Some((browser, _place, served)) = ready() else { return };
    browser.click("#language");
    browser.reload();
    let mut asked = 0;
    for entry in browser.log("performance") {
        let event: Value = serde_json::from_str(&entry).unwrap();
        let (method, asked_for) = (&event["message"]["method"], &event["message"]["params"]);
        let page = asked_for["documentURL"].as_str().unwrap_or_default();
        // A new browser asks for its own empty page first.
        if method != "Network.requestWillBeSent" || page.starts_with("chrome:") {
            continue;
        }
        let address = asked_for["request"]["url"].as_str().unwrap();
        let page = served.page();
        let own = ["data:", "about:", &page];
        assert!(own.iter().any(|own| address.starts_with(own)), "{address} was asked for");
        asked += usize::from(address.starts_with(&page));
    }
    assert!(asked > 40, "only {asked} requests seen");
    assert_eq!(browser.log("browser"), Vec::<String>::new());
}
