//! What a feature should make more frequent: words that were given, what a regular expression
//! matches, or the words on which the feature is strongest.

use std::collections::HashSet;
use std::ops::Range;

use anyhow::{Result, bail};
use machado_core::interpret::{Forms, WordCounts, WordLift, word_ranges, words};
use machado_core::text::Standardize;
use regex::Regex;

use super::super::wanted;
use crate::cli::{SaeSteerArgs, UsageError};
use crate::say::say;

/// Words that are taken, where they are not given.
const WORDS: usize = 5;

/// What is looked for in texts, in any case.
#[derive(Debug)]
pub(super) struct Concept {
    /// Its words in lower case, for what is scored word by word.
    pub words: Vec<String>,
    /// How each of them is written in the text.
    pub forms: Vec<Forms>,
    /// How strong the feature is on them, where that chose them.
    pub lifts: Vec<WordLift>,
    /// What is looked for, where it is not just the words.
    pub regex: Option<Regex>,
    set: HashSet<String>,
}

impl Concept {
    /// What the flags say; `on` tells on which words of the text the feature is strongest.
    pub(super) fn new(
        args: &SaeSteerArgs,
        standardize: Standardize,
        counts: &WordCounts,
        on: impl FnOnce() -> Result<Vec<WordLift>>,
    ) -> Result<Self> {
        let (mut lifts, mut regex) = (Vec::new(), None);
        let words = if let Some(pattern) = &args.regex {
            let compiled = compiled(pattern)?;
            let words = matching(&compiled, counts);
            if words.is_empty() {
                bail!("no word of the text matches --regex {pattern}\nhint: give another one");
            }
            regex = Some(compiled);
            words
        } else if args.words.is_empty() {
            lifts = on()?;
            lifts.truncate(WORDS);
            if lifts.is_empty() {
                bail!(
                    "feature {} is on no word more than elsewhere\n\
                     hint: say what should become more frequent with --words or --regex",
                    args.feature
                );
            }
            lifts.iter().map(|lift| lift.word.clone()).collect()
        } else {
            given(args, standardize)?
        };
        let forms = counts.forms(&words);
        let missing = words.iter().zip(&forms).filter(|(_, forms)| forms.count() == 0);
        let missing: Vec<&str> = missing.map(|(word, _)| &word[..]).collect();
        if !missing.is_empty() {
            say(&format!("warning: not in the text: {}", missing.join(", ")));
        }
        let set = words.iter().cloned().collect();
        Ok(Self { words, forms, lifts, regex, set })
    }

    /// The words as the text writes them, which is how the model may say them.
    pub(super) fn as_written(&self) -> Vec<String> {
        let words = self.words.iter().zip(&self.forms);
        let written = words.flat_map(|(word, forms)| match &forms.usual()[..] {
            [] => vec![word.clone()],
            usual => usual.iter().map(|(form, _)| (*form).to_owned()).collect(),
        });
        written.collect()
    }

    /// Where it is in a text, in bytes.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        match &self.regex {
            Some(regex) => regex.find_iter(text).map(|found| found.range()).collect(),
            None => word_ranges(text).filter(|word| self.has(&text[word.clone()])).collect(),
        }
    }

    /// How often it is in a text.
    pub(super) fn count(&self, text: &str) -> u64 {
        match &self.regex {
            Some(regex) => regex.find_iter(text).count() as u64,
            None => words(text).filter(|word| self.has(word)).count() as u64,
        }
    }

    fn has(&self, word: &str) -> bool {
        self.set.contains(&word.to_lowercase())
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        match &self.regex {
            Some(regex) => format!("/{}/", regex.as_str()),
            None => self.words.join(", "),
        }
    }
}

/// The words that the flags name, in lower case.
fn given(args: &SaeSteerArgs, standardize: Standardize) -> Result<Vec<String>> {
    let mut given = Vec::new();
    for word in &args.words {
        let word = standardize.apply(word.trim()).to_lowercase();
        if !words(&word).eq([&word[..]]) {
            bail!(UsageError(format!(
                "--words {word:?} is not a single word of letters and digits\n\
                 hint: separate words by commas, or look for other things with --regex"
            )));
        }
        if !given.contains(&word) {
            given.push(word);
        }
    }
    Ok(given)
}

/// The most frequent words with something of a pattern, in lower case.
fn matching(regex: &Regex, counts: &WordCounts) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (form, _) in counts.by_count() {
        let word = form.to_lowercase();
        if regex.is_match(form) && !found.contains(&word) {
            found.push(word);
            if found.len() == WORDS {
                break;
            }
        }
    }
    found
}

fn compiled(pattern: &str) -> Result<Regex> {
    let regex = wanted::compiled(pattern)?;
    if regex.is_match("") {
        bail!(UsageError(format!(
            "--regex {pattern} matches nothing at all too, so it is everywhere\n\
             hint: give one that needs at least one character"
        )));
    }
    Ok(regex)
}
