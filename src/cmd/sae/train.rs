//! `machado sae train`: from the states of a model to features.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use machado_core::interpret::{Architecture, Reading, SaeConfig, SaeMeasure, SaeStep};
use machado_core::model::{Model, Site};
use machado_core::tokenizer::UnknownPolicy;
use machado_interop::saelens::SaeFacts;
use serde_json::{Value, json};

use crate::cli::{ArchitectureArg, SaeTrainArgs};
use crate::known_text::KnownText;
use crate::number::{duration, grouped};
use crate::run_folder;
use crate::sae_folder;
use crate::say::say;
use crate::{files, interrupt, models};

/// Steps from one entry of the log to the next.
const LOG_EVERY: u64 = 50;

pub(super) fn run(args: &SaeTrainArgs) -> Result<()> {
    let loaded = models::load_path(args.inside.run.as_deref(), None)?;
    let compute = crate::cmd::compute(&args.compute)?;
    let model = &loaded.file.model;
    let site = site(model, args.layer.as_deref())?;
    let text = KnownText::read(&loaded, &args.inside.text, UnknownPolicy::Skip)?;
    let [study, held_out] = text.parts_or_shares(&loaded);
    let config = config(args, site.dim);
    config.check()?;
    let folder = args.out.clone().unwrap_or_else(|| sae_folder::beside(args.inside.run.as_deref()));
    sae_folder::refuse_to_replace(&folder)?;
    // Whoever cannot be written to should not cost minutes.
    files::create_folder(&folder)?;
    let reading = Reading { model, compute: &compute, site: &site, ids: &text.ids };
    say(&format!(
        "model       {}\nsite        {} ({} values), {} tokens to learn from, {} held out\n\
         features    {}, {} a state on average ({}), prefixes {:?}\n\
         saved to    {}",
        loaded.name,
        site.name,
        site.dim,
        grouped(study.len() as u64),
        grouped(held_out.len() as u64),
        grouped(config.d_sae as u64),
        config.k,
        config.architecture.name(),
        config.prefixes,
        Path::new(".").join(&folder).display(),
    ));
    interrupt::listen();
    let began = Instant::now();
    let mut progress = Progress::new(config.steps, config.batch_size);
    let sae = reading.train_sae(config.clone(), study, held_out.clone(), |step| {
        progress.show(step, began.elapsed());
        !interrupt::asked()
    })?;
    progress.bar.finish_and_clear();
    let trained = began.elapsed();
    if interrupt::asked() {
        say(&format!(
            "stopped after {} of {} steps",
            grouped(progress.steps),
            grouped(config.steps)
        ));
    }
    let held_out_measure = reading.measure(&sae, held_out.clone())?;
    let whole = reading.measure(&sae, 0..text.ids.len())?;
    let facts = sae_folder::facts(model, &site, &config, [&held_out_measure, &whole]);
    let facts = SaeFacts { steps: progress.steps, ..facts };
    sae_folder::write(&folder, &sae, &facts)?;
    sae_folder::write_example(&folder, &reading, &sae, held_out)?;
    if held_out_measure.explained_variance < 0.0 {
        say("warning: it describes states worse than their mean does; give it more --positions");
    }
    let report = Report { held_out: &held_out_measure, whole: &whole, trained };
    let done = report.as_json(&facts);
    progress.log.push(done.clone());
    let lines: String = progress.log.iter().map(|event| format!("{event}\n")).collect();
    files::write(&folder.join(run_folder::METRICS), lines.as_bytes())?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{done}")?;
    } else {
        write!(out, "{}", report.as_text(&facts, config.d_sae))?;
        say(&format!("saved       {}", folder.display()));
    }
    Ok(())
}

/// The layer of this name, or the last GRU.
pub(super) fn site(model: &Model, layer: Option<&str>) -> Result<Site> {
    match layer {
        Some(name) => Ok(Site::new(&model.config, name)?),
        None => match Site::last_state(&model.config) {
            Some(site) => Ok(site),
            None => bail!("the model has no GRU\nhint: name a layer with --layer"),
        },
    }
}

/// The settings, with the defaults for states of this size.
fn config(args: &SaeTrainArgs, d_in: usize) -> SaeConfig {
    let fitting = SaeConfig::fitting(d_in, args.positions, args.seed);
    let d_sae = args.features.unwrap_or(fitting.d_sae);
    let prefixes =
        if args.prefixes.is_empty() { SaeConfig::nested(d_sae) } else { args.prefixes.clone() };
    SaeConfig {
        architecture: match args.architecture {
            ArchitectureArg::Batchtopk => Architecture::BatchTopK,
            ArchitectureArg::Topk => Architecture::TopK,
            ArchitectureArg::L1 => Architecture::L1 { coefficient: args.l1_coefficient as f32 },
        },
        d_sae,
        k: args.k.unwrap_or(fitting.k.min(d_sae)),
        prefixes,
        batch_size: args.batch_size,
        steps: args.positions.div_ceil(args.batch_size as u64),
        learning_rate: args.learning_rate,
        seed: args.seed,
    }
}

/// What is seen of a training, and its log.
struct Progress {
    bar: ProgressBar,
    log: Vec<Value>,
    steps: u64,
    batch_size: usize,
}

impl Progress {
    fn new(steps: u64, batch_size: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {percent}%, {eta} left  {msg}");
        let bar = ProgressBar::new(steps).with_style(style.expect("a fixed template"));
        Self { bar, log: Vec::new(), steps: 0, batch_size }
    }

    fn show(&mut self, step: &SaeStep, elapsed: Duration) {
        self.steps = step.step;
        self.bar.set_position(step.step);
        if step.step.is_multiple_of(LOG_EVERY) {
            let positions = step.step * self.batch_size as u64;
            let speed = positions as f64 / elapsed.as_secs_f64();
            self.bar.set_message(format!(
                "explained {:.3}, {:.1} features a state, {} dead, {} states/s",
                step.explained_variance,
                step.l0,
                step.dead,
                grouped(speed as u64)
            ));
            self.log.push(json!({
                "event": "step",
                "step": step.step,
                "elapsed_seconds": elapsed.as_secs_f64(),
                "loss": step.loss,
                "explained_variance": step.explained_variance,
                "l0": step.l0,
                "dead": step.dead,
                "positions_per_second": speed,
            }));
        }
    }
}

/// What is told at the end.
struct Report<'a> {
    held_out: &'a SaeMeasure,
    whole: &'a SaeMeasure,
    trained: Duration,
}

impl Report<'_> {
    fn as_json(&self, facts: &SaeFacts) -> Value {
        let d_sae = facts.max_activations.len();
        json!({
            "event": "done",
            "step": facts.steps,
            "elapsed_seconds": self.trained.as_secs_f64(),
            "positions_per_second": self.speed(facts),
            "site": facts.site,
            "d_in": self.whole.moments.mean.len(),
            "d_sae": d_sae,
            "k": facts.k,
            "architecture": facts.architecture,
            "explained_variance": self.held_out.explained_variance,
            "l0": self.held_out.l0,
            "l1": self.held_out.l1,
            "length_ratio": self.held_out.length_ratio,
            "dead": self.whole.dead() as f64 / d_sae as f64,
            "dense": self.whole.dense() as f64 / d_sae as f64,
            "mean_to_deviation": self.whole.moments.mean_to_deviation(),
            "positions": self.whole.positions(),
        })
    }

    fn as_text(&self, facts: &SaeFacts, d_sae: usize) -> String {
        let share = |count: usize| 100.0 * count as f64 / d_sae as f64;
        format!(
            "explained variance  {:.4} of states that were not learnt from\n\
             features a state    {:.2}\n\
             length ratio        {:.3} (1: nothing shrunk)\n\
             dead                {} features ({:.1}%) never active on {} tokens\n\
             dense               {} features ({:.1}%) active on more than a tenth of them\n\
             mean / deviation    {:.2}\n\
             time                {}, {} states a second\n",
            self.held_out.explained_variance,
            self.held_out.l0,
            self.held_out.length_ratio,
            self.whole.dead(),
            share(self.whole.dead()),
            grouped(self.whole.positions()),
            self.whole.dense(),
            share(self.whole.dense()),
            self.whole.moments.mean_to_deviation(),
            duration(self.trained),
            grouped(self.speed(facts) as u64),
        )
    }

    fn speed(&self, facts: &SaeFacts) -> f64 {
        (facts.steps * facts.batch_size as u64) as f64 / self.trained.as_secs_f64()
    }
}
