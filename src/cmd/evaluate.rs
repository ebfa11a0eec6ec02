//! `machado evaluate`: how well a model knows a text.

use std::io::Write;
use std::ops::Range;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use machado_core::data::Part;
use machado_core::evaluate::{TextScore, evaluate};
use machado_core::ids::TokenIds;
use machado_core::tokenizer::UnknownPolicy;
use serde_json::json;

use crate::cli::{EvaluateArgs, PartArg};
use crate::models::{self, LoadedModel};
use crate::number::grouped;
use crate::texts::Texts;

pub(super) fn run(args: &EvaluateArgs) -> Result<()> {
    let loaded = models::load(&args.model)?;
    let compute = super::compute(&args.compute)?;
    let text = KnownText::read(&loaded, &args.texts, args.model.unknown)?;
    let range = match args.part {
        Some(part) => text.part(&loaded, part)?,
        None => 0..text.ids.len(),
    };
    let bar = ProgressBar::new(range.len() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {percent}% of {human_len} tokens, {eta} left")
            .expect("a fixed template"),
    );
    let watch = |done| {
        bar.set_position(done);
        true
    };
    let score = evaluate(&loaded.file.model, &compute, &text.ids, range, watch)?;
    bar.finish_and_clear();
    let score = score.expect("nobody stops the evaluation");
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", as_json(&score))?;
    } else {
        write!(out, "{}", as_table(&score))?;
    }
    Ok(())
}

fn as_json(score: &TextScore) -> serde_json::Value {
    json!({
        "loss_nats": score.loss_nats(),
        "accuracy": score.sum.accuracy(),
        "perplexity": score.perplexity(),
        "bits_per_character": score.bits_per_character(),
        "bits_per_byte": score.bits_per_byte(),
        "tokens": score.sum.positions,
        "characters": score.characters,
        "bytes": score.bytes,
    })
}

fn as_table(score: &TextScore) -> String {
    format!(
        "loss                {:.4} nats per token\n\
         accuracy            {:.4}\n\
         perplexity          {:.3}\n\
         bits per character  {:.4}\n\
         bits per byte       {:.4}\n\
         tokens              {}\n",
        score.loss_nats(),
        score.sum.accuracy(),
        score.perplexity(),
        score.bits_per_character(),
        score.bits_per_byte(),
        grouped(score.sum.positions),
    )
}

/// A text in a model's own ids.
#[derive(Debug)]
pub(super) struct KnownText {
    pub(super) ids: TokenIds,
}

impl KnownText {
    /// Reads the given texts, or without any those that the model was trained on.
    pub(super) fn read(
        loaded: &LoadedModel,
        paths: &[std::path::PathBuf],
        unknown: UnknownPolicy,
    ) -> Result<Self> {
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
    pub(super) fn part(&self, loaded: &LoadedModel, part: PartArg) -> Result<Range<usize>> {
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
