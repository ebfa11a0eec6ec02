//! A whole model: steps of training, evaluation, and writing.

use std::sync::Arc;

use anyhow::Result;
use machado_core::data::{Batch, BatchPlan, Corpus, Part, Sampling, Target};
use machado_core::generate::{Generator, GeneratorConfig, write_texts};
use machado_core::ids::TokenIds;
use machado_core::math::threads::Compute;
use machado_core::model::{Model, StepKey};
use machado_core::optimizer::Optimizer;
use machado_core::rng::{Purpose, Rng};
use machado_core::run::RunConfig;
use machado_core::sample::Sampler;
use machado_core::tokenizer::{CharTokenizer, Tokenizer};
use machado_core::train::{Learner, Lesson, TrainingText};
use serde_json::json;

use super::timer::Timer;
use super::{Figures, line};
use crate::cli::{BenchArgs, Length};
use crate::number::grouped;
use crate::texts::Texts;
use crate::{presets, texts};

/// Batches that the steps take in turn.
const BATCHES: usize = 16;

/// Windows of one evaluation.
const EVALUATED_ROWS: usize = 64;

/// Tokens of a text written: as many as take about so many multiply-adds, within limits.
const WRITTEN_MULTIPLY_ADDS: f64 = 5e9;
const WRITTEN: (f64, f64) = (20.0, 4000.0);

/// Texts written at a time.
const STREAMS: usize = 64;

/// The preset whose model is measured when none is named.
const PRESET: &str = "tutorial";

pub(super) fn measure(
    args: &BenchArgs,
    compute: &Compute,
    timer: &Timer,
    peak: f64,
) -> Result<Figures> {
    let config = config(args)?;
    let text = read(args, &config)?;
    let model = Model::new(config.model.clone(), text.tokenizer, config.training.seed)?;
    let parameters = model.weights.len();
    let optimizer = Optimizer::new(config.training.optimizer, parameters);
    let mut learner = Learner::new(model, optimizer, compute.clone())?;
    let corpus = Arc::new(text.corpus);
    let plan = config.training_plan(corpus.parts());
    plan.check(Part::Train.name())?;
    let macs = learner.engine().network().multiply_adds() as f64;

    let ms = train(&mut learner, &plan, &corpus, &config, timer)? * 1e3;
    let tokens = (plan.batch_size * plan.window) as f64;
    let share_of_peak = 6.0 * macs * tokens / (ms / 1e3) / peak;
    let evaluated = evaluate(&mut learner, &plan, &corpus, timer);
    let model = learner.model();
    let one = write_one(model, macs, compute, timer)?;
    let many = write_many(model, macs, compute, timer)?;

    let rate = |tokens_per_second: f64| grouped(tokens_per_second as u64);
    let size = format!("batch {} × window {}", plan.batch_size, plan.window);
    let lines = vec![
        line("model", &format!("{} parameters, {size}", grouped(parameters as u64))),
        line(
            "train",
            &format!(
                "{ms:.2} ms a step, {} tokens/s, {:.0}% of the peak",
                rate(tokens / ms * 1e3),
                100.0 * share_of_peak
            ),
        ),
        line("evaluate", &format!("{} tokens/s", rate(evaluated))),
        line("generate", &format!("{} tokens/s, one text", rate(one))),
        line("", &format!("{} tokens/s, {STREAMS} texts at a time", rate(many))),
    ];
    let json = json!({
        "parameters": parameters,
        "vocabulary_size": model.tokenizer.vocabulary_size(),
        "batch_size": plan.batch_size,
        "window": plan.window,
        "gflop_per_step": 6.0 * macs * tokens / 1e9,
        "train": {
            "ms_per_step": ms,
            "tokens_per_second": tokens / ms * 1e3,
            "share_of_peak": share_of_peak,
        },
        "evaluate": {"tokens_per_second": evaluated},
        "generate": {
            "one_stream_tokens_per_second": one,
            "streams_64_tokens_per_second": many,
        },
    });
    Ok(Figures { json, lines })
}

fn config(args: &BenchArgs) -> Result<RunConfig> {
    let mut settings = args.settings.clone();
    if settings.config.is_none() && settings.preset.is_none() {
        settings.preset = Some(PRESET.into());
    }
    if settings.split.is_none() {
        // Speed does not ask for a validation part, and short texts have none to spare.
        settings.split = Some("1.0:0.0".parse()?);
    }
    let config = presets::resolve(&settings, &Length::default())?;
    config.check()?;
    Ok(config)
}

fn read(args: &BenchArgs, config: &RunConfig) -> Result<TrainingText> {
    let Some(size) = args.vocabulary else {
        return Ok(texts::read_for_training(&Texts::open(&args.texts)?, config, None)?.0);
    };
    // From here on there are a million characters, and none is a surrogate.
    let characters: Vec<char> = ('\u{1_0000}'..).take(size).collect();
    let mut rng = Rng::new(config.training.seed, Purpose::Weights, 0);
    let count = 20 * config.data.batch_size * (config.data.window + 1);
    let mut ids = TokenIds::for_vocabulary(size);
    (0..count.max(size)).for_each(|_| ids.push(rng.below(size as u64) as u32));
    let characters_read = ids.len() as u64;
    Ok(TrainingText {
        corpus: Corpus::new(ids, &config.data.split)?,
        tokenizer: Tokenizer::Char(CharTokenizer::from(characters)),
        characters: characters_read,
    })
}

/// Seconds of one step.
fn train(
    learner: &mut Learner,
    plan: &BatchPlan,
    corpus: &Arc<Corpus>,
    config: &RunConfig,
    timer: &Timer,
) -> Result<f64> {
    let batches: Vec<Batch> = plan.epoch(Arc::clone(corpus), 0, 0).take(BATCHES).collect();
    let (mut step, mut outcome) = (0, Ok(()));
    let seconds = timer.median(|| {
        let lesson = Lesson {
            target: config.data.target,
            key: StepKey { seed: config.training.seed, step },
            learning_rate: config.training.learning_rate,
            clip_norm: config.training.clip_norm,
        };
        if let Err(error) = learner.learn(&batches[step as usize % batches.len()], lesson) {
            outcome = Err(error);
        }
        step += 1;
    });
    outcome?;
    Ok(seconds)
}

/// Tokens per second of the forward pass and the loss.
fn evaluate(learner: &mut Learner, plan: &BatchPlan, corpus: &Arc<Corpus>, timer: &Timer) -> f64 {
    let plan =
        BatchPlan { sampling: Sampling::Windows, batch_size: EVALUATED_ROWS, ..plan.clone() };
    let batch = plan.epoch(Arc::clone(corpus), 0, 0).next().expect("a text with a window");
    learner.load();
    let engine = learner.engine_mut();
    let seconds = timer.median(|| {
        engine.evaluate(&batch, Target::All);
    });
    batch.tokens() as f64 / seconds
}

/// How one of some texts is written by a model with so many multiply-adds for a token.
fn generator_config(macs: f64, texts: usize) -> GeneratorConfig {
    let tokens = WRITTEN_MULTIPLY_ADDS / (macs * texts as f64);
    GeneratorConfig {
        mixture: None,
        interventions: Vec::new(),
        sampler: Sampler::default(),
        tokens: tokens.clamp(WRITTEN.0, WRITTEN.1) as usize,
        stop: Vec::new(),
        seed: 1,
        purpose: Purpose::Generate,
        first: 0,
    }
}

/// Tokens per second of one text.
fn write_one(model: &Model, macs: f64, compute: &Compute, timer: &Timer) -> Result<f64> {
    let config = generator_config(macs, 1);
    let mut outcome = Ok(());
    let seconds =
        timer.median(|| match Generator::new(model, compute.unit(), &[], 1, config.clone()) {
            Ok(mut generator) => while generator.step(|_, _| {}) {},
            Err(error) => outcome = Err(error),
        });
    outcome?;
    Ok(config.tokens as f64 / seconds)
}

/// Tokens per second of many texts, all together.
fn write_many(model: &Model, macs: f64, compute: &Compute, timer: &Timer) -> Result<f64> {
    let config = generator_config(macs, STREAMS);
    let mut outcome = Ok(());
    let seconds = timer.median(|| {
        outcome = write_texts(model, compute, &[], STREAMS, &config).map(|_| ());
    });
    outcome?;
    Ok((STREAMS * config.tokens) as f64 / seconds)
}
