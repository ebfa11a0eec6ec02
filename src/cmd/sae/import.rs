//! `machado sae import`: an autoencoder that was trained elsewhere, measured on a model's states.

use std::io::Write;

use anyhow::{Context, Result, bail};
use machado_core::interpret::{Reading, SaeMeasure};
use machado_core::model::{Model, Site};
use machado_core::tokenizer::UnknownPolicy;
use machado_interop::saelens::{self, Found, SaeFacts, SaeFiles};
use serde_json::json;

use super::train::site;
use crate::cli::SaeImportArgs;
use crate::known_text::KnownText;
use crate::number::grouped;
use crate::say::say;
use crate::{files, models, sae_folder};

pub(super) fn run(args: &SaeImportArgs) -> Result<()> {
    let loaded = models::load_path(args.inside.run.as_deref(), None)?;
    let compute = crate::cmd::compute(&args.compute)?;
    let model = &loaded.file.model;
    let site = site(model, args.layer.as_deref())?;
    let found = read(args)?;
    if found.sae.d_in() != site.dim {
        bail!(
            "the autoencoder in {} is of states of {} values, but {} has {}\n\
             hint: name its layer with --layer",
            args.folder.display(),
            found.sae.d_in(),
            site.name,
            site.dim
        );
    }
    let folder = args.out.clone().unwrap_or_else(|| sae_folder::beside(args.inside.run.as_deref()));
    sae_folder::refuse_to_replace(&folder)?;
    let text = KnownText::read(&loaded, &args.inside.text, UnknownPolicy::Skip)?;
    let [_, held_out] = text.parts_or_shares(&loaded);
    let reading = Reading { model, compute: &compute, site: &site, ids: &text.ids };
    let held_out_measure = reading.measure(&found.sae, held_out.clone())?;
    let whole = reading.measure(&found.sae, 0..text.ids.len())?;
    let facts = facts(model, &site, &found, [&held_out_measure, &whole]);
    sae_folder::write(&folder, &found.sae, &facts)?;
    sae_folder::write_example(&folder, &reading, &found.sae, held_out)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let figures = json!({
            "architecture": found.architecture,
            "site": facts.site,
            "d_in": found.sae.d_in(),
            "d_sae": found.sae.d_sae(),
            "explained_variance": held_out_measure.explained_variance,
            "l0": held_out_measure.l0,
            "dead": whole.dead() as f64 / found.sae.d_sae() as f64,
            "positions": whole.positions(),
        });
        writeln!(out, "{figures}")?;
    } else {
        write!(
            out,
            "architecture        {}, {} features of the {} values after {}\n\
             explained variance  {:.4} of states that were not learnt from\n\
             features a state    {:.2}\n\
             dead                {} features never active on {} tokens\n",
            found.architecture,
            grouped(found.sae.d_sae() as u64),
            found.sae.d_in(),
            site.name,
            held_out_measure.explained_variance,
            held_out_measure.l0,
            whole.dead(),
            grouped(whole.positions()),
        )?;
        if held_out_measure.explained_variance < 0.0 {
            say("warning: it says less of the states than their mean does; is it of this layer?");
        }
        say(&format!("saved       {}", folder.display()));
    }
    Ok(())
}

fn read(args: &SaeImportArgs) -> Result<Found> {
    let read = |name| files::read(&args.folder.join(name));
    let saved = SaeFiles { config: read(saelens::CONFIG)?, weights: read(saelens::WEIGHTS)? };
    saelens::read(&saved).with_context(|| format!("in {}", args.folder.display()))
}

/// What is known of an autoencoder that was trained elsewhere; how it was is not.
fn facts(
    model: &Model,
    site: &Site,
    found: &Found,
    [held_out, whole]: [&SaeMeasure; 2],
) -> SaeFacts {
    let on_average = held_out.l0.round().max(1.0) as usize;
    SaeFacts {
        tool_version: env!("CARGO_PKG_VERSION").into(),
        site: site.name.clone(),
        model_fingerprint: sae_folder::fingerprint(model),
        architecture: format!("imported {}", found.architecture),
        k: found.sae.strongest().map_or(on_average, |rule| rule.k),
        prefixes: vec![found.sae.d_sae()],
        seed: 0,
        batch_size: 0,
        steps: 0,
        learning_rate: None,
        positions: whole.positions(),
        explained_variance: held_out.explained_variance,
        l0: held_out.l0,
        max_activations: whole.max_activations.clone(),
        active_positions: whole.active_positions.clone(),
    }
}
