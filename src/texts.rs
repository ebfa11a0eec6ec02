//! Finding and reading the texts that the user named.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use machado_core::data::{CorpusReader, ReadText};
use machado_core::error::Error;
use machado_core::run::RunConfig;
use machado_core::text::{Detector, Standardize, TextEncoding};
use machado_core::tokenizer::{Rare, Tokenizer, TokenizerKind};
use machado_core::train::TrainingText;

use crate::run_folder::RunFolder;
use crate::say::say;
use crate::{files, shell};

/// The sample text inside the program: original stories and letters, in the public domain.
pub const SAMPLE: &str = include_str!("../assets/contos.txt");

/// What [`Texts::paths`] calls the sample text.
pub const SAMPLE_NAME: &str = "(the sample text inside the program)";

/// What [`Texts::paths`] calls the standard input.
pub const STANDARD_INPUT: &str = "-";

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;

/// Some texts, read one after the other as if they were one.
#[derive(Debug)]
pub struct Texts {
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    name: String,
    place: Place,
    encoding: TextEncoding,
    bytes: u64,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    Memory(Vec<u8>),
}

impl Texts {
    /// The texts of these files and folders; without any, the sample text.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        if paths.is_empty() {
            return Ok(Self { sources: vec![Source::in_memory(SAMPLE_NAME, SAMPLE.into())?] });
        }
        let mut sources = Vec::new();
        for path in paths {
            if path.as_os_str() == STANDARD_INPUT {
                let mut bytes = Vec::new();
                std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
                sources.push(Source::in_memory(STANDARD_INPUT, bytes)?);
            } else if RunFolder::is_one(path) {
                bail!(
                    "{0} is the folder of a run, and no text\n\
                     hint: --model {0} uses its model, --resume {0} goes on training it",
                    shell::quoted_path(&path.display().to_string())
                );
            } else if path.is_dir() {
                for file in text_files(path)? {
                    sources.push(Source::file(file)?);
                }
            } else if path.metadata().is_ok_and(|m| !m.is_file()) {
                // A pipe can be read only once.
                sources.push(Source::in_memory(&path.display().to_string(), files::read(path)?)?);
            } else {
                sources.push(Source::file(path.clone())?);
            }
        }
        Ok(Self { sources })
    }

    /// The texts that a run's config names.
    pub fn reopen(names: &[String]) -> Result<Self> {
        if names == [SAMPLE_NAME] {
            return Self::open(&[]);
        }
        if names.iter().any(|name| name == STANDARD_INPUT) {
            bail!("the text came from the standard input, which is gone\nhint: give it again");
        }
        Self::open(&names.iter().map(PathBuf::from).collect::<Vec<_>>())
    }

    /// Their full paths, for [`reopen`](Self::reopen).
    pub fn paths(&self) -> Vec<String> {
        let full = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = |source: &Source| match &source.place {
            Place::File(path) => full(path).display().to_string(),
            Place::Memory(_) => source.name.clone(),
        };
        self.sources.iter().map(name).collect()
    }

    /// Their names without folders, for model files, which travel.
    pub fn names(&self) -> Vec<String> {
        let name = |source: &Source| match &source.place {
            Place::File(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Place::Memory(_) => None,
        };
        self.sources.iter().map(|s| name(s).unwrap_or_else(|| s.name.clone())).collect()
    }

    /// One line for people: which texts, and their encoding where it is not UTF-8.
    pub fn describe(&self) -> String {
        let encodings: BTreeSet<&str> =
            self.sources.iter().map(|source| source.encoding.name()).collect();
        let names = match &self.sources[..] {
            [only] => only.name.clone(),
            many => format!("{} files, {} …", many.len(), many[0].name),
        };
        let encodings: Vec<&str> = encodings.into_iter().collect();
        if encodings == ["UTF-8"] { names } else { format!("{names} ({})", encodings.join(", ")) }
    }

    /// A short name for a run of them.
    pub fn stem(&self) -> String {
        match &self.sources[0].place {
            Place::File(path) => {
                path.file_stem().map_or_else(|| "text".into(), |s| s.to_string_lossy().into_owned())
            }
            Place::Memory(_) if self.sources[0].name == SAMPLE_NAME => "sample".into(),
            Place::Memory(_) => "text".into(),
        }
    }

    /// About how many characters there are at most; memory may be reserved for so many.
    fn most_characters(&self) -> u64 {
        self.sources.iter().map(|source| source.bytes).sum()
    }

    /// Calls `visit` with each piece of all texts, standardized. Where one text does not end with a
    /// line end, one is put between it and the next.
    ///
    /// Returns how many broken characters were replaced.
    pub fn for_each_piece(
        &self,
        standardize: Standardize,
        mut visit: impl FnMut(&str) -> Result<()>,
    ) -> Result<u64> {
        let mut malformed = 0;
        for (number, source) in self.sources.iter().enumerate() {
            let mut last = None;
            let mut visit_piece = |piece: &str| {
                last = piece.chars().next_back().or(last);
                visit(&standardize.apply(piece))
            };
            let mut decoder = source.encoding.decoder();
            source.for_each_block(|block| visit_piece(&decoder.feed(block)))?;
            visit_piece(&decoder.finish())?;
            malformed += decoder.malformed();
            let ends_line = matches!(last, None | Some('\n' | '\r'));
            if !ends_line && number + 1 < self.sources.len() {
                visit(&standardize.apply("\n"))?;
            }
        }
        Ok(malformed)
    }
}

impl Source {
    fn file(path: PathBuf) -> Result<Self> {
        let name = path.display().to_string();
        Self::detect(name, Place::File(path))
    }

    fn in_memory(name: &str, bytes: Vec<u8>) -> Result<Self> {
        Self::detect(name.to_owned(), Place::Memory(bytes))
    }

    fn detect(name: String, place: Place) -> Result<Self> {
        let utf8 = Detector::default().finish().expect("no bytes are empty text");
        let mut source = Self { name, place, encoding: utf8, bytes: 0 };
        let mut detector = Detector::default();
        let mut bytes = 0;
        source.for_each_block(|block| {
            detector.feed(block);
            bytes += block.len() as u64;
            Ok(())
        })?;
        source.bytes = bytes;
        source.encoding = detector.finish().with_context(|| source.name.clone())?;
        Ok(source)
    }

    fn for_each_block(&self, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let path = match &self.place {
            Place::Memory(bytes) => return bytes.chunks(BLOCK).try_for_each(visit),
            Place::File(path) => path,
        };
        let hint = "hint: give the path of a text file, or of a folder with .txt files";
        let context = || format!("cannot read the text {}\n{hint}", path.display());
        let mut file = File::open(path).with_context(context)?;
        let mut block = vec![0; BLOCK];
        loop {
            match file.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(length) => visit(&block[..length])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).with_context(context),
            }
        }
    }
}

/// The .txt files of a folder and of those below it that are no runs, sorted by path.
fn text_files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let context = || format!("cannot read the folder {}", next.display());
        for entry in std::fs::read_dir(&next).with_context(context)? {
            let entry = entry.with_context(context)?;
            let path = entry.path();
            let is_text = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("txt"));
            // A linked folder may lead back here, so only real ones are looked into. What a model
            // wrote while it was trained is no text to learn from.
            if entry.file_type().with_context(context)?.is_dir() {
                if !RunFolder::is_one(&path) {
                    folders.push(path);
                }
            } else if is_text && !path.is_dir() {
                found.insert(path);
            }
        }
    }
    if found.is_empty() {
        bail!(
            "the folder {} has no text: expected files whose names end in .txt\n\
             hint: give the files themselves if they end otherwise",
            folder.display()
        );
    }
    Ok(found)
}

/// Reads a text for training: its ids, and the tokenizer made from it, or the one of a run that
/// goes on. Also what is too rare to be a token of its own.
pub fn read_for_training(
    texts: &Texts,
    config: &RunConfig,
    known: Option<&Tokenizer>,
) -> Result<(TrainingText, Rare)> {
    let standardize = config.text.standardize;
    let vocabulary = config.text.vocabulary();
    let mut reader = CorpusReader::new(vocabulary, texts.most_characters() as usize);
    let malformed = texts.for_each_piece(standardize, |piece| {
        reader.add(piece);
        Ok(())
    })?;
    if malformed > 0 {
        say(&format!(
            "warning: {} in the text could not be decoded; U+FFFD stands in their place",
            crate::number::counted(malformed as usize, "broken character", "broken characters")
        ));
    }
    let after = if reader.characters() > 0 {
        " once rare characters are left out"
    } else if standardize == Standardize::Letters {
        " once only letters, digits and spaces are kept"
    } else {
        ""
    };
    let read = reader.finish(&config.data.split, known).map_err(|error| match error {
        Error::EmptyText { .. } => Error::EmptyText { after: after.into() },
        error => error,
    });
    let ReadText { corpus, tokenizer, characters, rare } =
        read.with_context(|| texts.describe())?;
    warn_of_left_out(&rare, config);
    warn_of_large_vocabulary(&tokenizer);
    Ok((TrainingText { corpus, tokenizer, characters }, rare))
}

/// Characters that are no tokens are no longer in the text.
fn warn_of_left_out(rare: &Rare, config: &RunConfig) {
    if rare.left_out.is_empty() {
        return;
    }
    // Without bounds of its own, only the vocabulary of a model that it begins with can lack some.
    let is_bounded = config.text.max_vocab.is_some() || config.text.min_count.is_some();
    say(&format!(
        "warning: {} left out of the text, as {}: {}",
        crate::number::counted(rare.left_out.len(), "character is", "different characters are"),
        if is_bounded { "too rare for --min-count or --max-vocab" } else { "unknown to the model" },
        crate::number::counts(&rare.left_out)
    ));
}

/// Thousands of different characters are normal for Chinese, but else a sign of a wrong encoding.
fn warn_of_large_vocabulary(tokenizer: &Tokenizer) {
    let size = tokenizer.vocabulary_size();
    if tokenizer.kind() == TokenizerKind::Char && size > 5000 {
        say(&format!(
            "warning: the text has {} different characters, which makes the model large and slow; \
             unless it is Chinese, Japanese or Korean, look whether its encoding was recognised; \
             --min-count 2 leaves out those that come once",
            crate::number::grouped(size as u64)
        ));
    }
}

/// The text of bytes in any encoding, as the texts to train on are read.
pub fn decode(bytes: &[u8]) -> Result<String> {
    let mut detector = Detector::default();
    detector.feed(bytes);
    let mut decoder = detector.finish()?.decoder();
    Ok(decoder.feed(bytes) + &decoder.finish())
}
