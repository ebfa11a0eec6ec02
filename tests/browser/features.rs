//! The view of the features: search, one feature, steering, which ones fire in a text, the map.

use serde_json::{Value, json};
use thirtyfour::Key;

use crate::browser::Browser;
use crate::harness::Place;
use crate::serving::Serving;

fn ready() -> Option<(Browser, Place, Serving)> {
    let browser = Browser::start()?;
    let place = Place::with_sae();
    let served = Serving::start(&place, &["--model", "run"]);
    browser.open(&served, "features");
    browser.wait("document.querySelector('#features-list button')");
    Some((browser, place, served))
}

/// The numbers of the features in a list.
fn listed(browser: &Browser, list: &str) -> Vec<u64> {
    let ids = browser.value(&format!(
        "[...document.querySelectorAll('{list} [data-feature]')].map((one) => Number(one.dataset.feature))"
    ));
    serde_json::from_value(ids).unwrap()
}

fn ids(features: &Value) -> Vec<u64> {
    features.as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()).collect()
}

#[test]
fn a_search_finds_features_and_one_of_them_shows_where_it_fires() {
    let Some((browser, _place, _served)) = ready() else { return };
    let all = browser.get("v1/features?limit=50");
    assert_eq!(listed(&browser, "#features-list"), ids(&all["data"]));
    assert!(browser.text("#features-status").contains(&format!("{} of 32 features", all["total"])));
    // A word at which one of them fires.
    let words = all["data"].as_array().unwrap().iter().find_map(|one| one["words"].get(0));
    let word = words.unwrap()["word"].as_str().unwrap();
    browser.fill("#features-query", word);
    browser.wait(&format!(
        "document.querySelector('#features-status').textContent.endsWith('fire at: {word}')"
    ));
    let found = browser.get(&format!("v1/features?q={word}&limit=50"));
    let found = ids(&found["data"]);
    assert!(!found.is_empty());
    assert_eq!(listed(&browser, "#features-list"), found);
    // What fits best comes first, so there is nothing to choose.
    assert_eq!(browser.value("document.querySelector('#features-order').disabled"), true);
    browser.click("#features-list button");
    let id = found[0];
    browser.wait(&format!("document.querySelector('#feature').dataset.feature == {id}"));
    let one = browser.get(&format!("v1/features/{id}"));
    let title = format!("Feature {id}: {}", one["label"].as_str().unwrap());
    assert_eq!(browser.text("#feature-title"), title);
    let contexts = one["contexts"].as_array().unwrap().len().min(10);
    assert!(contexts > 0);
    let lines = "document.querySelectorAll('#feature-contexts p').length";
    assert_eq!(browser.value(lines), contexts);
    // In the first one the strongest place is the warmest.
    let warmest =
        "Math.max(...[...document.querySelector('#feature-contexts p').querySelectorAll('mark')]
                     .map((mark) => Number(mark.style.getPropertyValue('--a'))))";
    assert_eq!(browser.value(warmest), 1);
    assert_eq!(browser.value("document.querySelectorAll('#feature-bands span').length"), 10);
    let promoted = browser.text("#feature-promotes .glyph");
    let token = one["promotes"][0]["token"].as_str().unwrap();
    assert_eq!(promoted, token.replace(' ', "␣").replace('\n', "↵"));
    // From one to another that is like it.
    let alike = listed(&browser, "#feature-alike");
    browser.click("#feature-alike button");
    browser.wait(&format!("document.querySelector('#feature').dataset.feature == {}", alike[0]));
}

#[test]
fn a_feature_that_is_turned_up_writes_another_text_beside_the_usual_one() {
    let Some((browser, _place, _served)) = ready() else { return };
    browser.click("#features-list button");
    browser.wait("!document.querySelector('#feature').hidden && document.querySelector('#feature-title').textContent");
    browser.click("#feature-steer");
    let id = listed(&browser, "#steer-sliders")[0];
    browser.fill("#steer-prompt", "o mar ");
    browser.fill("#steer-seed", "3");
    browser.fill("#steer-setting-max_tokens", "60");
    // As far as it goes; the texts are written by themselves, as soon as it is still.
    browser.send(&format!("#steer-strength-{id}"), Key::End);
    let command = browser.text("#steer-command");
    assert_eq!(command, format!("--steer {id}:5"));
    browser.click("#steer-go");
    browser.wait(
        "/^The first \\d+ tokens/.test(document.querySelector('#steer-status').textContent)
                  && document.querySelector('#steer-steered-figures').textContent",
    );
    let request = json!({ "prompt": "o mar ", "seed": 3, "max_tokens": 60, "temperature": 0.8 });
    let usual = browser.post("v1/completions", &request)["choices"][0]["text"].clone();
    let written = |side: &str| {
        let tokens = format!(
            "[...document.querySelectorAll('#steer-{side} [role=option]')].map((one) => one.dataset.token).join('')"
        );
        browser.value(&tokens)
    };
    assert_eq!(written("default"), usual);
    let mut steered = request.clone();
    steered["steer"] = json!([{ "feature": id, "strength": 5, "mode": "hold" }]);
    let steered = browser.post("v1/completions", &steered)["choices"][0]["text"].clone();
    assert_eq!(written("steered"), steered);
    assert_ne!(usual, steered);
    // What it does to the next token is said, too.
    let apart = browser.text("#steer-kl");
    assert!(!apart.contains(" 0.000 "), "{apart}");
    // Without sliders both sides are the same.
    browser.click(&format!("[data-remove='{id}']"));
    browser.click("#steer-go");
    browser.wait("document.querySelector('#steer-status').textContent == 'The first 60 tokens are the same.'");
    assert_eq!(written("steered"), usual);
}

#[test]
fn a_text_shows_which_features_fire_at_each_of_its_tokens() {
    let Some((browser, _place, _served)) = ready() else { return };
    browser.fill("#fires-text", "e o mar também");
    browser.click("#fires-go");
    browser.wait("document.querySelectorAll('#fires-tokens [role=option]').length == 14");
    let answer = browser.post("v1/activations", &json!({ "text": "e o mar também", "top": 8 }));
    let tokens = answer["tokens"].as_array().unwrap();
    let firing = tokens.iter().position(|token| !token["features"].as_array().unwrap().is_empty());
    let index = firing.unwrap();
    browser.click(&format!("#fires-tokens [data-index='{index}']"));
    browser.wait("document.querySelector('#fires-list button')");
    assert_eq!(listed(&browser, "#fires-list"), ids(&tokens[index]["features"]));
    // By one feature alone, all others lose their colour.
    let id = tokens[index]["features"][0]["id"].as_u64().unwrap();
    browser.send("#fires-feature", format!("{id} "));
    browser.wait(&format!("document.querySelector('#fires-feature').value == {id}"));
    let warm = browser.value(
        "[...document.querySelectorAll('#fires-tokens [role=option]')].map((one) =>
           Number(one.style.getPropertyValue('--a')) > 0)",
    );
    let fires = |token: &Value| {
        let features = token["features"].as_array().unwrap();
        features.iter().any(|one| one["id"] == id && one["share"].as_f64() > Some(0.0))
    };
    assert_eq!(warm, tokens.iter().map(fires).collect::<Value>());
}

#[test]
fn the_map_has_a_point_for_each_feature_and_the_groups_list_the_same() {
    let Some((browser, _place, _served)) = ready() else { return };
    let map = browser.get("v1/features/map");
    let points = map["points"].as_array().unwrap();
    browser.wait(&format!(
        "document.querySelectorAll('#map-picture circle').length == {}",
        points.len()
    ));
    let groups = map["groups"].as_array().unwrap();
    let shown = "document.querySelectorAll('#map-groups details').length";
    assert_eq!(browser.value(shown), groups.len());
    browser.click("#map-groups summary");
    browser.wait("document.querySelector('#map-groups .map-members button')");
    let id = listed(&browser, "#map-groups .map-members")[0];
    browser.click("#map-groups .map-members button");
    browser.wait(&format!("document.querySelector('#feature').dataset.feature == {id}"));
    let chosen = "document.querySelector('#map-picture circle.chosen').dataset.feature";
    assert_eq!(browser.value(chosen), id.to_string());
}

#[test]
fn a_model_without_features_or_without_its_text_says_what_is_missing() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::with_sae();
    std::fs::remove_file(place.path("text.txt")).unwrap();
    let served = Serving::start(&place, &["--model", "run"]);
    browser.open(&served, "features");
    browser.wait("!document.querySelector('#features-none').hidden");
    assert!(browser.text("#features-why").contains("not the text"));
    std::fs::remove_dir_all(place.path("run/sae")).unwrap();
    let served = Serving::start(&place, &["--model", "run"]);
    browser.open(&served, "features");
    browser.wait("!document.querySelector('#features-none').hidden");
    assert!(browser.text("#features-why").contains("no autoencoder"));
    assert!(browser.text("#features-none").contains("machado sae train RUN"));
}
