//! What can go wrong, with the facts: what was expected, what came, where.

use std::fmt;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the library. Messages are in lower case and say what to do on a line of their own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number is outside its range.
    #[error("{what} must be {expected}, not {found}")]
    OutOfRange {
        /// The name of the number, as the user wrote it.
        what: String,
        /// The allowed values.
        expected: String,
        /// The value.
        found: String,
    },

    /// A stack of layers that cannot work.
    #[error("layer {number} ({layer}): {problem}")]
    Layers {
        /// Its place, from 1.
        number: usize,
        /// Its type.
        layer: String,
        /// What does not fit.
        problem: String,
    },

    /// No layer of this name whose output can be looked at.
    #[error("the model has no layer \"{found}\" to look at; it has {known}")]
    UnknownSite {
        /// What was given.
        found: String,
        /// The names that there are.
        known: String,
    },

    /// An autoencoder that cannot be one.
    #[error("the autoencoder is damaged: {problem}")]
    Sae {
        /// What is wrong with it.
        problem: String,
    },

    /// A change of a layer's values that cannot be made.
    #[error("nothing can be changed there: {problem}")]
    Intervention {
        /// What does not fit.
        problem: String,
    },

    /// A split that is not `TRAIN:VALIDATION[:TEST]`.
    #[error(
        "a split is TRAIN:VALIDATION or TRAIN:VALIDATION:TEST, in characters (1000000:60000) or \
         as fractions (0.9:0.05), not \"{found}\": {problem}"
    )]
    Split {
        /// What was given.
        found: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A split that asks for more characters than there are.
    #[error(
        "the split {split} needs {needed} characters, but the text has only {characters}\n\
         hint: give a smaller split, or fractions such as --split 0.9:0.05"
    )]
    SplitTooLarge {
        /// The split.
        split: String,
        /// Its sum.
        needed: u64,
        /// The length of the text.
        characters: u64,
    },

    /// A word so long that nothing is left to validate on.
    #[error(
        "the split {split} leaves nothing to validate on: words are never cut, and one of {length} \
         characters reaches over the whole validation part\n\
         hint: take --tokenizer char for a text without spaces, or a larger validation part, or none \
         with --split 1.0:0.0"
    )]
    NothingToValidate {
        /// The split.
        split: String,
        /// Characters of the word.
        length: usize,
    },

    /// Bytes that are no text.
    #[error(
        "this is not text: it has bytes that no text has\n\
         hint: give a plain text file (.txt); save a document or PDF as plain text first"
    )]
    BinaryText,

    /// Text in an encoding that hardly anybody uses in files.
    #[error("this is UTF-32, which is not read\nhint: save it as UTF-8")]
    Utf32Text,

    /// A text without any token.
    #[error("the text is empty{after}\nhint: give a file with some text in it")]
    EmptyText {
        /// What was done to it before, in words that follow "the text is empty".
        after: String,
    },

    /// A part of the text is shorter than one window.
    #[error(
        "the {part} part has {tokens} tokens, but one window needs {needed} ({window} and the one \
         that follows)\nhint: give a longer text, a smaller --window or another --split"
    )]
    TextTooShort {
        /// `training` or `validation`.
        part: &'static str,
        /// Its tokens.
        tokens: u64,
        /// Tokens that one window takes.
        needed: u64,
        /// The window.
        window: usize,
    },

    /// A part of the text is too short for so many streams.
    #[error(
        "the {part} part has {tokens} tokens, but {streams} streams of one window of {window} need \
         {needed}\nhint: give a longer text, a smaller --batch-size or --window, or --sampling windows"
    )]
    TooFewForStreams {
        /// `training` or `validation`.
        part: &'static str,
        /// Its tokens.
        tokens: u64,
        /// Tokens that one window of each stream takes.
        needed: u64,
        /// Streams, the batch size.
        streams: usize,
        /// The window.
        window: usize,
    },

    /// A character that is not in the vocabulary, where that is an error.
    #[error(
        "character {character:?} (U+{code:04X}) at character {position} of the {source_name} is not in the \
         vocabulary\nhint: leave it out, or use --unknown skip"
    )]
    UnknownCharacter {
        /// The character.
        character: char,
        /// Its code point.
        code: u32,
        /// Where it stands, in characters from 1.
        position: u64,
        /// `prompt` or `text`.
        source_name: &'static str,
    },

    /// A text that cannot be banned.
    #[error("--ban {text:?}: {problem}\nhint: leave this --ban out")]
    Ban {
        /// The text.
        text: String,
        /// Why not.
        problem: String,
    },

    /// Bans that leave nothing to write.
    #[error("the bans leave no token to write{after}\nhint: give fewer or longer texts to --ban")]
    AllBanned {
        /// After which text, in words that follow "to write"; empty for any.
        after: String,
    },

    /// A vector unit that this machine does not have.
    #[error("this machine has no vector unit \"{name}\"; it has: {}", available.join(", "))]
    UnknownVectorUnit {
        /// The name.
        name: String,
        /// The names of those that it has.
        available: Vec<&'static str>,
    },

    /// The system would not start threads.
    #[error("could not start {threads} threads\nhint: try a smaller --threads")]
    Threads {
        /// How many.
        threads: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },

    /// The system would not start a single thread.
    #[error("could not start a thread to {purpose}")]
    Thread {
        /// What it is for.
        purpose: &'static str,
        /// Why not.
        source: std::io::Error,
    },

    /// The loss is no longer a number.
    #[error(
        "training diverged: {what} is {value} at step {step}\n\
         hint: try a smaller --learning-rate (it was {learning_rate}), or --clip-norm 1"
    )]
    Diverged {
        /// `the loss` or `the norm of the gradient`.
        what: &'static str,
        /// Its value, NaN or infinite.
        value: f64,
        /// The step that found it, from 1.
        step: u64,
        /// The learning rate of that step.
        learning_rate: f64,
    },

    /// Learning while reading that makes the model worse than a blind guess.
    #[error(
        "the loss is {loss:.1} nats per token, and {without:.1} without learning while reading\n\
         hint: try a smaller learning rate"
    )]
    HarmfulLearning {
        /// The mean loss.
        loss: f64,
        /// That of the model as it was.
        without: f64,
    },

    /// Bytes that are no model file.
    #[error(
        "this is not a model file of machado: {problem}\nhint: models are the .safetensors \
             files that `machado train` writes"
    )]
    NotAModel {
        /// What is wrong.
        problem: String,
    },

    /// A model file cut off or damaged.
    #[error(
        "the model file is damaged: {problem}\nhint: copy it again, or go back to another \
             checkpoint of the run"
    )]
    DamagedModel {
        /// What is wrong.
        problem: String,
    },

    /// A model file of a later version of the program.
    #[error(
        "the model file has format version {found}, but this program reads up to {supported}\n\
         hint: update machado"
    )]
    NewerModel {
        /// Its version.
        found: u64,
        /// Ours.
        supported: u64,
    },

    /// A file from which training cannot go on.
    #[error("cannot resume: {problem}")]
    Resume {
        /// Why.
        problem: String,
    },
}

/// `count` with thousands separated, as in `1,780,501`.
pub fn grouped(count: u64) -> impl fmt::Display {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
