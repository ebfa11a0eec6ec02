//! `machado train`: from a text to the folder of a run.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use machado_core::checkpoint;
use machado_core::data::Part;
use machado_core::math::threads::Compute;
use machado_core::run::RunConfig;
use machado_core::tokenizer::Tokenizer;
use machado_core::train::{CheckpointKind, DoneReason, Event, Trainer, TrainingText};

use crate::beginning::Beginning;
use crate::cli::TrainArgs;
use crate::progress::Reporter;
use crate::run_folder::{self, Log, RunFolder};
use crate::say::say;
use crate::tensorboard::{self, EventFiles};
use crate::texts::{self, Texts};
use crate::{curves, files, interrupt, number, presets, prompt, shell};

/// How often the run is saved at least, so that a power cut costs little.
const SAVE_EVERY: Duration = Duration::from_secs(60);

pub(super) fn run(args: &TrainArgs) -> Result<()> {
    let mut run = match &args.resume {
        Some(path) => Run::resume(args, RunFolder::open(path)?)?,
        None => Run::begin(args)?,
    };
    interrupt::listen();
    let outcome = run.train(&mut |_| ());
    if outcome.is_err() && run.trainer.progress().step > 0 {
        run.reporter.clear();
        say(&format!(
            "note: {} holds the run as it was last saved",
            run.folder.file(run_folder::LAST).display()
        ));
    }
    let ending = outcome?;
    for file in curves::write(&run.folder)? {
        run.reporter.note(&format!("curve       {}", file.display()));
    }
    run.say_what_next(ending)
}

/// Trains without a word and says whether the run is over, or was interrupted; `watch` sees how far
/// it is after each event.
pub(super) fn silently(args: &TrainArgs, watch: &mut dyn FnMut(&Trainer)) -> Result<bool> {
    let mut run = Run::begin(args)?;
    interrupt::listen();
    let ending = run.train(watch)?;
    curves::write(&run.folder)?;
    Ok(ending != Ending::Interrupted)
}

/// How a training ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Done(DoneReason),
    Interrupted,
}

/// A training with its folder, its log and what the user sees of it.
struct Run {
    trainer: Trainer,
    folder: RunFolder,
    log: Log,
    board: Option<EventFiles>,
    reporter: Reporter,
    began: Instant,
    saved: Instant,
}

/// What a new run and one that goes on both need.
struct Prepared {
    texts: Texts,
    text: TrainingText,
    compute: Compute,
    reporter: Reporter,
}

impl Prepared {
    /// Reads the texts that are given, or else those that the config names; leaves their names in
    /// the config.
    ///
    /// A run that goes on, or begins with a model, has its `tokenizer` already.
    fn new(
        args: &TrainArgs,
        config: &mut RunConfig,
        tokenizer: Option<&Tokenizer>,
    ) -> Result<Self> {
        config.check()?;
        let texts = if args.texts.is_empty() {
            Texts::reopen(&config.text.files)?
        } else {
            Texts::open(&args.texts)?
        };
        config.text.files = texts.names();
        let compute = super::compute(&args.compute)?;
        let (text, rare) = texts::read_for_training(&texts, config, tokenizer)?;
        let mut reporter = Reporter::new(args.progress, args.log_every);
        reporter.text(&texts, &text, config, &compute);
        reporter.spelled(&rare);
        Ok(Self { texts, text, compute, reporter })
    }
}

impl Run {
    fn begin(args: &TrainArgs) -> Result<Self> {
        let mut config = presets::resolve(&args.settings, &args.length)?;
        let vocabulary = args.vocabulary.vocabulary.as_deref();
        let read = |path: &PathBuf| Beginning::read(path, vocabulary);
        let mut beginning = args.from.as_ref().map(read).transpose()?;
        if let Some(beginning) = &mut beginning {
            beginning.apply(&mut config, &args.settings);
        } else if vocabulary.is_some() {
            say("warning: --vocabulary has no effect: it is for the model that --from names");
        }
        for (flag, why) in presets::idle_flags(&args.settings, &args.length, &config) {
            say(&format!("warning: {flag} has no effect: {why}"));
        }
        let tokenizer = beginning.as_ref().map(|beginning| &beginning.model.tokenizer);
        let Prepared { texts, text, compute, reporter } =
            Prepared::new(args, &mut config, tokenizer)?;
        let samples = &mut config.samples;
        if args.settings.sample_prompt.is_none()
            && let Some(found) = prompt::fitting(&samples.prompt, config.text.standardize, &text)
        {
            reporter.note(&format!("prompt      {}, from the text", number::quoted(&found)));
            samples.prompt = found;
        }
        let trainer = match beginning {
            None => Trainer::new(config, text, compute)?,
            Some(beginning) => {
                reporter.note(&format!("begins with {}", beginning.describe()));
                let Beginning { model, optimizer, .. } = beginning;
                Trainer::from_model(config, text, model, optimizer, compute)?
            }
        };
        let folder = RunFolder::choose(args.out.as_deref(), &texts.stem())?;
        let log = folder.create(&trainer, &texts)?;
        let board = event_files(args, &folder, None)?;
        Ok(Self { board, ..Self::new(trainer, folder, log, reporter) })
    }

    fn resume(args: &TrainArgs, folder: RunFolder) -> Result<Self> {
        let mut config = folder.read_config()?;
        presets::apply_length(&mut config, &args.length);
        let path = folder.file(run_folder::LAST);
        let context = || path.display().to_string();
        let file = files::read(&path)?;
        let model = checkpoint::read_model(&file).with_context(context)?.model;
        let Prepared { texts, text, compute, reporter } =
            Prepared::new(args, &mut config, Some(&model.tokenizer))?;
        let trainer = Trainer::resume(config, text, &file, compute).with_context(context)?;
        if trainer.is_over() {
            bail!(
                "the run in {} is over after {} steps\n\
                 hint: give a larger --epochs, --steps, --minutes or --patience to go on",
                folder.path().display(),
                number::grouped(trainer.progress().step)
            );
        }
        let log = Log::resume(&folder, trainer.progress().step)?;
        folder.write_config(trainer.config(), &texts)?;
        let board = event_files(args, &folder, Some(trainer.progress().step))?;
        Ok(Self { board, ..Self::new(trainer, folder, log, reporter) })
    }

    fn new(trainer: Trainer, folder: RunFolder, log: Log, mut reporter: Reporter) -> Self {
        reporter.run(&trainer, &folder);
        let now = Instant::now();
        Self { trainer, folder, log, board: None, reporter, began: now, saved: now }
    }

    fn seconds(&self) -> f64 {
        self.log.seconds_before + self.began.elapsed().as_secs_f64()
    }

    fn train(&mut self, watch: &mut dyn FnMut(&Trainer)) -> Result<Ending> {
        let mut ending = Ending::Interrupted;
        loop {
            if interrupt::asked() && self.trainer.is_settled() {
                self.reporter.clear();
                self.flush_log()?;
                self.save(CheckpointKind::Last)?;
                return Ok(Ending::Interrupted);
            }
            if let Some(minutes) = self.trainer.config().training.minutes {
                let share = self.seconds() / (60.0 * minutes);
                self.trainer.set_time(share);
            }
            let step_began = Instant::now();
            let Some(event) = self.trainer.next() else {
                return Ok(ending);
            };
            let event = event?;
            watch(&self.trainer);
            if let Event::Done(reason) = event {
                ending = Ending::Done(reason);
            }
            if let Event::Checkpoint(kind) = event {
                self.save(kind)?;
            }
            let seconds = self.seconds();
            for line in self.reporter.event(&event, step_began.elapsed(), seconds) {
                self.record(&line)?;
            }
            if self.saved.elapsed() > SAVE_EVERY && self.trainer.is_settled() {
                self.flush_log()?;
                self.save(CheckpointKind::Last)?;
            }
        }
    }

    /// Logs the steps since the last entry.
    fn flush_log(&mut self) -> Result<()> {
        let seconds = self.seconds();
        match self.reporter.flush(seconds) {
            Some(line) => self.record(&line),
            None => Ok(()),
        }
    }

    /// Adds an entry to the log.
    fn record(&mut self, entry: &serde_json::Value) -> Result<()> {
        self.log.write(entry)?;
        match &mut self.board {
            Some(board) => board.write(entry),
            None => Ok(()),
        }
    }

    fn save(&mut self, kind: CheckpointKind) -> Result<()> {
        match kind {
            CheckpointKind::Best => {
                files::write(&self.folder.file(run_folder::BEST), &self.trainer.model_file())
            }
            CheckpointKind::Last => {
                self.saved = Instant::now();
                files::write(&self.folder.file(run_folder::LAST), &self.trainer.resume_file())
            }
        }
    }

    fn say_what_next(&mut self, ending: Ending) -> Result<()> {
        if self.reporter.is_silent() {
            return Ok(());
        }
        let (program, folder) = (shell::program(), self.folder.path().display().to_string());
        let progress = self.trainer.progress();
        let time = Duration::try_from_secs_f64(self.seconds()).unwrap_or(Duration::MAX);
        let (time, steps) = (number::duration(time), number::grouped(progress.step));
        let mut out = std::io::stdout().lock();
        let Ending::Done(reason) = ending else {
            writeln!(out, "stopped after {steps} steps ({time}); nothing is lost. Go on with:")?;
            writeln!(out, "  {program} train --resume {}", shell::quoted_path(&folder))?;
            return Ok(());
        };
        write!(out, "done: {steps} steps in {time}")?;
        if let Some(best) = progress.best {
            write!(
                out,
                "; best after {} steps: validation loss {:.4} ({:.3} bits per character), \
                 accuracy {:.4}",
                number::grouped(best.step),
                best.loss,
                best.bits_per_character,
                best.accuracy
            )?;
        }
        writeln!(out, "\nthe run is in {folder}\n\nnext:")?;
        let config = self.trainer.config();
        let (prompt, folder) = (&config.samples.prompt, shell::quoted_path(&folder));
        for command in ["generate", "predict"] {
            let model = format!("--model {folder}");
            writeln!(out, "  {program} {command} {}", shell::with_text(&model, prompt))?;
        }
        writeln!(out, "  {program} info {folder}")?;
        // A text from the standard input is gone.
        if config.text.files.iter().all(|name| name != texts::STANDARD_INPUT) {
            if self.trainer.corpus().range(Part::Test).len() > 1 {
                writeln!(out, "  {program} evaluate --part test --model {folder}")?;
            }
            writeln!(out, "  {program} train --resume {folder} {}", longer(config, reason))?;
        }
        Ok(())
    }
}

/// TensorBoard's files, if they are asked for; `after` is the step from which a run goes on.
fn event_files(
    args: &TrainArgs,
    folder: &RunFolder,
    after: Option<u64>,
) -> Result<Option<EventFiles>> {
    let Some(named) = &args.tensorboard else { return Ok(None) };
    let folder = named.clone().unwrap_or_else(|| folder.file(tensorboard::NAME));
    EventFiles::create(&folder, after).map(Some)
}

/// The flag that lets a run go on for as long again.
fn longer(config: &RunConfig, reason: DoneReason) -> String {
    let training = &config.training;
    let doubled = |count: Option<u64>| count.unwrap_or(1).saturating_mul(2);
    match reason {
        DoneReason::Epochs => format!("--epochs {}", doubled(training.epochs)),
        DoneReason::Steps => format!("--steps {}", doubled(training.steps)),
        DoneReason::Minutes => format!("--minutes {}", 2.0 * training.minutes.unwrap_or(1.0)),
        DoneReason::Patience => format!("--patience {}", doubled(training.patience)),
    }
}
