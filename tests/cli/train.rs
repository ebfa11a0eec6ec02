use std::process::{Command, Stdio};

use predicates::prelude::*;

use crate::harness::{Place, TINY, program, text};
use crate::pages::check_drawing;

/// What the samples of a run begin with.
fn sample_prompt(place: &Place, run: &str) -> String {
    let config: toml::Table = place.text(&format!("{run}/config.toml")).parse().unwrap();
    config["samples"]["prompt"].as_str().unwrap().to_owned()
}

/// The events of the only file of a folder, each with its two checksums left out.
fn board_events(place: &Place, folder: &str) -> Vec<Vec<u8>> {
    let files: Vec<_> = std::fs::read_dir(place.path(folder)).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let path = files[0].as_ref().unwrap().path();
    assert!(path.file_name().unwrap().to_string_lossy().starts_with("events.out.tfevents."));
    let bytes = std::fs::read(path).unwrap();
    let (mut rest, mut events) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        events.push(rest[12..][..length].to_vec());
        rest = &rest[12 + length + 4..];
    }
    events
}

#[test]
fn tensorboard_gets_what_the_log_gets() {
    let place = Place::new();
    place.write("text.txt", text());
    let args = ["train", "text.txt", "--out", "run", "--tensorboard"];
    place.machado(&args).args(TINY).assert().success();
    let log = place.events("run");
    let count = |event: &str| log.iter().filter(|entry| entry["event"] == event).count();
    let training = board_events(&place, "run/tensorboard/train");
    assert_eq!(training.len(), 1 + count("step") + count("sample"));
    let validation = board_events(&place, "run/tensorboard/validation");
    assert_eq!(validation.len(), 1 + count("evaluated"));
    let has = |event: &[u8], word: &str| event.windows(word.len()).any(|w| w == word.as_bytes());
    assert!(has(&training[0], "brain.Event:2") && training.iter().any(|e| has(e, "learning_rate")));
    assert!(validation[1..].iter().all(|event| has(event, "bits_per_character")));
    // Elsewhere if so it is said, and a text that comes after is still a text.
    let args = ["train", "--tensorboard=board", "text.txt", "--out", "other"];
    place.machado(&args).args(TINY).assert().success();
    assert_eq!(board_events(&place, "board/train").len(), training.len());
}

#[test]
fn a_run_leaves_a_folder_with_everything_in_it() {
    let place = Place::with_run();
    for file in ["model.safetensors", "last.safetensors", "config.toml", "metrics.jsonl"] {
        assert!(!place.read(&format!("run/{file}")).is_empty(), "{file}");
    }
    check_drawing(&place.text("run/loss.svg"));
    assert!(place.text("run/loss.svg").contains("validation"));
    assert!(place.text("run/accuracy.svg").contains("accuracy"));
    assert!(place.read("run/loss.png").starts_with(b"\x89PNG"));
    assert!(place.read("run/accuracy.png").starts_with(b"\x89PNG"));
    let samples = place.text("run/samples.txt");
    let begin = format!("== step 10, temperature 0.5 ==\n{}", sample_prompt(&place, "run"));
    assert!(samples.contains(&begin), "{samples}");
    let leftovers = std::fs::read_dir(place.path("run")).unwrap();
    assert!(!leftovers.into_iter().any(|f| f.unwrap().path().extension().unwrap() == "partial"));
}

#[test]
fn the_log_has_every_event_with_its_keys() {
    let place = Place::with_run();
    let events = place.events("run");
    for (event, keys) in [
        ("step", &["loss", "accuracy", "learning_rate", "ms_per_step"][..]),
        ("sample", &["text", "temperature", "prompt"]),
        ("evaluated", &["val_loss", "val_accuracy", "bits_per_character"]),
        ("epoch", &["loss", "accuracy", "val_loss", "val_accuracy"]),
        ("checkpoint", &["kind"]),
        ("done", &["reason"]),
    ] {
        let found =
            events.iter().find(|e| e["event"] == event).unwrap_or_else(|| panic!("{event}"));
        for key in ["step", "epoch", "elapsed_seconds"].iter().chain(keys) {
            assert!(!found[*key].is_null(), "{event} has no {key}: {found}");
        }
    }
    let steps: Vec<u64> = events
        .iter()
        .filter(|e| e["event"] == "step")
        .map(|e| e["step"].as_u64().unwrap())
        .collect();
    assert!(steps.is_sorted() && steps.contains(&5) && steps.contains(&30), "{steps:?}");
}

#[test]
fn the_start_says_what_is_trained_and_the_end_what_can_be_done_next() {
    let place = Place::new();
    place.write("text.txt", text());
    let assert = place.machado(&["train", "text.txt"]).args(TINY).assert().success();
    let characters = text().chars().count();
    let expected =
        format!("text        text.txt: {},{:03} characters", characters / 1000, characters % 1000);
    assert
        .stderr(predicate::str::contains(expected))
        .stderr(predicate::str::contains("device      CPU, "))
        .stderr(predicate::str::contains("tokens, standardize lower"))
        .stderr(predicate::str::contains("embedding 4 → conv1d 6 (width 3) → dropout 0.3 → gru 8"))
        .stderr(predicate::str::contains("memory      about "))
        .stderr(predicate::str::contains("validation loss "))
        .stdout(predicate::str::contains("done: 30 steps"));
    // The same command again takes another folder.
    place.machado(&["train", "text.txt"]).args(TINY).assert().success();
    assert!(place.path("runs/text-2/model.safetensors").exists());
}

/// The presets' prompt is Portuguese.
#[test]
fn samples_and_hints_begin_with_a_prompt_that_fits_the_text() {
    let place = Place::new();
    let said = |text: &str, args: &[&str]| {
        place.write("text.txt", text.repeat(60));
        let mut command = place.machado(&["train", "text.txt", "--out", "run"]);
        let output = command.args(TINY).args(args).assert().success().get_output().clone();
        let prompt = sample_prompt(&place, "run");
        let samples = place.text("run/samples.txt");
        assert!(samples.contains(&format!("temperature 0.5 ==\n{}", prompt.trim_end())));
        std::fs::remove_dir_all(place.path("run")).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (prompt, text(output.stdout), text(output.stderr))
    };
    let english = "Once upon a time there was a girl.\nShe walked into the wood and sang.\n";
    for kind in ["char", "word", "bpe"] {
        let (prompt, hints, talk) = said(english, &["--tokenizer", kind]);
        assert!(english.to_lowercase().contains(&prompt), "{prompt}");
        assert_eq!(prompt.split(' ').count(), 4, "three words and a space: {prompt:?}");
        assert!(hints.contains(&format!("generate \"{prompt}\" --model run\n")), "{hints}");
        assert!(hints.contains(&format!("predict \"{prompt}\" --model run\n")), "{hints}");
        assert!(talk.contains(&format!("prompt      \"{prompt}\", from the text\n")), "{talk}");
    }
    let portuguese = "Uma menina estava à janela e olhava para a rua.\n";
    let (prompt, hints, talk) = said(portuguese, &[]);
    assert_eq!(prompt, "A menina estava ");
    assert!(hints.contains("generate \"A menina estava \" --model run\n"), "{hints}");
    assert!(!talk.contains("from the text"), "{talk}");
    // What the user says is taken as it is.
    let (prompt, hints, _) = said(english, &["--sample-prompt=- Ela's!"]);
    assert_eq!(prompt, "- Ela's!");
    assert!(hints.contains(r"generate --model run -- '- Ela'\''s!'"), "{hints}");
}

#[test]
fn flags_without_effect_are_named() {
    let place = Place::new();
    place.write("text.txt", text());
    let mut command = place.machado(&["train", "text.txt", "--out", "run", "--shift", "3"]);
    let args = ["--sample-every", "0", "--shuffle-buffer", "9"];
    let tiny = TINY.chunks(2).filter(|pair| pair[0] != "--sample-every").flatten();
    let warning = |flag: &str, why: &str| {
        predicate::str::contains(format!("warning: {flag} has no effect: {why}"))
    };
    command
        .args(tiny)
        .args(args)
        .assert()
        .success()
        .stderr(warning("--shift", "streams go on where they were; it is for --sampling windows"))
        .stderr(warning("--shuffle-buffer", "streams are read in their order"))
        .stderr(warning("--sample-tokens", "with --sample-every 0 there are no samples"));
    let mut windows = place.machado(&["train", "text.txt", "--out", "again", "--shift", "3"]);
    let assert = windows.args(TINY).args(["--sampling", "windows"]).assert().success();
    assert.stderr(predicate::str::contains("has no effect").not());
}

#[test]
fn json_progress_is_one_object_a_line() {
    let place = Place::new();
    place.write("text.txt", text());
    let mut args = vec!["train", "text.txt", "--out", "run", "--progress", "json"];
    args.extend(TINY);
    let lines = place.stdout(&args);
    let events: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "start");
    assert_eq!(events[1..], place.events("run"));
}

#[test]
fn silent_progress_prints_nothing() {
    let place = Place::new();
    place.write("text.txt", text());
    let mut command = place.machado(&["train", "text.txt", "--progress", "none"]);
    command.args(TINY).assert().success().stdout("").stderr("");
}

#[test]
fn several_files_a_folder_and_the_standard_input_are_read() {
    let place = Place::new();
    let half = text();
    std::fs::create_dir_all(place.path("folder/below")).unwrap();
    place.write("folder/1.txt", &half);
    place.write("folder/below/2.TXT", &half);
    place.write("folder/notes.md", "# not read");
    place.write("one.txt", [&half, "\n", &half].concat());
    let parameters = |args: &[&str], input: &str| {
        let mut command = place.machado(&["train", "--progress", "json"]);
        let output = command.args(args).args(TINY).write_stdin(input).assert().success();
        let output = String::from_utf8(output.get_output().stdout.clone()).unwrap();
        let start: serde_json::Value =
            serde_json::from_str(output.lines().next().unwrap()).unwrap();
        start["characters"].as_u64().unwrap()
    };
    let expected = parameters(&["one.txt"], "");
    assert_eq!(parameters(&["folder"], ""), expected);
    assert_eq!(parameters(&["folder/1.txt", "folder/below/2.TXT"], ""), expected);
    assert_eq!(parameters(&["-"], &[&half, "\n", &half].concat()), expected);
}

#[test]
fn another_encoding_is_recognised_and_said() {
    let place = Place::new();
    let latin: Vec<u8> = text().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    place.write("latin.txt", latin);
    place
        .machado(&["train", "latin.txt", "--out", "run"])
        .args(TINY)
        .assert()
        .success()
        .stderr(predicate::str::contains("latin.txt (windows-1252)"));
    let info = place.json(&["info", "run", "--json"]);
    assert_eq!(info["text"]["characters"], text().chars().count());
    assert!(place.stdout(&["info", "run"]).contains('é'));
}

#[test]
fn a_run_of_more_steps_by_resuming_equals_one_in_one_go() {
    let place = Place::new();
    place.write("text.txt", text());
    let train = |out: &str, steps: &str| {
        let args = ["train", "text.txt", "--schedule", "constant", "--out", out];
        // The last --steps counts.
        let tiny: Vec<&str> = TINY.iter().map(|a| if *a == "30" { steps } else { a }).collect();
        place.machado(&args).args(tiny).assert().success();
    };
    train("whole", "30");
    train("halves", "15");
    place
        .machado(&["train", "--resume", "halves", "--steps", "30", "--threads", "1"])
        .assert()
        .success()
        .stderr(predicate::str::contains("resumed     after step 15"));
    let weights = |file: &str| {
        // The header holds the best evaluation, which the stop at 15 may have been.
        let bytes = place.read(file);
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[8 + header..].to_vec()
    };
    assert!(weights("whole/last.safetensors") == weights("halves/last.safetensors"));
    let steps = |run: &str| -> Vec<u64> {
        let events = place.events(run);
        let samples = events.iter().filter(|e| e["event"] == "sample");
        samples.map(|e| e["step"].as_u64().unwrap()).collect()
    };
    assert_eq!(steps("whole"), steps("halves"));
    assert_eq!(place.text("whole/samples.txt"), place.text("halves/samples.txt"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on_and_going_on_equals_never_stopping() {
    let place = Place::new();
    place.write("text.txt", text());
    fn run(out: &str) -> Vec<&str> {
        let mut args = vec!["train", "text.txt", "--out", out, "--progress", "json"];
        args.extend(TINY.iter().map(|a| if *a == "30" { "3000" } else { a }));
        args
    }
    let mut child = Command::new(program())
        .current_dir(place.path(""))
        .args(run("stopped"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Once it has told of a step it listens to signals.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    lines.find(|line| line.as_ref().unwrap().contains("\"event\":\"step\"")).unwrap().unwrap();
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    lines.for_each(drop);
    assert!(child.wait().unwrap().success());
    let stopped = place.events("stopped");
    assert!(!stopped.iter().any(|event| event["event"] == "done"));

    place.machado(&["train", "--resume", "stopped", "--progress", "none"]).assert().success();
    place.machado(&run("whole")).assert().success();
    for file in ["model.safetensors", "last.safetensors", "samples.txt"] {
        let [a, b] = ["stopped", "whole"].map(|run| place.read(&format!("{run}/{file}")));
        assert!(a == b, "{file} differs");
    }
}

#[test]
fn a_run_goes_on_when_nobody_reads_what_it_says() {
    let place = Place::new();
    place.write("text.txt", text());
    let script = format!(
        "{} train text.txt --out run {} 2>&1 >/dev/null | head -1; exit ${{PIPESTATUS[0]}}",
        program().display(),
        TINY.join(" ")
    );
    let status = Command::new("bash").args(["-c", &script]).current_dir(place.path("")).status();
    assert!(status.unwrap().success());
    assert_eq!(place.events("run").last().unwrap()["event"], "done");
}

#[test]
fn a_pipe_and_a_folder_that_links_to_itself_are_read_once() {
    let place = Place::new();
    std::fs::create_dir(place.path("folder")).unwrap();
    place.write("folder/text.txt", text());
    std::os::unix::fs::symlink(".", place.path("folder/again")).unwrap();
    let expected = text().chars().count().to_string();
    let expected = format!("{},{} characters", &expected[..1], &expected[1..]);
    for text in ["folder", "<(cat folder/text.txt)"] {
        let script = format!("{} train {text} {} 2>&1", program().display(), TINY.join(" "));
        let mut command = Command::new("bash");
        let output = command.args(["-c", &script]).current_dir(place.path("")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(&expected), "{text}: {said}");
    }
}

#[test]
fn commands_to_copy_are_quoted_for_the_shell() {
    let place = Place::new();
    place.write("Dom (1899).txt", text());
    let mut command = place.machado(&["train", "Dom (1899).txt", "--patience", "1"]);
    command
        .args(TINY)
        .assert()
        .success()
        .stdout(predicate::str::contains("--model 'runs/Dom (1899)'"));
}

#[test]
fn a_run_ends_on_time() {
    let place = Place::new();
    place.write("text.txt", text());
    let tiny = TINY.iter().filter(|a| !["--steps", "30"].contains(a));
    let mut command = place.machado(&["train", "text.txt", "--out", "run", "--minutes", "0.02"]);
    command.args(tiny).assert().success();
    let events = place.events("run");
    assert_eq!(events.last().unwrap()["reason"], "minutes");
    assert!(events.iter().any(|event| event["event"] == "evaluated"));
}

#[test]
fn a_config_file_gives_the_same_run() {
    let place = Place::with_run();
    let mut args = vec!["train", "text.txt", "--config", "run/config.toml", "--out", "again"];
    args.extend(["--log-every", "5"]);
    place.machado(&args).assert().success();
    assert!(place.read("run/model.safetensors") == place.read("again/model.safetensors"));
    // A model travels, so it names the text without its folders.
    let printed = place.stdout(&["info", "run", "--config"]);
    let folder = place.path("").canonicalize().unwrap().display().to_string();
    let config =
        place.text("run/config.toml").replace(&format!("{}/", folder.trim_end_matches('/')), "");
    assert_eq!(printed, config);
}

#[test]
fn curves_are_drawn_again_by_plot() {
    let place = Place::with_run();
    for file in ["loss.svg", "loss.png", "accuracy.svg", "accuracy.png"] {
        std::fs::remove_file(place.path(&format!("run/{file}"))).unwrap();
    }
    let printed = place.stdout(&["plot", "run"]);
    assert_eq!(printed.lines().count(), 4);
    for file in printed.lines() {
        assert!(place.path(file).exists(), "{file}");
    }
    assert_eq!(place.json(&["plot", "run", "--json"])["files"].as_array().unwrap().len(), 4);
}
