//! Doing what a command says.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use machado_core::predict::Candidate;
use machado_core::sample::Sampler;
use machado_core::session::{Session, Until};

use super::command::Command;
use crate::{files, number};

/// A session, and what its owner wants.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) session: Session,
    /// Candidates to show.
    pub(super) top: usize,
    /// Tokens that the model writes where nothing else is said.
    tokens: usize,
    /// Where the text is saved.
    out: Option<PathBuf>,
    /// What was saved there.
    saved: Option<String>,
}

impl Desk {
    pub(super) fn new(session: Session, top: usize, tokens: usize, out: Option<PathBuf>) -> Self {
        Self { session, top, tokens, out, saved: None }
    }

    /// The candidates that are shown.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        self.session.candidates(self.top)
    }

    /// Whether there is a file to save in.
    pub(super) fn has_file(&self) -> bool {
        self.out.is_some()
    }

    /// Does it; returns what there is to say about it. While the model writes, `go_on` is asked after
    /// each token.
    pub(super) fn apply(
        &mut self,
        command: Command,
        go_on: impl FnMut(&Session) -> bool,
    ) -> Result<String> {
        let session = &mut self.session;
        match command {
            Command::Pick(place) => {
                let candidates = session.candidates(self.top);
                let Some(candidate) = candidates.get(place - 1) else {
                    let count = number::counted(candidates.len(), "candidate", "candidates");
                    bail!("there is no candidate {place}: {count} can be picked");
                };
                session.pick(candidate.id)?;
            }
            Command::Type(text) => {
                let skipped = session.type_text(&text)?;
                if !skipped.is_empty() {
                    let shown: Vec<String> =
                        skipped.iter().take(8).map(|(c, _)| format!("{c:?}")).collect();
                    return Ok(format!("the model does not know {}; left out", shown.join(", ")));
                }
            }
            Command::Write(until) => {
                let until = until.unwrap_or(Until::Tokens(self.tokens));
                let count = session.write(until, go_on);
                return Ok(format!("wrote {}", number::counted(count, "token", "tokens")));
            }
            Command::Undo(steps) => {
                let done = (0..steps).take_while(|_| session.undo()).count();
                return Ok(told(done, "step", "undone", "nothing to undo"));
            }
            Command::Redo(steps) => {
                let done = (0..steps).take_while(|_| session.redo()).count();
                return Ok(told(done, "step", "redone", "nothing to redo"));
            }
            Command::TakeBack(tokens) => {
                let done = session.take_back(tokens);
                return Ok(told(done, "token", "taken back", "nothing to take back"));
            }
            Command::Temperature(temperature) => {
                let sampler = Sampler { temperature, ..session.sampler().clone() };
                session.set_sampler(sampler)?;
            }
            Command::Save(path) => {
                let path = self.save(path)?;
                return Ok(format!("saved in {}", path.display()));
            }
            // What is shown is the front's business.
            Command::Show | Command::Again | Command::Help | Command::Quit => {}
        }
        Ok(String::new())
    }

    fn save(&mut self, path: Option<PathBuf>) -> Result<PathBuf> {
        let Some(path) = path.or_else(|| self.out.clone()) else {
            bail!(
                "there is no file to save in\nhint: name one, as in \"s story.txt\", or give --out"
            );
        };
        let ours = self.saved.is_some() && self.out.as_ref() == Some(&path);
        if !ours {
            check_new(&path)?;
        }
        let text = self.session.text();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        files::write(&path, format!("{text}{end}").as_bytes())?;
        self.saved = Some(text);
        self.out = Some(path.clone());
        Ok(path)
    }

    /// Saves what is not saved yet, if there is a file for it; returns its path if it did.
    pub(super) fn save_at_the_end(&mut self) -> Result<Option<PathBuf>> {
        let pending = self.out.is_some() && self.saved.as_ref() != Some(&self.session.text());
        if pending { self.save(None).map(Some) } else { Ok(None) }
    }
}

fn told(done: usize, what: &str, verb: &str, nothing: &str) -> String {
    match done {
        0 => nothing.into(),
        _ => format!("{} {verb}", number::counted(done, what, &format!("{what}s"))),
    }
}

/// Checks that a file can be made here, so that nobody finds out only when the text is written.
pub(super) fn check_new(path: &Path) -> Result<()> {
    if path.exists() {
        bail!("{} exists already, and is left as it is\nhint: choose another name", path.display());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!(
            "cannot write {}: there is no folder {}\nhint: make it first, or choose another",
            path.display(),
            folder.display()
        );
    }
    Ok(())
}
