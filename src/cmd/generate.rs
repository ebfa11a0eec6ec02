//! `machado generate`: writing text.

use std::io::{BufWriter, IsTerminal, Write};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use machado_core::generate::{Generator, GeneratorConfig, Written, write_texts};
use machado_core::rng::Purpose;
use serde_json::{Value, json};

use crate::cli::{GenerateArgs, UsageError};
use crate::say::say;
use crate::steering::Steer;
use crate::{drawing, known_text, models, number, steering, visible};

/// Texts written before any of them is shown.
const SHOWN_TOGETHER: usize = 256;

pub(super) fn run(args: &GenerateArgs) -> Result<()> {
    if args.stop.iter().any(String::is_empty) {
        bail!(UsageError("--stop must not be empty, since every text contains that".into()));
    }
    let loaded = models::load(&args.model)?;
    let compute = super::compute(&args.compute)?;
    let prompt = loaded.encode_prompt(&args.prompt, args.model.unknown)?;
    let sampler = drawing::sampler(&args.sampler, &loaded)?;
    let drawing = drawing::json(&sampler, &args.sampler.ban, &args.ngrams);
    let steer = steering::read(&args.steering, &loaded, args.model.model.as_deref(), &compute)?;
    let seed = args.seed.unwrap_or_else(drawing::random_seed);
    let mut config = GeneratorConfig {
        mixture: known_text::mixture(&args.ngrams, &loaded, None, &compute)?.map(Arc::new),
        sampler,
        tokens: args.tokens,
        stop: args.stop.clone(),
        seed,
        purpose: Purpose::Generate,
        first: 0,
        interventions: steer.as_ref().map_or(Vec::new(), |steer| steer.interventions.clone()),
    };
    let model = &loaded.file.model;
    let (mut tokens, mut seconds) = (0, 0.0);
    if args.samples == 1 && !args.json {
        let generator = Generator::new(model, compute.unit(), &prompt.ids, 1, config)?;
        // Reading the prompt is not writing.
        let began = Instant::now();
        tokens = print_as_written(generator, &prompt.text)?;
        seconds = began.elapsed().as_secs_f64();
    } else {
        for first in (0..args.samples).step_by(SHOWN_TOGETHER) {
            let count = SHOWN_TOGETHER.min(args.samples - first);
            config.first = first as u64;
            let began = Instant::now();
            let texts = write_texts(model, &compute, &prompt.ids, count, &config)?;
            let taken = began.elapsed().as_secs_f64();
            let written: usize = texts.iter().map(|text| text.tokens).sum();
            let rate = written as f64 / taken;
            let prompt = &prompt.text;
            let steer = steer.as_ref();
            let shown = Shown { first, seed, prompt, rate, drawing: &drawing, steer };
            if args.json {
                print_json(&texts, &shown)?
            } else {
                print_all(&texts, &shown)?
            }
            tokens += written;
            seconds += taken;
        }
    }
    if !args.json {
        let rate = number::grouped((tokens as f64 / seconds) as u64);
        say(&format!(
            "{} tokens in {seconds:.2} s ({rate} tokens/s), seed {seed}",
            number::grouped(tokens as u64)
        ));
    }
    if let Some(steer) = &steer {
        steer.say_clipped();
    }
    Ok(())
}

/// What texts shown together have in common.
struct Shown<'a> {
    /// The number of the first one, from 0.
    first: usize,
    seed: u64,
    prompt: &'a str,
    /// Tokens per second of all.
    rate: f64,
    drawing: &'a Value,
    steer: Option<&'a Steer>,
}

/// Prints a single text while it is being written; returns its tokens.
fn print_as_written(mut generator: Generator<'_>, prompt: &str) -> Result<usize> {
    // Buffered line by line, so that whoever reads along sees each line as it is written.
    let mut out = std::io::stdout().lock();
    let is_terminal = out.is_terminal();
    write!(out, "{}", visible::on(&out, prompt))?;
    let mut outcome = Ok(());
    while outcome.is_ok()
        && generator.step(|_, piece| {
            outcome = write!(out, "{}", visible::on(&out, piece));
        })
    {
        if is_terminal {
            out.flush()?;
        }
    }
    outcome?;
    writeln!(out)?;
    out.flush()?;
    Ok(generator.tokens(0))
}

fn print_all(texts: &[Written], shown: &Shown<'_>) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (number, Written { text, .. }) in texts.iter().enumerate() {
        let text = format!("{}{text}", shown.prompt);
        let text = visible::on(out.get_ref(), &text);
        writeln!(out, "== sample {} ==\n{text}\n", shown.first + number + 1)?;
    }
    Ok(out.flush()?)
}

fn print_json(texts: &[Written], shown: &Shown<'_>) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (number, written) in texts.iter().enumerate() {
        let mut line = json!({
            "prompt": shown.prompt,
            "text": written.text,
            "finish_reason": written.finish_reason.name(),
            "tokens": written.tokens,
            "tokens_per_second": shown.rate,
            "seed": shown.seed,
            "sample": shown.first + number,
            "drawing": shown.drawing,
        });
        if let Some(steer) = shown.steer {
            line["steering"] = steer.json();
        }
        writeln!(out, "{}", visible::json_on(out.get_ref(), &line))?;
    }
    Ok(out.flush()?)
}
