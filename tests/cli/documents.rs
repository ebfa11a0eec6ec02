//! What the documents claim about commands, flags, files and tests.

use std::path::Path;

use crate::harness::{Place, TINY, text};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The lines of the blocks marked `sh`.
fn shell_lines(document: &str) -> Vec<String> {
    let blocks = document.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).filter(|line| !line.is_empty()).map(String::from).collect()
}

/// The words of a command line; quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// Runs each command of a document in order, with models so small that it takes a moment.
fn check_commands(name: &str, book: &str) {
    let place = Place::new();
    place.write(book, text());
    let mut run = 0;
    for line in shell_lines(&document(name)) {
        let words = words(&line);
        if words[0] == "cargo" {
            let known = ["cargo run --release -- train", "cargo test", "cargo install --path ."];
            assert!(known.contains(&line.as_str()), "{name}: {line}");
            continue;
        }
        assert_eq!(words[0], "machado", "{name}: {line}");
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        if args[0] == "serve" {
            // Until it listens.
            #[cfg(feature = "serve")]
            drop(crate::serving::Serving::start(&place, &without_port(&args[1..])));
            continue;
        }
        let mut command = place.machado(&args);
        if args[0] == "train" && !args.contains(&"--resume") {
            let given = |flag: &str| args.contains(&flag);
            let pairs = TINY.chunks(2).filter(|pair| !given(pair[0]));
            // Where a run begins with a model, the layers are the model's.
            let of_layers = ["--units", "--embedding-dim", "--filters"];
            let pairs = pairs.filter(|pair| !(given("--from") && of_layers.contains(&pair[0])));
            let minutes = given("--minutes");
            pairs.filter(|pair| !(minutes && pair[0] == "--steps")).for_each(|pair| {
                command.args(pair);
            });
            if given("--minutes") {
                command.args(["--steps", "30"]);
            }
            if given("tutorial") {
                command.args(["--split", "0.9:0.05", "--eval-shift", "50"]);
            }
        }
        if args[0] == "bench" {
            // The same sizes, but for a moment only.
            command.args(["--seconds", "0.01", "--vocabulary", "9"]);
        }
        if args.starts_with(&["sae", "train"]) {
            command.args(["--features", "32", "--k", "4", "--positions", "20000"]);
        }
        command.assert().success();
        run += 1;
    }
    assert!(run > 10, "{name}: only {run} commands found");
}

/// The flags without that of the port, which another program may have.
#[cfg(feature = "serve")]
fn without_port<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let port = args.iter().position(|arg| *arg == "--port");
    let places = port.map_or(0..0, |place| place..place + 2);
    (0..args.len()).filter(|place| !places.contains(place)).map(|place| args[place]).collect()
}

#[test]
fn each_command_of_the_readme_runs() {
    check_commands("README.md", "book.txt");
}

#[test]
fn each_command_of_the_portuguese_readme_runs() {
    check_commands("README.pt-BR.md", "livro.txt");
}

#[test]
fn each_command_about_features_runs() {
    check_commands("docs/features.md", "book.txt");
}

/// What the documents put between backticks.
fn quoted(document: &str) -> Vec<String> {
    let outside_blocks: String = document.split("```").step_by(2).collect();
    outside_blocks.split('`').skip(1).step_by(2).map(String::from).collect()
}

const DOCUMENTS: [&str; 18] = [
    "README.md",
    "README.pt-BR.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "docs/checkpoint.md",
    "docs/experiment.md",
    "docs/features.md",
    "docs/formats.md",
    "docs/performance.md",
    "docs/interpretability.md",
    "docs/quality.md",
    "docs/sampling.md",
    "docs/serving.md",
    "docs/steering.md",
    "assets/README.md",
    "bench/clients/README.md",
    "bench/page/README.md",
    "bench/parity/README.md",
];

#[test]
fn flags_that_documents_name_exist() {
    let place = Place::new();
    let commands = [
        "train",
        "generate",
        "write",
        "predict",
        "evaluate",
        "decode",
        "info",
        "plot",
        "convert",
        "bench",
        #[cfg(feature = "serve")]
        "serve",
    ];
    let of_sae = [
        "train", "evaluate", "list", "show", "find", "map", "steer", "states", "import", "selftest",
    ];
    let help: String = commands
        .iter()
        .map(|command| place.stdout(&[command, "--help"]))
        .chain(of_sae.iter().map(|command| place.stdout(&["sae", command, "--help"])))
        .chain(
            ["favourite-science", "concepts"]
                .iter()
                .map(|name| place.stdout(&["experiment", name, "--help"])),
        )
        .collect();
    for name in DOCUMENTS {
        let document = document(name);
        let flags = document.split(|c: char| c.is_whitespace() || "`(),;".contains(c));
        for flag in flags.filter(|word| word.starts_with("--") && word.len() > 3) {
            // Of cargo, and of the scripts below bench/.
            let foreign = [
                "--release",
                "--path",
                "--manifest-path",
                "--bench",
                "--held-out",
                "--loads",
                "--rounds",
                "--text",
                "--steps",
                "--url",
                // Of lm-eval.
                "--model_args",
                "--tasks",
            ];
            let known = foreign.contains(&flag) || ["--help", "--version"].contains(&flag);
            assert!(
                known || [" ", "\n", "[="].iter().any(|end| help.contains(&format!("{flag}{end}"))),
                "{name} names {flag}"
            );
        }
    }
}

#[test]
fn files_and_tests_that_documents_name_exist() {
    for name in DOCUMENTS {
        let folder = root().join(name);
        for word in quoted(&document(name)) {
            let is_path = word.contains('/') && !word.contains([' ', ':']) && word.contains('.');
            let of_a_run = word.starts_with("runs/") || word.starts_with("optimizer/");
            let made_elsewhere = word.starts_with('/') || word.ends_with("/.work");
            if is_path && !of_a_run && !made_elsewhere && !word.contains("[") {
                let from_root = root().join(&word).exists();
                let core = root().join("crates/machado-core/src").join(&word).exists();
                let beside = folder.parent().unwrap().join(&word).exists();
                assert!(from_root || core || beside, "{name} names {word}");
            }
        }
    }
    for name in ["README.md", "README.pt-BR.md"] {
        let map = quoted(&document(name));
        for entry in std::fs::read_dir(root()).unwrap() {
            let entry = entry.unwrap();
            let folder = entry.file_name().to_string_lossy().into_owned();
            let hidden = folder.starts_with('.') || ["target", "runs"].contains(&folder.as_str());
            if entry.path().is_dir() && !hidden {
                let listed = map.iter().any(|path| path.starts_with(&format!("{folder}/")));
                assert!(listed, "{name} does not list {folder}/");
            }
        }
    }
}

#[test]
fn modules_that_the_architecture_lists_are_those_of_the_library() {
    let lib = document("crates/machado-core/src/lib.rs");
    let listed = quoted(&document("ARCHITECTURE.md"));
    for module in lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(listed.iter().any(|word| word == module), "ARCHITECTURE.md has no `{module}`");
    }
}

#[test]
fn the_built_in_model_was_made_as_its_document_says() {
    let place = Place::new();
    let info = place.json(&["info", "--json"]);
    let document = document("assets/README.md");
    let config = place.stdout(&["info", "--config"]);
    let setting = |name: &str| {
        let line = config.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
        line.unwrap_or_else(|| panic!("no {name}")).trim_matches('"').to_owned()
    };
    for (flag, name) in [
        ("--steps", "steps"),
        ("--units", "units"),
        ("--filters", "filters"),
        ("--embedding-dim", "output_dim"),
        ("--standardize", "standardize"),
        ("--split", "split"),
        ("--dropout", "rate"),
    ] {
        let words = format!("{flag} {} ", setting(name));
        assert!(document.contains(&words), "no {words}");
    }
    // The rest of the settings are the preset's.
    let preset = place.stdout(&["info", "--preset", "base"]);
    for name in ["window", "batch_size", "learning_rate", "schedule", "clip_norm", "weight_decay"] {
        let line = format!("\n{name} = {}", config.split(&format!("\n{name} = ")).nth(1).unwrap());
        let line = line[1..].lines().next().unwrap();
        assert!(preset.contains(line), "{line}");
    }
    let file = std::fs::metadata(root().join("assets/model.safetensors")).unwrap();
    assert!(file.len() <= 2_000_000, "{} bytes", file.len());
    assert_eq!(info["text"]["characters"], 1_780_501);
    assert!(document.contains("1,780,501"));
    let sample = self::document("assets/contos.txt");
    assert!(sample.chars().count() >= 100_000);
    assert!(document.contains("173,038") && sample.chars().count() == 173_038);
}
