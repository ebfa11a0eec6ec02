use predicates::prelude::*;
use serde_json::Value;

use crate::harness::Place;

/// What `write` prints on stdout and stderr for these lines, and its exit code.
fn write(place: &Place, args: &[&str], lines: &str) -> (String, String, i32) {
    let mut command = place.machado(&[&["write"], args].concat());
    let output = command.write_stdin(lines).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let talk = text(output.stderr);
    assert!(!talk.contains("panicked"), "{talk}");
    (text(output.stdout), talk, output.status.code().unwrap())
}

#[test]
fn a_text_is_written_by_picking_typing_and_undoing() {
    let place = Place::new();
    let args = ["A menina estav", "--top", "3"];
    let (text, talk, code) = write(&place, &args, "1\n+ ali.\\nE\nu\n+ só\nq\n");
    assert_eq!((text.as_str(), code), ("A menina estava só\n", 0));
    let first = talk.lines().take(4).collect::<Vec<_>>();
    assert_eq!(first[0], "A menina estav▏");
    assert!(first[1].starts_with("   1  \"a\"  0.9") && first[1].contains('█'), "{talk}");
    assert!(first[3].starts_with("   3  \""), "{talk}");
    assert!(talk.contains("A menina estava ali.⏎E▏") && talk.contains("1 step undone"), "{talk}");
    assert!(talk.contains("surprise: nothing written yet"), "{talk}");
    assert!(talk.contains("; yours ") && talk.contains(" over 4; the last "), "{talk}");
}

#[test]
fn what_the_model_writes_is_what_generate_writes() {
    let place = Place::new();
    let drawing = ["--seed", "7", "--top-k", "9", "--repetition-penalty", "1.2", "--ban", "e"];
    let generated = place.stdout(&[&["generate", "o mar ", "-n", "60"], &drawing[..]].concat());
    let args = [&["o mar "], &drawing[..]].concat();
    assert_eq!(write(&place, &args, "w 60\nq\n").0, generated);
    // In pieces, with words among them; the end of the input is an end as well.
    let (pieces, ..) = write(&place, &args, "w 20\ne\ne\np\ne\n");
    assert!(pieces.chars().count() > 30, "{pieces}");
    assert!(generated.starts_with(pieces.trim_end_matches('\n')), "{pieces} and {generated}");
}

#[test]
fn the_temperature_reshapes_the_candidates() {
    let place = Place::new();
    let (_, talk, code) = write(&place, &["A "], "t 0.01\nt 0,5\nq\n");
    assert_eq!(code, 0);
    assert!(talk.contains("   1  \"") && talk.contains("1.0000  ██████████████████████████████\n"));
    assert!(talk.contains("temperature 0.01; ") && talk.contains("temperature 0.5; "), "{talk}");
}

#[test]
fn at_temperature_0_the_others_are_seen_and_the_one_that_is_drawn_is_marked() {
    let place = Place::new();
    let args = ["A menina ", "--top", "4", "--top-p", "0.1"];
    let (text, talk, code) = write(&place, &args, "t 0\nw 1\nq\n");
    assert_eq!(code, 0);
    let shown: Vec<&str> =
        talk.lines().skip_while(|line| !line.contains(" drawn")).take(5).collect();
    let (probabilities, letters): (Vec<f64>, Vec<char>) = shown[..4]
        .iter()
        .map(|row| {
            let (token, number) = row[6..].split_once("  ").unwrap();
            (number[..6].parse::<f64>().unwrap(), token.chars().nth(1).unwrap())
        })
        .unzip();
    assert!(probabilities.is_sorted_by(|a, b| a >= b) && probabilities[3] > 0.0, "{talk}");
    assert!(shown[1..4].iter().all(|row| !row.contains("drawn")), "{talk}");
    assert!(shown[4].ends_with("probabilities as at temperature 1; surprise: nothing written yet"));
    assert_eq!(text, format!("A menina {}\n", letters[0]));
}

#[test]
fn json_tells_who_chose_each_token_and_how_much_it_surprised() {
    let place = Place::new();
    let (json, ..) = write(&place, &["A ", "--json", "--seed", "1"], "1\n+b\nw 2\n");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["prompt"], &json["seed"]), (&"A ".into(), &1.into()));
    let tokens = json["tokens"].as_array().unwrap();
    let by: Vec<&str> = tokens.iter().map(|token| token["by"].as_str().unwrap()).collect();
    assert_eq!(by, ["picked", "typed", "drawn", "drawn"]);
    let written: String = tokens.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!(json["text"], format!("A {written}"));
    let nats: f64 = tokens.iter().map(|token| token["nats"].as_f64().unwrap()).sum();
    assert!((json["nats_per_token"].as_f64().unwrap() - nats / 4.0).abs() < 1e-9);
    let (nothing, ..) = write(&place, &["A ", "--json"], "");
    let nothing: Value = serde_json::from_str(&nothing).unwrap();
    assert_eq!((&nothing["text"], &nothing["nats_per_token"]), (&"A ".into(), &Value::Null));
}

#[test]
fn the_text_is_saved_in_a_new_file_only() {
    let place = Place::new();
    let (text, talk, code) = write(&place, &["A ", "--out", "a.txt"], "s\n+céu\nq\n");
    assert_eq!((text.as_str(), code), ("A céu\n", 0));
    assert!(talk.contains("saved in a.txt"), "{talk}");
    assert_eq!(place.text("a.txt"), "A céu\n", "what came after the last time too");
    let parts = ["a.txt exists already", "hint:"];
    place.fails(&["write", "B ", "--out", "a.txt"], 1, &parts);
    place.fails(&["write", "B ", "--out", "no/a.txt"], 1, &["there is no folder no", "hint:"]);
    let (text, talk, code) = write(&place, &["B "], "s a.txt\ns\ns b.txt\n+c\n");
    assert_eq!((text.as_str(), code), ("B c\n", 1));
    assert!(talk.contains("line 1: a.txt exists already"), "{talk}");
    assert!(talk.contains("line 2: there is no file to save in"), "{talk}");
    assert_eq!((place.text("a.txt"), place.text("b.txt")), ("A céu\n".into(), "B c\n".into()));
}

#[test]
fn a_line_that_cannot_be_done_is_told_of_and_changes_nothing() {
    let place = Place::new();
    let lines = "99\n+日\nw many\nfoo\nu\nr\n1 2\n\u{feff}\n+a\n";
    let (text, talk, code) = write(&place, &["A ", "--top", "4", "--unknown", "error"], lines);
    assert_eq!((text.as_str(), code), ("A a\n", 1));
    for part in [
        "line 1: there is no candidate 99: 4 candidates can be picked",
        "line 2: character '日' (U+65E5) at character 1 of the text is not in the vocabulary",
        "line 3: expected a whole number of at least 1, not \"many\"",
        "line 4: expected a number, \"+text\"",
        "nothing to undo",
        "nothing to redo",
        "line 7: expected nothing after \"1\", not \"2\"",
        "machado: 6 of 9 lines could not be done; the text is without them",
    ] {
        assert!(talk.contains(part), "no {part:?} in {talk}");
    }
    let (text, talk, code) = write(&place, &["A "], "+日b\n");
    assert_eq!((text.as_str(), code), ("A b\n", 0));
    assert!(talk.contains("the model does not know '日'; left out"), "{talk}");
    let mut command = place.machado(&["write", "A "]);
    command
        .write_stdin(&b"\xff\n"[..])
        .assert()
        .code(1)
        .stdout("A \n")
        .stderr(predicate::str::contains("line 1: expected UTF-8"));
}
