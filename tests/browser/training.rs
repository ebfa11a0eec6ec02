//! The view of a training.

use std::fs::OpenOptions;
use std::io::Write;

use serde_json::Value;

use crate::browser::Browser;
use crate::harness::Place;
use crate::serving::Serving;
use crate::views::resize;

/// Points on the curve of the training loss.
const POINTS: &str = "document.querySelector('#training-loss .curve.c0[d]')?.getAttribute('d').split(/[ML]/).length - 1";

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["event"] == kind).count()
}

#[test]
fn a_finished_run_shows_its_curves_figures_and_samples() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::with_run();
    let served = Serving::start(&place, &["--run", "run"]);
    browser.open(&served, "training");
    browser.wait("document.querySelector('#training-state').dataset.state == 'finished'");
    assert_eq!(browser.text("#training-title"), "Run run");
    assert_eq!(browser.text("#training-state"), "finished");
    let events = place.events("run");
    let steps = count(&events, "step");
    assert!(steps > 3);
    assert_eq!(browser.value(POINTS), steps);
    let evaluated = count(&events, "evaluated");
    assert_eq!(
        browser.value("document.querySelectorAll('#training-loss circle').length"),
        evaluated
    );
    let rows = "document.querySelectorAll('#training-table tbody tr').length";
    assert_eq!(browser.value(rows), evaluated);
    let samples = "document.querySelectorAll('#training-samples blockquote').length";
    assert_eq!(browser.value(samples), count(&events, "sample"));
    // What the log says last is what the figures say.
    let last = events.iter().rfind(|event| event["event"] == "step").unwrap();
    let loss = browser.text("[data-figure=loss_now]");
    assert_eq!(loss, format!("{:.4}", last["loss"].as_f64().unwrap()));
    // In a narrower window they are drawn anew, so that their letters do not shrink.
    let width = "document.querySelector('#training-loss > svg').viewBox.baseVal.width";
    let wide = browser.value(width).as_f64().unwrap();
    resize(&browser, 390);
    assert!(browser.value(width).as_f64().unwrap() < wide);
    // Under the pointer the figures of the nearest step.
    browser.point_at("#training-loss > svg");
    browser.wait(
        "document.querySelector('#training-loss .reading').textContent.includes('validation')",
    );
}

#[test]
fn a_run_that_trains_grows_before_ones_eyes() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::with_run();
    let log = place.text("run/metrics.jsonl");
    let lines: Vec<&str> = log.lines().collect();
    let is_step = |line: &&str| line.contains("\"event\":\"step\"");
    let half = lines.iter().position(is_step).unwrap() + 1;
    place.write("run/metrics.jsonl", lines[..half].join("\n") + "\n");
    let served = Serving::start(&place, &["--run", "run"]);
    browser.open(&served, "training");
    browser.wait("document.querySelector('#training-state').dataset.state == 'training'");
    browser.wait(&format!("{POINTS} == 1"));
    // The next ones, as the training would write them, one of them in two pieces.
    let path = place.path("run/metrics.jsonl");
    let append = |text: &str| {
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let next = half + lines[half..].iter().position(is_step).unwrap() + 1;
    let some = lines[half..next].join("\n") + "\n";
    let (first, second) =
        some.split_at(some.len() / 2 - usize::from(!some.is_char_boundary(some.len() / 2)));
    append(first);
    append(second);
    browser.wait(&format!("{POINTS} == 2"));
    assert_eq!(browser.text("#training-state"), "training");
    append(&(lines[next..].join("\n") + "\n"));
    browser.wait("document.querySelector('#training-state').dataset.state == 'finished'");
    let steps = lines.iter().filter(|line| is_step(line)).count();
    browser.wait(&format!("{POINTS} == {steps}"));
}

#[test]
fn without_a_run_it_is_said_how_to_serve_one() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::with_run();
    let served = Serving::start(&place, &["--model", "run"]);
    browser.open(&served, "training");
    browser.wait("!document.querySelector('#training-none').hidden");
    assert!(browser.text("#training-none").contains("machado serve --run runs/book"));
    assert_eq!(browser.value("document.querySelector('#training-here').hidden"), true);
}
