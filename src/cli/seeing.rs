//! Commands that show what a model knows and what it is: `predict`, `evaluate`, `decode`, `info`, `plot`,
//! `bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::parsers::*;
use super::{ComputeArgs, ModelArgs, NgramArgs, Settings, SteerArgs, VocabularyArgs};

/// `machado predict`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct PredictArgs {
    /// Text to go on from; "FILE:prompt.txt" reads it from a file
    pub prompt: String,

    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// Candidates to show
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    pub top: usize,

    /// Reshape the probabilities as when drawing
    #[arg(long, short, value_name = "T", default_value_t = 1.0, value_parser = zero_or_more)]
    pub temperature: f64,

    /// What is turned up or down inside; shown beside what the model says without.
    #[command(flatten)]
    pub steering: SteerArgs,

    /// Print JSON: prompt, candidates (token, id, probability), and with --steer and the like for each
    /// also unsteered_probability, and kl_nats and steering
    #[arg(long)]
    pub json: bool,

    /// Vector instructions.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// A part of the text that a model was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PartArg {
    /// What the weights learnt from.
    Train,
    /// What chose the best weights.
    Validation,
    /// What no training looked at.
    Test,
}

/// `machado evaluate`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct EvaluateArgs {
    /// Text files or folders; "-" reads the standard input [default: the text that the model was
    /// trained on]
    pub texts: Vec<PathBuf>,

    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// Only this part of the text, split as when the model was trained [default: all of it]
    #[arg(long, value_enum)]
    pub part: Option<PartArg>,

    /// Counts that help.
    #[command(flatten)]
    pub ngrams: NgramArgs,

    /// What is turned up or down inside.
    #[command(flatten)]
    pub steering: SteerArgs,

    /// Let the weights go on learning from what was read, at this learning rate (dynamic
    /// evaluation; try 0.1, or 0.06 with --ngrams); the model in the file stays as it is
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub adapt: Option<f64>,

    /// Print JSON: loss_nats, accuracy, perplexity, nats_per_character, bits_per_character,
    /// bits_per_byte, tokens, characters, bytes, and with --steer and the like steering
    #[arg(long)]
    pub json: bool,

    /// Where it computes.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// `machado decode`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct DecodeArgs {
    /// Text files or folders; "-" reads the standard input [default: the text that the model was
    /// trained on]
    pub texts: Vec<PathBuf>,

    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// Only this part of the text, split as when the model was trained [default: all of a text that
    /// is given, else the validation part]
    #[arg(long, value_enum)]
    pub part: Option<PartArg>,

    /// Windows to show, evenly spread over the part
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = one_to::<1000>)]
    pub windows: usize,

    /// Tokens of a window
    #[arg(long, value_name = "TOKENS", default_value_t = 64, value_parser = one_to::<4096>)]
    pub window: usize,

    /// Draw the model's tokens at this temperature; 0 shows the likeliest
    #[arg(long, short, value_name = "T", default_value_t = 0.0, value_parser = zero_or_more)]
    pub temperature: f64,

    /// Decides what is drawn
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,

    /// Print one JSON object a line: start, original, generated, correct, tokens
    #[arg(long)]
    pub json: bool,

    /// Where it computes.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// `machado info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A model file of machado or Keras, or the folder of a run [default: the model inside the
    /// program]
    pub model: Option<PathBuf>,

    /// What the model's tokens stand for.
    #[command(flatten)]
    pub vocabulary: VocabularyArgs,

    /// Print the model's config (a file for --config) instead
    #[arg(long, conflicts_with = "json")]
    pub config: bool,

    /// Print the config file of this preset instead: tutorial, small, base or large
    #[arg(long, value_name = "NAME", conflicts_with_all = ["model", "vocabulary", "config", "json"])]
    pub preset: Option<String>,

    /// Print JSON: parameters, vocabulary_size, layers, text, training
    #[arg(long)]
    pub json: bool,
}

/// `machado plot`.
#[derive(Debug, Args)]
pub struct PlotArgs {
    /// The folder of a run
    pub run: PathBuf,

    /// Print JSON: the files written
    #[arg(long)]
    pub json: bool,
}

/// `machado bench`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct BenchArgs {
    /// Text files or folders to train on; "-" reads the standard input [default: the sample text
    /// inside the program]
    pub texts: Vec<PathBuf>,

    /// Which model; without --preset or --config that of the tutorial.
    #[command(flatten)]
    pub settings: Settings,

    /// Random tokens from a vocabulary of this size instead of a text
    #[arg(long, value_name = "N", value_parser = one_to::<1_000_000>, conflicts_with = "texts")]
    pub vocabulary: Option<usize>,

    /// One layer alone, forward and back; only --units, --input, --batch-size and --window matter
    #[arg(long, value_enum, value_name = "gru", conflicts_with_all = ["texts", "vocabulary", "preset", "config"])]
    pub layer: Option<BenchLayer>,

    /// Inputs of the layer alone
    #[arg(long, value_name = "N", value_parser = one_to::<16_384>, default_value_t = 32, requires = "layer")]
    pub input: usize,

    /// Seconds for each measurement
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = up_to_an_hour)]
    pub seconds: f64,

    /// Print JSON: train, evaluate, generate, peak_gflops, threads, vector_unit, peak_memory_mb, and
    /// more
    #[arg(long)]
    pub json: bool,

    /// Where it computes.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// A layer that can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchLayer {
    /// The gated recurrent unit.
    Gru,
}
