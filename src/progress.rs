//! What a training shows: a bar on a terminal, lines of text or of JSON elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};
use machado_core::data::Part;
use machado_core::math::softmax::LossSum;
use machado_core::math::threads::Compute;
use machado_core::model::LayerConfig;
use machado_core::run::{Evaluation, RunConfig};
use machado_core::tokenizer::{Rare, TokenizerKind};
use machado_core::train::{CheckpointKind, Event, Sample, Step, Trainer, TrainingText};
use serde_json::{Value, json};

use crate::cli::ProgressStyle;
use crate::number::{bytes, counted, counts, duration, grouped};
use crate::run_folder::RunFolder;
use crate::say::say;
use crate::texts::Texts;
use crate::visible;

/// How often plain lines come while nothing else happens.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Shows events, and turns them into entries of the log.
pub struct Reporter {
    style: Style,
    log_every: u64,
    /// The steps since the last entry of the log.
    since_log: Steps,
    /// The steps since the last plain line.
    since_line: Steps,
    last_line: Instant,
    total_steps: Option<u64>,
    minutes: Option<f64>,
    /// The step and epoch that events belong to.
    step: u64,
    epoch: u64,
    /// An evaluation that is not shown yet: at the end of an epoch both come in one line.
    evaluation: Option<Evaluation>,
}

enum Style {
    Bar(ProgressBar),
    Plain,
    Json,
    None,
}

/// Some steps taken together.
#[derive(Default)]
struct Steps {
    training: LossSum,
    steps: u64,
    tokens: u64,
    time: Duration,
    last: Option<Step>,
}

impl Steps {
    fn add(&mut self, step: &Step, time: Duration) {
        self.training.add(step.training);
        self.steps += 1;
        self.tokens += step.tokens;
        self.time += time;
        self.last = Some(*step);
    }

    fn ms_per_step(&self) -> f64 {
        self.time.as_secs_f64() * 1e3 / self.steps as f64
    }

    fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.time.as_secs_f64()
    }
}

impl Reporter {
    /// A reporter in this style that logs every `log_every` steps.
    pub fn new(style: ProgressStyle, log_every: u64) -> Self {
        let style = match style {
            ProgressStyle::Auto if std::io::stderr().is_terminal() => {
                let bar =
                    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
                Style::Bar(bar)
            }
            ProgressStyle::Auto | ProgressStyle::Plain => Style::Plain,
            ProgressStyle::Json => Style::Json,
            ProgressStyle::None => Style::None,
        };
        Self {
            style,
            log_every,
            since_log: Steps::default(),
            since_line: Steps::default(),
            last_line: Instant::now(),
            total_steps: None,
            minutes: None,
            step: 0,
            epoch: 1,
            evaluation: None,
        }
    }

    /// Whether nothing for people should be printed, during the run and after it.
    pub fn is_silent(&self) -> bool {
        matches!(self.style, Style::Json | Style::None)
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
    }

    /// Shows a line of text.
    pub fn note(&self, line: &str) {
        match &self.style {
            // A bar that has ended, or waits for its length, prints nothing by itself.
            Style::Bar(bar) => bar.suspend(|| say(line)),
            Style::Plain => say(line),
            Style::Json | Style::None => {}
        }
    }

    /// Shows what was read.
    pub fn text(
        &mut self,
        texts: &Texts,
        text: &TrainingText,
        config: &RunConfig,
        compute: &Compute,
    ) {
        let corpus = &text.corpus;
        let part = |part: Part| grouped(corpus.range(part).len() as u64).to_string();
        let (threads, unit) = (compute.threads(), compute.unit().name());
        let plural = if threads == 1 { "" } else { "s" };
        self.note(&format!("device      CPU, {threads} thread{plural}, {unit}"));
        self.note(&format!(
            "text        {}: {} characters, {} tokens",
            texts.describe(),
            grouped(text.characters),
            grouped(corpus.ids().len() as u64)
        ));
        self.note(&format!(
            "vocabulary  {} tokens, standardize {}{}",
            grouped(text.tokenizer.vocabulary_size() as u64),
            config.text.standardize.name(),
            match text.tokenizer.kind() {
                TokenizerKind::Char => "",
                TokenizerKind::Word => ", words",
                TokenizerKind::Bpe => ", parts of words",
            }
        ));
        self.note(&format!(
            "split       {} to train, {} to validate, {} to test",
            part(Part::Train),
            part(Part::Validation),
            part(Part::Test)
        ));
    }

    /// Shows which words are no tokens.
    pub fn spelled(&self, rare: &Rare) {
        let spelled = &rare.spelled;
        if !spelled.is_empty() {
            self.note(&format!(
                "spelled     {} by characters: {}",
                counted(spelled.len(), "rarer word", "rarer words"),
                counts(spelled)
            ));
        }
    }

    /// Shows what the run will be, and starts the bar.
    pub fn run(&mut self, trainer: &Trainer, folder: &RunFolder) {
        let config = trainer.config();
        let data = &config.data;
        self.note(&format!(
            "batches     {} an epoch, {} × {} tokens each",
            grouped(trainer.batches_per_epoch()),
            data.batch_size,
            data.window
        ));
        let layers: Vec<String> = config.model.layers.iter().map(short).collect();
        let parameters = grouped(trainer.model().weights.len() as u64);
        self.note(&format!("model       {}: {parameters} parameters", layers.join(" → ")));
        self.note(&format!("memory      about {}", bytes(trainer.planned_bytes())));
        self.note(&format!("run         {}", folder.path().display()));
        let step = trainer.progress().step;
        (self.step, self.epoch) = (step, trainer.progress().epoch + 1);
        if step > 0 {
            self.note(&format!("resumed     after step {}", grouped(step)));
        }
        self.total_steps = trainer.total_steps();
        self.minutes = config.training.minutes;
        if let Style::Bar(bar) = &self.style {
            bar.set_length(self.total_steps.unwrap_or(0));
            bar.set_position(step);
            bar.reset_eta();
            let style = indicatif::ProgressStyle::with_template("{bar:16.cyan/blue} {wide_msg}")
                .expect("a fixed template");
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        if let Style::Json = self.style {
            print_json(&json!({
                "event": "start",
                "step": step,
                "run": folder.path(),
                "total_steps": self.total_steps,
                "batches_per_epoch": trainer.batches_per_epoch(),
                "parameters": trainer.model().weights.len(),
                "vocabulary_size": trainer.model().tokenizer.vocabulary_size(),
                "characters": trainer.facts().characters,
                "tokens": trainer.facts().tokens,
                "planned_bytes": trainer.planned_bytes(),
            }));
        }
    }

    /// Shows an event that took `time`, `seconds` after the start; returns the entries for the log.
    pub fn event(&mut self, event: &Event, time: Duration, seconds: f64) -> Vec<Value> {
        let mut entries = Vec::new();
        match event {
            Event::Step(step) => {
                (self.step, self.epoch) = (step.step, step.epoch);
                self.since_log.add(step, time);
                self.since_line.add(step, time);
                if step.step.is_multiple_of(self.log_every) {
                    entries.extend(self.log_entry(seconds));
                }
                self.show_step(seconds);
            }
            Event::Evaluating { done, total } => self.show_evaluating(*done, *total),
            // Steps come into the log before what follows from them.
            _ => entries.extend(self.log_entry(seconds)),
        }
        match event {
            Event::Step(_) | Event::Evaluating { .. } => {}
            Event::Sample(sample) => {
                self.note(&visible::on(&std::io::stderr(), &show_sample(sample)));
                let fields = json!({
                    "temperature": sample.temperature,
                    "prompt": sample.prompt,
                    "text": sample.text,
                });
                entries.push(self.entry("sample", seconds, fields));
            }
            Event::Evaluated(evaluation) => {
                self.evaluation = Some(*evaluation);
                let fields = json!({
                    "val_loss": evaluation.loss,
                    "val_accuracy": evaluation.accuracy,
                    "bits_per_character": evaluation.bits_per_character,
                    "best": evaluation.is_best,
                });
                entries.push(self.entry("evaluated", seconds, fields));
            }
            Event::Epoch { epoch, training, validation } => {
                let (loss, accuracy) = (training.loss(), training.accuracy());
                let validation_line = self.evaluation.take().map(|e| show_evaluation(&e));
                self.note(&format!(
                    "epoch {epoch}, step {}: loss {loss:.4}, accuracy {accuracy:.4}{}",
                    grouped(self.step),
                    validation_line.map_or_else(String::new, |line| format!("; {line}"))
                ));
                let fields = json!({
                    "loss": loss,
                    "accuracy": accuracy,
                    "val_loss": validation.map(|v| v.loss),
                    "val_accuracy": validation.map(|v| v.accuracy),
                });
                entries.push(self.entry("epoch", seconds, fields));
            }
            Event::Checkpoint(kind) => {
                let kind = match kind {
                    CheckpointKind::Best => "best",
                    CheckpointKind::Last => "last",
                };
                if kind == "last"
                    && let Some(evaluation) = self.evaluation.take()
                {
                    let line = show_evaluation(&evaluation);
                    self.note(&format!("step {}: {line}", grouped(self.step)));
                }
                entries.push(self.entry("checkpoint", seconds, json!({ "kind": kind })));
            }
            Event::Done(reason) => {
                self.clear();
                entries.push(self.entry("done", seconds, json!({ "reason": reason.name() })));
            }
        }
        if let Style::Json = self.style {
            entries.iter().for_each(print_json);
        }
        entries
    }

    /// An entry of the log: what all events have, and then the event's own fields.
    fn entry(&self, event: &str, seconds: f64, fields: Value) -> Value {
        let mut entry = json!({
            "event": event,
            "step": self.step,
            "epoch": self.epoch,
            "elapsed_seconds": seconds,
        });
        if let (Value::Object(entry), Value::Object(fields)) = (&mut entry, fields) {
            entry.extend(fields);
        }
        entry
    }

    /// The entry for steps that are not in the log yet.
    pub fn flush(&mut self, seconds: f64) -> Option<Value> {
        let entry = self.log_entry(seconds);
        if let (Style::Json, Some(entry)) = (&self.style, &entry) {
            print_json(entry);
        }
        entry
    }

    fn log_entry(&mut self, seconds: f64) -> Option<Value> {
        let steps = std::mem::take(&mut self.since_log);
        let last = steps.last?;
        let fields = json!({
            "loss": steps.training.loss(),
            "accuracy": steps.training.accuracy(),
            "learning_rate": last.learning_rate,
            "gradient_norm": last.gradient_norm,
            "ms_per_step": steps.ms_per_step(),
            "tokens_per_second": steps.tokens_per_second(),
        });
        Some(self.entry("step", seconds, fields))
    }

    fn show_step(&mut self, seconds: f64) {
        let due = match self.style {
            Style::Bar(_) => Duration::from_millis(100),
            Style::Plain => PLAIN_EVERY,
            Style::Json | Style::None => return,
        };
        if self.last_line.elapsed() < due && self.since_line.last.is_some_and(|s| s.step > 1) {
            return;
        }
        self.last_line = Instant::now();
        let steps = std::mem::take(&mut self.since_line);
        let Some(last) = steps.last else { return };
        let of_total = self.total_steps.map_or_else(String::new, |n| format!("/{}", grouped(n)));
        let line = format!(
            "step {}{of_total}  epoch {}  loss {:.4}  acc {:.4}  {:.1} ms/step  {} tokens/s  {}",
            grouped(last.step),
            last.epoch,
            steps.training.loss(),
            steps.training.accuracy(),
            steps.ms_per_step(),
            grouped(steps.tokens_per_second() as u64),
            self.time_left(&last, &steps, seconds),
        );
        match &self.style {
            Style::Bar(bar) => {
                if self.total_steps.is_none()
                    && let Some(minutes) = self.minutes
                {
                    bar.set_length((minutes * 60.0) as u64);
                    bar.set_position(seconds as u64);
                } else {
                    bar.set_position(last.step);
                }
                bar.set_message(line);
            }
            _ => say(line.trim_end()),
        }
    }

    fn time_left(&self, last: &Step, steps: &Steps, seconds: f64) -> String {
        let by_steps = self
            .total_steps
            .map(|total| total.saturating_sub(last.step) as f64 * steps.ms_per_step() / 1e3);
        let by_time = self.minutes.map(|minutes| (minutes * 60.0 - seconds).max(0.0));
        let left = by_steps.into_iter().chain(by_time).reduce(f64::min);
        left.map_or_else(String::new, |left| {
            let left = Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX);
            format!("{} left", duration(left))
        })
    }

    fn show_evaluating(&self, done: u64, total: u64) {
        if let Style::Bar(bar) = &self.style {
            bar.set_message(format!("evaluating: {} of {} windows", grouped(done), grouped(total)));
            bar.tick();
        }
    }
}

fn print_json(entry: &Value) {
    let mut out = std::io::stdout();
    // Whoever reads may have gone; the run goes on.
    let _ = writeln!(out, "{}", visible::json_on(&out, entry));
}

/// A layer in one word and its size.
fn short(layer: &LayerConfig) -> String {
    match layer {
        LayerConfig::Embedding { output_dim } => format!("embedding {output_dim}"),
        LayerConfig::Conv1d { filters, kernel_size, .. } => {
            format!("conv1d {filters} (width {kernel_size})")
        }
        LayerConfig::Gru { units, .. } => format!("gru {units}"),
        LayerConfig::Dropout { rate, .. } => format!("dropout {rate}"),
        LayerConfig::Add { layer } => format!("+ {layer}"),
        LayerConfig::Dense { units: Some(units), .. } => format!("dense {units}"),
        LayerConfig::Dense { units: None, .. } => "dense".into(),
    }
}

fn show_sample(sample: &Sample) -> String {
    format!(
        "-- step {}, temperature {} --\n{}{}\n--",
        grouped(sample.step),
        sample.temperature,
        sample.prompt,
        sample.text
    )
}

fn show_evaluation(evaluation: &Evaluation) -> String {
    format!(
        "validation loss {:.4}, accuracy {:.4}, {:.3} bits per character{}",
        evaluation.loss,
        evaluation.accuracy,
        evaluation.bits_per_character,
        if evaluation.is_best { " (best)" } else { "" }
    )
}
