//! `machado experiment concepts`: a model of a text, its concepts, one report.

mod html;
mod text;
mod wanted;

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use machado_core::interpret::experiment::{
    Bar, ConceptStage, ConceptsConfig, ConceptsLab, ConceptsReport, Wanted, concept_bars, concepts,
};
use machado_core::interpret::{Reading, SaeConfig, TokenText, WordCounts};
use machado_core::math::threads::Compute;
use machado_core::model::Site;
use machado_core::tokenizer::{TokenizerKind, UnknownPolicy};
use machado_interop::saelens;
use serde_json::{Value, json};

use self::wanted::Found;
use crate::cli::{ConceptsArgs, ProgressStyle as TrainProgress, TrainArgs, VocabularyArgs};
use crate::cmd::train;
use crate::known_text::KnownText;
use crate::models::{self, LoadedModel};
use crate::number::{duration, grouped};
use crate::sae_folder::{self, LoadedSae};
use crate::say::say;
use crate::{files, run_folder};

/// The folder of the run, and the report that is there last.
const RUN: &str = "run";
const REPORT: &str = "report.json";

/// Steps of a small model of words: a few passes over a text of some hundred thousand words, before
/// it is known by heart.
const STEPS: u64 = 1500;

/// States that the autoencoder learns from.
const POSITIONS: u64 = 2_000_000;

/// Tokens of the part that chooses, and of the part that judges: enough for words that come once in
/// ten thousand.
const STUDIED: usize = 1 << 19;
const JUDGED: usize = 1 << 17;

/// Beginnings of texts to choose by, and as many to report.
const PROMPTS: usize = 6;

/// All that is told.
struct Report<'a> {
    args: &'a ConceptsArgs,
    config: &'a ConceptsConfig,
    model: &'a LoadedModel,
    sae: &'a LoadedSae,
    wanted: &'a [Found],
    prompts: [&'a [String]; 2],
    figures: &'a ConceptsReport,
    bars: Vec<Bar>,
    elapsed: Duration,
    threads: usize,
}

pub(super) fn run(args: &ConceptsArgs) -> Result<()> {
    let (began, compute) = (Instant::now(), crate::cmd::compute(&args.compute)?);
    if args.run.is_none() {
        wanted::check(args)?;
    }
    if args.out.join(REPORT).exists() {
        bail!(
            "the folder {} already holds a report\nhint: choose another --out",
            args.out.display()
        );
    }
    let run = match &args.run {
        Some(run) => run.clone(),
        None => trained(args)?,
    };
    let loaded = models::load_path(Some(&run), None)?;
    let texts: &[PathBuf] = if args.run.is_some() { &args.text } else { &[] };
    let text = KnownText::read(&loaded, texts, UnknownPolicy::Skip)?;
    let [study, held_out] = text.parts_or_shares(&loaded);
    let whole = TokenText::new(&loaded.file.model.tokenizer, &text.ids, 0..text.ids.len());
    let vocabulary = WordCounts::of(whole.text());
    let parts = [first(&study, STUDIED), first(&held_out, JUDGED)];
    let found = wanted::wanted(args, &whole, &vocabulary, parts)?;
    let sae = autoencoder(args, &run, &loaded, &compute, &text, [&study, &held_out])?;
    let site = Site::new(&loaded.file.model.config, &sae.facts.site)?;
    let reading =
        Reading { model: &loaded.file.model, compute: &compute, site: &site, ids: &text.ids };
    let prompts = prompts(&loaded, &text, held_out.clone(), &found)?;
    let per_token = whole.text().chars().count() as f64 / text.ids.len() as f64;
    let config = config(args, per_token);
    let lab = ConceptsLab {
        reading,
        sae: &sae.sae,
        max_activations: &sae.facts.max_activations,
        vocabulary: &vocabulary,
        prompts: [&prompts[0], &prompts[1]],
        natural: &held_out,
    };
    let (wanted, found): (Vec<Wanted>, Vec<Found>) =
        found.into_iter().map(|found| (found.to_measure(), found)).unzip();
    let mut progress = Progress::new(&found);
    let figures = concepts(lab, &config, &wanted, &mut |stage| progress.show(stage))?;
    progress.bar.finish_and_clear();
    let report = Report {
        args,
        config: &config,
        model: &loaded,
        sae: &sae,
        wanted: &found,
        prompts: [&prompts[0], &prompts[1]],
        bars: concept_bars(&figures),
        figures: &figures,
        elapsed: began.elapsed(),
        threads: compute.threads(),
    };
    write(&report, &run)
}

fn first(range: &Range<usize>, most: usize) -> Range<usize> {
    range.start..range.end.min(range.start + most)
}

fn config(args: &ConceptsArgs, characters_per_token: f64) -> ConceptsConfig {
    let seed = args.experiment_seed;
    if args.tiny {
        return ConceptsConfig::tiny(seed, characters_per_token);
    }
    ConceptsConfig {
        samples: args.samples,
        controls: args.random_features,
        ..ConceptsConfig::new(seed, characters_per_token)
    }
}

/// A model of words, trained on the text.
fn trained(args: &ConceptsArgs) -> Result<PathBuf> {
    let folder = args.out.join(RUN);
    if folder.join(run_folder::CONFIG).exists() {
        bail!(
            "the folder {} already holds a run\n\
             hint: choose another --out, or go on with that run: `machado experiment concepts {}`",
            folder.display(),
            folder.display()
        );
    }
    let mut settings = args.settings.clone();
    // A state after a letter is mostly about letters; one after a word can be about what is said.
    if settings.config.is_none() && settings.tokenizer.is_none() {
        settings.tokenizer = Some(TokenizerKind::Word);
    }
    let mut length = args.length.clone();
    let is_given = length.epochs.is_some() || length.steps.is_some() || length.minutes.is_some();
    if args.tiny {
        length.steps = Some(2);
    } else if !is_given && settings.preset.is_none() && settings.config.is_none() {
        length.steps = Some(STEPS);
    }
    let train_args = TrainArgs {
        texts: args.text.clone(),
        out: Some(folder.clone()),
        resume: None,
        from: None,
        tensorboard: None,
        vocabulary: VocabularyArgs::default(),
        settings,
        length,
        progress: TrainProgress::None,
        log_every: 20,
        compute: args.compute.clone(),
    };
    let bar = bar("training the model");
    let began = Instant::now();
    let is_over = train::silently(&train_args, &mut |trainer| {
        let (config, progress) = (trainer.config(), trainer.progress());
        let all = match (config.training.minutes, config.training.steps) {
            (Some(minutes), _) => began.elapsed().as_secs_f64() / (60.0 * minutes),
            (None, Some(steps)) => progress.step as f64 / steps as f64,
            (None, None) => 0.0,
        };
        bar.set_position((1000.0 * all) as u64);
        if let Some(best) = progress.best {
            bar.set_message(format!("training the model, validation loss {:.3}", best.loss));
        }
    })?;
    bar.finish_and_clear();
    if !is_over {
        bail!(
            "stopped; the run in {} is whole\nhint: go on with `machado train --resume {}`, then \
             `machado experiment concepts {}`",
            folder.display(),
            folder.display(),
            folder.display()
        );
    }
    say(&format!("model       {}, after {}", folder.display(), duration(began.elapsed())));
    Ok(folder)
}

/// The autoencoder of the run, trained if there is none yet.
fn autoencoder(
    args: &ConceptsArgs,
    run: &Path,
    loaded: &LoadedModel,
    compute: &Compute,
    text: &KnownText,
    [study, held_out]: [&Range<usize>; 2],
) -> Result<LoadedSae> {
    let (folder, model) = (sae_folder::beside(Some(run)), &loaded.file.model);
    if folder.join(saelens::CONFIG).exists() {
        return sae_folder::read(&folder, model);
    }
    let Some(site) = Site::last_state(&model.config) else {
        bail!("the model has no GRU\nhint: train an autoencoder with `machado sae train --layer`");
    };
    let positions = if args.tiny { 20_000 } else { POSITIONS };
    let config = SaeConfig::fitting(site.dim, positions, args.experiment_seed);
    let reading = Reading { model, compute, site: &site, ids: &text.ids };
    let (bar, began) = (bar("training the autoencoder"), Instant::now());
    let sae = reading.train_sae(config.clone(), study.clone(), held_out.clone(), |step| {
        bar.set_position(1000 * step.step / config.steps);
        true
    })?;
    bar.finish_and_clear();
    let measures =
        [reading.measure(&sae, held_out.clone())?, reading.measure(&sae, 0..text.ids.len())?];
    let facts = sae_folder::facts(model, &site, &config, [&measures[0], &measures[1]]);
    sae_folder::write(&folder, &sae, &facts)?;
    say(&format!(
        "autoencoder {} ({} features, explained variance {:.3}), after {}",
        folder.display(),
        grouped(config.d_sae as u64),
        facts.explained_variance,
        duration(began.elapsed())
    ));
    sae_folder::read(&folder, model)
}

/// Pieces of the held-out text that end before a word and have nothing of any concept, in turn to
/// choose by and to report.
fn prompts(
    loaded: &LoadedModel,
    text: &KnownText,
    held_out: Range<usize>,
    found: &[Found],
) -> Result<[Vec<String>; 2]> {
    let held_out = TokenText::new(&loaded.file.model.tokenizer, &text.ids, held_out);
    let is_free = |piece: &String| found.iter().all(|found| found.count(piece) == 0);
    // Where concepts are frequent, few pieces are free of them.
    let looked_at = [4, 16, 64].map(|times| times * PROMPTS);
    let free = |count: usize| -> Vec<String> {
        crate::prompt::pieces(held_out.text(), count).into_iter().filter(is_free).collect()
    };
    let mut all = looked_at.into_iter().map(free);
    let enough = |free: &Vec<String>| free.len() >= 2 * PROMPTS;
    let mut free = all.next().unwrap_or_default();
    while !enough(&free) {
        let Some(more) = all.next() else { break };
        free = more;
    }
    free.truncate(2 * PROMPTS);
    let every_second =
        |from: usize| -> Vec<String> { free.iter().skip(from).step_by(2).cloned().collect() };
    let prompts = [every_second(0), every_second(1)];
    if prompts.iter().any(Vec::is_empty) {
        bail!(
            "the held-out part of the text has too few pieces without any of the concepts to begin \
             texts with\nhint: give a longer text, a larger held-out part (--split), or fewer words"
        );
    }
    Ok(prompts)
}

fn bar(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {percent}%, {elapsed}  {msg}");
    let bar = ProgressBar::new(1000).with_style(style.expect("a fixed template"));
    // Where there is no terminal to draw on.
    if bar.is_hidden() {
        say(what);
    }
    bar.with_message(what.to_owned())
}

/// What is seen of the experiment itself.
struct Progress {
    bar: ProgressBar,
    names: Vec<String>,
}

impl Progress {
    fn new(found: &[Found]) -> Self {
        let names = found.iter().map(|found| found.name.clone()).collect();
        Self { bar: bar("looking for concepts"), names }
    }

    fn show(&mut self, stage: ConceptStage) {
        let all = 2 * self.names.len() + 2;
        let (done, what) = match stage {
            ConceptStage::Finding => (0, "looking for features".into()),
            ConceptStage::Choosing(i) => (2 * i + 1, format!("choosing for {}", self.names[i])),
            ConceptStage::Comparing(i) => (2 * i + 2, format!("comparing for {}", self.names[i])),
            ConceptStage::Crossing => (all - 1, "each feature on each concept".into()),
        };
        self.bar.set_position((1000 * done / all) as u64);
        self.bar.set_message(what);
    }
}

fn write(report: &Report<'_>, run: &Path) -> Result<()> {
    let (folder, as_json) = (&report.args.out, as_json(report));
    files::create_folder(folder)?;
    let as_text = text::report(report);
    files::write(&folder.join("report.txt"), as_text.as_bytes())?;
    files::write(&folder.join("report.html"), html::report(report).as_bytes())?;
    files::write(&folder.join(REPORT), format!("{as_json:#}\n").as_bytes())?;
    let mut out = std::io::stdout().lock();
    if report.args.json {
        writeln!(out, "{as_json}")?;
    } else {
        write!(out, "{as_text}")?;
        say(&format!(
            "saved       {} (report.txt, report.html, report.json); the model is in {}",
            folder.display(),
            run.display()
        ));
    }
    Ok(())
}

fn as_json(report: &Report<'_>) -> Value {
    let missed = report.bars.iter().filter(|bar| !bar.reached).map(|bar| &bar.name);
    let words = report.wanted.iter().map(|found| {
        let of = |words: &[(String, u64)]| -> Vec<Value> {
            words.iter().map(|(word, n)| json!({ "word": word, "count": n })).collect()
        };
        json!({ "name": found.name, "chosen_by": of(&found.chosen()), "held_out": of(&found.held_out()) })
    });
    json!({
        "experiment": "concepts",
        "tool_version": env!("CARGO_PKG_VERSION"),
        "tiny": report.args.tiny,
        "model": report.model.name,
        "autoencoder": {
            "site": report.sae.facts.site,
            "d_sae": report.sae.sae.d_sae(),
            "l0": report.sae.facts.l0,
            "explained_variance": report.sae.facts.explained_variance,
        },
        "missed": missed.collect::<Vec<_>>(),
        "bars": report.bars,
        "elapsed_seconds": report.elapsed.as_secs_f64(),
        "threads": report.threads,
        "settings": report.config,
        "words": words.collect::<Vec<_>>(),
        "prompts": { "to_choose": report.prompts[0], "to_report": report.prompts[1] },
        "concepts": report.figures.concepts,
        "scores": report.figures.scores,
        "rates": report.figures.rates,
    })
}
