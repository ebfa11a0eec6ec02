//! The command line: every flag with its meaning, unit and default.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use machado_core::data::{Sampling, Shuffle, Split, Target};
use machado_core::optimizer::{OptimizerConfig, Schedule};
use machado_core::run::{Monitor, TokenizerKind};
use machado_core::sample::REPETITION_WINDOW;
use machado_core::text::Standardize;
use machado_core::tokenizer::UnknownPolicy;

/// Small language models that anyone can train on their own text, write with, and look inside.
#[derive(Debug, Parser)]
#[command(
    version,
    help_expected = true,
    after_help = "Start here:\n  machado train                        train on the sample text inside the program\n  \
                  machado train book.txt               train on your own text\n  \
                  machado generate \"A menina estava \"  write with the model inside the program\n  \
                  machado write \"A menina estava \"     write together with it, token by token\n\n\
                  Commands that use a model take --model FILE; without it they use the model inside the program."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
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
    /// Measure how fast this machine trains, evaluates and writes
    ///
    /// Without --preset or --config it is the tutorial's model that is measured. Each figure is the median of many repetitions. The share of the peak compares the products
    /// alone (two operations for each multiply-add, three passes for a step of training) with the
    /// multiply-adds that the machine does when it does nothing else.
    Bench(Box<BenchArgs>),
    /// Print completions for a shell
    Completions(CompletionsArgs),
}

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

    /// Tokens of the vocabulary at most, the most frequent ones [default: all characters; 8192 with
    /// words; 2048 with bpe]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
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

    /// GRU layers, one on the other
    #[arg(long, value_name = "N", value_parser = one_to::<64>, help_heading = "Layers")]
    pub gru_layers: Option<usize>,

    /// Share of the values switched off while training, before each GRU and after the last one; 0
    /// for none
    #[arg(long, value_name = "SHARE", value_parser = share_below_one, help_heading = "Layers")]
    pub dropout: Option<f64>,

    /// Share of each GRU's recurrent weights switched off in each step of the training
    #[arg(long, value_name = "SHARE", value_parser = share_below_one, help_heading = "Layers")]
    pub weight_dropout: Option<f64>,

    /// From gradients to weights: nadam, adam, adamw or sgd
    #[arg(long, value_parser = parse_optimizer, value_name = "NAME", help_heading = "Learning")]
    pub optimizer: Option<OptimizerConfig>,

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

    /// Tokens from the start of one validation window to the next (with --sampling windows; streams
    /// are validated as streams, with the state carried on); 1 takes every window, as Keras
    /// does
    #[arg(long, value_name = "TOKENS", value_parser = at_least_one, help_heading = "Evaluation")]
    pub eval_shift: Option<usize>,

    /// Steps between samples; 0 writes none
    #[arg(long, value_name = "STEPS", help_heading = "Samples")]
    pub sample_every: Option<u64>,

    /// What samples begin with
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
#[derive(Debug, Default, Args)]
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

/// Which model to use.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// A model file or the folder of a run [default: the model inside the program]
    #[arg(long, short, value_name = "FILE", env = "MACHADO_MODEL")]
    pub model: Option<PathBuf>,

    /// What to do with characters that the model does not know: skip (with a warning) or error
    #[arg(long, value_parser = parse_unknown, value_name = "skip|error", default_value = "skip")]
    pub unknown: UnknownPolicy,
}

/// Where it computes.
#[derive(Debug, Args)]
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
    /// the others were just written
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

    /// Texts to write
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub samples: usize,

    /// End a text before this; may be given more than once
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,

    /// The same seed writes the same text [default: another one each time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Print one JSON object a line: prompt, text, finish_reason, tokens, tokens_per_second, seed,
    /// sample, drawing
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

    /// Print JSON at the end: prompt, text, tokens (token, id, by, nats), nats_per_token, seed
    #[arg(long)]
    pub json: bool,

    /// Vector instructions.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

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

    /// Print JSON: prompt, candidates (token, id, probability)
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

/// Counts that help a network.
#[derive(Debug, Args)]
pub struct NgramArgs {
    /// Help the model with n-grams: counts of the text that it was trained on (its training part),
    /// and where a text is read also of what was read so far
    #[arg(long, help_heading = "Help by counts")]
    pub ngrams: bool,

    /// Tokens of context that the n-grams know at most
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = one_to::<32>)]
    #[arg(help_heading = "Help by counts")]
    pub ngram_order: usize,
}

/// `machado evaluate`.
#[derive(Debug, Args)]
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

    /// Let the weights go on learning from what was read, at this learning rate (dynamic
    /// evaluation; try 0.1); the model in the file stays as it is
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub adapt: Option<f64>,

    /// Print JSON: loss_nats, accuracy, perplexity, nats_per_character, bits_per_character,
    /// bits_per_byte, tokens, characters, bytes
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
    /// A model file or the folder of a run [default: the model inside the program]
    pub model: Option<PathBuf>,

    /// Print the model's config (a file for --config) instead
    #[arg(long, conflicts_with = "json")]
    pub config: bool,

    /// Print the config file of this preset instead: tutorial, small, base or large
    #[arg(long, value_name = "NAME", conflicts_with_all = ["model", "config", "json"])]
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

/// `machado completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
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

/// A command line that clap lets through, but that means nothing: exit code 2.
#[derive(Debug)]
pub struct UsageError(pub String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

fn at_least_one(text: &str) -> Result<usize, String> {
    at_least_one_u64(text).map(|n| n as usize)
}

fn one_to<const MOST: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=MOST).contains(&n) => Ok(n),
        _ => Err(format!("expected a whole number of at least 1 and at most {MOST}")),
    }
}

fn at_least_one_u64(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(n) if n >= 1 => Ok(n),
        _ => Err("expected a whole number of at least 1".into()),
    }
}

fn number_that(text: &str, expected: &str, fits: impl Fn(f64) -> bool) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && fits(value) => Ok(value),
        _ => Err(format!("expected a number {expected}")),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    number_that(text, "greater than 0", |value| value > 0.0)
}

fn up_to_an_hour(text: &str) -> Result<f64, String> {
    number_that(text, "greater than 0 and at most 3600", |value| value > 0.0 && value <= 3600.0)
}

fn zero_or_more(text: &str) -> Result<f64, String> {
    number_that(text, "of 0 or more", |value| value >= 0.0)
}

fn probability(text: &str) -> Result<f64, String> {
    number_that(text, "greater than 0 and at most 1", |value| value > 0.0 && value <= 1.0)
}

fn penalty(text: &str) -> Result<f64, String> {
    number_that(text, "greater than 0 and at most 1000000", |value| value > 0.0 && value <= 1e6)
}

fn share_below_one(text: &str) -> Result<f64, String> {
    number_that(text, "from 0 to less than 1", |value| (0.0..1.0).contains(&value))
}

fn parse_shuffle(text: &str) -> Result<Shuffle, String> {
    match text.parse() {
        _ if text == "all" => Ok(Shuffle::ALL),
        Ok(windows) => Ok(Shuffle::Buffer(windows)),
        Err(_) => Err("expected a whole number, or all".into()),
    }
}

fn parse_optimizer(text: &str) -> Result<OptimizerConfig, String> {
    OptimizerConfig::by_name(text)
        .ok_or_else(|| format!("expected one of {}", OptimizerConfig::NAMES.join(", ")))
}

/// A parser for one of some words, by the names that config files use.
macro_rules! word {
    ($parser:ident, $type:ty, $($word:literal)|+) => {
        fn $parser(text: &str) -> Result<$type, String> {
            serde_json::from_value(serde_json::Value::String(text.to_owned()))
                .map_err(|_| format!("expected one of {}", [$($word),+].join(", ")))
        }
    };
}

word!(parse_tokenizer, TokenizerKind, "char" | "word" | "bpe");
word!(parse_standardize, Standardize, "none" | "lower" | "letters");
word!(parse_sampling, Sampling, "windows" | "streams");
word!(parse_target, Target, "all" | "last");
word!(parse_schedule, Schedule, "constant" | "cosine");
word!(parse_monitor, Monitor, "val_accuracy" | "val_loss");
word!(parse_unknown, UnknownPolicy, "skip" | "error");

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
