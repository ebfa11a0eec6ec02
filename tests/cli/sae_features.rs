use serde_json::Value;

use crate::harness::{Place, TINY};
use crate::pages::{check_drawing, check_page};

/// A place with a run and an autoencoder of few features.
fn place() -> Place {
    let place = Place::with_run();
    let args = "sae train run --features 32 --k 4 --positions 20000 --batch-size 256";
    place.stdout(&args.split(' ').collect::<Vec<_>>());
    place
}

fn features(json: &Value) -> &Vec<Value> {
    json["features"].as_array().unwrap()
}

/// The feature that fires most often.
fn strongest(place: &Place) -> String {
    let json = place.json(&["sae", "list", "run", "--json"]);
    features(&json)[0]["feature"].to_string()
}

#[test]
fn the_list_has_all_features_in_the_order_that_was_asked_for() {
    let place = place();
    let json = place.json(&["sae", "list", "run", "--json"]);
    assert_eq!(features(&json).len(), 32);
    let positions = json["positions"].as_u64().unwrap();
    let saved: Value = serde_json::from_str(&place.text("run/sae/cfg.json")).unwrap();
    let facts = &saved["metadata"]["machado"];
    assert_eq!(facts["positions"], positions);
    for feature in features(&json) {
        // Both are exact, and of the same text.
        let number = feature["feature"].as_u64().unwrap() as usize;
        assert_eq!(feature["active"], facts["active_positions"][number]);
        let bands = feature["bands"].as_array().unwrap();
        assert_eq!(bands.iter().map(|n| n.as_u64().unwrap()).sum::<u64>(), feature["active"]);
        let [found, known] =
            [&feature["max"], &facts["max_activations"][number]].map(|x| x.as_f64().unwrap());
        assert!((found - known).abs() < 1e-5, "{found} {known}");
    }
    let column = |by: &str, key: &str| -> Vec<f64> {
        let json = place.json(&["sae", "list", "run", "--by", by, "--json"]);
        features(&json).iter().map(|feature| feature[key].as_f64().unwrap()).collect()
    };
    assert!(column("density", "density").is_sorted_by(|a, b| a >= b));
    assert!(column("max", "max").is_sorted_by(|a, b| a >= b));
    assert!(column("index", "feature").is_sorted());
    let text = place.stdout(&["sae", "list", "run", "--top", "3"]);
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[test]
fn where_tokens_are_words_names_are_of_words() {
    let place = Place::new();
    place.write("text.txt", crate::harness::text().replace('é', " é ").repeat(3));
    let train = ["train", "text.txt", "--out", "run", "--tokenizer", "word"];
    place.machado(&train).args(TINY).assert().success();
    let args = "sae train run --features 32 --k 3 --positions 20000 --batch-size 256";
    place.stdout(&args.split(' ').collect::<Vec<_>>());
    let json = place.json(&["sae", "list", "run", "--json"]);
    let mut by_words = 0;
    for feature in features(&json).iter().filter(|feature| feature["active"] != 0) {
        let label = feature["label"].as_str().unwrap();
        for letters in ["letter", "vowel", "consonant", "a capital", "right after"] {
            assert!(!label.contains(letters), "{feature}");
        }
        let first = feature["words"][0]["word"].as_str();
        by_words += usize::from(first.is_some_and(|first| label.starts_with(first)));
        for word in feature["words"].as_array().unwrap() {
            assert!(word["tokens"].as_u64() <= word["all"].as_u64(), "{word}");
        }
    }
    assert!(by_words >= 5, "{json}");
}

#[test]
fn the_page_of_all_features_stands_alone() {
    let place = place();
    place.stdout(&["sae", "list", "run", "--html", "all.html"]);
    let html = place.text("all.html");
    assert_eq!(html.matches("<details>").count(), 32);
    assert!(html.contains("--a:"));
    check_page(&html);
}

#[test]
fn a_feature_is_shown_with_contexts_words_tokens_and_neighbours() {
    let place = place();
    let feature = strongest(&place);
    let text = place.stdout(&["sae", "show", &feature, "run"]);
    for part in ["fires", "promotes", "suppresses", "alike", "single unit", "strongest contexts"] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    // A lift is called one: × stands before counts alone.
    let words = text.lines().find(|line| line.starts_with("words "));
    assert!(words.is_none_or(|words| words.contains("(lift ")), "{text}");
    assert!(!text.contains('×'), "{text}");
    // Not a terminal: no colours, but digits.
    assert!(!text.contains('\x1b') && text.contains('9'));
    let json = place.json(&["sae", "show", &feature, "run", "--contexts", "4", "--json"]);
    let shown = &json[0];
    assert_eq!(shown["feature"].to_string(), feature);
    assert_eq!(shown["read_out"], "exact");
    let contexts = shown["contexts"].as_array().unwrap();
    assert_eq!(contexts.len(), 4);
    for context in contexts {
        let activations = context["activations"].as_array().unwrap();
        assert_eq!(activations.len(), context["tokens"].as_array().unwrap().len());
        // The second pass finds what the first one found.
        let found = activations.iter().map(|x| x.as_f64().unwrap());
        let value = context["activation"].as_f64().unwrap();
        assert!(found.clone().any(|x| (x - value).abs() < 1e-4), "{value} in {context}");
    }
    assert_eq!(contexts[0]["activation"], shown["max"]);
    let promoted: Vec<f64> = shown["promoted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["logit"].as_f64().unwrap())
        .collect();
    assert!(!promoted.is_empty() && promoted.is_sorted_by(|a, b| a >= b));
    let alike = shown["alike"].as_array().unwrap();
    let alike: Vec<String> = alike.iter().map(|other| other["feature"].to_string()).collect();
    assert!(!alike.is_empty() && !alike.contains(&feature), "{alike:?}");
    place.stdout(&["sae", "show", &feature, "run", "--html", "one.html"]);
    let html = place.text("one.html");
    assert!(html.contains(&format!("Feature {feature}: ")));
    check_page(&html);
}

/// A place with a run half of whose text judges, and an autoencoder.
fn judged_place() -> Place {
    let place = Place::new();
    place.write("text.txt", crate::harness::text().repeat(3));
    let train = ["train", "text.txt", "--out", "run", "--split", "0.6:0.4"];
    place.machado(&train).args(TINY).assert().success();
    let args = "sae train run --features 32 --k 4 --positions 20000 --batch-size 256";
    place.stdout(&args.split(' ').collect::<Vec<_>>());
    place
}

#[test]
fn words_are_found_and_judged_on_what_did_not_choose() {
    let place = judged_place();
    let args = ["sae", "find", "run", "--words", "azul,céu,noite,cor", "--prompts", "4"];
    let json = place.json(&[&args[..], &["--json"]].concat());
    let matches = json["matches"].as_array().unwrap();
    assert_eq!(matches.len(), 4);
    assert_eq!(matches.iter().filter(|one| one["held_out"] == true).count(), 2);
    let tested = &json["tested"];
    assert!(tested["positives"].as_u64().unwrap() > 0);
    // Blocks of 50 tokens, as many as there is room for.
    assert_eq!(tested["blocks"], tested["tokens"].as_u64().unwrap() / 50);
    assert!(tested["blocks_with_concept"].as_u64() <= tested["blocks"].as_u64());
    let study: Vec<f64> =
        features(&json).iter().map(|f| f["study"]["auroc"].as_f64().unwrap()).collect();
    assert!(study.len() == 20 && study.is_sorted_by(|a, b| a >= b), "{study:?}");
    assert!(study[0] > 0.6, "{study:?}");
    for feature in features(&json) {
        for key in ["auroc", "f1"] {
            let figure = feature["test"][key].as_f64().unwrap();
            let [low, high] = [0, 1].map(|end| feature["test_intervals"][key][end].as_f64());
            assert!(low <= Some(figure + 1e-9) && Some(figure - 1e-9) <= high, "{feature}");
        }
    }
    let first = &features(&json)[0];
    assert!(first["test"]["auroc"].is_number() && first["held_out_words_auroc"].is_number());
    assert!(first["effect_nats"].is_number(), "{first}");
    assert!(json["unit"]["test"]["auroc"].is_number());
    assert!(json["mean_difference"]["test"]["auroc"].as_f64().unwrap() > 0.6);
    let text = place.stdout(&args);
    let best = features(&json).iter().find(|feature| feature["feature"] == json["best"]).unwrap();
    assert_eq!(best["found"], true);
    let (program, number) = (crate::harness::program().display(), &json["best"]);
    for next in [
        format!("\n  {program} sae show {number} run\n"),
        format!("\n  {program} generate --model run --steer {number}:0.5\n"),
    ] {
        assert!(text.ends_with(&next) || text.contains(&next), "no {next} in {text}");
    }
    assert!(text.contains("the best single unit") && text.contains("mean difference"), "{text}");
    // The order is that of a column which is shown.
    let row = text.lines().skip_while(|line| !line.starts_with("feature ")).nth(1).unwrap();
    let shown: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(shown[..2], [first["feature"].to_string(), format!("{:.3}", study[0])], "{text}");
    // The seed decides the intervals and nothing else.
    let again = place.json(&[&args[..], &["--json", "--seed", "7"]].concat());
    assert_eq!(features(&again)[0]["test"], first["test"]);
    assert_ne!(features(&again)[0]["test_intervals"], first["test_intervals"]);
}

#[test]
fn any_number_of_threads_finds_the_same() {
    let place = judged_place();
    let list = ["sae", "list", "run", "--json", "--threads"];
    let show = ["sae", "show", "1", "5", "run", "--json", "--threads"];
    let find = ["sae", "find", "run", "--words", "azul,céu", "--json", "--threads"];
    for command in [&list[..], &show, &find] {
        let with = |threads| place.stdout(&[command, &[threads]].concat());
        assert!(with("1") == with("3"), "{command:?}");
    }
}

#[test]
fn where_nothing_is_found_no_feature_is_proposed() {
    let place = judged_place();
    // Each ninety-seventh character, whichever it is.
    let args = ["sae", "find", "run", "--regex", "(?s)(?:.{97})", "--label", "end"];
    let json = place.json(&[&args[..], &["--json"]].concat());
    assert_eq!(json["best"], Value::Null, "{json}");
    assert!(features(&json).iter().all(|feature| feature["found"] == false));
    let text = place.stdout(&args);
    assert!(text.contains("\nnothing found: the best AUROC is 0."), "{text}");
    assert!(!text.contains("--steer") && !text.contains("next:"), "{text}");
}

#[test]
fn few_words_and_lines_are_warned_of() {
    let place = judged_place();
    let text = place.stdout(&["sae", "find", "run", "--regex", "^A cor", "--prompts", "0"]);
    assert!(text.contains("warning: only 6 tokens of the concept chose"), "{text}");
    assert!(text.contains("note: of a single word one cannot tell"), "{text}");
    assert!(text.contains("nothing can be judged") && !text.contains("next:"), "{text}");
    place.write("short.txt", "o mar também");
    place.write("some.txt", "o mar também; ".repeat(9));
    let find = |pos, neg| ["sae", "find", "run", "--pos", pos, "--neg", neg];
    place.fails(
        &find("some.txt", "short.txt"),
        1,
        &["short.txt has only 12 tokens", "half choose and half judge", "hint: "],
    );
    let output = place.machado(&find("some.txt", "text.txt")).assert().success();
    let output = output.get_output().clone();
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(
        warned.contains("warning: some.txt has only 126 tokens; of fewer than 500"),
        "{warned}"
    );
    assert!(!warned.contains("text.txt"), "{warned}");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("nothing found: the concept is in too few blocks"), "{shown}");
}

#[test]
fn patterns_files_examples_and_pieces_of_text_are_found_too() {
    let place = place();
    for label in ["inside", "end", "after", "sentence"] {
        let json = place.json(&[
            "sae",
            "find",
            "run",
            "--regex",
            "A corA cor",
            "--label",
            label,
            "--top",
            "3",
            "--json",
        ]);
        assert_eq!(features(&json).len(), 3, "{label}");
    }
    place.write("words.txt", "cor\nazul\n");
    let json = place.json(&["sae", "find", "run", "--words-file", "words.txt", "--json"]);
    assert_eq!(json["matches"].as_array().unwrap().len(), 2);
    place.write("pos.txt", "mar mar mar mar ".repeat(20));
    place.write("neg.txt", "céu azul céu noite ".repeat(20));
    let json =
        place.json(&["sae", "find", "run", "--pos", "pos.txt", "--neg", "neg.txt", "--json"]);
    assert!(features(&json)[0]["test"]["auroc"].as_f64().unwrap() > 0.6);
    let json = place.json(&["sae", "find", "run", "--like", "e o mar", "--json"]);
    let scores: Vec<f64> =
        features(&json).iter().map(|feature| feature["score"].as_f64().unwrap()).collect();
    assert!(!scores.is_empty() && scores.is_sorted_by(|a, b| a >= b));
}

#[test]
fn the_map_is_the_same_each_time_and_says_whether_neighbours_share_rules() {
    let place = place();
    let json = place.json(&["sae", "map", "run", "--out", "a.svg", "--json"]);
    place.stdout(&["sae", "map", "run", "--out", "b.svg"]);
    let svg = place.text("a.svg");
    assert_eq!(svg, place.text("b.svg"));
    check_drawing(&svg);
    assert_eq!(svg.matches("<title>").count(), features(&json).len());
    let groups = json["groups"].as_array().unwrap().len();
    assert_eq!(svg.matches("tabindex=\"0\"").count(), groups);
    let p = json["neighbours"]["p_value"].as_f64().unwrap();
    assert!((0.001..=1.0).contains(&p));
    let sizes = json["groups"].as_array().unwrap().iter();
    let sum: u64 = sizes.map(|group| group["features"].as_u64().unwrap()).sum();
    assert_eq!(sum as usize, features(&json).len());
}

#[test]
fn without_an_autoencoder_one_is_told_how_to_get_it() {
    let place = Place::with_run();
    for command in [&["list", "run"][..], &["show", "3", "run"], &["map", "run"]] {
        let args = [&["sae"], command].concat();
        place.fails(&args, 1, &["there is no autoencoder", "hint: train one with"]);
    }
    let args = ["sae", "find", "run", "--words", "mar"];
    place.fails(&args, 1, &["there is no autoencoder", "hint: train one with"]);
}

#[test]
fn bad_requests_are_told() {
    let place = place();
    let fails = |command: &str, code: i32, parts: &[&str]| {
        let args: Vec<&str> = std::iter::once("sae").chain(command.split(' ')).collect();
        place.fails(&args, code, parts);
    };
    fails("show 32 run", 1, &["a feature must be from 0 to 31, not 32"]);
    fails("show run", 2, &["no feature is named", "sae list"]);
    for show in ["show -1 run", "show 1 -1", "show 1 -1 run"] {
        fails(show, 2, &["there is no feature -1: they are numbered from 0"]);
    }
    for html in ["list run --html no/x", "show 1 run --html no/x", "steer 1 run --html no/x"] {
        fails(html, 1, &["cannot write no/x: there is no folder no", "hint: make that folder"]);
    }
    fails("show 1 x 2", 2, &["expected numbers of features", "\"x\""]);
    fails("find run", 2, &["say what to find", "--words"]);
    fails("find run --regex a(b", 2, &["--regex \"a(b\"", "unclosed group"]);
    fails("find run --words xyz", 1, &["nothing of the concept occurs", "hint: "]);
    fails("find run --regex (?s).+", 1, &["the concept must be at some, but not all"]);
    fails("find run --like 日本", 1, &["--like has no text"]);
    fails("find run --pos text.txt", 2, &["--neg"]);
    fails("find run --words mar --regex a", 2, &["cannot be used with"]);
}
