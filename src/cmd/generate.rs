//! `machado generate`: writing text.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use anyhow::{Result, bail};
use machado_core::generate::{FinishReason, Generator, GeneratorConfig};
use machado_core::rng::Purpose;
use machado_core::sample::Sampler;
use serde_json::json;

use crate::cli::{GenerateArgs, SamplerArgs, UsageError};
use crate::say::say;
use crate::{models, number};

/// Texts written side by side; more are written in turn.
const SIDE_BY_SIDE: usize = 64;

pub(super) fn run(args: &GenerateArgs) -> Result<()> {
    if args.stop.iter().any(String::is_empty) {
        bail!(UsageError("--stop must not be empty, since every text contains that".into()));
    }
    let loaded = models::load(&args.model)?;
    let compute = super::compute(&args.compute)?;
    let prompt = loaded.encode_prompt(&args.prompt, args.model.unknown)?;
    let seed = args.seed.unwrap_or_else(random_seed);
    let mut tokens = 0;
    let mut seconds = 0.0;
    for first in (0..args.samples).step_by(SIDE_BY_SIDE) {
        let count = SIDE_BY_SIDE.min(args.samples - first);
        let config = GeneratorConfig {
            sampler: sampler(&args.sampler),
            tokens: args.tokens,
            stop: args.stop.clone(),
            seed,
            purpose: Purpose::Generate,
            first: first as u64,
        };
        let model = &loaded.file.model;
        let generator = Generator::new(model, compute.unit(), &prompt.ids, count, config)?;
        // Reading the prompt is not writing.
        let began = Instant::now();
        let group = Group { first, seed, prompt: &prompt.text };
        tokens += if args.json {
            print_json(generator, count, &group)?
        } else if args.samples == 1 {
            print_as_written(generator, &group)?
        } else {
            print_one_by_one(generator, count, &group)?
        };
        seconds += began.elapsed().as_secs_f64();
    }
    if !args.json {
        let rate = number::grouped((tokens as f64 / seconds) as u64);
        say(&format!(
            "{} tokens in {seconds:.2} s ({rate} tokens/s), seed {seed}",
            number::grouped(tokens as u64)
        ));
    }
    Ok(())
}

/// What the texts written side by side have in common.
struct Group<'a> {
    /// The number of the first one, from 0.
    first: usize,
    seed: u64,
    prompt: &'a str,
}

/// Prints a single text while it is being written; returns its tokens.
fn print_as_written(mut generator: Generator<'_>, group: &Group<'_>) -> Result<usize> {
    let mut out = std::io::stdout().lock();
    let is_terminal = out.is_terminal();
    write!(out, "{}", group.prompt)?;
    let mut outcome = Ok(());
    while outcome.is_ok()
        && generator.step(|_, piece| {
            outcome = out.write_all(piece.as_bytes());
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

/// Writes texts side by side and prints one after the other; returns the tokens of all.
fn print_one_by_one(generator: Generator<'_>, count: usize, group: &Group<'_>) -> Result<usize> {
    let mut out = std::io::stdout().lock();
    let (texts, generator) = write_all(generator, count);
    for (number, text) in texts.iter().enumerate() {
        writeln!(out, "== sample {} ==\n{}{text}\n", group.first + number + 1, group.prompt)?;
    }
    Ok((0..count).map(|number| generator.tokens(number)).sum())
}

fn print_json(generator: Generator<'_>, count: usize, group: &Group<'_>) -> Result<usize> {
    let mut out = std::io::stdout().lock();
    let began = Instant::now();
    let (texts, generator) = write_all(generator, count);
    let tokens: usize = (0..count).map(|number| generator.tokens(number)).sum();
    let tokens_per_second = tokens as f64 / began.elapsed().as_secs_f64();
    for (number, text) in texts.iter().enumerate() {
        let line = json!({
            "prompt": group.prompt,
            "text": text,
            "finish_reason": generator.finish_reason(number).map(FinishReason::name),
            "tokens": generator.tokens(number),
            "tokens_per_second": tokens_per_second,
            "seed": group.seed,
            "sample": group.first + number,
        });
        writeln!(out, "{line}")?;
    }
    Ok(tokens)
}

fn write_all(mut generator: Generator<'_>, count: usize) -> (Vec<String>, Generator<'_>) {
    let mut texts = vec![String::new(); count];
    while generator.step(|number, piece| texts[number].push_str(piece)) {}
    (texts, generator)
}

fn sampler(args: &SamplerArgs) -> Sampler {
    Sampler {
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        min_p: args.min_p,
    }
}

/// A seed that is another one each time, short enough to type again.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) % 1_000_000
}
