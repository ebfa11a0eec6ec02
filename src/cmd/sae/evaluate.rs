//! `machado sae evaluate`: how much of a model's states an autoencoder keeps.

mod again;
mod covering;

use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use machado_core::interpret::{LossRecovered, STABLE, SaeMeasure, Stability};
use machado_core::tokenizer::UnknownPolicy;
use serde_json::{Value, json};

use self::covering::Covering;
use super::inside::Inside;
use crate::cli::SaeEvaluateArgs;
use crate::known_text::KnownText;
use crate::number::grouped;
use crate::say::say;

pub(super) fn run(args: &SaeEvaluateArgs) -> Result<()> {
    let inside = Inside::open(args.inside.run.as_deref(), &args.place)?;
    let Inside { loaded, site, sae, facts, .. } = &inside;
    let text = KnownText::read(loaded, &args.inside.text, UnknownPolicy::Skip)?;
    let range = match args.part {
        Some(part) => text.part(loaded, part)?,
        None => text.parts_or_shares(loaded)[1].clone(),
    };
    say(&format!("site        {}, {} tokens", site.name, grouped(range.len() as u64)));
    let reading = inside.reading(&text);
    let measure = reading.measure(sae, range.clone())?;
    let stability = match args.stability {
        true => Some(again::stability(&reading, sae, facts, text.parts_or_shares(loaded))?),
        false => None,
    };
    let coverage = match args.coverage {
        true => {
            Some(Covering::measure(&reading, sae, facts, text.parts_or_shares(loaded), &range)?)
        }
        false => None,
    };
    let recovered =
        LossRecovered::measure(&reading, &Arc::new(sae.clone()), &measure.moments.mean, range)?;
    let report = Report { measure: &measure, recovered, stability, coverage };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", report.as_json())?;
    } else {
        write!(out, "{}", report.as_text())?;
    }
    Ok(())
}

struct Report<'a> {
    measure: &'a SaeMeasure,
    recovered: LossRecovered,
    stability: Option<Stability>,
    coverage: Option<Covering>,
}

impl Report<'_> {
    fn as_json(&self) -> Value {
        let (measure, recovered) = (self.measure, self.recovered);
        let d_sae = measure.active_positions.len() as f64;
        json!({
            "explained_variance": measure.explained_variance,
            "l0": measure.l0,
            "l1": measure.l1,
            "length_ratio": measure.length_ratio,
            "silent": measure.dead() as f64 / d_sae,
            "dense": measure.dense() as f64 / d_sae,
            "mean_to_deviation": measure.moments.mean_to_deviation(),
            "loss_nats": {
                "clean": recovered.clean,
                "output": recovered.output,
                "state": recovered.state,
                "mean": recovered.mean,
                "zero": recovered.zero,
            },
            "recovered_output": recovered.score(recovered.output),
            "recovered_state": recovered.state.map(|nats| recovered.score(nats)),
            "stability": self.stability,
            "coverage": self.coverage.as_ref().map(Covering::as_json),
            "tokens": measure.positions(),
        })
    }

    fn as_text(&self) -> String {
        let (measure, recovered) = (self.measure, self.recovered);
        let d_sae = measure.active_positions.len();
        let line = |what: &str, nats: f64| {
            let score = recovered.score(nats);
            format!("  {what:<36}{nats:.4}      {score:.4}\n")
        };
        let mut text = format!(
            "explained variance  {:.4}\n\
             features a state    {:.2}\n\
             length ratio        {:.3} (1: nothing shrunk)\n\
             silent here         {} of {} features\n\
             dense               {} features active on more than a tenth of the tokens\n\n\
             nats per token with each state replaced         share recovered\n",
            measure.explained_variance,
            measure.l0,
            measure.length_ratio,
            grouped(measure.dead() as u64),
            grouped(d_sae as u64),
            measure.dense(),
        );
        text += &line("by itself", recovered.clean);
        text += &line("by the features, for the read-out", recovered.output);
        if let Some(nats) = recovered.state {
            text += &line("by the features, in the recurrence", nats);
        }
        text += &line("by the mean state", recovered.mean);
        text += &line("by zeros", recovered.zero);
        if let Some(found) = &self.stability {
            let share = |share: f64| format!("{:.1}%", 100.0 * share);
            text += &format!(
                "\nstable              {} of the features that fire are found again with another seed \
                 (cosine from {STABLE}),\n                    {} of the first prefix, {} of all firing; best \
                 cosine {:.3} on average, {:.3} by chance\n",
                share(found.features),
                share(found.first_prefix),
                share(found.firings),
                found.mean_cosine,
                found.mean_cosine_by_chance
            );
        }
        if let Some(coverage) = &self.coverage {
            text += &coverage.as_text();
        }
        text
    }
}
