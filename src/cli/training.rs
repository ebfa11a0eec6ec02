//! `machado train`: what to train, how, and until when.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use machado_core::data::{Sampling, Shuffle, Split, Target};
use machado_core::optimizer::{OptimizerConfig, Schedule};
use machado_core::run::{Monitor, TokenizerKind};
use machado_core::text::Standardize;

use super::parsers::*;
use super::{ComputeArgs, VocabularyArgs};

/// `machado train`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct TrainArgs {
    /// Text files or folders with .txt files; "-" reads the standard input [default: the sample
    /// text inside the program]
    pub texts: Vec<PathBuf>,

    /// Folder for the run [default: runs/NAME-OF-THE-TEXT, with a number if it exists]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,

    /// Go on with the run in this folder, exactly where it stopped. The settings stay, but for
    /// --epochs, --steps, --minutes and --patience; a text is given only if it has moved or came
    /// from the standard input. (With the cosine schedule a longer run has another learning rate
    /// from the start, so a run that is made longer differs from one that was meant to be)
    #[arg(long, value_name = "RUN", conflicts_with = "Settings")]
    pub resume: Option<PathBuf>,

    /// Begin with this model instead of random weights: a file of machado or Keras, or the folder of
    /// a run. Layers and vocabulary are the model's, characters that it does not know are left out;
    /// if the file has the memory of an optimizer (a .keras file, last.safetensors), learning goes on
    /// with it and its learning rate
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "resume", "tokenizer", "max_vocab", "min_count", "embedding_dim", "filters", "units",
        "gru_layers", "dropout",
    ])]
    pub from: Option<PathBuf>,

    /// What the tokens of that model stand for.
    #[command(flatten)]
    pub vocabulary: VocabularyArgs,

    /// What to train and how.
    #[command(flatten)]
    pub settings: Settings,

    /// When to stop.
    #[command(flatten)]
    pub length: Length,

    /// How progress is shown
    #[arg(long, value_enum, default_value_t = ProgressStyle::Auto, help_heading = "Progress")]
    pub progress: ProgressStyle,

    /// Steps between two entries in metrics.jsonl, which holds the mean over them
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least_one_u64, help_heading = "Progress")]
    pub log_every: u64,

    /// Also write TensorBoard's event files: losses, accuracies, the learning rate, samples as text
    /// [default folder: "tensorboard" in that of the run]
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        help_heading = "Progress"
    )]
    pub tensorboard: Option<Option<PathBuf>>,

    /// Where it computes.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// What to train and how; each flag replaces one line of the preset.
#[derive(Clone, Debug, Default, Args)]
#[group(multiple = true)]
#[command(next_help_heading = "What to train")]
pub struct Settings {
    /// Settings to begin with: tutorial (Keras' tutorial, number by number), small (a model in
    /// about a minute), base (about 8 minutes) or large (about 38 minutes, on two cores, for a text
    /// of one or two million characters) [default: small]
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub preset: Option<String>,

    /// Settings to begin with, from a file like a run's config.toml; if it names texts and none are
    /// given here, it is those that are read
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// What a token is: a character, a word with the space before it (rare ones are spelled by
    /// characters), or a part of a word (bpe: byte pair encoding)
    #[arg(long, value_parser = parse_tokenizer, value_name = "char|word|bpe")]
    pub tokenizer: Option<TokenizerKind>,

    /// Tokens of the vocabulary at most, the most frequent ones: 2 or more, with bpe 256 or more
    /// [default: all characters; 8192 with words; 2048 with bpe]
    #[arg(long, value_name = "N", value_parser = at_least_two)]
    pub max_vocab: Option<usize>,

    /// How often a character or word must come to be a token, or a pair of parts to be joined;
    /// other characters are left out of the text, other words are spelled [default: 1 with
    /// characters, else 2]
    #[arg(long, value_name = "N", value_parser = at_least_one_u64)]
    pub min_count: Option<u64>,

    /// What is done to the text first: none, lower (case), or letters (lower case, then only a-z,
    /// 0-9 and the space)
    #[arg(long, value_parser = parse_standardize, value_name = "none|lower|letters")]
    pub standardize: Option<Standardize>,

    /// Training and validation part, in characters (1000000:60000) or as fractions (0.9:0.05); the
    /// rest is for testing, or give a third number. Words and parts of words are learnt from the
    /// training part
    #[arg(long, value_name = "TRAIN:VALIDATION[:TEST]")]
    pub split: Option<Split>,

    /// Overlapping windows in random order, or contiguous streams with the state carried on
    #[arg(long, value_parser = parse_sampling, value_name = "windows|streams")]
    pub sampling: Option<Sampling>,

    /// Tokens that one window sees
    #[arg(long, value_name = "TOKENS", value_parser = at_least_one)]
    pub window: Option<usize>,

    /// Tokens from the start of one window to the next
    #[arg(long, value_name = "TOKENS", value_parser = at_least_one)]
    pub shift: Option<usize>,

    /// Windows learnt from at a time
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub batch_size: Option<usize>,

    /// Windows held for shuffling, as in tf.data, or all; 0 keeps their order
    #[arg(long, value_name = "N|all", value_parser = parse_shuffle)]
    pub shuffle_buffer: Option<Shuffle>,

    /// Predict after each token of a window, or after the last one only
    #[arg(long, value_parser = parse_target, value_name = "all|last")]
    pub target: Option<Target>,

    /// Values per token of the embedding
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Layers")]
    pub embedding_dim: Option<usize>,

    /// Filters of the convolution
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Layers")]
    pub filters: Option<usize>,

    /// Units of each GRU
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Layers")]
    pub units: Option<usize>,

    /// GRU layers, one on the other; new ones are like the last one of the preset, with its dropout
    /// and its sums
    #[arg(long, value_name = "N", value_parser = one_to::<64>, help_heading = "Layers")]
    pub gru_layers: Option<usize>,

    /// Share of the values switched off while training, wherever the preset has dropout, and also
    /// before each GRU and before the output; 0 for none
    #[arg(long, value_name = "SHARE", value_parser = share_below_one, help_heading = "Layers")]
    pub dropout: Option<f64>,

    /// From gradients to weights: nadam, adam, adamw or sgd
    #[arg(long, value_parser = parse_optimizer, value_name = "NAME", help_heading = "Learning")]
    pub optimizer: Option<OptimizerConfig>,

    /// Share of each weight taken off in a step, times the learning rate (adamw)
    #[arg(long, value_name = "DECAY", value_parser = zero_or_more, help_heading = "Learning")]
    pub weight_decay: Option<f64>,

    /// The learning rate, at its highest
    #[arg(long, value_name = "RATE", value_parser = positive, help_heading = "Learning")]
    pub learning_rate: Option<f64>,

    /// How the learning rate changes: constant, or cosine (falls to 0 at the end of the run)
    #[arg(long, value_parser = parse_schedule, value_name = "constant|cosine", help_heading = "Learning")]
    pub schedule: Option<Schedule>,

    /// Steps in which the learning rate rises from 0
    #[arg(long, value_name = "STEPS", help_heading = "Learning")]
    pub warmup_steps: Option<u64>,

    /// Largest norm of all gradients together; larger ones are scaled down to it
    #[arg(long, value_name = "NORM", value_parser = positive, help_heading = "Learning")]
    pub clip_norm: Option<f64>,

    /// Decides first weights, order of the windows, dropout and samples; the same seed gives the
    /// same model, byte for byte, on machines with the same vector unit
    #[arg(long, value_name = "N", help_heading = "Learning")]
    pub seed: Option<u64>,

    /// What decides which weights are kept as the best
    #[arg(long, value_parser = parse_monitor, value_name = "val_accuracy|val_loss", help_heading = "Evaluation")]
    pub monitor: Option<Monitor>,

    /// Steps between evaluations; at the end of an epoch there is always one
    #[arg(long, value_name = "STEPS", value_parser = at_least_one_u64, help_heading = "Evaluation")]
    pub eval_every: Option<u64>,

    /// Tokens from the start of one validation window to the next; 1 takes every window, as Keras
    /// does. Streams are validated as streams, with the state carried on, unless the part is shorter
    /// than two windows
    #[arg(long, value_name = "TOKENS", value_parser = at_least_one, help_heading = "Evaluation")]
    pub eval_shift: Option<usize>,

    /// Steps between samples; 0 writes none
    #[arg(long, value_name = "STEPS", help_heading = "Samples")]
    pub sample_every: Option<u64>,

    /// What samples begin with [default: the preset's, if each of its words comes in the training
    /// part, or else the first words of a line of that part]
    #[arg(long, value_name = "TEXT", help_heading = "Samples")]
    pub sample_prompt: Option<String>,

    /// Temperatures of the samples, such as 0.5,1.0
    #[arg(long, value_name = "T,T,…", value_delimiter = ',', value_parser = zero_or_more, help_heading = "Samples")]
    pub sample_temperature: Vec<f64>,

    /// Tokens of each sample
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Samples")]
    pub sample_tokens: Option<usize>,
}

/// When a run ends: at the first that is reached. Given one, the preset's are dropped.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "When to stop")]
pub struct Length {
    /// Passes over the training part
    #[arg(long, value_name = "N", value_parser = at_least_one_u64)]
    pub epochs: Option<u64>,

    /// Batches
    #[arg(long, value_name = "N", value_parser = at_least_one_u64)]
    pub steps: Option<u64>,

    /// Minutes of training; a cosine schedule then ends on time
    #[arg(long, value_name = "M", value_parser = positive)]
    pub minutes: Option<f64>,

    /// Evaluations in a row that are no better than the best
    #[arg(long, value_name = "N", value_parser = at_least_one_u64)]
    pub patience: Option<u64>,
}

/// How the progress of a training is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressStyle {
    /// A bar on a terminal, plain lines elsewhere.
    Auto,
    /// Lines of text.
    Plain,
    /// One JSON object a line, on the standard output.
    Json,
    /// Nothing.
    None,
}
