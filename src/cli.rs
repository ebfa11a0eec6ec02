//! The command line: every flag with its meaning, unit and default.

mod converting;
mod experiment;
mod features;
mod parsers;
mod resuming;
mod sae;
mod seeing;
#[cfg(feature = "serve")]
mod serving;
mod steering;
mod training;
mod writing;

use std::fmt;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use machado_core::tokenizer::UnknownPolicy;

pub use self::converting::{ConvertArgs, VocabularyArgs};
pub use self::experiment::{ConceptsArgs, ExperimentCommand, FavouriteScienceArgs, NamedConcept};
pub use self::features::{
    LabelArg, OrderArg, SaeFindArgs, SaeListArgs, SaeMapArgs, SaeShowArgs, WhereArgs,
};
use self::parsers::{at_least_one, one_to, parse_unknown};
pub use self::sae::{
    ArchitectureArg, InsideArgs, SaeCommand, SaeEvaluateArgs, SaeImportArgs, SaeSelftestArgs,
    SaeStatesArgs, SaeTrainArgs,
};
pub use self::seeing::{
    BenchArgs, BenchLayer, DecodeArgs, EvaluateArgs, InfoArgs, PartArg, PlotArgs, PredictArgs,
};
#[cfg(feature = "serve")]
pub use self::serving::{LogArg, NamedModel, ServeArgs};
pub use self::steering::{ReachArg, SaeSteerArgs, SteerArgs, Steered};
pub use self::training::{Length, ProgressStyle, Settings, TrainArgs};
pub use self::writing::{GenerateArgs, SamplerArgs, WriteArgs};

/// Small language models that anyone can train on their own text, write with, and look inside.
#[derive(Debug, Parser)]
#[command(
    version,
    help_expected = true,
    after_help = "Start here:\n  machado train                        train on the sample text inside the program\n  \
                  machado train book.txt               train on your own text\n  \
                  machado generate \"A menina estava \"  write with the model inside the program\n  \
                  machado write \"A menina estava \"     write together with it, token by token\n  \
                  machado serve                        a page, and an API for other programs\n\n\
                  Commands that use a model take --model FILE; without it they use the model inside the program."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What was typed; where that means nothing, says so and ends the program.
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| resuming::explained(error).exit())
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model on a text
    Train(Box<TrainArgs>),
    /// Write text that goes on from a prompt
    Generate(GenerateArgs),
    /// Write together with a model: pick what comes next, type, undo, let it write on
    ///
    /// On a terminal it fills the screen; "?" shows the keys. Elsewhere, and with --plain, each line
    /// of the standard input is a command: a number picks that candidate, "+text" types, "w 20" lets
    /// the model write 20 tokens, "e" to the end of a word, "." of a sentence, "u" and "r" undo and
    /// redo, "b" takes a token back, "t 0.5" sets the temperature, "s" saves, "?" tells of all. The
    /// candidates go to the standard error, the text to the standard output when it is done.
    Write(WriteArgs),
    /// Show what may come next after a prompt, with probabilities
    Predict(PredictArgs),
    /// Measure how well a model knows a text
    ///
    /// The model reads the text from beginning to end and keeps its state, so the loss is lower than
    /// the validation loss of a training on windows, which each begin with an empty state.
    Evaluate(EvaluateArgs),
    /// Show pieces of a text beside what the model would have said at each place
    Decode(DecodeArgs),
    /// Show a model's layers, vocabulary, and how it was trained
    Info(InfoArgs),
    /// Draw the curves of a run as SVG and PNG
    Plot(PlotArgs),
    /// Turn a model of machado into one of Keras, or the other way round
    ///
    /// Nothing is lost on the way: weights, vocabulary and what the optimizer remembers come back the
    /// same, byte for byte. A .keras file opens in Keras 3 with keras.models.load_model.
    Convert(ConvertArgs),
    /// Find the features that a model thinks in: train and look at sparse autoencoders
    #[command(subcommand)]
    Sae(SaeCommand),
    /// Do a whole experiment about features, from the text to the report
    #[command(subcommand)]
    Experiment(ExperimentCommand),
    /// Measure how fast this machine trains, evaluates and writes
    ///
    /// Without --preset or --config it is the tutorial's model that is measured. Each figure is the median of many repetitions. The share of the peak compares the products
    /// alone (two operations for each multiply-add, three passes for a step of training) with the
    /// multiply-adds that the machine does when it does nothing else.
    Bench(Box<BenchArgs>),
    /// Serve models to programs that speak OpenAI's completions API, and a page to play with them
    #[cfg(feature = "serve")]
    Serve(Box<ServeArgs>),
    /// Print completions for a shell
    Completions(CompletionsArgs),
}

/// `machado completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Which model to use.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// A model file of machado or Keras, or the folder of a run [default: the model inside the
    /// program]
    #[arg(long, short, value_name = "FILE", env = "MACHADO_MODEL")]
    pub model: Option<PathBuf>,

    /// What the model's tokens stand for.
    #[command(flatten)]
    pub vocabulary: VocabularyArgs,

    /// What to do with characters that the model does not know: skip (with a warning) or error
    #[arg(long, value_parser = parse_unknown, value_name = "skip|error", default_value = "skip")]
    pub unknown: UnknownPolicy,
}

/// Where it computes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Computing")]
pub struct ComputeArgs {
    /// Threads; any number gives the same results [default: one per processor core]
    #[arg(long, value_name = "N", value_parser = at_least_one, env = "MACHADO_THREADS")]
    pub threads: Option<usize>,

    /// Vector instructions to use, such as avx512, avx2, neon or portable; results of different ones
    /// differ in the last bits [default: the best of this machine]
    #[arg(long, value_name = "NAME", env = "MACHADO_VECTOR_UNIT")]
    pub vector_unit: Option<String>,
}

/// Counts that help a network.
#[derive(Debug, Args)]
pub struct NgramArgs {
    /// Help the model with n-grams: counts of the text that it was trained on (its training part),
    /// and where a text is read also of what was read so far
    #[arg(long, help_heading = "Help by counts")]
    pub ngrams: bool,

    /// Tokens of context that the n-grams know at most
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = one_to::<32>)]
    #[arg(requires = "ngrams")]
    #[arg(help_heading = "Help by counts")]
    pub ngram_order: usize,
}

/// A command line that clap lets through, but that means nothing: exit code 2.
#[derive(Debug)]
pub struct UsageError(pub String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
