//! What a feature should make more frequent: words that were given, what a regular expression
//! matches, or the words on which the feature is strongest.

use std::collections::HashSet;
use std::ops::Range;

use anyhow::{Result, anyhow, bail};
use machado_core::interpret::{TokenText, WordCounts, WordShare, word_ranges, word_shares, words};
use machado_core::text::Standardize;
use regex::{Regex, RegexBuilder};

use crate::cli::{SaeSteerArgs, UsageError};

/// Words that are taken, where they are not given.
const WORDS: usize = 5;

/// How often a word must come so that its lift says something.
const LEAST: u64 = 5;

/// What is looked for in texts.
#[derive(Debug)]
pub(super) struct Concept {
    /// Its words, for what is scored word by word.
    pub words: Vec<String>,
    /// How strong the feature is on them, where that chose them.
    pub lifts: Vec<WordShare>,
    /// What is looked for, where it is not just the words.
    pub regex: Option<Regex>,
    set: HashSet<String>,
}

impl Concept {
    /// What the flags say; `on` tells how strong the feature is after each token of the text.
    pub(super) fn new(
        args: &SaeSteerArgs,
        standardize: Standardize,
        counts: &WordCounts,
        text: &TokenText,
        on: impl FnOnce() -> Result<Vec<f32>>,
    ) -> Result<Self> {
        let mut concept =
            Self { words: Vec::new(), lifts: Vec::new(), regex: None, set: HashSet::new() };
        if let Some(pattern) = &args.regex {
            concept.regex = Some(compiled(pattern)?);
            let matching =
                counts.by_count().into_iter().filter(|(word, _)| concept.count(word) > 0);
            concept.words = matching.take(WORDS).map(|(word, _)| word.to_owned()).collect();
            if concept.words.is_empty() {
                bail!("no word of the text matches --regex {pattern}\nhint: give another one");
            }
        } else if args.words.is_empty() {
            concept.lifts = word_shares(text, &on()?, LEAST);
            concept.lifts.truncate(WORDS);
            concept.words = concept.lifts.iter().map(|lift| lift.word.clone()).collect();
            if concept.words.is_empty() {
                bail!(
                    "feature {} is on no word more than elsewhere\n\
                     hint: say what should become more frequent with --words or --regex",
                    args.feature
                );
            }
        } else {
            let given = args.words.iter().map(|word| standardize.apply(word.trim()).into_owned());
            concept.words = given.collect();
            if let Some(word) = concept.words.iter().find(|word| !words(word).eq([&word[..]])) {
                bail!(UsageError(format!(
                    "--words {word:?} is not a single word of letters and digits\n\
                     hint: separate words by commas, or look for other things with --regex"
                )));
            }
        }
        concept.set = concept.words.iter().cloned().collect();
        Ok(concept)
    }

    /// Where it is in a text, in bytes.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        match &self.regex {
            Some(regex) => regex.find_iter(text).map(|found| found.range()).collect(),
            None => {
                word_ranges(text).filter(|word| self.set.contains(&text[word.clone()])).collect()
            }
        }
    }

    /// How often it is in a text.
    pub(super) fn count(&self, text: &str) -> u64 {
        match &self.regex {
            Some(regex) => regex.find_iter(text).count() as u64,
            None => words(text).filter(|&word| self.set.contains(word)).count() as u64,
        }
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        match &self.regex {
            Some(regex) => format!("/{}/", regex.as_str()),
            None => self.words.join(", "),
        }
    }
}

fn compiled(pattern: &str) -> Result<Regex> {
    let regex = RegexBuilder::new(pattern).case_insensitive(true).build();
    let regex = regex.map_err(|error| {
        anyhow!(UsageError(format!("--regex {pattern} is no regular expression: {error}")))
    })?;
    if regex.is_match("") {
        bail!(UsageError(format!(
            "--regex {pattern} matches nothing at all too, so it is everywhere\n\
             hint: give one that needs at least one character"
        )));
    }
    Ok(regex)
}
