//! What `train --resume` says to a flag that it cannot be given with: clap would name all of them.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error};

use super::Cli;

/// The error as it should be read.
pub(super) fn explained(error: Error) -> Error {
    match message(&error, std::env::args().skip(1)) {
        Some(message) => {
            let mut command = Cli::command();
            command.build();
            let train = command.find_subcommand_mut("train").expect("a command");
            train.error(ErrorKind::ArgumentConflict, message)
        }
        None => error,
    }
}

/// What to say where a flag among `typed` cannot be given with `--resume`.
fn message(error: &Error, typed: impl Iterator<Item = String>) -> Option<String> {
    let named: Vec<&str> = [ContextKind::InvalidArg, ContextKind::PriorArg]
        .into_iter()
        .filter_map(|kind| error.get(kind))
        .flat_map(|value| match value {
            ContextValue::String(one) => std::slice::from_ref(one),
            ContextValue::Strings(many) => many,
            _ => &[],
        })
        .filter_map(|name| name.split_whitespace().next())
        .collect();
    let is_conflict = error.kind() == ErrorKind::ArgumentConflict;
    if !is_conflict || !named.contains(&"--resume") {
        return None;
    }
    // Also as in --window=5.
    let typed: Vec<String> =
        typed.map(|word| word.split('=').next().unwrap_or_default().to_owned()).collect();
    let given = |name: &&&str| **name != "--resume" && typed.iter().any(|word| word == **name);
    let given: Vec<&str> = named.iter().filter(given).copied().collect();
    Some(format!(
        "{} cannot be used with --resume: a run goes on in its folder and with its settings\n\n  \
         What may change is when it ends (--epochs, --steps, --minutes, --patience), where its text lies, \n  \
         how it is shown (--progress, --log-every) and what computes (--threads, --vector-unit).\n  \
         With other settings it is another run: `machado train --config RUN/config.toml` begins one.",
        given.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn said(words: &[&str]) -> Option<String> {
        let all = ["machado"].iter().chain(words);
        let error = Cli::try_parse_from(all).err()?;
        message(&error, words.iter().map(|&word| word.to_owned()))
    }

    #[test]
    fn only_what_was_typed_is_named() {
        for (flags, named) in [
            (&["--sample-every", "5"][..], "--sample-every cannot"),
            (&["--window=5"], "--window cannot"),
            (&["--out", "x"], "--out cannot"),
        ] {
            let said = said(&[&["train", "--resume", "run"], flags].concat()).expect("a conflict");
            assert!(said.starts_with(named) && !said.contains("--units"), "{said}");
        }
    }

    #[test]
    fn other_errors_stay_as_they_are() {
        assert_eq!(said(&["train", "--resume"]), None);
        assert_eq!(said(&["sae", "steer", "1", "--words", "a", "--regex", "b"]), None);
        assert_eq!(said(&["train", "--resume", "run", "--steps", "9"]), None);
    }
}
