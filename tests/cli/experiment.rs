//! `machado experiment`: the report is there, and says what was missed first.

use crate::harness::Place;
use crate::pages::check_page;

#[test]
fn the_experiment_leaves_three_reports_and_a_run_to_go_on_with() {
    let place = Place::new();
    let args = ["experiment", "favourite-science", "--tiny", "--seeds", "2", "--seed", "7"];
    let printed = place.json(&[&args[..], &["--out", "report", "--json"]].concat());
    let saved: serde_json::Value =
        serde_json::from_slice(&place.read("report/report.json")).unwrap();
    assert_eq!(printed, saved);

    assert_eq!(printed["tiny"], true);
    assert_eq!(printed["seeds"].as_array().unwrap().len(), 2);
    assert_eq!(printed["seeds"][1]["seed"], 8);
    let bars = printed["bars"].as_array().unwrap();
    for bar in bars {
        let is_missed = printed["missed"].as_array().unwrap().contains(&bar["name"]);
        assert_eq!(bar["reached"], !is_missed, "{bar}");
    }
    let seed = &printed["seeds"][0];
    for key in ["gates", "autoencoder", "features", "detection", "effects", "topics"] {
        assert!(!seed[key].is_null(), "{key}");
    }
    let effects = &seed["effects"];
    let probabilities = |row: &serde_json::Value| -> f64 {
        row.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).sum()
    };
    assert!((probabilities(&effects["unsteered"]) - 1.0).abs() < 1e-6);
    let matrix = effects["matrix"].as_array().unwrap();
    assert_eq!(matrix.len(), 6);
    matrix.iter().for_each(|row| assert!((probabilities(row) - 1.0).abs() < 1e-6));
    assert_eq!(effects["steered"][0]["method"], "feature");
    assert_eq!(effects["steered"][1]["method"], "no steering");
    // Unsteered texts surprise the unsteered model no more than themselves.
    assert_eq!(effects["steered"][1]["extra_nats"], 0.0);

    // A model that has learnt nothing misses bars, and the report begins with them.
    let text = place.text("report/report.txt");
    let [missed, reached] = ["Missed", "Reached"].map(|word| text.find(word).unwrap());
    assert!(missed < reached && text.contains("FIGURES MEAN NOTHING"), "{text}");
    assert!(text[missed..reached].contains("validation loss / entropy"), "{text}");
    let page = place.text("report/report.html");
    assert_eq!(page.matches("<svg ").count(), 4);
    check_page(&page);

    // What the first seed left is a run like any other.
    let run = "report/run";
    let prompt = "q : what is your favourite science ? a : my favourite science is";
    let candidates = place.json(&["predict", prompt, "--model", run, "--json"]);
    assert!(!candidates.is_null());
    place.json(&["evaluate", "--part", "validation", "--model", run, "--json"]);
    assert!(place.path("report/run/sae/cfg.json").exists());
    place.fails(
        &["experiment", "favourite-science", "--tiny", "--out", "report"],
        1,
        &["already holds a run", "choose another --out"],
    );
}
