//! `machado evaluate`: how well a model knows a text.

use std::io::Write;

use anyhow::{Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use machado_core::error::Error;
use machado_core::evaluate::{Help, TextScore, evaluate};
use serde_json::json;

use crate::cli::EvaluateArgs;
use crate::known_text::{self, KnownText};
use crate::models;
use crate::number::grouped;
use crate::say::say;
use crate::steering;

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
    let mixture = known_text::mixture(&args.ngrams, &loaded, Some(&text), &compute)?;
    if mixture.is_some() && text.has_studied(&loaded, &range) {
        say(
            "warning: the n-grams have counted (part of) the text that they now read, which makes the \
             figures far too good; --part validation or --part test is an honest measure",
        );
    }
    let steer = steering::read(&args.steering, &loaded, args.model.model.as_deref(), &compute)?;
    let interventions = steer.as_ref().map_or(Vec::new(), |steer| steer.interventions.clone());
    let help = Help { mixture, adapt: args.adapt, interventions };
    let score = evaluate(&loaded.file.model, &compute, &text.ids, range, help, watch);
    let score = score.map_err(|error| explained(error, args.adapt))?;
    bar.finish_and_clear();
    let score = score.expect("nobody stops the evaluation");
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut figures = as_json(&score);
        if let Some(steer) = &steer {
            figures["steering"] = steer.json();
        }
        writeln!(out, "{figures}")?;
    } else {
        write!(out, "{}", as_table(&score))?;
    }
    if let Some(steer) = &steer {
        steer.say_clipped();
    }
    Ok(())
}

/// The error in the words of this command.
fn explained(error: Error, adapt: Option<f64>) -> anyhow::Error {
    let Some(rate) = adapt else { return error.into() };
    let what = match error {
        Error::Diverged { what, value, .. } => format!("{what} is {value}"),
        Error::HarmfulLearning { loss, without } => {
            format!("the loss is {loss:.1} nats per token, and {without:.1} without --adapt")
        }
        error => return error.into(),
    };
    anyhow!(
        "learning while reading broke the weights: {what}\n\
         hint: try a smaller --adapt (it was {rate})"
    )
}

fn as_json(score: &TextScore) -> serde_json::Value {
    json!({
        "loss_nats": score.loss_nats(),
        "accuracy": score.sum.accuracy(),
        "perplexity": score.perplexity(),
        "nats_per_character": score.nats_per_character(),
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
