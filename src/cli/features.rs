//! `machado sae list`, `show`, `find` and `map`: looking at features.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ComputeArgs;
use super::parsers::*;
use super::sae::InsideArgs;

/// Where the autoencoder lies and what computes.
#[derive(Debug, Args)]
pub struct WhereArgs {
    /// The folder of the autoencoder [default: the folder "sae" of the run; for the model inside the
    /// program "sae" where it is called]
    #[arg(long, value_name = "DIR")]
    pub sae: Option<PathBuf>,

    /// Threads.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// The order of a list of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrderArg {
    /// Those that fire most often first.
    Density,
    /// Those with the strongest activation first.
    Max,
    /// By name.
    Label,
    /// By number.
    Index,
}

/// `machado sae list`.
#[derive(Debug, Args)]
pub struct SaeListArgs {
    /// Model and text.
    #[command(flatten)]
    pub inside: InsideArgs,

    /// The order
    #[arg(long, value_enum, default_value = "density")]
    pub by: OrderArg,

    /// Features to list [default: 30; all of them with --json and --html]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub top: Option<usize>,

    /// Write a page with the features and their strongest contexts, to search in a browser
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Autoencoder and threads.
    #[command(flatten)]
    pub place: WhereArgs,
}

/// `machado sae show`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct SaeShowArgs {
    /// Numbers of features, and at the end the folder of a run or a model file
    /// [default: the model inside the program]
    #[arg(value_name = "FEATURE… RUN", required = true)]
    pub features: Vec<String>,

    /// Text files or folders to read [default: the text that the model was trained on, which the
    /// model inside the program does not have]
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub text: Vec<PathBuf>,

    /// Strongest contexts, one for each line of the text at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = one_to::<1000>)]
    pub contexts: usize,

    /// Random samples from each tenth of the strongest activation
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub samples: usize,

    /// Decides the samples
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,

    /// Write a page to look at in a browser
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Autoencoder and threads.
    #[command(flatten)]
    pub place: WhereArgs,
}

/// Which characters count as those of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabelArg {
    /// The match and the character after it.
    Inside,
    /// Its last character and the one after it.
    End,
    /// The forty characters after it.
    After,
    /// The sentence that it is in.
    Sentence,
}

/// `machado sae find`.
#[derive(Debug, Args)]
pub struct SaeFindArgs {
    /// Model and text.
    #[command(flatten)]
    pub inside: InsideArgs,

    /// Words of the concept; half of them choose the features, the other half test them
    #[arg(long, value_name = "WORD,…", value_delimiter = ',', group = "concept")]
    pub words: Vec<String>,

    /// A file with words, one a line
    #[arg(long, value_name = "FILE", group = "concept")]
    pub words_file: Option<PathBuf>,

    /// A regular expression for what belongs to the concept, in any case
    #[arg(long, value_name = "REGEX", group = "concept")]
    pub regex: Option<String>,

    /// A file with texts about the concept, with --neg
    #[arg(long, value_name = "FILE", group = "concept", requires = "neg")]
    pub pos: Option<PathBuf>,

    /// A file with texts about other things, with --pos
    #[arg(long, value_name = "FILE", requires = "pos")]
    pub neg: Option<PathBuf>,

    /// A piece of text: features that fire there, and rarely elsewhere
    #[arg(long, value_name = "TEXT", group = "concept")]
    pub like: Option<String>,

    /// Which characters count as those of a match
    #[arg(long, value_enum, default_value = "inside")]
    pub label: LabelArg,

    /// Features to show
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = one_to::<1000>)]
    pub top: usize,

    /// Pieces of the text before which words are made likelier, to see what a feature does
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub prompts: usize,

    /// Decides which blocks of text are drawn anew, to see how far figures would vary
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Autoencoder and threads.
    #[command(flatten)]
    pub place: WhereArgs,
}

/// `machado sae map`.
#[derive(Debug, Args)]
pub struct SaeMapArgs {
    /// Model and text.
    #[command(flatten)]
    pub inside: InsideArgs,

    /// Where to write the map, an SVG
    #[arg(long, value_name = "FILE", default_value = "map.svg")]
    pub out: PathBuf,

    /// Groups [default: the root of half the features, up to 24]
    #[arg(long, value_name = "N", value_parser = one_to::<1000>)]
    pub groups: Option<usize>,

    /// Neighbours of a feature that are asked for its label
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = one_to::<100>)]
    pub neighbours: usize,

    /// Decides where features begin
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Autoencoder and threads.
    #[command(flatten)]
    pub place: WhereArgs,
}
