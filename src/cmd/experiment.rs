//! `machado experiment`: does a model have features, and do they do anything?

mod concepts;
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
        ExperimentCommand::Concepts(args) => concepts::run(args),
    }
}
