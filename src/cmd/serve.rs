//! `machado serve`: models for other programs, and a page.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use machado_core::math::simd::VectorUnit;
use machado_core::model::Site;
use machado_core::tokenizer::UnknownPolicy;
use machado_interop::saelens;
use machado_server::{
    About, Autoencoder, Ended, EngineConfig, Limits, ServedModel, ServerConfig, TextSource,
    WatchedRun,
};
use serde_json::json;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::{LogArg, NamedModel, ServeArgs, UsageError};
use crate::known_text::KnownText;
use crate::models::{self, LoadedModel};
use crate::run_folder::{self, RunFolder};
use crate::sae_folder;
use crate::say::say;
use crate::texts::Texts;

/// The name of the model inside the program.
const BUILT_IN: &str = "machado";

pub(super) fn run(args: &ServeArgs) -> Result<()> {
    check_host(args)?;
    let compute = super::compute(&args.compute)?;
    if !args.text.is_empty() {
        // It is read when somebody looks; that it is there can be said now.
        Texts::open(&args.text)?;
    }
    let mut named = args.model.clone();
    if let Some(run) = &args.run {
        if !RunFolder::open(run)?.file(run_folder::LAST).exists() {
            bail!(
                "the run in {} has no model yet\nhint: wait a moment, and try again",
                run.display()
            );
        }
        named.insert(0, NamedModel { name: None, path: run.clone() });
    }
    let named: Vec<Option<&NamedModel>> =
        if named.is_empty() { vec![None] } else { named.iter().map(Some).collect() };
    let mut models: Vec<ServedModel> = Vec::new();
    for (number, named) in named.into_iter().enumerate() {
        let model = load(args, named, number == 0, compute.unit())?;
        if models.iter().any(|other| other.id == model.id) {
            bail!(UsageError(format!(
                "two models are called \"{}\"\nhint: give one another name, as in --model NAME=FILE",
                model.id
            )));
        }
        models.push(model);
    }
    log(args.log);
    let ids: Vec<String> = models.iter().map(describe).collect();
    let listening = |address: SocketAddr| {
        say(&format!("models      {}", ids.join(", ")));
        // What a browser can open, also where it listens at all addresses.
        let shown = if address.ip().is_unspecified() {
            format!("localhost:{}", address.port())
        } else {
            address.to_string()
        };
        say(&format!("listening   http://{shown}  (Ctrl-C ends it)"));
        say(&format!("API         http://{shown}/v1  for clients of OpenAI's completions API"));
    };
    let run = args.run.as_ref().map(|run| watched(args, run, compute.unit())).transpose()?;
    let config = config(args, compute.threads());
    let outcome = machado_server::serve(models, run, config, listening);
    match outcome.map_err(|error| explained(error, args))? {
        Ended::Quietly => {
            say("stopped");
            Ok(())
        }
        Ended::CutOff => {
            say("stopped; requests that took too long were cut off");
            Ok(())
        }
        Ended::AtOnce => {
            say("stopped at once");
            #[allow(clippy::exit, reason = "whoever asks twice does not want to wait for threads")]
            std::process::exit(130)
        }
    }
}

/// Whoever can reach the server could use it.
fn check_host(args: &ServeArgs) -> Result<()> {
    if args.host.is_loopback() || !args.api_key.is_empty() || args.insecure {
        return Ok(());
    }
    bail!(UsageError(format!(
        "at {} others can reach the server\n\
         hint: ask them for a key with --api-key, or let everybody in with --insecure",
        args.host
    )))
}

fn config(args: &ServeArgs, threads: usize) -> ServerConfig {
    ServerConfig {
        address: SocketAddr::new(args.host, args.port),
        engine: EngineConfig { threads, parallel: args.parallel, queue: args.queue },
        limits: Limits {
            body_bytes: args.max_body,
            prompt_tokens: args.max_prompt,
            max_tokens: args.max_tokens,
            total_tokens: args.max_total,
            request: Duration::from_secs(args.timeout as u64),
            ..Limits::default()
        },
        api_keys: args.api_key.clone(),
        strict_model: args.strict_model,
        cors_origins: args.cors_origin.clone(),
    }
}

fn log(level: LogArg) {
    let level = match level {
        LogArg::Error => LevelFilter::ERROR,
        LogArg::Warn => LevelFilter::WARN,
        LogArg::Info => LevelFilter::INFO,
        LogArg::Debug => LevelFilter::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .init();
}

/// A run, whose model is served again when there is a better one.
fn watched(args: &ServeArgs, path: &Path, unit: VectorUnit) -> Result<WatchedRun> {
    let run = RunFolder::open(path)?;
    let config = run.read_config()?;
    let last = models::read_all(&run.file(run_folder::LAST), None).ok();
    let facts = last.and_then(|last| last.checkpoint.file.training);
    let total_steps = facts.and_then(|facts| config.total_steps(facts.batches_per_epoch));
    let changed = move |run: &RunFolder| {
        let best = run.file(run_folder::BEST).metadata().and_then(|of| of.modified());
        best.ok()
    };
    let seen = Mutex::new(changed(&run));
    let (name, folder) = (name_of(path), path.to_owned());
    let named = NamedModel { name: None, path: folder.clone() };
    let args = args.clone();
    let newer = move || {
        let now = changed(&run);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return None;
        }
        // Files are put in their place whole. One that cannot be read will not be better in a moment.
        *seen = now;
        load(&args, Some(&named), true, unit).ok()
    };
    Ok(WatchedRun {
        name,
        folder,
        config: serde_json::to_value(&config)?,
        total_steps,
        newer: Box::new(newer),
    })
}

fn load(
    args: &ServeArgs,
    named: Option<&NamedModel>,
    is_first: bool,
    unit: VectorUnit,
) -> Result<ServedModel> {
    let path = named.map(|named| named.path.as_path());
    let vocabulary = args.vocabulary.vocabulary.as_deref().filter(|_| path.is_some());
    let loaded = models::load_path(path, vocabulary)?;
    let id = match named {
        None => BUILT_IN.to_owned(),
        Some(NamedModel { name: Some(name), .. }) => name.clone(),
        Some(NamedModel { path, .. }) => name_of(path),
    };
    let model = loaded.file.model.clone();
    let mut served = ServedModel::new(id, model, loaded.standardize(), unit)?;
    served.about = about(&loaded, path.is_none());
    served.autoencoder = autoencoder(args, path, is_first, &loaded)?;
    let texts = if is_first { args.text.clone() } else { Vec::new() };
    served.text = Some(text(loaded, texts));
    Ok(served)
}

/// `runs/bras/model.safetensors` and `runs/bras` are called `bras`.
fn name_of(path: &Path) -> String {
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let own = if path.is_dir() {
        // "." has no name of its own.
        path.canonicalize().ok().as_deref().and_then(stem)
    } else {
        match stem(path) {
            Some(name) if name != "model" && name != "last" => Some(name),
            name => path.parent().and_then(stem).or(name),
        }
    };
    own.unwrap_or_else(|| BUILT_IN.to_owned())
}

fn about(loaded: &LoadedModel, is_built_in: bool) -> About {
    let facts = loaded.file.training.as_ref();
    let training = facts.map(|facts| {
        json!({
            "characters": facts.characters,
            "tokens": facts.tokens,
            "steps": facts.steps,
            "epochs": facts.epochs,
            "loss": facts.loss,
            "accuracy": facts.accuracy,
            "val_loss": facts.val_loss,
            "val_accuracy": facts.val_accuracy,
        })
    });
    let prompt = loaded.file.config.as_ref().map(|config| config.samples.prompt.clone());
    About {
        name: loaded.name.clone(),
        is_built_in,
        training: training.unwrap_or_default(),
        sample_prompt: prompt.unwrap_or_default(),
    }
}

/// The autoencoder that was named, or the one beside the model if there is one.
fn autoencoder(
    args: &ServeArgs,
    path: Option<&Path>,
    is_first: bool,
    loaded: &LoadedModel,
) -> Result<Option<Autoencoder>> {
    let named = args.sae.as_ref().filter(|_| is_first);
    let folder = named.cloned().unwrap_or_else(|| sae_folder::beside(path));
    if named.is_none() && !folder.join(saelens::CONFIG).exists() {
        return Ok(None);
    }
    let read = || -> Result<Autoencoder> {
        let found = sae_folder::read(&folder, &loaded.file.model)?;
        let site = Site::new(&loaded.file.model.config, &found.facts.site)?;
        Ok(Autoencoder { sae: found.sae, facts: found.facts, site })
    };
    match read() {
        Ok(autoencoder) => Ok(Some(autoencoder)),
        Err(error) if named.is_none() => {
            say(&format!("warning: {} is served without its features: {error:#}", loaded.name));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads the text of a model when its features are asked for.
fn text(loaded: LoadedModel, paths: Vec<PathBuf>) -> TextSource {
    let loaded = Arc::new(loaded);
    TextSource(Box::new(move || {
        let text = KnownText::read(&loaded, &paths, UnknownPolicy::Skip);
        text.map(|text| text.ids).map_err(|error| format!("{error:#}"))
    }))
}

fn describe(model: &ServedModel) -> String {
    let features = match &model.autoencoder {
        Some(autoencoder) => format!(" with {} features", autoencoder.sae.d_sae()),
        None => String::new(),
    };
    // That of the one inside the program has them already.
    let name = &model.about.name;
    let name = if name.starts_with('(') { name.clone() } else { format!("({name})") };
    format!("{} {name}{features}", model.id)
}

fn explained(error: machado_server::ServeError, args: &ServeArgs) -> anyhow::Error {
    let error = anyhow::Error::new(error);
    let in_use = error.chain().any(|cause| {
        let cause = cause.downcast_ref::<std::io::Error>();
        cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::AddrInUse)
    });
    if in_use {
        let context = format!(
            "port {} is taken by another program\nhint: name another one with --port, or 0 for any",
            args.port
        );
        return error.context(context);
    }
    error
}
