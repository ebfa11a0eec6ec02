//! `machado experiment favourite-science`: several seeds, one report, one model to go on with.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use machado_core::checkpoint;
use machado_core::interpret::experiment::{
    Bar, ScienceConfig, ScienceOutcome, ScienceReport, Stage, bars, favourite_science,
    science_grammar,
};
use serde_json::{Value, json};

use super::{html, text};
use crate::cli::FavouriteScienceArgs;
use crate::number::{counted, duration};
use crate::run_folder::{self, RunFolder};
use crate::say::say;
use crate::texts::Texts;
use crate::{files, sae_folder};

/// The folder of the first seed's run.
const RUN: &str = "run";

/// The corpus in it.
const CORPUS: &str = "corpus.txt";

/// Minutes that the whole may take on two cores, for five seeds.
const MINUTES: f64 = 10.0;

/// All seeds together.
pub(super) struct Report {
    pub(super) config: ScienceConfig,
    pub(super) bars: Vec<Bar>,
    pub(super) seeds: Vec<ScienceReport>,
    pub(super) elapsed: Duration,
    pub(super) threads: usize,
    pub(super) is_tiny: bool,
}

pub(super) fn run(args: &FavouriteScienceArgs) -> Result<()> {
    let compute = crate::cmd::compute(&args.compute)?;
    let config = |seed| {
        if args.tiny { ScienceConfig::tiny(seed) } else { ScienceConfig::new(seed) }
    };
    // Whoever cannot be written to should not cost minutes.
    let folder = args.out.join(RUN);
    if folder.join(run_folder::CONFIG).exists() {
        bail!("the folder {} already holds a run\nhint: choose another --out", folder.display());
    }
    files::create_folder(&folder)?;
    let (grammar, began) = (science_grammar(), Instant::now());
    let mut seeds = Vec::new();
    for number in 0..args.seeds as u64 {
        let seed = args.seed + number;
        let mut progress = Progress::new(number + 1, args.seeds);
        let outcome = favourite_science(&grammar, &config(seed), &compute, &mut |stage| {
            progress.show(stage)
        })?;
        progress.bar.finish_and_clear();
        say(&text::seed_line(&outcome.report, began.elapsed()));
        if number == 0 {
            keep(&folder, &config(seed), &outcome)?;
        }
        seeds.push(outcome.report);
    }
    let mut report = Report {
        config: config(args.seed),
        bars: bars(&seeds),
        seeds,
        elapsed: began.elapsed(),
        threads: compute.threads(),
        is_tiny: args.tiny,
    };
    let minutes = report.elapsed.as_secs_f64() / 60.0;
    let allowed = MINUTES * args.seeds as f64 / 5.0;
    report.bars.push(Bar::new("minutes for all seeds", true, allowed, vec![minutes]));
    write_reports(&args.out, &report)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", as_json(&report))?;
    } else {
        write!(out, "{}", text::report(&report))?;
        say(&format!(
            "saved       {} (report.txt, report.html, report.json; the model of the first seed in {})",
            args.out.display(),
            folder.display()
        ));
    }
    Ok(())
}

fn write_reports(folder: &Path, report: &Report) -> Result<()> {
    files::write(&folder.join("report.txt"), text::report(report).as_bytes())?;
    files::write(&folder.join("report.html"), html::report(report).as_bytes())?;
    files::write(&folder.join("report.json"), format!("{:#}\n", as_json(report)).as_bytes())
}

fn as_json(report: &Report) -> Value {
    let missed = report.bars.iter().filter(|bar| !bar.reached).map(|bar| &bar.name);
    let config = &report.config;
    json!({
        "experiment": "favourite-science",
        "tool_version": env!("CARGO_PKG_VERSION"),
        "missed": missed.collect::<Vec<_>>(),
        "bars": report.bars,
        "elapsed_seconds": report.elapsed.as_secs_f64(),
        "threads": report.threads,
        "tiny": report.is_tiny,
        "settings": {
            "first_seed": config.seed,
            "documents": config.documents,
            "units": config.units,
            "steps": config.steps,
            "d_sae": config.d_sae,
            "k": config.k,
            "prefixes": [config.first_prefix, config.d_sae],
            "sae_steps": config.sae_steps,
            "controls": config.controls,
        },
        "seeds": report.seeds,
    })
}

/// Keeps model and autoencoder as the folder of a run, with its corpus.
fn keep(folder: &Path, config: &ScienceConfig, outcome: &ScienceOutcome) -> Result<()> {
    files::write(&folder.join(CORPUS), outcome.corpus.as_bytes())?;
    files::write(&folder.join(run_folder::BEST), &outcome.model_file)?;
    let file = checkpoint::read_model(&outcome.model_file)?;
    let [held_out, whole] = &outcome.measures;
    let facts = sae_folder::facts(&file.model, &outcome.site, &config.sae(), [held_out, whole]);
    sae_folder::write(&folder.join(sae_folder::NAME), &outcome.sae, &facts)?;
    let Some(run) = file.config else { return Ok(()) };
    // The config last: with it the folder is that of a run.
    let path = folder.join(CORPUS);
    RunFolder::choose(Some(folder), RUN)?.write_config(&run, &Texts::open(&[path])?)
}

/// What is seen of a seed.
struct Progress {
    bar: ProgressBar,
    seed: String,
    /// What was said last, where there is no terminal to draw a bar on.
    said: (&'static str, u64),
    began: Instant,
}

impl Progress {
    fn new(number: u64, seeds: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {percent}%  {msg}");
        let bar = ProgressBar::new(1).with_style(style.expect("a fixed template"));
        let seed = format!("seed {number} of {seeds}");
        Self { bar, seed, said: ("", 0), began: Instant::now() }
    }

    fn show(&mut self, stage: Stage) {
        let (done, all, what) = match stage {
            Stage::Model(done, all) => (done, all, "training the model"),
            Stage::Autoencoder(done, all) => (done, all, "training the autoencoder"),
            Stage::Untrained(done, all) => (done, all, "training that of an untrained model"),
            Stage::Finding => (0, 1, "looking for features"),
            Stage::Steering => (0, 1, "steering"),
        };
        let quarter = 4 * done / all.max(1);
        if self.bar.is_hidden() && self.said != (what, quarter) {
            self.said = (what, quarter);
            let done = if all > 1 { format!(" ({}%)", 25 * quarter) } else { String::new() };
            let elapsed = duration(self.began.elapsed());
            say(&format!("{}: {what}{done}, after {elapsed}", self.seed));
        }
        self.bar.set_length(all);
        self.bar.set_position(done);
        self.bar.set_message(format!("{}: {what}", self.seed));
    }
}

/// How long it took, for people.
pub(super) fn took(report: &Report) -> String {
    format!("{} on {}", duration(report.elapsed), counted(report.threads, "thread", "threads"))
}
