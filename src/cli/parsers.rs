//! From the words of a command line to values; errors say what was expected.

use machado_core::data::{Sampling, Shuffle, Target};
use machado_core::optimizer::{OptimizerConfig, Schedule};
use machado_core::run::{Monitor, TokenizerKind};
use machado_core::text::Standardize;
use machado_core::tokenizer::UnknownPolicy;

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    at_least_one_u64(text).map(|n| n as usize)
}

pub(super) fn at_least_two(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n >= 2 => Ok(n),
        _ => Err("expected a whole number of at least 2".into()),
    }
}

pub(super) fn one_to<const MOST: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=MOST).contains(&n) => Ok(n),
        _ => Err(format!("expected a whole number of at least 1 and at most {MOST}")),
    }
}

pub(super) fn at_least_one_u64(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(n) if n >= 1 => Ok(n),
        _ => Err("expected a whole number of at least 1".into()),
    }
}

pub(super) fn feature(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "expected the number of a feature, 0 or more".into())
}

pub(super) fn number_that(
    text: &str,
    expected: &str,
    fits: impl Fn(f64) -> bool,
) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && fits(value) => Ok(value),
        _ => Err(format!("expected a number {expected}")),
    }
}

pub(super) fn number(text: &str) -> Result<f64, String> {
    number_that(text, "that is finite", |_| true)
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    number_that(text, "greater than 0", |value| value > 0.0)
}

pub(super) fn up_to_an_hour(text: &str) -> Result<f64, String> {
    number_that(text, "greater than 0 and at most 3600", |value| value > 0.0 && value <= 3600.0)
}

pub(super) fn zero_or_more(text: &str) -> Result<f64, String> {
    number_that(text, "of 0 or more", |value| value >= 0.0)
}

pub(super) fn probability(text: &str) -> Result<f64, String> {
    number_that(text, "greater than 0 and at most 1", |value| value > 0.0 && value <= 1.0)
}

pub(super) fn penalty(text: &str) -> Result<f64, String> {
    number_that(text, "greater than 0 and at most 1000000", |value| value > 0.0 && value <= 1e6)
}

pub(super) fn share_below_one(text: &str) -> Result<f64, String> {
    number_that(text, "from 0 to less than 1", |value| (0.0..1.0).contains(&value))
}

pub(super) fn parse_shuffle(text: &str) -> Result<Shuffle, String> {
    match text.parse() {
        _ if text == "all" => Ok(Shuffle::ALL),
        Ok(windows) => Ok(Shuffle::Buffer(windows)),
        Err(_) => Err("expected a whole number, or all".into()),
    }
}

pub(super) fn parse_optimizer(text: &str) -> Result<OptimizerConfig, String> {
    OptimizerConfig::by_name(text)
        .ok_or_else(|| format!("expected one of {}", OptimizerConfig::NAMES.join(", ")))
}

/// A parser for one of some words, by the names that config files use.
macro_rules! word {
    ($parser:ident, $type:ty, $($word:literal)|+) => {
        pub(super) fn $parser(text: &str) -> Result<$type, String> {
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
