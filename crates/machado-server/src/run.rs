//! The training of a run, read from its log while it is written.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::served::ServedModel;

/// The log of a run, one event a line.
const METRICS: &str = "metrics.jsonl";

/// After how much silence a training counts as stopped; an evaluation may take a while.
const SILENCE: Duration = Duration::from_secs(600);

/// A run that can be watched.
pub struct WatchedRun {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its settings.
    pub config: Value,
    /// Steps that it is to have, if that is known.
    pub total_steps: Option<u64>,
    /// Reads its model again, if there is another one since the last time.
    pub newer: Box<dyn Fn() -> Option<ServedModel> + Send + Sync>,
}

impl fmt::Debug for WatchedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedRun").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// How a training is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It goes on.
    Training,
    /// It came to its end.
    Finished,
    /// It was stopped, or broke off.
    Stopped,
}

impl RunState {
    /// `training`, `finished` or `stopped`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
        }
    }
}

impl WatchedRun {
    /// The log from its beginning.
    pub fn log(&self) -> Log {
        Log { path: self.folder.join(METRICS), read: 0, lines: 0, begun: Vec::new() }
    }

    /// How the training is, given the last event.
    pub fn state(&self, last: Option<&Value>) -> RunState {
        if last.is_some_and(|event| event["event"] == "done") {
            return RunState::Finished;
        }
        let changed = self.folder.join(METRICS).metadata().and_then(|of| of.modified());
        let silent = changed.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        match silent {
            Some(silence) if silence > SILENCE => RunState::Stopped,
            _ => RunState::Training,
        }
    }
}

/// The log of a run, read line by line as it grows.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// Bytes read.
    read: u64,
    /// Lines read.
    lines: usize,
    /// A line that is not whole yet.
    begun: Vec<u8>,
}

impl Log {
    /// The number of the next line, from 0.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// The lines that came since the last time. Those that are no JSON are left out.
    ///
    /// # Errors
    /// If the file cannot be read, or it is shorter than before: a training that goes on from an
    /// earlier step drops what it will do again.
    pub fn read(&mut self) -> io::Result<Vec<(usize, Value)>> {
        let mut file = File::open(&self.path)?;
        if file.metadata()?.len() < self.read {
            let message = "the log is shorter than it was";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        file.seek(SeekFrom::Start(self.read))?;
        let before = self.begun.len();
        file.read_to_end(&mut self.begun)?;
        self.read += (self.begun.len() - before) as u64;
        let Some(end) = self.begun.iter().rposition(|&byte| byte == b'\n') else {
            return Ok(Vec::new());
        };
        let rest = self.begun.split_off(end + 1);
        let whole = std::mem::replace(&mut self.begun, rest);
        let mut events = Vec::new();
        for line in whole.split_inclusive(|&byte| byte == b'\n') {
            if let Ok(event) = serde_json::from_slice(line) {
                events.push((self.lines, event));
            }
            self.lines += 1;
        }
        Ok(events)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn run(name: &str) -> WatchedRun {
        let folder = std::env::temp_dir().join(format!("machado-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let newer = Box::new(|| None);
        WatchedRun { name: name.into(), folder, config: Value::Null, total_steps: None, newer }
    }

    fn numbers(log: &mut Log) -> Vec<(usize, u64)> {
        let events = log.read().unwrap();
        events.iter().map(|(line, event)| (*line, event["step"].as_u64().unwrap())).collect()
    }

    #[test]
    fn lines_come_when_they_are_whole_and_once() {
        let run = run("log");
        let path = run.folder.join(METRICS);
        let mut file = File::create(&path).unwrap();
        let mut log = run.log();
        assert_eq!(numbers(&mut log), []);
        file.write_all(b"{\"step\": 1}\n{\"st").unwrap();
        assert_eq!(numbers(&mut log), [(0, 1)]);
        assert_eq!(numbers(&mut log), []);
        file.write_all(b"ep\": 2}\nno json\n{\"step\": 4}\n").unwrap();
        assert_eq!(numbers(&mut log), [(1, 2), (3, 4)]);
        assert_eq!(log.lines(), 4);
        std::fs::write(&path, "{}").unwrap();
        assert!(log.read().is_err());
        std::fs::remove_dir_all(&run.folder).unwrap();
    }

    #[test]
    fn a_training_is_done_when_it_says_so() {
        let run = run("state");
        std::fs::write(run.folder.join(METRICS), "").unwrap();
        let done = serde_json::json!({ "event": "done" });
        assert_eq!(run.state(Some(&done)), RunState::Finished);
        assert_eq!(run.state(None), RunState::Training);
        let old = SystemTime::now() - 2 * SILENCE;
        let file = File::options().append(true).open(run.folder.join(METRICS)).unwrap();
        file.set_modified(old).unwrap();
        assert_eq!(run.state(None), RunState::Stopped);
        std::fs::remove_dir_all(&run.folder).unwrap();
    }
}
