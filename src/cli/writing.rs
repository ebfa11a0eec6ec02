//! Commands that write with a model: `generate`, `write`.

use std::path::PathBuf;

use clap::Args;
use machado_core::sample::REPETITION_WINDOW;

use super::parsers::*;
use super::{ComputeArgs, ModelArgs, NgramArgs, SteerArgs};

/// How tokens are drawn. Whatever the order of the flags, they apply in this one: repetition penalty,
/// bans, temperature, top-k, top-p, min-p, typical-p.
#[derive(Debug, Args)]
#[command(next_help_heading = "Drawing")]
pub struct SamplerArgs {
    /// Below 1 the likely becomes likelier, above 1 less so; 0 always takes the likeliest
    #[arg(long, short, value_name = "T", default_value_t = 1.0, value_parser = zero_or_more)]
    pub temperature: f64,

    /// Only the K likeliest tokens
    #[arg(long, value_name = "K", value_parser = at_least_one)]
    pub top_k: Option<usize>,

    /// Only the likeliest tokens that together reach this probability
    #[arg(long, value_name = "P", value_parser = probability)]
    pub top_p: Option<f64>,

    /// Only tokens with at least this share of the likeliest one's probability
    #[arg(long, value_name = "P", value_parser = probability)]
    pub min_p: Option<f64>,

    /// Only the tokens whose surprise is nearest to the one that is to be expected, until together
    /// they reach this probability
    #[arg(long, value_name = "P", value_parser = probability)]
    pub typical_p: Option<f64>,

    /// Above 1, tokens that came lately come less often; below 1, more often. 1.1 is mild, 1.3 strong
    #[arg(long, value_name = "R", value_parser = penalty)]
    pub repetition_penalty: Option<f64>,

    /// How many of the last tokens the penalty looks at, those of the prompt among them
    #[arg(long, value_name = "TOKENS", default_value_t = REPETITION_WINDOW, value_parser = at_least_one)]
    pub repetition_window: usize,

    /// Never write this; may be given more than once. Of several tokens the last one is left out where
    /// the others were just written. Where tokens are words or parts of words, "céu" bans " céu" too,
    /// but " céu" not "céu"
    #[arg(long, value_name = "TEXT")]
    pub ban: Vec<String>,
}

/// `machado generate`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct GenerateArgs {
    /// Text to go on from; "FILE:prompt.txt" reads it from a file
    #[arg(default_value = "")]
    pub prompt: String,

    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// Tokens to write
    #[arg(long, short = 'n', value_name = "N", default_value_t = 400)]
    pub tokens: usize,

    /// How tokens are drawn.
    #[command(flatten)]
    pub sampler: SamplerArgs,

    /// Counts that help.
    #[command(flatten)]
    pub ngrams: NgramArgs,

    /// What is turned up or down inside.
    #[command(flatten)]
    pub steering: SteerArgs,

    /// Texts to write
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub samples: usize,

    /// End a text before this; may be given more than once
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,

    /// The same seed writes the same text [default: another one each time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Print one JSON object a line: prompt (as given), text (what follows it), finish_reason, tokens,
    /// tokens_per_second, seed, sample, drawing, and with --steer and the like steering
    #[arg(long)]
    pub json: bool,

    /// Vector instructions.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// `machado write`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct WriteArgs {
    /// Text to go on from; "FILE:prompt.txt" reads it from a file
    #[arg(default_value = "")]
    pub prompt: String,

    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// Candidates to show
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = one_to::<1000>)]
    pub top: usize,

    /// Tokens that the model writes at a time
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = at_least_one)]
    pub tokens: usize,

    /// How tokens are drawn.
    #[command(flatten)]
    pub sampler: SamplerArgs,

    /// A new file for the text; it is also written at the end
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// The same seed writes the same text, that of `generate` [default: another one each time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Lines instead of the whole screen, on a terminal too
    #[arg(long)]
    pub plain: bool,

    /// Print JSON at the end: prompt (as given), text (the whole one, as the model reads it), tokens
    /// (token, id, by, nats), nats_per_token, seed
    #[arg(long)]
    pub json: bool,

    /// Vector instructions.
    #[command(flatten)]
    pub compute: ComputeArgs,
}
