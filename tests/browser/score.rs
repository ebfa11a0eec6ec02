//! The view that measures a text.

use serde_json::json;

use crate::browser::Browser;
use crate::harness::Place;
use crate::serving::Serving;

#[test]
fn a_text_gets_a_map_of_its_surprises_and_the_bits_that_the_api_says() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::with_run();
    let served = Serving::start(&place, &["--model", "run"]);
    browser.open(&served, "score");
    let text = "A cor do mar é azul";
    browser.fill("#score-text", text);
    browser.click("#score-go");
    browser.wait("document.querySelectorAll('#score-tokens [role=option]').length == 19");
    let answer = browser.post("v1/score", &json!({ "text": text, "top": 5 }));
    let figure = |name: &str| browser.text(&format!("#score-figures [data-figure={name}]"));
    let bits = answer["bits_per_character"].as_f64().unwrap();
    assert_eq!(figure("bits_per_character"), format!("{bits:.3}"));
    assert_eq!(figure("scored"), answer["scored_tokens"].to_string());
    let warmth = browser.value(
        "[...document.querySelectorAll('#score-tokens [role=option]')].map((one) =>
           Number(one.style.getPropertyValue('--a')))",
    );
    let warmth: Vec<f64> = serde_json::from_value(warmth).unwrap();
    let tokens = answer["tokens"].as_array().unwrap();
    assert_eq!(warmth[0], 0.0, "the first token has nothing before it");
    for (warmth, token) in warmth.iter().zip(tokens).skip(1) {
        let bits = -token["logprob"].as_f64().unwrap() / std::f64::consts::LN_2;
        assert!((warmth - (bits / 10.0).min(1.0)).abs() < 0.001, "{warmth} for {bits} bits");
    }
    // The greatest surprise is the first of the list, and opens what was expected instead.
    let worst = tokens.iter().enumerate().skip(1);
    let worst = worst.min_by(|a, b| {
        a.1["logprob"].as_f64().unwrap().total_cmp(&b.1["logprob"].as_f64().unwrap())
    });
    let (index, worst) = worst.unwrap();
    browser.click("#score-worst button");
    browser.wait("!document.querySelector('#score-picked').hidden");
    let marked = "document.querySelector('#score-tokens [aria-selected=true]').dataset.index";
    assert_eq!(browser.value(marked), index.to_string());
    let expected = "document.querySelector('#score-alternatives .candidate').dataset.token";
    assert_eq!(browser.value(expected), worst["top"][0]["token"]);
}

#[test]
fn the_examples_are_measured_at_once_and_nothing_is_asked_to_be_typed() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::with_run();
    let served = Serving::start(&place, &["--model", "run"]);
    browser.open(&served, "score");
    browser.click("#score-go");
    browser.wait("document.querySelector('#score-status').textContent.startsWith('Type or paste')");
    browser.click("[data-example='score.example.plain']");
    browser.wait("document.querySelectorAll('#score-tokens [role=option]').length > 10");
}
