//! A text read with the vocabulary of a model, to measure the model on.

use std::cell::OnceCell;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use machado_core::data::Part;
use machado_core::evaluate::practise;
use machado_core::ids::TokenIds;
use machado_core::math::threads::Compute;
use machado_core::mixture::Mixture;
use machado_core::tokenizer::{Encoding, UnknownPolicy};

use crate::cli::{NgramArgs, PartArg};
use crate::models::{self, LoadedModel};
use crate::number::{self, grouped};
use crate::say::say;
use crate::texts::Texts;

/// A text in a model's own ids.
#[derive(Debug)]
pub struct KnownText {
    /// Its ids.
    pub ids: TokenIds,
    /// Of the ids; taken only where it is asked for, and once.
    fingerprint: OnceCell<u64>,
}

impl KnownText {
    /// Reads the given texts, or without any those that the model was trained on.
    pub fn read(loaded: &LoadedModel, paths: &[PathBuf], unknown: UnknownPolicy) -> Result<Self> {
        let (text, encoding) = Self::encode(loaded, paths, unknown)?;
        if !encoding.skipped.is_empty() && text.is_own(loaded) {
            // They were named when the model was trained, and it has never seen the text with them.
            say(&format!(
                "note: {} of the text left out, as in the training of the model",
                number::counted(encoding.skipped_in_all() as usize, "character", "characters")
            ));
        } else {
            models::warn_of_skipped(&encoding);
        }
        Ok(text)
    }

    /// The text and, without its ids, the encoding that it came by.
    fn encode(
        loaded: &LoadedModel,
        paths: &[PathBuf],
        unknown: UnknownPolicy,
    ) -> Result<(Self, Encoding)> {
        let texts = if paths.is_empty() { loaded.own_texts()? } else { Texts::open(paths)? };
        let tokenizer = &loaded.file.model.tokenizer;
        let mut encoding = tokenizer.encoding(unknown, "text");
        texts.for_each_piece(loaded.standardize(), |piece| {
            Ok(tokenizer.encode_piece(piece, &mut encoding)?)
        })?;
        let ids = std::mem::take(&mut encoding.ids);
        Ok((Self { ids, fingerprint: OnceCell::new() }, encoding))
    }

    /// Reads the text that a model was trained on, for its n-grams.
    fn read_own(loaded: &LoadedModel) -> Result<Self> {
        if !loaded.names_own_texts() {
            bail!(
                "--ngrams counts the text that a model was trained on, and {} does not have it\n\
                 hint: give the folder of a run with --model; its config.toml names the text",
                loaded.name
            );
        }
        let (own, _) = Self::encode(loaded, &[], UnknownPolicy::Skip)
            .context("--ngrams counts the text that the model was trained on")?;
        if !own.is_own(loaded) {
            bail!(
                "--ngrams counts the text that the model was trained on, but that text has changed \
                 since\nhint: put it back as it was, or leave out --ngrams"
            );
        }
        Ok(own)
    }

    /// Whether it is the text that the model was trained on.
    fn is_own(&self, loaded: &LoadedModel) -> bool {
        let fingerprint = || *self.fingerprint.get_or_init(|| self.ids.fingerprint());
        loaded.file.training.as_ref().is_some_and(|facts| facts.fingerprint == fingerprint())
    }

    /// Whether some of what the model was trained on lies in a range.
    pub fn has_studied(&self, loaded: &LoadedModel, range: &Range<usize>) -> bool {
        let studied = || self.part(loaded, PartArg::Train);
        self.is_own(loaded)
            && studied().is_ok_and(|part| part.start < range.end && range.start < part.end)
    }

    /// Where a part lies, split as when the model was trained.
    pub fn part(&self, loaded: &LoadedModel, part: PartArg) -> Result<Range<usize>> {
        let Some(facts) = &loaded.file.training else {
            bail!("{} does not say how its text was split\nhint: leave out --part", loaded.name);
        };
        let part = match part {
            PartArg::Train => Part::Train,
            PartArg::Validation => Part::Validation,
            PartArg::Test => Part::Test,
        };
        let range = facts.parts.range(part);
        if !self.is_own(loaded) {
            bail!(
                "--part needs the text that the model was trained on ({} tokens), but this is \
                 another one ({} tokens)\nhint: leave out --part, or give that text",
                grouped(facts.tokens),
                grouped(self.ids.len() as u64)
            );
        }
        if range.is_empty() {
            bail!("the {} part of that text is empty", part.name());
        }
        Ok(range)
    }
}

/// Of a text that has no parts, the share that is learnt from.
const STUDIED: f64 = 0.9;

impl KnownText {
    /// What to learn from and what to hold out: the training and validation parts, where this is the
    /// text that the model was trained on, else the first nine tenths and the rest.
    pub fn parts_or_shares(&self, loaded: &LoadedModel) -> [Range<usize>; 2] {
        let parts = self
            .part(loaded, PartArg::Train)
            .and_then(|train| Ok([train, self.part(loaded, PartArg::Validation)?]));
        parts.unwrap_or_else(|_| {
            let cut = (STUDIED * self.ids.len() as f64) as usize;
            [0..cut, cut..self.ids.len()]
        })
    }
}

/// Tokens of the validation part that show whom to believe.
const PRACTICE: usize = 4096;

/// The n-grams of the training part of a model's own text, if they are asked for; on its validation
/// part they learn how much to trust them. `given` is a text that has been read and may be that one.
pub fn mixture(
    args: &NgramArgs,
    loaded: &LoadedModel,
    given: Option<&KnownText>,
    compute: &Compute,
) -> Result<Option<Mixture>> {
    if !args.ngrams {
        return Ok(None);
    }
    let read;
    let own = match given {
        Some(given) if given.is_own(loaded) => given,
        _ => {
            read = KnownText::read_own(loaded)?;
            &read
        }
    };
    let model = &loaded.file.model;
    let mut mixture = Mixture::new(model.tokenizer.vocabulary_size(), args.ngram_order)?;
    mixture.study(&own.ids, own.part(loaded, PartArg::Train)?);
    // Where a text is read, it teaches that itself.
    if given.is_none()
        && let Ok(Range { start, end }) = own.part(loaded, PartArg::Validation)
    {
        let range = start..end.min(start + PRACTICE);
        mixture = practise(model, compute, &own.ids, range, mixture)?;
    }
    Ok(Some(mixture))
}
