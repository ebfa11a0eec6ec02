//! Counts of what happened, by kind.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::outcome::Outcome;
use crate::figures::grouped;

/// Of each kind, so many that were unexpected are told of at once.
const TOLD: u64 = 5;

#[derive(Default)]
pub(crate) struct Tally {
    expected: BTreeMap<(&'static str, String), u64>,
    wrong: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Counts, and returns what is wrong if the user is to be told.
    pub(crate) fn count(&mut self, kind: &'static str, outcome: Outcome) -> Option<String> {
        match outcome {
            Ok(word) => {
                *self.expected.entry((kind, word)).or_default() += 1;
                None
            }
            Err(problem) => {
                let count = self.wrong.entry(kind).or_default();
                *count += 1;
                (*count <= TOLD).then_some(problem)
            }
        }
    }

    pub(crate) fn unexpected(&self) -> u64 {
        self.wrong.values().sum()
    }

    pub(crate) fn all(&self) -> u64 {
        self.expected.values().sum::<u64>() + self.unexpected()
    }

    /// One line on how it goes.
    pub(crate) fn line(&self) -> String {
        format!("{} done, {} unexpected", grouped(self.all()), grouped(self.unexpected()))
    }

    /// A table in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut table = "| kind | what came | times |\n|---|---|---|\n".to_owned();
        let wrong = self.wrong.iter().map(|(kind, count)| (*kind, "UNEXPECTED", count));
        let expected =
            self.expected.iter().map(|((kind, word), count)| (*kind, word.as_str(), count));
        let mut rows: Vec<_> = expected.chain(wrong).collect();
        rows.sort_unstable();
        for (kind, word, count) in rows {
            writeln!(table, "| {kind} | {word} | {} |", grouped(*count))
                .expect("strings take what is written");
        }
        table
    }
}
