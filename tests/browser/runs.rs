//! Runs for the tests, trained by the program itself.

use crate::harness::{Place, text};

/// An autoencoder so small that a test takes a moment.
const SMALL: &[&str] =
    &["--features", "32", "--k", "3", "--positions", "20000", "--batch-size", "256"];

/// A model that knows its text a little.
const KNOWING: &[&str] = &[
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

/// A model that has learnt nothing, and is so large that a token takes milliseconds.
const SLOW: &[&str] = &[
    "--units",
    "1024",
    "--window",
    "2",
    "--batch-size",
    "1",
    "--steps",
    "1",
    "--eval-every",
    "1000",
    "--sample-every",
    "0",
];

impl Place {
    /// A place with a run in `run` and its autoencoder in `run/sae`.
    pub(crate) fn with_sae() -> Self {
        let place = Self::new();
        place.write("text.txt", text());
        place.machado(&["train", "text.txt", "--out", "run"]).args(KNOWING).assert().success();
        place.machado(&["sae", "train", "run"]).args(SMALL).assert().success();
        place
    }

    /// A place with a run in `run` whose model takes its time.
    pub(crate) fn with_slow_run() -> Self {
        let place = Self::new();
        place.write("text.txt", text());
        place.machado(&["train", "text.txt", "--out", "run"]).args(SLOW).assert().success();
        place
    }
}
