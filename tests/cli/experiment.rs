//! `machado experiment`: the reports are there, and say what was missed first.

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

/// Sentences of which some are about the sea and some about bread.
fn sea_and_bread() -> String {
    let sea = [
        "o mar era azul e a onda veio",
        "vi o navio no mar e as ondas",
        "a onda do mar levou o navio",
    ];
    let bread = ["o pão estava no forno e a farinha", "fez pães de farinha e comeu o pão"];
    let mut text = String::new();
    for i in 0..400 {
        text += if i % 3 == 0 { sea[i / 3 % 3] } else { bread[i % 2] };
        if i == 7 {
            text += "ao longe e ao perto. ";
        }
        text += if i % 5 == 0 { " hoje de manhã.\n" } else { " outra vez, disse ele.\n" };
        if i % 4 == 0 {
            text += "ele disse que era outra vez manhã e que hoje não veio ninguém de fora, nem de dentro, \
                     e ficou ali à espera de quem lhe dissesse outra coisa que não aquilo.\n";
        }
    }
    text
}

#[test]
fn concepts_of_a_text_are_looked_for_in_a_model_of_it() {
    let place = Place::new();
    place.write("book.txt", sea_and_bread());
    let concepts = ["--concept", "mar=mar,onda*,navio", "--concept", "pão=pão,pães,farinha"];
    let begin = ["experiment", "concepts", "--tiny", "--out", "report", "--json"];
    let small = ["--units", "16", "--embedding-dim", "8", "--filters", "8", "--min-count", "1"];
    let trained = [&begin[..], &["--text", "book.txt"], &small, &concepts].concat();
    let printed = place.json(&trained);
    let saved: serde_json::Value =
        serde_json::from_slice(&place.read("report/report.json")).unwrap();
    assert_eq!(printed, saved);

    // Every second word is held out.
    let words = &printed["words"][0];
    assert_eq!(words["name"], "mar");
    assert_eq!(words["chosen_by"].as_array().unwrap().len(), 2);
    assert_eq!(words["held_out"].as_array().unwrap().len(), 2);
    for (i, concept) in printed["concepts"].as_array().unwrap().iter().enumerate() {
        let ways = concept["ways"].as_array().unwrap();
        let methods: Vec<&str> = ways.iter().map(|way| way["method"].as_str().unwrap()).collect();
        assert_eq!(
            methods,
            [
                "feature",
                "feature, read-out only",
                "difference of means",
                "best unit",
                "a direction by chance"
            ]
        );
        // The matrix has on its diagonal what the concept itself reports.
        assert_eq!(printed["scores"][i][i], ways[0]["score"]);
        assert_eq!(printed["rates"][i][i], ways[0]["per_thousand_words"]);
        let [p, holm] = ["p_value", "p_value_holm"].map(|key| concept[key].as_f64().unwrap());
        assert!(p >= 1.0 / 6.0 && holm >= p && holm <= 1.0, "{concept}");
    }
    let text = place.text("report/report.txt");
    let [missed, reached] = ["Missed", "Reached"].map(|word| text.find(word).unwrap());
    assert!(missed < reached && text.contains("FIGURES MEAN NOTHING"), "{text}");
    let page = place.text("report/report.html");
    assert_eq!(page.matches("<svg ").count(), 2);
    check_page(&page);

    // The run is one like any other, and looked into again it says the same.
    let again = place.json(
        &[
            &["experiment", "concepts", "report/run", "--tiny", "--out", "again", "--json"],
            &concepts[..],
        ]
        .concat(),
    );
    for key in ["concepts", "scores", "rates", "bars"] {
        assert_eq!(again[key], printed[key], "{key}");
    }
    place.fails(&trained, 1, &["already holds a report", "choose another --out"]);
}

#[test]
fn a_concept_that_the_text_does_not_have_is_said_so() {
    let place = Place::new();
    place.write("book.txt", sea_and_bread());
    let small = ["--units", "16", "--embedding-dim", "8", "--filters", "8", "--min-count", "1"];
    let begin = [&["experiment", "concepts", "--tiny", "--text", "book.txt"][..], &small].concat();
    let run = |out: &str, concept: &[&str], code, expected: &[&str]| {
        place.fails(&[&begin[..], &["--out", out], concept].concat(), code, expected);
    };
    run("a", &["--concept", "rei=rei,coroa"], 1, &["no word of \"rei\"", "give it words that do"]);
    run("b", &["--concept", "longe=longe,perto*"], 1, &["\"longe\" come", "more words"]);
    run("c", &["--concept", "rei"], 2, &["expected a name", "mar=mar,mares,onda*"]);
    run("d", &["--concept", "rei=o rei"], 2, &["\"o rei\" is no single word"]);
    place.write("sea.txt", "the sea and the ships\n".repeat(200));
    let sea = ["experiment", "concepts", "--tiny", "--text", "sea.txt"];
    place.fails(&sea, 1, &["none of the usual concepts", "--concept sea=sea,ship*,wave*"]);
    let piped = ["experiment", "concepts", "--text", "-"];
    place.fails(&piped, 2, &["more than once", "save it in a file"]);
}
