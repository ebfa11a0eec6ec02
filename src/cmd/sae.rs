//! `machado sae`: sparse autoencoders, one file a command.

mod evaluate;
mod selftest;
mod steer;
mod train;

use anyhow::Result;

use crate::cli::SaeCommand;

pub(super) fn run(command: &SaeCommand) -> Result<()> {
    match command {
        SaeCommand::Train(args) => train::run(args),
        SaeCommand::Evaluate(args) => evaluate::run(args),
        SaeCommand::Steer(args) => steer::run(args),
        SaeCommand::Selftest(args) => selftest::run(args),
    }
}
