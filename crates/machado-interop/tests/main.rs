//! What comes in and goes out, against the programs whose files they are.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod keras;
