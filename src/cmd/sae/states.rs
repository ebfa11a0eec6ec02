//! `machado sae states`: the states of a text as a file.

use anyhow::Result;
use machado_core::interpret::Reading;
use machado_core::tokenizer::UnknownPolicy;
use machado_interop::saelens::States;

use super::train::site;
use crate::cli::SaeStatesArgs;
use crate::known_text::KnownText;
use crate::number::{bytes, grouped};
use crate::say::say;
use crate::{files, models, sae_folder};

pub(super) fn run(args: &SaeStatesArgs) -> Result<()> {
    let loaded = models::load_path(args.inside.run.as_deref(), None)?;
    let compute = crate::cmd::compute(&args.compute)?;
    let model = &loaded.file.model;
    let site = site(model, args.layer.as_deref())?;
    let text = KnownText::read(&loaded, &args.inside.text, UnknownPolicy::Skip)?;
    let part = match args.part {
        Some(part) => text.part(&loaded, part)?,
        None => 0..text.ids.len(),
    };
    let range = part.start..part.end.min(part.start + args.positions);
    let reading = Reading { model, compute: &compute, site: &site, ids: &text.ids };
    let mut states = vec![0.0; range.len() * site.dim];
    // They come in the order in which the parts of the text are read.
    reading.for_each(range.clone(), |place, state| {
        states[(place - range.start) * site.dim..][..site.dim].copy_from_slice(state);
    })?;
    let mut tokens = Vec::with_capacity(range.len());
    text.ids.for_each(range.clone(), |id| tokens.push(id));
    let model_fingerprint = sae_folder::fingerprint(model);
    let file = States { site: site.name.clone(), model_fingerprint, tokens, states }.write()?;
    files::write(&args.out, &file)?;
    say(&format!(
        "saved       {}: {} states of {} values after {} ({})",
        args.out.display(),
        grouped(range.len() as u64),
        site.dim,
        site.name,
        bytes(file.len() as u64)
    ));
    Ok(())
}
