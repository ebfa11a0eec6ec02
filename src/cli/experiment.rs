//! `machado experiment`: experiments with a truth that is known.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ComputeArgs;
use super::parsers::*;

/// The experiments.
#[derive(Debug, Subcommand)]
pub enum ExperimentCommand {
    /// Find the feature of a science in a small bilingual model, and let it change the answer
    ///
    /// It writes a corpus by a grammar, trains a model and an autoencoder, looks for the feature of
    /// neuroscience in one language, tests it in the other and on words that it was not found with,
    /// and steers the answer to "what is your favourite science?". The report begins with what was
    /// not reached.
    FavouriteScience(FavouriteScienceArgs),
}

/// `machado experiment favourite-science`.
#[derive(Debug, Args)]
pub struct FavouriteScienceArgs {
    /// How often it is done, each time with another corpus and other weights
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = one_to::<1000>)]
    pub seeds: usize,

    /// The first seed; the others count up from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Where report.txt, report.html and report.json go, and the first model in the folder "run"
    #[arg(long, value_name = "DIR", default_value = "favourite-science")]
    pub out: PathBuf,

    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,

    /// A moment's work that only shows that everything runs; its figures mean nothing
    #[arg(long)]
    pub tiny: bool,

    /// Threads.
    #[command(flatten)]
    pub compute: ComputeArgs,
}
