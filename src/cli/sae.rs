//! `machado sae`: sparse autoencoders.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::features::{SaeFindArgs, SaeListArgs, SaeMapArgs, SaeShowArgs, WhereArgs};
use super::parsers::*;
use super::{ComputeArgs, PartArg, SaeSteerArgs};

/// The commands about sparse autoencoders.
#[derive(Debug, Subcommand)]
pub enum SaeCommand {
    /// Train an autoencoder on the states that a model has while it reads a text
    ///
    /// It is saved in the folder "sae" of the run, in SAELens' format; that of the model inside the
    /// program in the folder "sae" where the program is called.
    Train(SaeTrainArgs),
    /// Measure how much of a model's states an autoencoder keeps, and what it costs the model to think
    /// in features alone
    Evaluate(SaeEvaluateArgs),
    /// Measure what a feature does when it is turned up and down, and where the text breaks
    ///
    /// Written texts are counted, never judged: how often some words come, how surprising the texts
    /// are to the unsteered model, how many of their words are words, how they repeat themselves. The
    /// score is exact: how much likelier the words become after the prompts, beyond words like them.
    Steer(Box<SaeSteerArgs>),
    /// List the features of an autoencoder, with names by what was measured
    List(SaeListArgs),
    /// Show what some features fire at and what they do: contexts, words, rules, tokens, neighbours
    Show(SaeShowArgs),
    /// Find the features that know a concept: words, a pattern, or examples
    Find(SaeFindArgs),
    /// Draw a map of the features, where like stands near like
    Map(SaeMapArgs),
    /// Save the states that a model has while it reads a text, to train an autoencoder elsewhere
    ///
    /// The file has two tensors, in the order of the text: "states" (F32, tokens × values) and "tokens"
    /// (I64). The state is the one after the token.
    States(SaeStatesArgs),
    /// Take over an autoencoder that was trained elsewhere, such as with SAELens
    ///
    /// It is measured on the model's text, so that the strength of each feature is known, and saved in
    /// the folder "sae" of the run. Then all other commands take it.
    Import(SaeImportArgs),
    /// See whether the training finds features that are known, on this machine
    ///
    /// States are made of 128 random directions in 64 dimensions, four of them at a time (toy
    /// superposition), and an autoencoder must find the directions again.
    Selftest(SaeSelftestArgs),
}

/// Which model to look into, and while it reads what.
#[derive(Debug, Args)]
pub struct InsideArgs {
    /// The folder of a run, or a model file [default: the model inside the program]
    #[arg(value_name = "RUN", env = "MACHADO_MODEL")]
    pub run: Option<PathBuf>,

    /// Text files or folders to read [default: the text that the model was trained on, which the
    /// model inside the program does not have]
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub text: Vec<PathBuf>,
}

/// Which features of a state are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ArchitectureArg {
    /// The strongest K a state on average, chosen over a batch.
    Batchtopk,
    /// The strongest K of each state.
    Topk,
    /// All positive ones, at a price for their sum (for comparison).
    L1,
}

/// `machado sae train`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct SaeTrainArgs {
    /// Model and text.
    #[command(flatten)]
    pub inside: InsideArgs,

    /// The layer whose output is encoded [default: the last GRU]
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,

    /// Features (d_sae) [default: 8 for each value of a state; 16 up to 128 values, 4 above 512]
    #[arg(long, value_name = "N", value_parser = one_to::<65_536>)]
    pub features: Option<usize>,

    /// Features of a state on average [default: from the size of a state: 16, 24, 32 or 48]
    #[arg(long, value_name = "K", value_parser = at_least_one)]
    pub k: Option<usize>,

    /// How features are chosen
    #[arg(long, value_enum, default_value = "batchtopk")]
    pub architecture: ArchitectureArg,

    /// What the sum of a state's activations costs, with --architecture l1
    #[arg(long, value_name = "PRICE", default_value_t = 0.05, value_parser = zero_or_more)]
    pub l1_coefficient: f64,

    /// How many of the first features must describe a state by themselves, rising (Matryoshka)
    /// [default: a quarter of the features, and all]
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', value_parser = at_least_one)]
    pub prefixes: Vec<usize>,

    /// States to learn from
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = at_least_one_u64)]
    pub positions: u64,

    /// States of a step
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = one_to::<65_536>)]
    pub batch_size: usize,

    /// The learning rate, at its highest [default: 7e-4 · √(16384 / features)]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub learning_rate: Option<f64>,

    /// Decides the first weights and the order of the states
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,

    /// Where to save it [default: the folder "sae" of the run; for the model inside the program "sae"
    /// where it is called]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,

    /// Threads.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// `machado sae evaluate`.
#[derive(Debug, Args)]
pub struct SaeEvaluateArgs {
    /// Model and text.
    #[command(flatten)]
    pub inside: InsideArgs,

    /// The part of the text to measure on [default: validation]
    #[arg(long, value_enum)]
    pub part: Option<PartArg>,

    /// Train a second autoencoder with another seed, and see which features it finds again
    #[arg(long)]
    pub stability: bool,

    /// Compare how well features find some rules of the text (a vowel, the end of a sentence, a line of
    /// dialogue, …) with single units, principal components, random directions, and the features of
    /// an autoencoder of the same model before it learnt anything
    #[arg(long)]
    pub coverage: bool,

    /// Print JSON: explained_variance, l0, recovered_output, recovered_state and more
    #[arg(long)]
    pub json: bool,

    /// Autoencoder and threads.
    #[command(flatten)]
    pub place: WhereArgs,
}

/// `machado sae states`.
#[derive(Debug, Args)]
pub struct SaeStatesArgs {
    /// Model and text.
    #[command(flatten)]
    pub inside: InsideArgs,

    /// The layer whose output is saved [default: the last GRU]
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,

    /// The part of the text to read [default: all of it]
    #[arg(long, value_enum)]
    pub part: Option<PartArg>,

    /// How many states at most, from the beginning on
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = at_least_one)]
    pub positions: usize,

    /// Where to save them
    #[arg(long, value_name = "FILE", default_value = "states.safetensors")]
    pub out: PathBuf,

    /// Threads.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// `machado sae import`.
#[derive(Debug, Args)]
pub struct SaeImportArgs {
    /// The folder with cfg.json and sae_weights.safetensors
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,

    /// Model and text.
    #[command(flatten)]
    pub inside: InsideArgs,

    /// The layer whose output it encodes [default: the last GRU]
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,

    /// Where to save it [default: the folder "sae" of the run]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Print JSON: architecture, explained_variance, l0, dead and more
    #[arg(long)]
    pub json: bool,

    /// Threads.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// `machado sae selftest`.
#[derive(Debug, Args)]
pub struct SaeSelftestArgs {
    /// Decides the directions, the states and the first weights
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Print JSON: mean_max_cosine, recovered, dead, explained_variance
    #[arg(long)]
    pub json: bool,

    /// Threads.
    #[command(flatten)]
    pub compute: ComputeArgs,
}
