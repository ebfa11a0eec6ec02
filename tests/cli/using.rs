use predicates::prelude::*;

use crate::harness::{Place, text};

/// The whole stdout of the model inside the program at temperature 0.
const GREEDY: &str = include_str!("greedy.txt");

#[test]
fn the_model_inside_the_program_writes_exactly_this() {
    let place = Place::new();
    let args = ["generate", "A menina estava ", "--temperature", "0", "--tokens", "200"];
    assert_eq!(place.stdout(&args), GREEDY);
    let threads = [&args[..], &["--threads", "1"]].concat();
    assert_eq!(place.stdout(&threads), GREEDY);
}

#[test]
fn the_same_seed_writes_the_same_text_and_says_its_speed() {
    let place = Place::new();
    let write = |seed: &str| {
        place.stdout(&["generate", "A menina estava ", "--tokens", "80", "--seed", seed])
    };
    assert_eq!(write("7"), write("7"));
    assert_ne!(write("7"), write("8"));
    assert!(write("7").starts_with("A menina estava "));
    place.machado(&["generate", "--tokens", "5", "--seed", "7"]).assert().success().stderr(
        predicate::str::is_match(r"5 tokens in \d+\.\d\d s \([\d,]+ tokens/s\), seed 7").unwrap(),
    );
}

#[test]
fn samples_in_json_are_those_written_one_by_one() {
    let place = Place::new();
    let args = ["generate", "O mar ", "--samples", "3", "--seed", "5", "--tokens", "30"];
    let json = place.stdout(&[&args[..], &["--json"]].concat());
    let texts: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(texts.len(), 3);
    let shown = place.stdout(&args);
    for (number, text) in texts.iter().enumerate() {
        for key in ["text", "finish_reason", "tokens", "tokens_per_second", "seed"] {
            assert!(!text[key].is_null(), "no {key}");
        }
        assert_eq!((&text["finish_reason"], &text["tokens"]), (&"length".into(), &30.into()));
        let written = text["text"].as_str().unwrap();
        assert_eq!(written.chars().count(), 30);
        assert!(
            shown.contains(&format!("== sample {} ==\nO mar {written}\n", number + 1)),
            "{shown}"
        );
    }
}

#[test]
fn a_text_ends_before_a_stop_string() {
    let place = Place::new();
    let args = ["generate", "A casa ", "--seed", "1", "--tokens", "2000", "--stop", ".", "--json"];
    let text = place.json(&args);
    assert_eq!(text["finish_reason"], "stop");
    assert!(!text["text"].as_str().unwrap().contains('.'));
}

#[test]
fn the_filters_of_drawing_reach_the_text() {
    let place = Place::new();
    let greedy = place.stdout(&["generate", "A ", "-t", "0", "-n", "40"]);
    for filter in [["--top-k", "1"], ["--top-p", "0.000001"], ["--min-p", "1"]] {
        let args = [&["generate", "A ", "-n", "40", "--seed", "3"], &filter[..]].concat();
        assert_eq!(place.stdout(&args), greedy, "{filter:?}");
    }
}

#[test]
fn what_is_banned_is_not_written_and_what_came_lately_comes_less_often() {
    let place = Place::new();
    let args = ["generate", "A menina ", "-n", "400", "--seed", "3", "--json"];
    let with = |more: &[&str]| place.json(&[&args[..], more].concat());
    let text = |json: &serde_json::Value| json["text"].as_str().unwrap().to_owned();
    let plain = with(&[]);
    assert!(text(&plain).contains('e') && text(&plain).contains("qu"), "{plain}");
    assert_eq!(plain["drawing"], serde_json::json!({ "temperature": 1.0 }));
    let banned = with(&["--ban", "e", "--ban", "qu", "--ban", ", "]);
    let expected = serde_json::json!({ "temperature": 1.0, "ban": ["e", "qu", ", "] });
    assert_eq!(banned["drawing"], expected);
    let found = text(&banned);
    assert!(!found.contains('e') && !found.contains("qu") && !found.contains(", "), "{found}");
    // The end of the prompt counts: after "q" it would be "u".
    let after = place.json(&["generate", "O q", "-n", "1", "-t", "0", "--ban", "qu", "--json"]);
    assert_ne!(after["text"], "u");
    let greedy = ["-t", "0", "--typical-p", "0.9"];
    let repeated = text(&with(&greedy));
    let penalty = ["--repetition-penalty", "1.5", "--repetition-window", "40"];
    let penalised = with(&[&greedy[..], &penalty].concat());
    assert_ne!(text(&penalised), repeated);
    let drawing = serde_json::json!({
        "temperature": 0.0, "typical_p": 0.9, "repetition_penalty": 1.5, "repetition_window": 40
    });
    assert_eq!(penalised["drawing"], drawing);
}

#[test]
fn a_prompt_can_come_from_a_file_and_unknown_characters_are_skipped_with_a_warning() {
    let place = Place::new();
    // With the line end that editors put there, which is no part of the prompt.
    place.write("prompt.txt", "O mar\r\n");
    let args = ["-t", "0", "-n", "30"];
    let from_file = place.stdout(&[&["generate", "FILE:prompt.txt"], &args[..]].concat());
    assert_eq!(from_file, place.stdout(&[&["generate", "O mar"], &args[..]].concat()));
    place
        .machado(&["generate", "O 日mar"])
        .args(args)
        .assert()
        .success()
        .stdout(from_file.replace("O mar", "O 日mar"))
        .stderr(predicate::str::contains(
            "does not know 1 character of the prompt: '日' ×1; left out",
        ));
}

#[test]
fn an_empty_prompt_begins_after_a_line_end() {
    let place = Place::new();
    let empty = place.stdout(&["generate", "-t", "0", "-n", "30"]);
    let line_end = place.stdout(&["generate", "\n", "-t", "0", "-n", "30"]);
    assert_eq!(format!("\n{empty}"), line_end);
}

#[test]
fn predict_shows_a_table_with_bars_and_json() {
    let place = Place::new();
    let shown = place.stdout(&["predict", "A menina estav", "--top", "3"]);
    assert_eq!(shown.lines().count(), 3);
    assert!(shown.starts_with("\"a\"  0.") && shown.contains('█'), "{shown}");
    let json = place.json(&["predict", "A menina estav", "--top", "1000", "--json"]);
    assert_eq!(json["prompt"], "A menina estav");
    let candidates = json["candidates"].as_array().unwrap();
    let sum: f64 = candidates.iter().map(|c| c["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9);
    assert!(candidates[0]["token"].is_string() && candidates[0]["id"].is_u64());
    let flat = place.json(&["predict", "A menina estav", "-t", "100", "--json"]);
    assert!(flat["candidates"][0]["probability"].as_f64().unwrap() < 0.1);
}

#[test]
fn evaluate_measures_a_text_and_its_parts() {
    let place = Place::with_run();
    let whole = place.json(&["evaluate", "--model", "run", "--json"]);
    let again = place.json(&["evaluate", "text.txt", "--model", "run/model.safetensors", "--json"]);
    assert_eq!(whole, again);
    let number = |value: &serde_json::Value, key: &str| value[key].as_f64().unwrap();
    let loss = number(&whole, "loss_nats");
    assert!((number(&whole, "perplexity") - loss.exp()).abs() < 1e-9);
    assert!((number(&whole, "bits_per_character") - loss / std::f64::consts::LN_2).abs() < 1e-9);
    assert!(number(&whole, "bits_per_byte") < number(&whole, "bits_per_character"));
    assert!((0.0..=1.0).contains(&number(&whole, "accuracy")));
    assert_eq!(number(&whole, "tokens"), text().chars().count() as f64 - 1.0);
    let parts: f64 = ["train", "validation", "test"]
        .iter()
        .map(|part| {
            let args = ["evaluate", "--model", "run", "--part", part, "--json"];
            number(&place.json(&args), "tokens") + 1.0
        })
        .sum();
    assert_eq!(parts, text().chars().count() as f64);
    let table = place.stdout(&["evaluate", "--model", "run", "--threads", "1"]);
    assert!(table.contains(&format!("loss                {loss:.4} nats per token")), "{table}");
}

#[test]
fn evaluate_with_help_reads_better() {
    let place = Place::with_run();
    let loss = |more: &[&str]| {
        let args = [&["evaluate", "--model", "run", "--part", "validation", "--json"], more];
        place.json(&args.concat())["loss_nats"].as_f64().unwrap()
    };
    let plain = loss(&[]);
    let counted = loss(&["--ngrams"]);
    assert!(counted < plain, "{counted}, without n-grams {plain}");
    assert_ne!(loss(&["--ngrams", "--ngram-order", "2"]), counted);
    assert!(loss(&["--adapt", "0.1"]) < plain);
    // Another text is measured with the counts of the model's own.
    place.write("other.txt", "A cor do mar é azul à noite; ".repeat(20));
    let other = |more: &[&str]| {
        place.json(&[&["evaluate", "other.txt", "--model", "run", "--json"], more].concat())
    };
    assert!(
        other(&["--ngrams"])["loss_nats"].as_f64() < other(&[])["loss_nats"].as_f64(),
        "counts of its own text help with a text like it"
    );
    place.fails(&["evaluate", "--model", "run", "--adapt", "0"], 2, &["greater than 0"]);
    place.fails(&["evaluate", "--model", "run", "--ngram-order", "33"], 2, &["at most 32"]);
    place.fails(
        &["evaluate", "--model", "run", "--adapt", "1e38"],
        1,
        &["broke the weights", "try a smaller --adapt (it was 1"],
    );
    // No number breaks, but nothing is known any more; also where counts would hide it.
    for more in [&[][..], &["--ngrams"]] {
        let args = ["evaluate", "--model", "run", "--adapt", "1000", "--json"];
        let parts = [" without --adapt\nhint: ", "try a smaller --adapt (it was 1000)"];
        place.fails(&[&args[..], more].concat(), 1, &parts);
    }
    std::fs::rename(place.path("text.txt"), place.path("moved.txt")).unwrap();
    place.fails(
        &["evaluate", "other.txt", "--model", "run", "--ngrams"],
        1,
        &["--ngrams counts the text that the model was trained on", "text.txt"],
    );
}

#[test]
fn generate_with_the_help_of_counts() {
    let place = Place::with_run();
    let plain = ["generate", "A cor ", "--model", "run", "-t", "0.2", "--seed", "3", "-n", "200"];
    let helped = [&plain[..], &["--ngrams"]].concat();
    let text = place.stdout(&helped);
    assert_ne!(text, place.stdout(&plain));
    assert_eq!(text, place.stdout(&helped), "the same seed");
    let json = place.json(&[&helped[..], &["--json", "--ngram-order", "4"]].concat());
    let drawing = serde_json::json!({ "temperature": 0.2, "ngrams": true, "ngram_order": 4 });
    assert_eq!(json["drawing"], drawing);
    // Words that the few steps of the training have not taught the network.
    let words = |text: &str| ["céu", "azul", "também", "noite"].map(|w| text.matches(w).count());
    let (with, without) = (words(&text), words(&place.stdout(&plain)));
    assert!(with.iter().sum::<usize>() > without.iter().sum(), "{with:?} {without:?}");
    place.fails(&["generate", "--ngrams"], 1, &["does not have it", "the folder of a run"]);
}

#[test]
fn info_shows_a_preset_as_a_file_that_trains() {
    let place = Place::new();
    let file = place.stdout(&["info", "--preset", "base"]);
    assert!(file.starts_with("# A model in about eight minutes"), "{file}");
    place.write("my.toml", file.replace("units = 512", "units = 8"));
    place.write("text.txt", text());
    let args = ["train", "text.txt", "--config", "my.toml", "--steps", "2", "--out", "run"];
    place.machado(&args).args(["--batch-size", "4"]).assert().success();
    assert!(place.stdout(&["info", "run", "--config"]).contains("units = 8"));
    place.fails(&["info", "--preset", "huge"], 2, &["no preset \"huge\"", "large"]);
}

#[test]
fn decode_shows_original_and_generated_side_by_side() {
    let place = Place::with_run();
    let shown = place.stdout(&["decode", "--model", "run", "--windows", "2", "--window", "20"]);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("token ") && lines[0].contains(" of 20 right"), "{shown}");
    assert!(lines[1].starts_with("original   ") && lines[2].starts_with("generated"), "{shown}");
    let args = ["decode", "text.txt", "--model", "run", "--windows", "1", "--json"];
    let json = place.json(&args);
    let expected = text().to_lowercase();
    assert_eq!(json["original"], expected.chars().skip(1).take(64).collect::<String>());
    let (original, generated) = (json["original"].as_str(), json["generated"].as_str());
    let pairs = original.unwrap().chars().zip(generated.unwrap().chars());
    assert_eq!(json["correct"], pairs.filter(|(a, b)| a == b).count());
}

#[test]
fn info_tells_layers_vocabulary_and_training() {
    let place = Place::with_run();
    let json = place.json(&["info", "run", "--json"]);
    let layers = json["layers"].as_array().unwrap();
    assert_eq!(
        (&layers[0]["name"], &layers[0]["type"]),
        (&"embedding".into(), &"embedding".into())
    );
    assert_eq!(layers[0]["output_shape"], serde_json::json!([null, null, 4]));
    let sum: u64 = layers.iter().map(|layer| layer["parameters"].as_u64().unwrap()).sum();
    assert_eq!(json["parameters"], sum);
    assert_eq!(json["text"]["tokens"], text().chars().count());
    for key in
        ["steps", "epochs", "batches_per_epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    {
        assert!(json["training"][key].is_number(), "{key}");
    }
    let shown = place.stdout(&["info", "run"]);
    assert!(shown.contains("gru           gru         (None, None, 8)"), "{shown}");
    // Without a model it tells of the one inside the program.
    assert!(place.stdout(&["info"]).starts_with("(the model inside the program)"));
}

#[test]
fn the_environment_can_name_the_model() {
    let place = Place::with_run();
    let mut command = place.machado(&["predict", "A ", "--json"]);
    let by_environment = command.env("MACHADO_MODEL", "run").assert().success();
    let by_flag = place.stdout(&["predict", "A ", "--json", "--model", "run"]);
    assert_eq!(String::from_utf8_lossy(&by_environment.get_output().stdout), by_flag);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let program = crate::harness::program().display();
    let script = format!("set -o pipefail; {program} generate -n 100000 --seed 1 | head -c 10");
    let status = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(place.path(""))
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn completions_are_printed_for_a_shell() {
    let place = Place::new();
    assert!(place.stdout(&["completions", "bash"]).contains("machado"));
}

#[test]
fn bench_measures_models_and_a_layer() {
    let place = Place::new();
    let quick = ["bench", "--json", "--seconds", "0.01", "--units", "17", "--window", "9"];
    // A vocabulary of one token, one that look-ups are made for, and one that is too large for them.
    for vocabulary in ["1", "300", "5000"] {
        let figures = place.json(&[&quick[..], &["--vocabulary", vocabulary]].concat());
        assert_eq!(figures["vocabulary_size"].to_string(), vocabulary);
        for (group, key) in [
            ("train", "ms_per_step"),
            ("train", "tokens_per_second"),
            ("train", "share_of_peak"),
            ("evaluate", "tokens_per_second"),
            ("generate", "one_stream_tokens_per_second"),
            ("generate", "streams_64_tokens_per_second"),
        ] {
            assert!(figures[group][key].as_f64().unwrap() > 0.0, "{group} {key}: {figures}");
        }
        for key in ["peak_gflops", "threads"] {
            assert!(figures[key].as_f64().unwrap() > 0.0, "{key}: {figures}");
        }
        assert!(figures["vector_unit"].is_string());
    }
    let layer = place.json(&[&quick[..], &["--layer", "gru", "--input", "5"]].concat());
    assert!(layer["forward_ms"].as_f64().unwrap() > 0.0, "{layer}");
    assert_eq!(layer["units"], 17);
    let text = place.stdout(&["bench", "--seconds", "0.01", "--units", "8"]);
    for word in ["peak", "train", "evaluate", "generate"] {
        assert!(text.contains(word), "{text}");
    }
}
