//! The folder of a run: what lies where, and the log of its events.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use machado_core::run::RunConfig;
use machado_core::train::Trainer;
use serde_json::Value;

use crate::texts::Texts;
use crate::{files, presets};

/// The best model.
pub const BEST: &str = "model.safetensors";
/// What the run goes on from.
pub const LAST: &str = "last.safetensors";
/// The settings, complete.
pub const CONFIG: &str = "config.toml";
/// One event a line.
pub const METRICS: &str = "metrics.jsonl";
/// The samples, for people.
pub const SAMPLES: &str = "samples.txt";

/// The folder of a run.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// A place for a new run: `out`, or a free name below `runs`. Makes nothing yet.
    pub fn choose(out: Option<&Path>, stem: &str) -> Result<Self> {
        let path = match out {
            Some(path) => {
                if path.join(CONFIG).exists() {
                    bail!(
                        "the folder {} already holds a run ({CONFIG})\n\
                         hint: go on with it by --resume, or choose another --out",
                        path.display()
                    );
                }
                path.to_owned()
            }
            None => {
                let numbered = |n: u32| {
                    let name = if n == 1 { stem.to_owned() } else { format!("{stem}-{n}") };
                    Path::new("runs").join(name)
                };
                (1..).map(numbered).find(|path| !path.exists()).expect("some number is free")
            }
        };
        Ok(Self { path })
    }

    /// Makes the folder of a run that is about to begin. Settings and vocabulary are safe on the disk
    /// before the first step, or else nothing is.
    pub fn create(&self, trainer: &Trainer, texts: &Texts) -> Result<Log> {
        files::create_folder(&self.path)?;
        let write = || {
            files::write(&self.file(LAST), &trainer.resume_file())?;
            let log = Log::create(self)?;
            self.write_config(trainer.config(), texts)?;
            Ok(log)
        };
        let outcome = write();
        if outcome.is_err() {
            for name in [CONFIG, LAST, METRICS, SAMPLES] {
                // The error to report is the first one.
                let _ = std::fs::remove_file(self.file(name));
            }
        }
        outcome
    }

    /// Whether a folder is that of a run.
    pub fn is_one(path: &Path) -> bool {
        path.join(CONFIG).is_file() && path.join(METRICS).is_file()
    }

    /// The folder of a run that exists.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join(CONFIG).exists() {
            bail!(
                "there is no run in {}: expected a folder with {CONFIG}, as `machado train` makes",
                path.display()
            );
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes the settings, with the paths of the texts.
    pub fn write_config(&self, config: &RunConfig, texts: &Texts) -> Result<()> {
        let mut config = config.clone();
        config.text.files = texts.paths();
        let text = toml::to_string(&config).context("cannot write the settings as TOML")?;
        files::write(&self.file(CONFIG), text.as_bytes())
    }

    /// Reads the settings.
    pub fn read_config(&self) -> Result<RunConfig> {
        let path = self.file(CONFIG);
        presets::parse(&files::read_text(&path)?).with_context(|| format!("in {}", path.display()))
    }

    /// All events of the log. A last line that was cut off is left out.
    pub fn read_metrics(&self) -> Result<Vec<Value>> {
        let path = self.file(METRICS);
        let bytes = files::read(&path)?;
        let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').filter(|l| !l.is_empty()).collect();
        let mut events = Vec::with_capacity(lines.len());
        for (number, line) in lines.iter().enumerate() {
            match serde_json::from_slice(line) {
                Ok(event) => events.push(event),
                Err(_) if number + 1 == lines.len() => {}
                Err(error) => {
                    bail!("{}, line {}: {error}", path.display(), number + 1);
                }
            }
        }
        Ok(events)
    }
}

/// The log of a run, open for more events.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    metrics: File,
    samples: File,
    /// Seconds of training before this session.
    pub seconds_before: f64,
}

impl Log {
    /// A new, empty log.
    pub fn create(folder: &RunFolder) -> Result<Self> {
        files::write(&folder.file(METRICS), b"")?;
        files::write(&folder.file(SAMPLES), b"")?;
        Self::append(folder, 0.0)
    }

    /// The log of a run that goes on after `step`: events after that step are dropped, since they
    /// will happen again.
    pub fn resume(folder: &RunFolder, step: u64) -> Result<Self> {
        let kept: Vec<Value> = folder
            .read_metrics()?
            .into_iter()
            .filter(|event| event["event"] != "done" && event["step"].as_u64() <= Some(step))
            .collect();
        let lines: String = kept.iter().map(|event| format!("{event}\n")).collect();
        files::write(&folder.file(METRICS), lines.as_bytes())?;
        let samples: String = kept.iter().filter_map(sample_text).collect();
        files::write(&folder.file(SAMPLES), samples.as_bytes())?;
        let seconds = kept.last().and_then(|event| event["elapsed_seconds"].as_f64());
        Self::append(folder, seconds.unwrap_or(0.0))
    }

    fn append(folder: &RunFolder, seconds_before: f64) -> Result<Self> {
        let open = |name| {
            let path = folder.file(name);
            let file = OpenOptions::new().append(true).open(&path);
            file.with_context(|| format!("cannot write {}", path.display()))
        };
        let (metrics, samples) = (open(METRICS)?, open(SAMPLES)?);
        Ok(Self { path: folder.path.clone(), metrics, samples, seconds_before })
    }

    /// Adds an event.
    pub fn write(&mut self, event: &Value) -> Result<()> {
        let mut outcome = self.metrics.write_all(format!("{event}\n").as_bytes());
        if let Some(sample) = sample_text(event) {
            outcome = outcome.and_then(|()| self.samples.write_all(sample.as_bytes()));
        }
        outcome.with_context(|| {
            format!(
                "cannot write the log in {}\nhint: make room on the disk, then go on with \
                 `machado train --resume {}`",
                self.path.display(),
                self.path.display()
            )
        })
    }
}

/// How a sample stands in samples.txt, if the event is one.
fn sample_text(event: &Value) -> Option<String> {
    if event["event"] != "sample" {
        return None;
    }
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    Some(format!(
        "== step {}, temperature {} ==\n{}{}\n\n",
        event["step"],
        event["temperature"],
        text("prompt"),
        text("text")
    ))
}
