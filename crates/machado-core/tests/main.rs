//! Tests of the library from outside, one file a topic.

#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

/// Texts, configs and trainers that several topics need.
mod common;
/// What Keras computed, in `golden/`.
mod golden;
/// Hand-written gradients against finite differences.
mod gradients;
/// Each fast routine against its plain version, for each vector unit and at odd sizes.
mod fast_equals_reference;
/// Whole runs: events, best model, stopping, resuming, threads.
mod training;
/// Reading text token by token equals reading it at once; texts are the same alone and together.
mod generating;
/// Looking at the values of a layer and changing them.
mod interventions;
/// Writing together: whatever is done and undone, the state is that of the text.
mod session;
/// Words and parts of words: hand examples, what is lost (nothing), what is learnt from where.
mod tokens;
/// One way in which a model file can be broken a test.
mod malformed;
/// The modules build on each other in one order.
mod layering;
