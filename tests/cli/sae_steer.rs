use serde_json::Value;

use crate::harness::{Place, TINY, text};
use crate::pages::check_page;

/// A place with a run of more steps than elsewhere: a model that knows nothing yet says the same
/// whatever is pushed.
fn with_run() -> Place {
    let place = Place::new();
    place.write("text.txt", text());
    let mut command = place.machado(&["train", "text.txt", "--out", "run"]);
    for pair in TINY.chunks(2) {
        let long = ["--steps", "--eval-every", "--sample-every"].contains(&pair[0]);
        command.args([pair[0], if long { "600" } else { pair[1] }]);
    }
    command.assert().success();
    place
}

/// A place with a run and an autoencoder of it, and a feature that is active somewhere.
fn with_sae() -> (Place, usize) {
    let place = with_run();
    let sizes = ["--features", "24", "--k", "4", "--positions", "20000", "--batch-size", "256"];
    place.machado(&["sae", "train", "run"]).args(sizes).assert().success();
    let strongest = strongest(&place);
    let number = (0..24).max_by(|&a, &b| strongest[a].total_cmp(&strongest[b])).unwrap();
    (place, number)
}

fn config(place: &Place) -> Value {
    serde_json::from_str(&place.text("run/sae/cfg.json")).unwrap()
}

/// The strongest activation of each feature.
fn strongest(place: &Place) -> Vec<f64> {
    let facts = &config(place)["metadata"]["machado"]["max_activations"];
    facts.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

const GENERATE: &[&str] =
    &["generate", "A cor ", "--model", "run", "--seed", "3", "-n", "60", "--json"];

#[test]
fn steered_text_differs_and_json_says_what_was_steered() {
    let (place, feature) = with_sae();
    let with = |more: &[&str]| place.json(&[GENERATE, more].concat());
    let plain = with(&[]);
    assert!(plain.get("steering").is_none(), "{plain}");
    let steer = format!("{feature}:3,{feature}:add-0.5");
    let steered = with(&["--steer", &steer]);
    assert_ne!(steered["text"], plain["text"]);
    assert_eq!(steered["text"], with(&["--steer", &steer])["text"], "the same seed");
    let about = &steered["steering"];
    assert_eq!((&about["layer"], &about["reach"]), (&"gru".into(), &"state".into()));
    let [clamped, added] = [0, 1].map(|place| &about["pushes"][place]);
    assert_eq!((&clamped["feature"], &clamped["mode"]), (&feature.into(), &"clamp".into()));
    assert_eq!((&clamped["strength"], &added["strength"]), (&3.0.into(), &(-0.5).into()));
    assert_eq!(added["mode"], "add");
    let unit = clamped["strongest"].as_f64().unwrap();
    assert!((unit - strongest(&place)[feature]).abs() < 1e-5, "{clamped}");
    // Where nothing is added nothing changes.
    assert_eq!(with(&["--steer", &format!("{feature}:add0")])["text"], plain["text"]);
    place.fails(
        &[GENERATE, &["--steer", &format!("{feature}:3,{feature}:off")]].concat(),
        2,
        &["at two strengths"],
    );
    // Elsewhere than beside the model.
    std::fs::rename(place.path("run/sae"), place.path("elsewhere")).unwrap();
    place.fails(
        &[GENERATE, &["--steer", &steer]].concat(),
        1,
        &["there is no autoencoder in run/sae", "hint: train one with `machado sae train`"],
    );
    assert_eq!(with(&["--steer", &steer, "--sae", "elsewhere"])["text"], steered["text"]);
}

#[test]
fn units_and_texts_are_steered_without_an_autoencoder() {
    let place = with_run();
    place.write("sea.txt", "o mar também; o mar também; o mar ");
    place.write("sky.txt", "a cor do céu é azul, a cor do céu ");
    let with = |more: &[&str]| place.json(&[GENERATE, more].concat());
    let plain = with(&[]);
    let unit = with(&["--steer-unit", "2:0.9", "--steer-box"]);
    assert_ne!(unit["text"], plain["text"]);
    assert_eq!(unit["steering"]["pushes"][0]["unit"], 2);
    assert_eq!(unit["steering"]["box"], true);
    assert_eq!(unit["steering"]["clipped_share"], 0.0);
    let beyond = with(&["--steer-unit", "2:4", "--steer-box"]);
    assert_eq!(beyond["steering"]["clipped_share"], 1.0 / 8.0, "one of eight values");
    let texts = ["--steer-toward", "sea.txt", "--steer-away", "sky.txt", "--steer-strength", "2"];
    let toward = with(&texts);
    assert_eq!(toward["steering"]["pushes"][0]["toward"], "sea.txt");
    assert_eq!(toward["steering"]["pushes"][0]["strength"], 2.0);
    // What the read-out alone sees has another effect than what goes on in the state.
    let output = with(&[&texts[..], &["--steer-reach", "output"]].concat());
    assert_eq!(output["steering"]["reach"], "output");
    assert_ne!(output["text"], toward["text"]);
}

#[test]
fn predict_shows_both_probabilities_and_how_far_they_are_apart() {
    let (place, feature) = with_sae();
    let predict = ["predict", "a cor do c", "--model", "run"];
    let json = |more: &[&str]| place.json(&[&predict[..], &["--json"], more].concat());
    let all = ["--top", "1000"];
    let plain = json(&all);
    let steer = format!("{feature}:2");
    let steered = json(&[&all[..], &["--steer", &steer]].concat());
    let probability_of = |list: &Value, id: &Value, key: &str| {
        let found = list.as_array().unwrap().iter().find(|candidate| candidate["id"] == *id);
        found.unwrap()[key].as_f64().unwrap()
    };
    let mut kl = 0.0;
    for candidate in steered["candidates"].as_array().unwrap() {
        let p = candidate["probability"].as_f64().unwrap();
        let q = candidate["unsteered_probability"].as_f64().unwrap();
        assert_eq!(q, probability_of(&plain["candidates"], &candidate["id"], "probability"));
        kl += p * (p / q).ln();
    }
    assert!((steered["kl_nats"].as_f64().unwrap() - kl).abs() < 1e-9, "{kl}");
    assert!(kl > 1e-4, "{kl}");
    assert_eq!(steered["steering"]["pushes"][0]["feature"], feature);
    let shown = place.stdout(&[&predict[..], &["--steer", &steer, "--top", "3"]].concat());
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].trim_start().starts_with("steered  unsteered"), "{shown}");
    assert_eq!(lines.len(), 5, "{shown}");
    assert!(lines[4].starts_with("KL divergence from the unsteered model: "), "{shown}");
    assert!(lines[4].ends_with(" nats"), "{shown}");
}

#[test]
fn evaluate_reads_a_text_with_a_steered_model() {
    let (place, feature) = with_sae();
    let evaluate = ["evaluate", "--model", "run", "--part", "validation", "--json"];
    let with = |more: &[&str]| place.json(&[&evaluate[..], more].concat());
    let (plain, steer) = (with(&[]), format!("{feature}:4"));
    let steered = with(&["--steer", &steer]);
    assert!(steered["loss_nats"].as_f64() > plain["loss_nats"].as_f64(), "{steered} {plain}");
    assert_eq!(steered["steering"]["pushes"][0]["strength"], 4.0);
    assert!(plain.get("steering").is_none());
    place.fails(
        &[&evaluate[..], &["--steer", &steer, "--adapt", "0.1"]].concat(),
        1,
        &["a model that goes on learning would learn to undo it"],
    );
}

#[test]
fn what_cannot_be_steered() {
    let (place, feature) = with_sae();
    let fails = |more: &[&str], code, parts: &[&str]| {
        place.fails(&[GENERATE, more].concat(), code, parts);
    };
    fails(&["--steer", "24:1"], 1, &["feature 24", "must be from 0 to 23, not 24", "hint:"]);
    for wrong in ["7", "7:", "7:up", "-1:2", "7:inf", "a:2"] {
        let flag = format!("--steer={wrong}");
        fails(&[&flag], 2, &["--steer", "expected NUMBER:STRENGTH", "77:off"]);
    }
    fails(&["--steer-unit", "8:1"], 1, &["--steer-unit 8", "from 0 to 7, not 8"]);
    fails(&["--steer-unit", "1:1", "--steer-layer", "gru_7"], 1, &["no layer \"gru_7\"", "gru"]);
    fails(&["--steer-unit", "1:1", "--steer-layer", "conv1d"], 1, &["conv1d has no state"]);
    fails(&["--steer-toward", "text.txt"], 2, &["--steer-away"]);
    fails(&["--steer-box"], 2, &["--steer"]);
    let same = ["--steer-toward", "text.txt", "--steer-away", "text.txt"];
    fails(&same, 1, &["--steer-toward", "both texts look alike"]);
    // A feature that no token of the text made active.
    let mut config = config(&place);
    config["metadata"]["machado"]["max_activations"][feature] = 0.0.into();
    place.write("run/sae/cfg.json", config.to_string());
    let dead = format!("{feature}:1");
    fails(&["--steer", &dead], 1, &[&format!("feature {feature} was never active"), "hint:"]);
    let number = feature.to_string();
    let steer = ["sae", "steer", &number[..], "run"];
    place.fails(&steer, 1, &["was never active", "hint: take another one"]);
    // An autoencoder of another model.
    place
        .machado(&["train", "text.txt", "--out", "other", "--seed", "9"])
        .args(TINY)
        .assert()
        .success();
    place.fails(
        &["generate", "--model", "other", "--steer", "1:1", "--sae", "run/sae"],
        1,
        &["was trained on another model than this one"],
    );
}

#[test]
fn a_feature_is_measured_over_its_strength() {
    let (place, feature) = with_sae();
    let number = feature.to_string();
    let small = ["--samples", "6", "--tokens", "40", "--random-features", "9", "--seed", "5"];
    let steer = ["sae", "steer", &number[..], "run", "--strengths", "-1,0,1,2,20"];
    let with = |more: &[&str]| place.stdout(&[&steer[..], &small, more].concat());
    let words = ["--words", "mas,Céu", "--html", "page.html", "--box"];
    let json = with(&[&words[..], &["--json"]].concat());
    assert_eq!(json, with(&[&words[..], &["--json"]].concat()), "the same seed");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["feature"], &json["layer"]), (&feature.into(), &"gru".into()));
    // Words are written as the model's text is, here in lower case.
    assert_eq!(json["words"][1]["word"], "céu");
    assert!(json["words"][0]["count"].as_u64().unwrap() > 10, "{json}");
    let doses = json["doses"].as_array().unwrap();
    let strengths: Vec<f64> = doses.iter().map(|dose| dose["strength"].as_f64().unwrap()).collect();
    assert_eq!(strengths, [-1.0, 0.0, 1.0, 2.0, 20.0]);
    for row in doses.iter().chain(json["controls"].as_array().unwrap()) {
        let figure = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key}: {row}"));
        let score = figure("words_nats") - figure("control_words_nats");
        assert!((figure("output_score") - score).abs() < 1e-12, "{row}");
        assert!(figure("kl_nats") > 0.0 && figure("known_words") <= 1.0, "{row}");
        let change =
            figure("nats_per_token") - json["unsteered"]["nats_per_token"].as_f64().unwrap();
        assert!((figure("surprise_nats") - change).abs() < 1e-12, "{row}");
        assert!((0.0..=1.0).contains(&figure("clipped_share")), "{row}");
    }
    let kl = |place: usize| doses[place]["kl_nats"].as_f64().unwrap();
    assert!(kl(4) > kl(2), "more strength pushes further off: {json}");
    let names: Vec<&str> = json["controls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["control"].as_str().unwrap())
        .collect();
    let expected = ["read_out_only", "random_direction", "best_unit", "difference_of_means"];
    assert_eq!(names, expected);
    let random = &json["random_features"];
    let scores = random["output_scores"].as_array().unwrap();
    let best = doses.iter().find(|dose| dose["strength"] == json["best_strength"]).unwrap();
    let score = best["output_score"].as_f64().unwrap();
    let above = scores.iter().filter(|other| other.as_f64().unwrap() >= score).count();
    let p_value = (1 + above) as f64 / (1 + scores.len()) as f64;
    assert_eq!(random["p_value"].as_f64().unwrap(), p_value);
    let page = place.text("page.html");
    assert_eq!(page.matches("<svg ").count(), 4);
    check_page(&page);
    assert!(!page.contains("<script"), "it needs no program");
}

#[test]
fn the_table_of_a_feature_names_where_text_breaks() {
    let (place, feature) = with_sae();
    let number = feature.to_string();
    let small = ["--samples", "4", "--tokens", "30", "--random-features", "3"];
    let steer = ["sae", "steer", &number[..], "run", "--strengths", "0.5,1"];
    let with = |more: &[&str]| place.stdout(&[&steer[..], &small, more].concat());
    // Without --words it is the words on which the feature is strongest.
    let shown = with(&["--prompt", "a cor "]);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        lines[0].starts_with(&format!("feature   {feature} of 24, at gru (state);")),
        "{shown}"
    );
    assert!(lines[1].starts_with("concept   ") && lines[1].contains(" ×"), "{shown}");
    assert!(lines[2].starts_with("measured  1 prompt, 4 texts of 30 tokens"), "{shown}");
    assert!(lines[4].starts_with("strength ") && lines[4].ends_with("KL         cut"), "{shown}");
    assert!(lines[5].starts_with("none "), "{shown}");
    for part in ["above 0 the text ", "score ", "3 other features drawn at random", "p = "] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    assert!(shown.contains("\n== unsteered ==\na cor "), "{shown}");
    // Only at strengths below 0 there is no best one to compare with.
    let below = ["sae", "steer", &number[..], "run", "--strengths", "-1", "--words", "céu"];
    let below = place.stdout(&[&below[..], &small].concat());
    assert!(!below.contains("the controls have"), "{below}");
    let regex = with(&["--regex", "^CÉ|\\bcéu\\b"]);
    assert!(
        regex.lines().nth(1).unwrap().starts_with("concept   /^CÉ|\\bcéu\\b/: céu ×"),
        "{regex}"
    );
}

#[test]
fn broken_text_has_no_score_and_few_words_beside_are_warned_of() {
    let (place, _) = with_sae();
    // Holding what is hardly ever active at next to nothing changes next to nothing.
    let active = &config(&place)["metadata"]["machado"]["active_positions"];
    let active: Vec<u64> = active.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    let number = (0..24).filter(|&i| active[i] > 0).min_by_key(|&i| active[i]).unwrap().to_string();
    let small = ["--samples", "6", "--tokens", "40", "--random-features", "3"];
    let steer = ["sae", "steer", &number[..], "run", "--strengths", "0.001,400", "--words"];
    let with = |word, more: &[&str]| place.stdout(&[&steer[..], &[word], &small, more].concat());
    let shown = with("azul", &["--html", "page.html"]);
    let row = |name: &str| -> Vec<&str> {
        let line = shown.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name} in {shown}")).split_whitespace().collect()
    };
    assert_eq!(row("400 ")[..5], ["400", "broken", "–", "–", "–"], "{shown}");
    assert!(row("0.001 ")[1].starts_with(['+', '-']), "{shown}");
    let json: Value = serde_json::from_str(&with("azul", &["--json"])).unwrap();
    assert_eq!(json["doses"][1]["broken"], true);
    assert!(
        json["controls"].as_array().unwrap().iter().all(|control| control["broken"].is_boolean())
    );
    // The chart of the score has one dot less than that of the surprise.
    let page = place.text("page.html");
    let hollow = |chart: &str| {
        let chart = page.split("<figure>").find(|figure| figure.contains(chart)).unwrap();
        chart.matches("class=\"broken\"").count()
    };
    assert_eq!((hollow(">Score<"), hollow(">Surprise<")), (0, 1));
    // The text has three other words as long as "azul", and three as long as "noite".
    assert!(shown.contains("\nwarning   only 3 words are like those of the concept"), "{shown}");
    assert_eq!(json["control_words"].as_array().unwrap().len(), 3);
    let many = with("azul,noite", &[]);
    assert!(!many.contains("warning"), "{many}");
}

#[test]
fn words_are_matched_in_any_case_and_scored_as_the_text_writes_them() {
    let place = Place::new();
    place.write("text.txt", text());
    let train = ["train", "text.txt", "--out", "run", "--standardize", "none"];
    place.machado(&train).args(TINY).assert().success();
    let sizes = ["--features", "24", "--k", "4", "--positions", "20000", "--batch-size", "256"];
    place.machado(&["sae", "train", "run"]).args(sizes).assert().success();
    let strongest = strongest(&place);
    let number = strongest.iter().position(|&strongest| strongest > 0.0).unwrap().to_string();
    let small = ["--samples", "2", "--tokens", "20", "--random-features", "0", "--strengths", "1"];
    let steer = |more: &[&str]| {
        place.json(&[&["sae", "steer", &number, "run", "--json"], &small[..], more].concat())
    };
    let find = |more: &[&str]| {
        place.json(&[&["sae", "find", "run", "--prompts", "0", "--json"], more].concat())
    };
    // The text has "A cor" but no "a cor", and "céu" but no "Céu".
    let is_no_word = |c: char| !c.is_alphanumeric();
    let count = text().split(is_no_word).filter(|&word| word == "A").count();
    for words in ["a,céu", "A,CÉU"] {
        let steered = steer(&["--words", words]);
        let [a, sky] = [0, 1].map(|place| &steered["words"][place]);
        assert_eq!((&a["word"], &a["forms"]), (&"a".into(), &serde_json::json!(["A"])));
        assert_eq!((&sky["word"], &sky["forms"]), (&"céu".into(), &serde_json::json!(["céu"])));
        let found = find(&["--words", words]);
        assert_eq!(found["matches"][1]["text"], "a");
        assert_eq!((&found["matches"][1]["count"], &a["count"]), (&count.into(), &count.into()));
    }
    for regex in ["\\bCÉU\\b", "(?i)céu"] {
        assert_eq!(steer(&["--regex", regex])["words"][0]["forms"][0], "céu");
    }
    assert_eq!(find(&["--regex", "CÉU"])["matches"][0]["text"], "céu");
    place.fails(&["sae", "find", "run", "--regex", "(?-i)CÉU"], 1, &["nothing of the concept"]);
}

#[test]
fn a_report_that_cannot_be_made() {
    let (place, feature) = with_sae();
    let number = feature.to_string();
    let fails = |more: &[&str], code, parts: &[&str]| {
        place.fails(&[&["sae", "steer", &number, "run"], more].concat(), code, parts);
    };
    fails(&["--words", "o mar"], 2, &["\"o mar\" is not a single word", "hint:"]);
    fails(&["--words", "xyz"], 1, &["xyz is nowhere in the text"]);
    fails(&["--regex", "(mar"], 2, &["--regex \"(mar\" is no regular expression", "unclosed"]);
    fails(&["--regex", "m*"], 2, &["matches nothing at all too"]);
    fails(&["--regex", "xyz"], 1, &["no word of the text matches --regex xyz", "hint:"]);
    fails(&["--words", "mar", "--regex", "mar"], 2, &["cannot be used with"]);
    fails(&["--strengths", "1,much"], 2, &["--strengths", "expected a number that is finite"]);
    fails(&["--samples", "0"], 2, &["at least 1"]);
    let hint = "hint: the autoencoder has 24 features, numbered from 0";
    place.fails(&["sae", "steer", "24", "run"], 1, &["from 0 to 23, not 24", hint]);
    for wrong in ["-1", "x"] {
        let steer = ["sae", "steer", wrong, "run"];
        place.fails(&steer, 2, &["expected the number of a feature, 0 or more"]);
    }
    place.fails(&["sae", "steer", "1"], 1, &["there is no autoencoder in sae", "hint: train one"]);
}
