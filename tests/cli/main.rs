//! The program from outside: what it prints, what it writes, how it ends. One file a topic.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

/// A folder of its own for each test, and the program run in it.
mod harness;
/// What holds for every page and drawing.
mod pages;
/// `machado train`: the run folder, progress, resuming, Ctrl-C.
mod train;
/// The commands that use a model.
mod using;
/// `machado write` by lines.
mod write;
/// `machado write` on a terminal.
mod screen;
/// Words and parts of words as tokens, in every command.
mod tokens;
/// `machado sae`: training autoencoders and measuring them.
mod sae;
/// Autoencoders that go to other tools or come from there.
mod sae_interop;
/// Turning features up and down, and the report on one.
mod sae_steer;
/// `machado sae list`, `show`, `find` and `map`.
mod sae_features;
/// `machado experiment`.
mod experiment;
/// `machado convert`, and models of Keras in every command.
mod convert;
/// The program as a server.
#[cfg(feature = "serve")]
#[allow(dead_code, reason = "the tests of the page need more of it")]
#[path = "../serving.rs"]
mod serving;
/// `machado serve`.
#[cfg(feature = "serve")]
mod serve;
/// Bad input: what is said, what stays untouched. One test a way.
mod bad_input;
/// What the documents claim is true.
mod documents;
