use crate::harness::{Place, TINY, program, text};

/// A place with a text, where training with `args` must fail.
fn training_fails(args: &[&str], code: i32, parts: &[&str]) {
    let place = Place::new();
    place.write("text.txt", text());
    place.fails(&[&["train", "text.txt", "--out", "run"], args].concat(), code, parts);
    assert!(!place.path("run").exists(), "nothing is left behind");
}

#[test]
fn a_missing_file() {
    let place = Place::new();
    place.fails(
        &["train", "livro.txt"],
        1,
        &["cannot read the text livro.txt", "No such file", "hint:"],
    );
    place.fails(&["generate", "--model", "nada"], 1, &["cannot read nada", "No such file"]);
    place.fails(&["generate", "FILE:nada.txt"], 1, &["cannot read nada.txt"]);
    place.fails(&["train", "--resume", "nada"], 1, &["no run in nada", "config.toml"]);
    place.fails(&["plot", "nada"], 1, &["no run in nada"]);
}

#[test]
fn an_empty_file() {
    let place = Place::new();
    place.write("empty.txt", "");
    place.fails(&["train", "empty.txt"], 1, &["empty.txt: the text is empty", "hint:"]);
    place.write("signs.txt", "?!…");
    let args = ["train", "signs.txt", "--standardize", "letters"];
    place.fails(&args, 1, &["once only letters, digits and spaces are kept"]);
}

#[test]
fn a_text_shorter_than_one_window() {
    let place = Place::new();
    place.write("short.txt", "A cor do céu é azul.");
    let args = ["train", "short.txt", "--sampling", "windows"];
    place.fails(&args, 1, &["the training part has 18 tokens", "one window needs 65", "hint:"]);
    place.fails(&["train", "short.txt"], 1, &["32 streams", "hint:"]);
    let args = ["train", "short.txt", "--window", "4", "--batch-size", "2"];
    place.fails(&args, 1, &["the validation part has 1 token", "needs 5"]);
    place.fails(&["decode", "short.txt"], 1, &["20 tokens", "needs 65", "--window"]);
}

#[test]
fn a_folder_without_text() {
    let place = Place::new();
    std::fs::create_dir(place.path("folder")).unwrap();
    place.write("folder/book.pdf", "%PDF");
    place.fails(&["train", "folder"], 1, &["the folder folder has no text", ".txt", "hint:"]);
}

#[test]
fn a_run_where_a_text_is_expected() {
    let place = Place::with_run();
    let parts = ["run is the folder of a run, and no text", "hint: --model run", "--resume run"];
    place.fails(&["evaluate", "run"], 1, &parts);
    place.fails(&["evaluate", "run", "--part", "test"], 1, &parts);
    place.fails(&["decode", "run"], 1, &parts);
    place.fails(&["train", "run"], 1, &parts);
    // Its samples are no text either where it lies in a folder with texts.
    std::fs::create_dir(place.path("folder")).unwrap();
    std::fs::rename(place.path("run"), place.path("folder/run")).unwrap();
    place.fails(&["evaluate", "folder"], 1, &["the folder folder has no text"]);
    place.write("folder/one.txt", "a");
    place.fails(&["evaluate", "folder"], 1, &["at least 2 tokens long, not 1"]);
}

#[test]
fn a_binary_file() {
    let place = Place::new();
    place.write("picture.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0");
    place.fails(&["train", "picture.txt"], 1, &["picture.txt: this is not text", "hint:"]);
}

#[test]
fn a_split_larger_than_the_text() {
    training_fails(&["--preset", "tutorial"], 1, &["1000000:60000 needs 1060000", "hint:"]);
    training_fails(&["--split", "0.9:0.2"], 2, &["add up to 1 at most"]);
    training_fails(&["--split", "most"], 2, &["a split is TRAIN:VALIDATION"]);
}

#[test]
fn zero_and_negative_sizes() {
    for (flag, most) in [("--gru-layers", 64), ("--threads", 1024)] {
        let many = (most + 1).to_string();
        let code = if flag == "--threads" { 1 } else { 2 };
        training_fails(&[flag, &many], code, &[&most.to_string()]);
    }
    for flag in ["--window", "--batch-size", "--units", "--steps", "--shift", "--threads"] {
        training_fails(&[flag, "0"], 2, &[flag, "expected a whole number of at least 1"]);
        training_fails(&[&format!("{flag}=-5")], 2, &[flag, "at least 1"]);
    }
    training_fails(&["--learning-rate", "0"], 2, &["--learning-rate", "greater than 0"]);
    training_fails(&["--dropout", "1"], 2, &["--dropout", "less than 1"]);
    training_fails(&["--units", "1000000"], 1, &["layer 4 (gru): units must be from 1 to 16384"]);
    let place = Place::new();
    place.fails(&["decode", "--windows", "99999999999"], 2, &["--windows", "at most 1000"]);
    place.fails(&["generate", "-t", "-1"], 2, &["0 or more"]);
    place.fails(&["generate", "-t=-1"], 2, &["--temperature", "0 or more"]);
    place.fails(&["generate", "--top-p", "2"], 2, &["--top-p", "at most 1"]);
    place.fails(&["generate", "--typical-p", "0"], 2, &["--typical-p", "greater than 0"]);
    place.fails(
        &["generate", "--repetition-penalty", "0"],
        2,
        &["--repetition-penalty", "greater"],
    );
    place.fails(
        &["generate", "--repetition-window", "0"],
        2,
        &["--repetition-window", "at least 1"],
    );
    place.fails(&["write", "--top", "0"], 2, &["--top", "at least 1"]);
    place.fails(&["generate", "--samples", "0"], 2, &["--samples", "at least 1"]);
    place.fails(&["generate", "--stop", ""], 2, &["--stop must not be empty"]);
}

#[test]
fn bans_of_the_unknown_of_nothing_and_of_everything() {
    let place = Place::with_run();
    let ban = |texts: &[&str], code, parts: &[&str]| {
        let bans = texts.iter().flat_map(|text| ["--ban", text]);
        for command in ["generate", "write"] {
            let args: Vec<&str> =
                [command, "--model", "run"].into_iter().chain(bans.clone()).collect();
            place.fails(&args, code, parts);
        }
    };
    ban(&["a日"], 1, &["--ban \"a日\": the model does not know '日' (U+65E5)", "hint:"]);
    ban(&[""], 2, &["--ban must not be empty"]);
    let vocabulary: Vec<String> = text()
        .to_lowercase()
        .chars()
        .map(String::from)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let all: Vec<&str> = vocabulary.iter().map(String::as_str).collect();
    ban(&all, 1, &["the bans leave no token to write\n", "hint:"]);
    let after_a: Vec<String> = all.iter().map(|second| format!("a{second}")).collect();
    let after_a: Vec<&str> = after_a.iter().map(String::as_str).collect();
    ban(&after_a, 1, &["the bans leave no token to write after \"a\"", "hint:"]);
}

#[test]
fn words_that_mean_nothing() {
    training_fails(
        &["--preset", "huge"],
        2,
        &["no preset \"huge\"", "tutorial, small, base, large"],
    );
    training_fails(&["--optimizer", "magic"], 2, &["nadam, adam, adamw, sgd"]);
    training_fails(&["--sampling", "dice"], 2, &["windows, streams"]);
    training_fails(&["--vector-unit", "mmx"], 2, &["no vector unit \"mmx\"", "it has: "]);
    training_fails(&["--no-such-flag"], 2, &["--no-such-flag"]);
}

#[test]
fn unknown_keys_in_a_config() {
    let place = Place::with_run();
    let config = place.text("run/config.toml");
    place.write("odd.toml", config.replace("learning_rate", "lerning_rate"));
    let args = ["train", "text.txt", "--config", "odd.toml"];
    place.fails(&args, 1, &["in odd.toml", "lerning_rate", "learning_rate"]);
    place.write("odd.toml", config.replace("type = \"gru\"", "type = \"lstm\""));
    place.fails(&args, 1, &["in odd.toml", "lstm", "gru"]);
    place.write("odd.toml", config.replace("units = 8", "units = -8"));
    place.fails(&args, 1, &["in odd.toml", "-8"]);
    // What is remembered of the run could not be read again.
    place.write("odd.toml", config.replace("beta_1 = 0.9", "beta_1 = nan"));
    place.fails(&args, 1, &["beta_1 of the optimizer must be from 0 to less than 1, not NaN"]);
    place.fails(&["train", "--preset", "small", "--config", "odd.toml"], 2, &["--preset"]);
}

#[test]
fn a_truncated_model() {
    let place = Place::with_run();
    let whole = place.read("run/model.safetensors");
    place.write("run/model.safetensors", &whole[..whole.len() / 2]);
    let parts = ["run/model.safetensors", "damaged", "cut off after", "hint:"];
    for command in ["generate", "evaluate", "decode"] {
        place.fails(&[command, "--model", "run"], 1, &parts);
    }
    place.fails(&["predict", "A", "--model", "run"], 1, &parts);
    place.fails(&["info", "run"], 1, &parts);
    place.write("run/last.safetensors", b"");
    let parts = ["run/last.safetensors", "not a model file", "hint:"];
    place.fails(&["train", "--resume", "run", "--steps", "60"], 1, &parts);
}

#[test]
fn a_foreign_model() {
    let place = Place::with_run();
    place.fails(&["info", "text.txt"], 1, &["text.txt: this is not a model file of machado"]);
    place.fails(&["info", "run/loss.png"], 1, &["not a model file"]);
}

#[test]
fn a_model_of_a_newer_version() {
    let place = Place::with_run();
    let bytes = place.read("run/model.safetensors");
    let key = b"\"machado.format_version\":\"";
    let place_of_version = bytes.windows(key.len()).position(|w| w == key).unwrap() + key.len();
    let mut newer = bytes;
    newer[place_of_version] = b'9';
    place.write("newer.safetensors", newer);
    let parts = ["format version 9", "reads up to 1", "update machado"];
    place.fails(&["info", "newer.safetensors"], 1, &parts);
}

#[test]
fn a_folder_that_cannot_be_written() {
    let place = Place::new();
    place.write("text.txt", text());
    place.write("file", "in the way");
    place.fails(&["train", "text.txt", "--out", "file/run"], 1, &["file/run", "hint:", "--out"]);
    assert_eq!(place.text("file"), "in the way");
}

/// A limit on the size of files stands for a full disk: writing fails in the same way, amid a file.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_what_was_there() {
    let place = Place::with_run();
    let before = place.read("run/last.safetensors");
    let script = format!(
        "trap '' XFSZ; ulimit -f 8; exec {} train --resume run --steps 60",
        program().display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(place.path(""))
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in ["cannot write run/", "unchanged", "hint:"] {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
    assert!(place.read("run/last.safetensors") == before);
    assert!(!place.path("run/last.partial").exists());
    place.machado(&["train", "--resume", "run", "--steps", "60"]).assert().success();
}

#[test]
fn a_run_that_cannot_begin_leaves_nothing_behind() {
    let place = Place::new();
    place.write("text.txt", text());
    let script =
        format!("trap '' XFSZ; ulimit -f 1; exec {} train text.txt --out run", program().display());
    let status = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(place.path(""))
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(std::fs::read_dir(place.path("run")).unwrap().count(), 0);
    place.machado(&["train", "text.txt", "--out", "run"]).args(TINY).assert().success();
}

#[test]
fn a_log_that_was_cut_off_amid_a_character() {
    let place = Place::with_run();
    let mut log = place.read("run/metrics.jsonl");
    log.extend(b"{\"event\":\"sample\",\"text\":\"n\xc3");
    place.write("run/metrics.jsonl", log);
    place.machado(&["plot", "run"]).assert().success();
    place.machado(&["train", "--resume", "run", "--steps", "60"]).assert().success();
    assert_eq!(place.events("run").last().unwrap()["step"], 60);
}

#[test]
fn an_update_that_overflows_spoils_no_file() {
    let place = Place::new();
    place.write("text.txt", text());
    let tiny = TINY.iter().map(|a| if *a == "30" { "1" } else { a });
    let wild = ["--optimizer", "sgd", "--learning-rate", "1e300", "--schedule", "constant"];
    let mut command = place.machado(&["train", "text.txt", "--out", "run", "--clip-norm", "1e30"]);
    command.args(wild).args(["--warmup-steps", "0"]).args(tiny).assert().code(1);
    place.machado(&["info", "run"]).assert().success();
}

#[test]
fn a_loss_that_is_no_number() {
    let place = Place::new();
    place.write("text.txt", text());
    let wild = ["--learning-rate", "1e30", "--optimizer", "sgd", "--schedule", "constant"];
    let args = [&["train", "text.txt", "--out", "run"], TINY, &wild].concat();
    // Without the preset's clipping and warm-up.
    let args = [&args[..], &["--warmup-steps", "0", "--clip-norm", "1e30"]].concat();
    place.fails(
        &args,
        1,
        &["training diverged", "--learning-rate", "--clip-norm", "last.safetensors"],
    );
    // What is left is sound.
    place.machado(&["generate", "A ", "-n", "5", "--model", "run"]).assert().success();
}

#[test]
fn an_unknown_character_where_that_is_an_error() {
    let place = Place::new();
    let parts = ["'日' (U+65E5) at character 3 of the prompt", "hint:"];
    place.fails(&["generate", "A 日", "--unknown", "error"], 1, &parts);
    place.write("strange.txt", "O 日");
    place.fails(
        &["evaluate", "strange.txt", "--unknown", "error"],
        1,
        &["character 3 of the text"],
    );
}

#[test]
fn a_run_is_never_written_over() {
    let place = Place::with_run();
    let before = place.read("run/model.safetensors");
    let args = [&["train", "text.txt", "--out", "run"], TINY].concat();
    place.fails(&args, 1, &["already holds a run", "--resume", "--out"]);
    assert!(place.read("run/model.safetensors") == before);
}

#[test]
fn resuming_with_other_settings_or_another_text_or_nothing_to_do() {
    let place = Place::with_run();
    place.fails(
        &["train", "--resume", "run", "--window", "5"],
        2,
        &["error: --window cannot be used with --resume", "--steps, --minutes, --patience"],
    );
    place.fails(&["train", "--resume", "run"], 1, &["is over after 30 steps", "--steps"]);
    place.write("text.txt", text() + "changed");
    let args = ["train", "--resume", "run", "--steps", "60"];
    place.fails(&args, 1, &["cannot resume", "the text is not the one"]);
    std::fs::remove_file(place.path("text.txt")).unwrap();
    place.fails(&args, 1, &["cannot read the text", "text.txt"]);
}

#[test]
fn settings_that_were_changed_in_the_runs_own_config() {
    let place = Place::with_run();
    let config = place.text("run/config.toml");
    place.write("run/config.toml", config.replace("seed = 42", "seed = 43"));
    let args = ["train", "--resume", "run", "--steps", "60"];
    place.fails(&args, 1, &["cannot resume", "the setting training.seed"]);
    place.write("run/config.toml", config.replace("beta_1", "beta1"));
    place.fails(&args, 1, &["in run/config.toml", "beta1"]);
}

#[test]
fn the_built_in_model_without_a_text() {
    let place = Place::new();
    let parts = [
        "(the model inside the program) does not have the text",
        "hint: give one, as in `machado evaluate book.txt`",
        "--text book.txt",
    ];
    for command in [&["evaluate"][..], &["decode"], &["sae", "train"]] {
        place.fails(command, 1, &parts);
    }
    let parts = ["--ngrams counts the text", "does not have it", "hint: give the folder of a run"];
    place.fails(&["generate", "--ngrams"], 1, &parts);
}

#[test]
fn a_part_of_another_text() {
    let place = Place::with_run();
    place.write("other.txt", "a cor do céu");
    let args = ["evaluate", "other.txt", "--model", "run", "--part", "test"];
    place.fails(&args, 1, &["--part needs the text that the model was trained on", "hint:"]);
    place.write("one.txt", "a");
    place.fails(&["evaluate", "one.txt", "--model", "run"], 1, &["at least 2 tokens"]);
}
