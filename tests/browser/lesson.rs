//! The lesson on how the next token comes about.

use serde_json::{Value, json};
use thirtyfour::Key;

use crate::browser::Browser;
use crate::harness::Place;
use crate::serving::Serving;
use crate::views::Colours;

/// Tokens that have a row of their own.
const ROWS: usize = 8;

fn ready() -> Option<(Browser, Place, Serving)> {
    let browser = Browser::start()?;
    let place = Place::with_run();
    let served = Serving::start(&place, &["--model", "run"]);
    browser.open(&served, "lesson");
    browser.fill("#lesson-text", "o mar também ");
    browser.wait("document.querySelectorAll('#lesson-tokens li').length == 13");
    Some((browser, place, served))
}

/// The number that stands somewhere: 1,234.5 or 12.3% or 1.2·10⁵.
fn number(shown: &str) -> f64 {
    let plain = shown.replace([',', '%', '<'], "");
    let Some((mantissa, power)) = plain.split_once("·10") else { return plain.parse().unwrap() };
    let digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    let place = |c| {
        digits.chars().position(|digit| digit == c).and_then(|at| char::from_digit(at as u32, 10))
    };
    let power: String = power.chars().map(|c| place(c).unwrap_or('-')).collect();
    mantissa.parse::<f64>().unwrap() * 10_f64.powi(power.parse().unwrap())
}

/// Checks that a number is shown as well as its digits allow.
#[track_caller]
fn check(shown: &Value, expected: f64, what: &str) {
    let shown = number(shown.as_str().unwrap());
    // Logits have two decimals, percentages at least one, powers two digits or four.
    assert!(
        (shown - expected).abs() < 0.051_f64.min(0.0051 + 0.05 * expected.abs()),
        "{what}: {shown} for {expected}"
    );
}

#[test]
fn the_numbers_are_those_of_the_model() {
    let Some((browser, _place, _served)) = ready() else { return };
    let answer = browser.post("v1/probs", &json!({ "prompt": "o mar também ", "top": 1000 }));
    let candidates = answer["candidates"].as_array().unwrap();
    let logits: Vec<f64> = candidates.iter().map(|one| one["logit"].as_f64().unwrap()).collect();
    assert_eq!(answer["vocabulary_size"], candidates.len());
    for (button, temperature) in [("1", 1.0), ("0.2", 0.2), ("2.5", 2.5)] {
        browser.click(&format!("[data-temperature='{button}']"));
        let shown = browser.text("#lesson-temperature-value");
        assert_eq!(number(&shown), temperature);
        check_table(&browser, candidates, &logits, temperature);
    }
    // The slider does the same, a step of 0.05 a key, and asks the server nothing.
    browser.count_requests();
    browser.send("#lesson-temperature", Key::Left);
    browser.wait("document.querySelector('#lesson-temperature-value').textContent == '2.45'");
    check_table(&browser, candidates, &logits, 2.45);
    assert!(browser.requests().is_empty());
}

#[track_caller]
fn check_table(browser: &Browser, candidates: &[Value], logits: &[f64], temperature: f64) {
    let rows = browser.value(
        "[...document.querySelectorAll('#lesson-table tbody tr')].map((row) =>
           [row.dataset.token ?? null, ...[...row.cells].map((cell) => cell.textContent)])",
    );
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), ROWS + 1, "the likeliest, and the others together");
    let powers: Vec<f64> = logits.iter().map(|logit| (logit / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    for (row, (candidate, logit)) in rows.iter().zip(candidates.iter().zip(logits)).take(ROWS) {
        let scaled = logit / temperature;
        assert_eq!(row[0], candidate["token"]);
        check(&row[2], *logit, "logit");
        check(&row[3], scaled, "divided");
        check(&row[4], scaled.exp(), "power");
        check(&row[5], 100.0 * scaled.exp() / sum, "probability");
    }
    let others: f64 = powers[ROWS..].iter().sum();
    check(&rows[ROWS][5], 100.0 * others / sum, "the others");
    let said = browser.text("#lesson-sum");
    let said = said.rsplit(' ').next().unwrap();
    assert!((number(said) / sum - 1.0).abs() < 0.05, "{said} for {sum}");
}

#[test]
fn drawing_makes_a_histogram_and_what_was_drawn_goes_on() {
    let Some((browser, _place, _served)) = ready() else { return };
    let drawn = "[...document.querySelectorAll('#lesson-histogram .value')]
                   .reduce((sum, one) => sum + parseInt(one.textContent), 0)";
    assert_eq!(browser.value(drawn), 0);
    assert_eq!(browser.value("document.querySelector('#lesson-append').disabled"), true);
    browser.click("#lesson-draw");
    browser.wait(&format!("({drawn}) == 1"));
    assert!(browser.text("#lesson-result").contains(" falls on "));
    browser.click("#lesson-draw-many");
    browser.wait(&format!("({drawn}) == 101"));
    // Another language changes nothing about it.
    browser.click("#language");
    assert_eq!(browser.value(drawn), 101);
    browser.click("#language");
    // As long as the shares that they stand for, beside the largest of all.
    let lengths = browser.value(
        "[...document.querySelectorAll('#lesson-histogram li')].map((row) =>
           [parseInt(row.querySelector('.value').textContent),
            parseFloat(row.querySelector('.fill').style.width)])",
    );
    let lengths: Vec<(f64, f64)> = serde_json::from_value(lengths).unwrap();
    let (count, length) =
        lengths.iter().copied().fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
    for (other, its) in lengths {
        assert!((its - length * other / count).abs() < 0.1, "{other} drawn are {its} % long");
    }
    // The token on the button becomes a part of the text, and the counting begins again.
    browser.click("#lesson-append");
    browser.wait("document.querySelectorAll('#lesson-tokens li').length == 14");
    browser.wait(&format!("({drawn}) == 0"));
    let text = browser.value("document.querySelector('#lesson-text').value");
    assert_eq!(text.as_str().unwrap().chars().count(), 14);
}

#[test]
fn it_plays_by_itself_until_it_is_told_to_pause() {
    let Some((browser, _place, _served)) = ready() else { return };
    // Without the needle's way it is as quick as it can be.
    Colours::Light.choose(&browser);
    browser.click("#lesson-play");
    browser.wait("document.querySelectorAll('#lesson-tokens li').length >= 15");
    assert_eq!(browser.value("document.querySelector('#lesson-play').ariaPressed"), "true");
    browser.send("#lesson-play", Key::Enter);
    assert_eq!(browser.value("document.querySelector('#lesson-play').ariaPressed"), "false");
}
