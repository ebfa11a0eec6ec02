//! The server, asked over the network by real connections.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(unreachable_pub, reason = "nothing here is a library")]

mod bad_input;
mod common;
mod completions;
mod features;
mod load;
mod page;
mod run;
mod tokens;
