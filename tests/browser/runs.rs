//! Runs for the tests, trained by the program itself.

use crate::harness::{KNOWING, Place, SMALL, text};

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
