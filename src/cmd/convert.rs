//! `machado convert`: a model from one format to another.
//!
//! ONNX and tokenizer.json are only written.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use machado_core::checkpoint::Checkpoint;
use machado_interop::{keras, onnx, tokenizer_json};
use serde_json::json;

use crate::cli::{ConvertArgs, UsageError};
use crate::models::{self, Kept};
use crate::number::{bytes, grouped};
use crate::say::say;
use crate::{files, shell};

/// The formats that can be written, by the ending of a file's name.
const FORMATS: [(&str, Format); 4] = [
    ("safetensors", Format::Machado),
    ("keras", Format::Keras),
    ("onnx", Format::Onnx),
    ("json", Format::Tokenizer),
];

#[derive(Clone, Copy)]
enum Format {
    /// All there is.
    Machado,
    /// All there is.
    Keras,
    /// A graph that says what the model says, with the tokenizer in its metadata.
    Onnx,
    /// The tokenizer alone, for Hugging Face's `tokenizers`.
    Tokenizer,
}

pub(super) fn run(args: &ConvertArgs) -> Result<()> {
    let format = format_of(&args.to)?;
    if args.to.exists() && !args.overwrite {
        bail!(
            "{} exists already, and was left as it is\nhint: give another name, or --overwrite",
            args.to.display()
        );
    }
    files::check_folder_of(&args.to)?;
    let vocabulary = args.vocabulary.vocabulary.as_deref();
    let Kept { checkpoint, path, mut notes } = models::read_all(&args.from, vocabulary)?;
    let from = || path.display().to_string();
    let written = match format {
        Format::Machado => checkpoint.to_bytes(),
        Format::Keras => keras::write(&checkpoint).with_context(from)?,
        Format::Onnx => onnx(&checkpoint.file.model).with_context(from)?,
        Format::Tokenizer => tokenizer_json(&checkpoint.file.model.tokenizer).into_bytes(),
    };
    files::write(&args.to, &written)?;
    let Checkpoint { file, learning } = &checkpoint;
    if learning.is_some() && matches!(format, Format::Onnx | Format::Tokenizer) {
        let note = "what the optimizer remembers was left out: the file has no place for it";
        say(&format!("note: {note}"));
        notes.push(note.into());
    }
    let learning = learning.as_ref().filter(|_| matches!(format, Format::Machado | Format::Keras));
    let (parameters, tokens) = (file.model.weights.len(), file.model.tokenizer.vocabulary_size());
    let steps = learning.map(|learning| learning.optimizer.steps());
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
        let [others @ .., last] = &endings[..] else { unreachable!("there are formats") };
        bail!(UsageError(format!(
            "the name of the file to write must end in {}, not {}",
            format_args!("{} or {last}", others.join(", ")),
            shell::quoted_path(&path.display().to_string())
        )));
    };
    Ok(format)
}
