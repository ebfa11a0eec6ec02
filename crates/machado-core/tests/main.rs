//! Tests of the library from outside, one file a topic.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

/// Each fast routine against its plain version, for each vector unit and at odd sizes.
mod fast_equals_reference;
/// What Keras computed, in `golden/`.
mod golden;
/// Hand-written gradients against finite differences.
mod gradients;
