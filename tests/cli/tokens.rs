use predicates::prelude::*;
use serde_json::Value;

use crate::harness::{Place, TINY, text};

/// Flags of a run whose tokens are words or parts of words.
const KINDS: [&[&str]; 2] =
    [&["--tokenizer", "word"], &["--tokenizer", "bpe", "--max-vocab", "300"]];

/// Words and hyphens, and some characters of several bytes that come once.
fn words() -> String {
    text() + "disse-lhe a cor do céu: «日本» 🎻.\n" + &text()
}

fn place_with_run(kind: &[&str]) -> Place {
    let place = Place::new();
    place.write("text.txt", words());
    place.machado(&["train", "text.txt", "--out", "run"]).args(TINY).args(kind).assert().success();
    place
}

#[test]
fn training_says_what_its_tokens_are_and_writes_samples() {
    for (kind, said) in KINDS.iter().zip([", words", ", parts of words"]) {
        let place = Place::new();
        place.write("text.txt", words());
        let args = ["train", "text.txt", "--out", "run", "--sample-prompt", "A cor do "];
        let mut command = place.machado(&args);
        let assert = command.args(TINY).args(*kind).assert().success();
        let characters = words().chars().count();
        assert
            .stderr(predicate::str::contains(format!("tokens, standardize lower{said}")))
            .stderr(predicate::str::contains(format!(
                "text.txt: {},{:03} characters",
                characters / 1000,
                characters % 1000
            )))
            .stderr(predicate::str::contains("bits per character"));
        // The space that the prompt ends with is the first that a word begins with.
        let samples = place.text("run/samples.txt");
        assert!(samples.contains("temperature 0.5 ==\nA cor do"), "{samples}");
        assert!(!samples.contains("A cor do  "), "{samples}");
        let config = place.text("run/config.toml");
        assert!(config.contains(&format!("tokenizer = \"{}\"", kind[1])), "{config}");
    }
}

#[test]
fn rare_words_are_named_and_spelled() {
    let place = Place::new();
    place.write("text.txt", words());
    let mut command = place.machado(&["train", "text.txt", "--out", "run", "--split", "0.9:0.1"]);
    let args = ["--tokenizer", "word", "--progress", "plain"];
    command.args(TINY).args(args).assert().success().stderr(predicate::str::contains(
        "spelled     5 rarer words by characters: \" disse\" ×1, \" «\" ×1, \" 🎻\" ×1, \"-lhe\" ×1, \
         \"日本\" ×1\n",
    ));
}

#[test]
fn rare_characters_are_left_out_with_a_warning() {
    let place = Place::new();
    place.write("text.txt", words());
    let mut command = place.machado(&["train", "text.txt", "--out", "run", "--min-count", "2"]);
    command.args(TINY).assert().success().stderr(predicate::str::contains(
        "warning: 9 different characters are left out of the text, as too rare for --min-count or \
         --max-vocab: '-' ×1, '.' ×1, ':' ×1, 'h' ×1, '«' ×1, '»' ×1, '日' ×1, '本' ×1, and 1 more\n",
    ));
    let info = place.json(&["info", "run", "--json"]);
    assert_eq!(info["text"]["characters"], words().chars().count() - 9);
    // The same text is known again, without them; that is no news.
    for args in
        [&["evaluate", "--model", "run", "--part", "test"][..], &["decode", "--model", "run"]]
    {
        place.machado(args).assert().success().stderr(
            predicate::str::contains("note: 9 characters of the text left out, as in the training")
                .and(predicate::str::contains("warning").not()),
        );
    }
    let mut helped = place.machado(&["generate", "A cor", "--model", "run", "--ngrams", "-n", "5"]);
    helped.assert().success().stderr(predicate::str::contains("left out").not());
    place.write("other.txt", "a cor do céu: azul");
    let mut other = place.machado(&["evaluate", "other.txt", "--model", "run"]);
    let warning = "warning: the model does not know 1 character of the text: ':' ×1; left out";
    other.assert().success().stderr(predicate::str::contains(warning));
    place.machado(&["train", "--resume", "run", "--steps", "40"]).assert().success();
    place.fails(
        &["train", "text.txt", "--min-count", "1000000", "--out", "none"],
        1,
        &["the text is empty once rare characters are left out"],
    );
}

#[test]
fn predict_shows_words_with_their_spaces() {
    let place = place_with_run(KINDS[0]);
    let json = |prompt: &str| place.json(&["predict", prompt, "--model", "run", "--json"]);
    let candidates = json("a cor do céu é");
    let tokens: Vec<&str> = candidates["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|candidate| candidate["token"].as_str().unwrap())
        .collect();
    assert!(tokens.iter().any(|token| token.starts_with(' ') && token.len() > 2), "{tokens:?}");
    // The space at the end belongs to what comes next.
    assert_eq!(json("a cor do céu é "), candidates);
    let table = place.stdout(&["predict", "a cor do céu é", "--model", "run"]);
    assert!(table.contains("\" "), "{table}");
}

#[test]
fn predict_shows_bytes_that_are_no_characters() {
    let place = place_with_run(KINDS[1]);
    let args = ["predict", "a cor", "--model", "run", "--json", "--top", "300"];
    let json = place.json(&args);
    let candidates = json["candidates"].as_array().unwrap();
    let has = |token: &str| candidates.iter().any(|candidate| candidate["token"] == token);
    assert!(has("<0xC3>") && has("a") && has("\n"), "{json}");
    let ids: std::collections::BTreeSet<u64> =
        candidates.iter().map(|candidate| candidate["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), candidates.len());
}

#[test]
fn what_is_written_as_it_comes_is_what_comes_at_once() {
    for kind in KINDS {
        let place = place_with_run(kind);
        let args = ["generate", "A cor ", "--model", "run", "--seed", "3", "--tokens", "200"];
        let streamed = place.stdout(&args);
        let json = place.json(&[&args[..], &["--json"]].concat());
        assert_eq!(json["prompt"], "A cor");
        assert_eq!(json["tokens"], 200);
        assert_eq!(streamed, format!("A cor{}\n", json["text"].as_str().unwrap()));
    }
}

#[test]
fn a_banned_word_is_not_written_wherever_it_stands() {
    let place = place_with_run(KINDS[0]);
    let args = ["generate", "do céu", "--model", "run", "--seed", "3", "-n", "600", "--json"];
    let comes = |more: &[&str]| {
        let json = place.json(&[&args[..], more].concat());
        let text = json["text"].as_str().unwrap();
        text.split(|c: char| !c.is_alphabetic()).any(|word| word == "cor")
    };
    assert!(comes(&[]) && !comes(&["--ban", "cor"]));
}

#[test]
fn the_space_that_a_prompt_or_a_typed_text_ends_with_is_not_lost() {
    for kind in KINDS {
        let place = place_with_run(kind);
        let write = |prompt: &str, lines: &str, more: &[&str]| {
            let args = [&["write", prompt, "--model", "run", "--seed", "3"], more].concat();
            let output = place.machado(&args).write_stdin(lines.to_owned()).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(write("a cor ", "+do \n+mar\nq\n", &[]), "a cor do mar\n");
        assert_eq!(write("a cor ", "+do\nu\nq\n", &[]), "a cor \n");
        assert_eq!(write("a cor", "+ \nb\n+do\nq\n", &[]), "a cordo\n");
        // What the model writes is what it writes after such a prompt in any command.
        let args = ["generate", "a cor ", "--model", "run", "--seed", "3", "-n", "20"];
        assert_eq!(write("a cor ", "w 20\n", &[]), place.stdout(&args));
        let json: Value = serde_json::from_str(&write("A cor ", "w 20\n", &["--json"])).unwrap();
        assert_eq!(json["prompt"], "A cor", "as with generate");
    }
}

#[test]
fn stop_strings_lie_across_tokens() {
    for kind in KINDS {
        let place = place_with_run(kind);
        let args = ["generate", "A", "--model", "run", "--seed", "3", "--tokens", "2000"];
        // Of a word its last letter, the space of the next one, and the first letter of that.
        let whole = place.json(&[&args[..], &["--json"]].concat());
        let whole = whole["text"].as_str().unwrap();
        let whole_characters: Vec<char> = whole.chars().collect();
        let across = |three: &&[char]| three[1] == ' ' && three[2].is_alphabetic();
        let stop: String =
            whole_characters.windows(3).skip(40).find(across).unwrap().iter().collect();
        let stopped = place.json(&[&args[..], &["--json", "--stop", &stop]].concat());
        assert_eq!(stopped["finish_reason"], "stop");
        assert_eq!(stopped["text"], whole[..whole.find(&stop).unwrap()]);
    }
}

#[test]
fn evaluate_compares_models_of_different_tokens() {
    let number = |value: &Value, key: &str| value[key].as_f64().unwrap();
    let mut sizes = Vec::new();
    for kind in [&[][..], KINDS[0], KINDS[1]] {
        let place = place_with_run(kind);
        let score = place.json(&["evaluate", "--model", "run", "--json"]);
        let nats = number(&score, "loss_nats") * number(&score, "tokens");
        let per_character = nats / number(&score, "characters");
        assert!((number(&score, "nats_per_character") - per_character).abs() < 1e-9);
        let bits = per_character / std::f64::consts::LN_2;
        assert!((number(&score, "bits_per_character") - bits).abs() < 1e-9);
        let bits = nats / number(&score, "bytes") / std::f64::consts::LN_2;
        assert!((number(&score, "bits_per_byte") - bits).abs() < 1e-9);
        // All but what the first token stands for, which is one character in this text.
        assert_eq!(number(&score, "characters"), words().chars().count() as f64 - 1.0);
        let part = place.json(&["evaluate", "--model", "run", "--part", "test", "--json"]);
        sizes.push(number(&part, "characters"));
        let decoded =
            place.json(&["decode", "--model", "run", "--windows", "1", "--window", "9", "--json"]);
        assert_eq!(decoded["tokens"], 9);
    }
    // The parts are cut by characters, whatever the tokens are.
    assert!(sizes.iter().all(|size| (size - sizes[0]).abs() < 20.0), "{sizes:?}");
}

#[test]
fn resuming_equals_never_stopping() {
    for kind in KINDS {
        for sampling in ["windows", "streams"] {
            let place = Place::new();
            place.write("text.txt", words());
            let train = |out: &str, steps: &str| {
                let tiny = TINY.iter().map(|a| if *a == "30" { steps } else { a });
                let args = ["train", "text.txt", "--schedule", "constant", "--out", out];
                let mut command = place.machado(&args);
                command.args(tiny).args(kind).args(["--sampling", sampling]).assert().success();
            };
            train("whole", "20");
            train("halves", "10");
            let resume = ["train", "--resume", "halves", "--steps", "20", "--threads", "1"];
            place.machado(&resume).assert().success();
            let weights = |file: &str| {
                // Config and progress in the header tell where the first half ended.
                let bytes = place.read(file);
                let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
                bytes[8 + header..].to_vec()
            };
            assert!(weights("whole/last.safetensors") == weights("halves/last.safetensors"));
            assert_eq!(place.text("whole/samples.txt"), place.text("halves/samples.txt"));
            place.write("text.txt", words() + "changed");
            let resume = ["train", "--resume", "halves", "--steps", "30"];
            place.fails(&resume, 1, &["cannot resume", "the text is not the one"]);
        }
    }
}

#[test]
fn info_tells_the_kind_of_tokens() {
    let place = place_with_run(KINDS[0]);
    let json = place.json(&["info", "run", "--json"]);
    assert_eq!(json["tokenizer"], "word");
    assert!(json["text"]["tokens"].as_u64() < json["text"]["characters"].as_u64());
    let shown = place.stdout(&["info", "run"]);
    assert!(shown.contains(" tokens (word, standardize lower): ") && shown.contains("\" do\" "));
    let place = place_with_run(KINDS[1]);
    let json = place.json(&["info", "run", "--json"]);
    assert_eq!(json["tokenizer"], "bpe");
    assert!((257..=300).contains(&json["vocabulary_size"].as_u64().unwrap()));
    let shown = place.stdout(&["info", "run"]);
    assert!(shown.contains("(bpe, standardize lower): 256 bytes \""), "{shown}");
}

#[test]
fn numbers_that_no_vocabulary_can_have() {
    let place = Place::new();
    place.write("text.txt", text());
    let train = ["train", "text.txt", "--out", "run"];
    place.fails(
        &[&train[..], &["--tokenizer", "bpe", "--max-vocab", "255"]].concat(),
        1,
        &["--max-vocab must be from 256 to 1000000, not 255"],
    );
    for silly in ["0", "1", "-3", "many"] {
        let max_vocab = format!("--max-vocab={silly}");
        let args = [&train[..], &[&max_vocab]].concat();
        place.fails(&args, 2, &["--max-vocab", "expected a whole number of at least 2"]);
    }
    let config = place.stdout(&["info", "--preset", "small"]);
    place.write("one.toml", config.replace("[data]", "max_vocab = 1\n\n[data]"));
    place.fails(
        &[&train[..], &["--config", "one.toml"]].concat(),
        1,
        &["--max-vocab must be from 2 to 1000000, not 1"],
    );
    place.fails(&[&train[..], &["--min-count", "0"]].concat(), 2, &["--min-count", "at least 1"]);
    let words = [&train[..], &["--tokenizer", "words"]].concat();
    place.fails(&words, 2, &["expected one of char, word, bpe"]);
    assert!(!place.path("run").exists());
}

/// Whatever a token is, and however few there are.
#[test]
fn a_split_that_is_too_large_counts_characters() {
    let place = Place::new();
    place.write("text.txt", words());
    let characters = words().chars().count();
    for kind in [&[][..], KINDS[0], KINDS[1]] {
        let split = format!("{characters}:1");
        let args = ["train", "text.txt", "--out", "run", "--split", &split];
        let needed = characters + 1;
        let expected =
            format!("{split} needs {needed} characters, but the text has only {characters}\n");
        place.fails(&[&args[..], kind].concat(), 1, &[&expected, "hint: give a smaller split"]);
    }
}

/// A text in which a single token is left gives a model all the same.
#[test]
fn a_vocabulary_of_one() {
    let place = Place::new();
    place.write("text.txt", "ab".to_owned() + &"a".repeat(9000) + "c");
    let mut command = place.machado(&["train", "text.txt", "--out", "run", "--min-count", "2"]);
    command.args(TINY).assert().success().stderr(predicate::str::contains("are left out"));
    let written = place.stdout(&["generate", "--model", "run", "-n", "5", "--seed", "1"]);
    assert_eq!(written, "aaaaa\n");
}
