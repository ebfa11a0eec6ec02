//! `machado experiment`: experiments with a truth that is known.

mod favourite_science;
mod figures;
mod html;
mod svg;
mod text;

use anyhow::Result;

use crate::cli::ExperimentCommand;

/// Does the experiment.
pub(super) fn run(command: &ExperimentCommand) -> Result<()> {
    match command {
        ExperimentCommand::FavouriteScience(args) => favourite_science::run(args),
    }
}
