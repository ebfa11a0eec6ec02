//! `machado sae`: sparse autoencoders, one file a command.

mod evaluate;
mod find;
mod import;
mod inside;
mod list;
mod map;
mod piece;
mod selftest;
mod show;
mod states;
mod steer;
mod train;
mod wanted;

use anyhow::Result;

use crate::cli::SaeCommand;

pub(super) fn run(command: &SaeCommand) -> Result<()> {
    match command {
        SaeCommand::Train(args) => train::run(args),
        SaeCommand::Evaluate(args) => evaluate::run(args),
        SaeCommand::Steer(args) => steer::run(args),
        SaeCommand::List(args) => list::run(args),
        SaeCommand::Show(args) => show::run(args),
        SaeCommand::Find(args) => find::run(args),
        SaeCommand::Map(args) => map::run(args),
        SaeCommand::States(args) => states::run(args),
        SaeCommand::Import(args) => import::run(args),
        SaeCommand::Selftest(args) => selftest::run(args),
    }
}
