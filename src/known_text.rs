//! A text read with the vocabulary of a model, to measure the model on.

use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use machado_core::data::Part;
use machado_core::ids::TokenIds;
use machado_core::mixture::Mixture;
use machado_core::tokenizer::UnknownPolicy;

use crate::cli::{NgramArgs, PartArg};
use crate::models::{self, LoadedModel};
use crate::number::grouped;
use crate::texts::Texts;

/// A text in a model's own ids.
#[derive(Debug)]
pub struct KnownText {
    /// Its ids.
    pub ids: TokenIds,
}

impl KnownText {
    /// Reads the given texts, or without any those that the model was trained on.
    pub fn read(loaded: &LoadedModel, paths: &[PathBuf], unknown: UnknownPolicy) -> Result<Self> {
        let texts = if paths.is_empty() { loaded.own_texts()? } else { Texts::open(paths)? };
        let tokenizer = &loaded.file.model.tokenizer;
        let mut encoding = tokenizer.encoding(unknown, "text");
        texts.for_each_piece(loaded.standardize(), |piece| {
            Ok(tokenizer.encode_piece(piece, &mut encoding)?)
        })?;
        models::warn_of_skipped(&encoding);
        Ok(Self { ids: encoding.ids })
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
        if self.ids.fingerprint() != facts.fingerprint {
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

/// The n-grams of the training part of a model's own text, if they are asked for. `own` is that
/// text, if it has been read.
pub fn mixture(
    args: &NgramArgs,
    loaded: &LoadedModel,
    own: Option<&KnownText>,
) -> Result<Option<Mixture>> {
    if !args.ngrams {
        return Ok(None);
    }
    let read;
    let own = match own {
        Some(own) => own,
        None => {
            if !loaded.names_own_texts() {
                bail!(
                    "--ngrams counts the text that a model was trained on, and {} does not have \
                     it\nhint: give the folder of a run with --model; its config.toml names the text",
                    loaded.name
                );
            }
            read = KnownText::read(loaded, &[], UnknownPolicy::Skip)
                .context("--ngrams counts the text that the model was trained on")?;
            &read
        }
    };
    let vocabulary_size = loaded.file.model.tokenizer.vocabulary_size();
    let mut mixture = Mixture::new(vocabulary_size, args.ngram_order)?;
    mixture.study(&own.ids, own.part(loaded, PartArg::Train)?);
    Ok(Some(mixture))
}
