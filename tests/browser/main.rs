//! The page of `machado serve`, as somebody with a browser sees and uses it.
//!
//! Chromium is driven through chromedriver, without a window. Where one of the two is missing the tests
//! say so and pass; with `MACHADO_BROWSER=required` they fail instead. With
//! `MACHADO_SCREENSHOTS=FOLDER` pictures of all views are left there, for people to look at.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

/// A folder of its own for each test, and the program run in it.
#[allow(dead_code, reason = "the tests of the command line need more of it")]
#[path = "../cli/harness.rs"]
mod harness;
/// Models for the tests.
mod runs;
/// The program as a server, ended with the test.
#[allow(dead_code, reason = "the tests of the command line need more of it")]
#[path = "../serving.rs"]
mod serving;
/// A browser of its own for each test, and what one does with it.
mod browser;
/// The views one after the other.
mod views;
/// The view to write in.
mod write;
/// The lesson.
mod lesson;
/// The view that measures a text.
mod score;
/// The view of the features.
mod features;
/// The view of a training.
mod training;
/// English and Portuguese.
mod language;
/// A server that goes away and comes back.
mod gone;
/// A server that wants a key.
mod key;
/// What holds for every view.
mod checks;
/// Pictures to look at.
mod pictures;
