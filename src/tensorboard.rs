//! A training for TensorBoard: two event files, so that training and validation are two curves in one
//! chart.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use machado_interop::tensorboard;
use serde_json::Value;

use crate::files;

/// The folder in that of a run, where no other is named.
pub const NAME: &str = "tensorboard";

/// What is taken from an entry of the log, and its tag.
const TRAINING: [(&str, &str); 5] = [
    ("loss", "loss"),
    ("accuracy", "accuracy"),
    ("learning_rate", "learning_rate"),
    ("gradient_norm", "gradient_norm"),
    ("tokens_per_second", "tokens_per_second"),
];
const VALIDATION: [(&str, &str); 3] = [
    ("val_loss", "loss"),
    ("val_accuracy", "accuracy"),
    ("bits_per_character", "bits_per_character"),
];

/// The two files, open for more events.
#[derive(Debug)]
pub struct EventFiles {
    training: File,
    validation: File,
}

impl EventFiles {
    /// Two new files below a folder. A run that goes on after some step says so, and TensorBoard drops
    /// what earlier files have of later steps.
    pub fn create(folder: &Path, after: Option<u64>) -> Result<Self> {
        let open = |part: &str| {
            let folder = folder.join(part);
            files::create_folder(&folder)?;
            let now = now();
            let origin = format!("machado.{}", std::process::id());
            let path = folder.join(tensorboard::file_name(now.as_secs(), &origin));
            let mut begin = tensorboard::header(now.as_secs_f64());
            if let Some(step) = after {
                begin.extend(tensorboard::restart(now.as_secs_f64(), step + 1));
            }
            let file = OpenOptions::new().append(true).create(true).open(&path);
            let file = file.and_then(|mut file| file.write_all(&begin).map(|()| file));
            file.with_context(|| format!("cannot write {}", path.display()))
        };
        Ok(Self { training: open("train")?, validation: open("validation")? })
    }

    /// Adds an entry of the log.
    pub fn write(&mut self, entry: &Value) -> Result<()> {
        let (file, record) = match entry["event"].as_str() {
            Some("step") => (&mut self.training, figures(entry, &TRAINING)),
            Some("evaluated") => (&mut self.validation, figures(entry, &VALIDATION)),
            Some("sample") => (&mut self.training, sample(entry)),
            _ => return Ok(()),
        };
        file.write_all(&record).context("cannot write TensorBoard's event file")
    }
}

fn figures(entry: &Value, wanted: &[(&'static str, &'static str)]) -> Vec<u8> {
    let figure = |&(key, tag): &(&str, &'static str)| Some((tag, entry[key].as_f64()? as f32));
    let figures: Vec<(&str, f32)> = wanted.iter().filter_map(figure).collect();
    tensorboard::scalars(now().as_secs_f64(), step(entry), &figures)
}

/// A sample under its temperature, as a block of Markdown that keeps its lines as they are.
fn sample(entry: &Value) -> Vec<u8> {
    let text = |key: &str| entry[key].as_str().unwrap_or_default();
    let whole = format!("{}{}", text("prompt"), text("text"));
    let block: String = whole.lines().map(|line| format!("    {line}\n")).collect();
    let tag = format!("sample/temperature {}", entry["temperature"]);
    tensorboard::text(now().as_secs_f64(), step(entry), &tag, &block)
}

fn step(entry: &Value) -> u64 {
    entry["step"].as_u64().unwrap_or(0)
}

/// Since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
