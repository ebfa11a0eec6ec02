//! Finding the model that a command is to use, and preparing text for it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use machado_core::checkpoint::{self, Checkpoint, ModelFile};
use machado_core::text::Standardize;
use machado_core::tokenizer::{Encoding, UnknownPolicy};
use machado_interop::keras::{self, KerasFile};

use crate::cli::ModelArgs;
use crate::run_folder::{self, RunFolder};
use crate::say::say;
use crate::texts::{self, Texts};
use crate::{files, number};

/// The model inside the program; `assets/README.md` has the command that made it.
const BUILT_IN: &[u8] = include_bytes!("../assets/model.safetensors");

/// A model and where it came from.
#[derive(Debug)]
pub struct LoadedModel {
    /// What the file holds.
    pub file: ModelFile,
    /// Its path, or words for the one inside the program.
    pub name: String,
    /// The folder that it lies in.
    folder: Option<PathBuf>,
}

/// Loads the model that the flags name.
pub fn load(args: &ModelArgs) -> Result<LoadedModel> {
    load_path(args.model.as_deref(), args.vocabulary.vocabulary.as_deref())
}

/// Loads a model file, the best model of a run's folder, or without a path the model inside the
/// program. What the tokens of a Keras file stand for may be in another file.
pub fn load_path(path: Option<&Path>, vocabulary: Option<&Path>) -> Result<LoadedModel> {
    let Some(path) = path else {
        let file = checkpoint::read_model(BUILT_IN).context("the model inside the program")?;
        return Ok(LoadedModel {
            file,
            name: "(the model inside the program)".into(),
            folder: None,
        });
    };
    let path = model_of(path);
    let bytes = files::read(&path)?;
    let file = match read_keras(&path, &bytes, vocabulary)? {
        Some(read) => read.checkpoint.file,
        None => checkpoint::read_model(&bytes).with_context(|| path.display().to_string())?,
    };
    let folder = path.parent().map(Path::to_owned);
    Ok(LoadedModel { file, name: path.display().to_string(), folder })
}

/// All that a file keeps.
#[derive(Debug)]
pub struct Kept {
    /// The model, and what learning goes on from.
    pub checkpoint: Checkpoint,
    /// Where it lies.
    pub path: PathBuf,
    /// What of a file of Keras was left out; it was said on stderr already.
    pub notes: Vec<String>,
}

/// Reads a model file of machado or Keras, or the best model of a run's folder, with all it keeps.
pub fn read_all(path: &Path, vocabulary: Option<&Path>) -> Result<Kept> {
    let path = model_of(path);
    let bytes = files::read(&path)?;
    let (checkpoint, notes) = match read_keras(&path, &bytes, vocabulary)? {
        Some(read) => (read.checkpoint, read.notes),
        None => {
            let checkpoint = Checkpoint::read(&bytes);
            (checkpoint.with_context(|| path.display().to_string())?, Vec::new())
        }
    };
    Ok(Kept { checkpoint, path, notes })
}

/// Reads a file of Keras, if it is one by its name or its first bytes; says what was left out.
fn read_keras(path: &Path, bytes: &[u8], vocabulary: Option<&Path>) -> Result<Option<KerasFile>> {
    let is_keras = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("keras"));
    if !is_keras && !bytes.starts_with(b"PK") {
        if vocabulary.is_some() {
            say("warning: --vocabulary has no effect: the model has a vocabulary of its own");
        }
        return Ok(None);
    }
    let vocabulary = vocabulary.map(|path| files::read(&model_of(path))).transpose()?;
    let read = keras::read(bytes, vocabulary.as_deref());
    let read = read.with_context(|| path.display().to_string())?;
    for note in &read.notes {
        say(&format!("note: {note}"));
    }
    Ok(Some(read))
}

/// The model file that a path names: itself, or the best one in the folder of a run.
fn model_of(path: &Path) -> PathBuf {
    if path.is_dir() { best_of_run(path) } else { path.to_owned() }
}

/// The best model of a run, or where none was kept yet the one to resume from.
fn best_of_run(folder: &Path) -> PathBuf {
    let best = folder.join(run_folder::BEST);
    let last = folder.join(run_folder::LAST);
    if !best.exists() && last.exists() { last } else { best }
}

impl LoadedModel {
    /// What was done to the text that the model was trained on, and is done to a prompt.
    pub fn standardize(&self) -> Standardize {
        self.file.standardize
    }

    /// The texts that the model was trained on: the sample text, or what the run that it lies in
    /// names.
    pub fn own_texts(&self) -> Result<Texts> {
        if self.is_of_sample_text() {
            return Texts::open(&[]);
        }
        let Some(run) = self.run() else {
            bail!(
                "{} does not have the text that it was trained on\n\
                 hint: give one, as in `machado evaluate book.txt` and `machado sae train --text \
                 book.txt`, or a run, which knows where its text is",
                self.name
            );
        };
        Texts::reopen(&run.read_config()?.text.files)
    }

    /// Whether it says where the texts lie that it was trained on.
    pub fn names_own_texts(&self) -> bool {
        self.is_of_sample_text() || self.run().is_some()
    }

    fn is_of_sample_text(&self) -> bool {
        let named = self.file.config.as_ref().map(|config| &config.text.files[..]);
        named.is_some_and(|names| names == [texts::SAMPLE_NAME])
    }

    /// The run that its folder is of.
    fn run(&self) -> Option<RunFolder> {
        self.folder.as_ref().and_then(|folder| RunFolder::open(folder).ok())
    }

    /// The ids of a prompt as the user typed it, or of the file that `FILE:` names.
    pub fn encode_prompt(&self, prompt: &str, unknown: UnknownPolicy) -> Result<Prompt> {
        let text = match prompt.strip_prefix("FILE:") {
            Some(path) => {
                let text = texts::decode(&files::read(Path::new(path))?)?;
                // The line end that editors put at the end of a file is no part of the prompt.
                text.strip_suffix('\n')
                    .map_or(text.clone(), |text| text.trim_end_matches('\r').into())
            }
            None => prompt.to_owned(),
        };
        let tokenizer = &self.file.model.tokenizer;
        let read = tokenizer.read_of_prompt(&text);
        let mut encoding = tokenizer.encoding(unknown, "prompt");
        tokenizer.encode_piece(&self.standardize().apply(read), &mut encoding)?;
        warn_of_skipped(&encoding);
        let space_waits = read.len() < text.len();
        Ok(Prompt { text: read.to_owned(), space_waits, ids: encoding.ids.to_vec() })
    }
}

/// A prompt and its ids.
#[derive(Debug)]
pub struct Prompt {
    /// As it was typed, without what the model is to say itself; see
    /// [`Tokenizer::read_of_prompt`](machado_core::tokenizer::Tokenizer::read_of_prompt).
    pub text: String,
    /// Whether that is the space that a word begins with.
    pub space_waits: bool,
    /// What the model reads.
    pub ids: Vec<u32>,
}

/// Tells on stderr which characters were left out, the most frequent first.
pub fn warn_of_skipped(encoding: &Encoding) {
    if encoding.skipped.is_empty() {
        return;
    }
    let mut skipped = encoding.skipped.clone();
    skipped.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    say(&format!(
        "warning: the model does not know {} of the {}: {}; left out",
        number::counted(encoding.skipped_in_all() as usize, "character", "characters"),
        encoding.source_name,
        number::counts(&skipped),
    ));
}
