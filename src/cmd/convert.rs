//! `machado convert`: a model from one format to another.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use machado_core::checkpoint::Checkpoint;
use machado_interop::keras;
use serde_json::json;

use crate::cli::{ConvertArgs, UsageError};
use crate::models::{self, Kept};
use crate::number::{bytes, grouped};
use crate::{files, shell};

/// The formats that can be written, by the ending of a file's name.
const FORMATS: [(&str, Format); 2] = [("safetensors", Format::Machado), ("keras", Format::Keras)];

#[derive(Clone, Copy)]
enum Format {
    Machado,
    Keras,
}

pub(super) fn run(args: &ConvertArgs) -> Result<()> {
    let format = format_of(&args.to)?;
    if args.to.exists() && !args.overwrite {
        bail!(
            "{} exists already, and was left as it is\nhint: give another name, or --overwrite",
            args.to.display()
        );
    }
    let vocabulary = args.vocabulary.vocabulary.as_deref();
    let Kept { checkpoint, path, notes } = models::read_all(&args.from, vocabulary)?;
    let written = match format {
        Format::Machado => checkpoint.to_bytes(),
        Format::Keras => keras::write(&checkpoint).with_context(|| path.display().to_string())?,
    };
    files::write(&args.to, &written)?;
    let Checkpoint { file, learning } = &checkpoint;
    let (parameters, tokens) = (file.model.weights.len(), file.model.tokenizer.vocabulary_size());
    let steps = learning.as_ref().map(|learning| learning.optimizer.steps());
    let mut out = std::io::stdout().lock();
    if args.json {
        let told = json!({
            "from": path.display().to_string(),
            "to": args.to.display().to_string(),
            "bytes": written.len(),
            "parameters": parameters,
            "vocabulary_size": tokens,
            "optimizer_steps": steps,
            "notes": notes,
        });
        return Ok(writeln!(out, "{told}")?);
    }
    write!(
        out,
        "{}: {} parameters, {} tokens",
        args.to.display(),
        grouped(parameters as u64),
        grouped(tokens as u64)
    )?;
    if let (Some(steps), Some(learning)) = (steps, learning) {
        let name = learning.optimizer.config().name();
        write!(out, ", {name} after {} steps", grouped(steps))?;
    }
    Ok(writeln!(out, " ({})", bytes(written.len() as u64))?)
}

fn format_of(path: &Path) -> Result<Format> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let known = FORMATS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known));
    let Some(&(_, format)) = known else {
        let endings: Vec<String> = FORMATS.iter().map(|(known, _)| format!(".{known}")).collect();
        bail!(UsageError(format!(
            "the name of the file to write must end in {}, not {}",
            endings.join(" or "),
            shell::quoted_path(&path.display().to_string())
        )));
    };
    Ok(format)
}
