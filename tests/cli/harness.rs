use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// A folder of its own, removed at the end of the test.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    /// A place with a run in `run`, trained for some steps on a text in `text.txt`.
    pub(crate) fn with_run() -> Self {
        let place = Self::new();
        place.write("text.txt", text());
        place.machado(&["train", "text.txt", "--out", "run"]).args(TINY).assert().success();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), contents).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// The program in this folder.
    pub(crate) fn machado(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.current_dir(self.folder.path()).args(args);
        for name in ["MACHADO_MODEL", "MACHADO_THREADS", "MACHADO_VECTOR_UNIT"] {
            command.env_remove(name);
        }
        command
    }

    /// What the program prints on stdout, which must end well.
    pub(crate) fn stdout(&self, args: &[&str]) -> String {
        let output = self.machado(args).assert().success().get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The JSON that the program prints.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.stdout(args)).unwrap()
    }

    /// The events of a run's log.
    pub(crate) fn events(&self, run: &str) -> Vec<Value> {
        let text = self.text(&format!("{run}/metrics.jsonl"));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Checks that a command fails with this exit code and a message that has all these parts.
    pub(crate) fn fails(&self, args: &[&str], code: i32, parts: &[&str]) {
        let output = self.machado(args).assert().code(code).get_output().clone();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
        for part in parts {
            assert!(message.contains(part), "no {part:?} in: {message}");
        }
        assert!(!message.contains("panicked"), "{message}");
    }
}

pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_machado"))
}

/// A model and a run so small that a test takes a moment.
pub(crate) const TINY: &[&str] = &[
    "--units",
    "8",
    "--embedding-dim",
    "4",
    "--filters",
    "6",
    "--window",
    "16",
    "--batch-size",
    "16",
    "--steps",
    "30",
    "--eval-every",
    "10",
    "--sample-every",
    "10",
    "--sample-tokens",
    "20",
    "--log-every",
    "5",
];

/// An autoencoder so small that a test takes a moment.
pub(crate) const SMALL: &[&str] =
    &["--features", "32", "--k", "3", "--positions", "20000", "--batch-size", "256"];

/// A model that knows its text a little.
pub(crate) const KNOWING: &[&str] = &[
    "--units",
    "16",
    "--window",
    "32",
    "--batch-size",
    "8",
    "--steps",
    "300",
    "--learning-rate",
    "0.01",
    "--split",
    "0.8:0.2",
    "--sample-every",
    "0",
];

/// A text that can be learnt, with capitals, accents and line ends.
pub(crate) fn text() -> String {
    let words = ["A cor", "do céu", "é azul,", "e o mar", "também;", "mas à noite\n"];
    (0..400).flat_map(|i| [words[i % 6], words[i * i % 5], " "]).collect()
}
