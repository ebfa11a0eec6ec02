//! `machado write`: writing together with a model.
//!
//! The text, its steps and its candidates are a [`Session`] of the core; [`desk`] does to it what a
//! [`command`] says. Two fronts give commands: [`screen`] reads keys, [`lines`] reads lines.

mod command;
mod desk;
mod layout;
mod lines;
mod screen;
mod show;

use std::io::{IsTerminal, Write};

use anyhow::Result;
use machado_core::session::{Session, SessionConfig};
use serde_json::{Value, json};

use self::desk::Desk;
use self::show::ALL;
use crate::cli::WriteArgs;
use crate::say::say;
use crate::{drawing, models, visible};

pub(super) fn run(args: &WriteArgs) -> Result<()> {
    if let Some(path) = &args.out {
        desk::check_new(path)?;
    }
    let loaded = models::load(&args.model)?;
    let compute = super::compute(&args.compute)?;
    let prompt = loaded.encode_prompt(&args.prompt, args.model.unknown)?;
    let seed = args.seed.unwrap_or_else(drawing::random_seed);
    let config = SessionConfig {
        sampler: drawing::sampler(&args.sampler, &loaded)?,
        standardize: loaded.standardize(),
        unknown: args.model.unknown,
        seed,
        space_waits: prompt.space_waits,
    };
    let session = Session::new(&loaded.file.model, compute.unit(), &prompt.ids, config)?;
    let mut desk = Desk::new(session, args.top, args.tokens, args.out.clone());
    let outcome =
        if fills_the_screen(args) { screen::run(&mut desk) } else { lines::run(&mut desk) };
    // However it ended, the text is not lost: printed, and saved even if nobody is there to read it.
    let printed = print(&desk, &prompt.text, seed, args.json);
    if let Some(path) = desk.save_at_the_end()? {
        say(&format!("saved in {}", path.display()));
    }
    outcome.and(printed)
}

fn fills_the_screen(args: &WriteArgs) -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    !args.plain && !dumb && std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

fn print(desk: &Desk, prompt: &str, seed: u64, as_json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let session = &desk.session;
    if as_json {
        let tokens: Vec<Value> = session
            .chosen()
            .iter()
            .map(|chosen| {
                json!({
                    "token": session.token(chosen.id),
                    "id": chosen.id,
                    "by": chosen.origin.name(),
                    "nats": chosen.nats,
                })
            })
            .collect();
        let line = json!({
            "prompt": prompt,
            "text": session.text(),
            "tokens": tokens,
            "nats_per_token": session.score(&ALL).nats_per_token(),
            "seed": seed,
        });
        writeln!(out, "{}", visible::json_on(&out, &line))?;
    } else {
        writeln!(out, "{}", visible::on(&out, &session.text()))?;
    }
    Ok(out.flush()?)
}
