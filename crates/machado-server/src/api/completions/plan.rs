//! From a request to jobs: every field checked once.

use std::collections::BTreeMap;
use std::sync::Arc;

use machado_core::generate::Ending;
use machado_core::sample::{Bans, LogitChanges, Sampler};
use serde_json::Value;
use tokio::sync::mpsc;

use super::answer::{Completion, CompletionChoice, Extra, Skipped, Usage};
use super::request::{CompletionRequest, OneOrMany, PromptField, Prompts};
use crate::app::{App, now, random};
use crate::config::Limits;
use crate::engine::{Event, Job, LaneKey, Pace, PromptScores, Wanted, Writing};
use crate::error::{ApiError, ApiResult};
use crate::sampling::SamplingFields;
use crate::served::ServedModel;
use crate::steer;
use crate::tokens::{Encoded, check_top};

/// Tokens of a text where the request does not say it.
pub const MAX_TOKENS: usize = 16;

/// Likeliest tokens that can be asked for, at most.
const MOST_TOP: usize = 1000;

/// Stop strings, and bytes of one.
const MOST_STOPS: usize = 32;
const LONGEST_STOP: usize = 1000;

/// What was asked for, checked.
#[derive(Debug)]
pub(super) struct Plan {
    /// The name of the answer.
    pub name: String,
    pub created: u64,
    pub model: Arc<ServedModel>,
    pub prompts: Vec<Encoded>,
    /// Texts of a prompt that are returned, and that are written.
    pub n: usize,
    pub best_of: usize,
    pub echo: bool,
    pub logprobs: Option<usize>,
    pub token_ids: bool,
    pub include_usage: bool,
    /// Whether texts have no tokens.
    pub writes_nothing: bool,
    /// Of each job its prompt and the texts that it writes.
    pub jobs: Vec<(usize, std::ops::Range<usize>)>,
}

impl Plan {
    /// Checks a request; returns what is to be done beside it.
    pub fn new(
        app: &App,
        request: CompletionRequest,
    ) -> ApiResult<(Self, Vec<Job>, mpsc::Receiver<Event>)> {
        let model = app.model(request.model.as_deref())?;
        let limits = &app.config.limits;
        if request.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
            let message = "suffix is not supported: these models only write on";
            return Err(ApiError::of("suffix", message));
        }
        let streams = request.stream == Some(true);
        let n = within("n", request.n.unwrap_or(1), 1, limits.choices)?;
        let best_of = within("best_of", request.best_of.unwrap_or(n), n, limits.choices)?;
        if streams && best_of > n {
            let message = "best_of cannot be streamed, since the best is known at the end only";
            return Err(ApiError::of("best_of", message));
        }
        let max_tokens = request.max_tokens.unwrap_or(MAX_TOKENS);
        let max_tokens = within("max_tokens", max_tokens, 0, limits.max_tokens)?;
        let logprobs = request.logprobs;
        let top = within("logprobs", logprobs.unwrap_or(0), 0, MOST_TOP)?;
        let prompts = encode(&model, limits, request.prompt.as_ref())?;
        let read: usize = prompts.iter().map(|prompt| prompt.ids.len()).sum();
        let written = check_total(limits, read, prompts.len(), best_of, max_tokens)?;
        let echo = request.echo == Some(true);
        let shown = written + if echo { read * best_of } else { 0 };
        check_top("logprobs", top, shown)?;

        let lane = steer::lane(&model, request.steer.as_deref(), request.steer_reach.as_deref())?;
        let seed = request.seed.map_or_else(random, i64::cast_unsigned);
        let sampling = SamplingFields {
            temperature: request.temperature,
            top_k: request.top_k,
            top_p: request.top_p,
            min_p: request.min_p,
            typical_p: request.typical_p,
            repeat_penalty: request.repeat_penalty,
            repeat_last_n: request.repeat_last_n,
        };
        let tokenizer = &model.model.tokenizer;
        let sampler = Sampler { bans: bans(&model, &request)?, ..sampling.sampler(tokenizer)? };
        let changes = changes(&model, &request)?;
        let ending = Ending { tokens: max_tokens, stop: stops(request.stop)? };
        let size = tokenizer.vocabulary_size();
        let writing = Arc::new(Writing::new(sampler, changes, ending, seed, size)?);
        // The likeliest text is found by the probabilities, and ids come with them.
        let token_ids = request.return_token_ids == Some(true);
        let wanted = (logprobs.is_some() || best_of > n || token_ids)
            .then_some(Wanted { top, details: false });
        let mut plan = Self {
            name: app.name("cmpl"),
            created: now(),
            model,
            prompts,
            n,
            best_of,
            echo,
            logprobs,
            token_ids,
            include_usage: request
                .stream_options
                .is_some_and(|options| options.include_usage == Some(true)),
            writes_nothing: max_tokens == 0,
            jobs: Vec::new(),
        };
        let pace = if streams { Pace::STREAM } else { Pace::WHOLE };
        let room = 16 + plan.choices();
        let (events, receiver) = mpsc::channel(room);
        let jobs = plan.jobs_of(app, &lane, &writing, wanted, pace, &events);
        Ok((plan, jobs, receiver))
    }

    /// Texts that are written.
    pub fn choices(&self) -> usize {
        self.prompts.len() * self.best_of
    }

    /// Whether the tokens of prompts are scored.
    pub fn scores_prompts(&self) -> bool {
        self.echo && self.logprobs.is_some()
    }

    /// Tokens of all prompts.
    pub fn prompt_tokens(&self) -> usize {
        self.prompts.iter().map(|prompt| prompt.ids.len()).sum()
    }

    /// An answer, or a chunk of it.
    pub fn completion(
        &self,
        choices: Vec<CompletionChoice>,
        usage: Option<Option<Usage>>,
        machado: Option<Extra>,
    ) -> Completion<'_> {
        Completion {
            id: &self.name,
            object: "text_completion",
            created: self.created,
            model: &self.model.id,
            system_fingerprint: &self.model.fingerprint,
            choices,
            usage,
            machado,
        }
    }

    /// What was left out of the prompts.
    pub fn extra(&self) -> Option<Extra> {
        let mut skipped: Vec<Skipped> = Vec::new();
        for one in self.prompts.iter().flat_map(|prompt| &prompt.skipped) {
            match skipped.iter_mut().find(|other| other.character == one.character) {
                Some(other) => other.count += one.count,
                None => skipped.push(one.clone()),
            }
        }
        (!skipped.is_empty()).then_some(Extra { skipped })
    }

    /// What the engine is to do for each prompt.
    fn jobs_of(
        &mut self,
        app: &App,
        lane: &LaneKey,
        writing: &Arc<Writing>,
        wanted: Option<Wanted>,
        pace: Pace,
        events: &mpsc::Sender<Event>,
    ) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (number, prompt) in self.prompts.iter().enumerate() {
            let ids: Arc<[u32]> = self.model.model.tokenizer.begin(&prompt.ids).into();
            // What stands for an empty prompt is not shown.
            let scores = self.scores_prompts() && !prompt.ids.is_empty();
            let prompt_scores = match wanted {
                Some(wanted) if scores => PromptScores::Each(wanted),
                _ => PromptScores::None,
            };
            if self.writes_nothing && prompt_scores == PromptScores::None {
                continue;
            }
            for first in (0..self.best_of).step_by(app.engine.most_choices()) {
                let last = self.best_of.min(first + app.engine.most_choices());
                let base = number * self.best_of;
                let choices = base + first..base + last;
                jobs.push(Job {
                    number: self.jobs.len(),
                    lane: lane.clone(),
                    prompt: ids.clone(),
                    prompt_scores,
                    choices: if self.writes_nothing { 0..0 } else { choices.clone() },
                    writing: writing.clone(),
                    first,
                    // Where the prompt is repeated it stands without that space.
                    space_is_there: prompt.space_waits && !self.echo,
                    wanted,
                    pace,
                    events: events.clone(),
                });
                self.jobs.push((number, choices));
            }
        }
        jobs
    }
}

fn within(param: &str, value: usize, least: usize, most: usize) -> ApiResult<usize> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let message = format!("{param} must be from {least} to {most}, not {value}");
    Err(ApiError::of(param, message))
}

fn encode(
    model: &ServedModel,
    limits: &Limits,
    prompts: Option<&Prompts>,
) -> ApiResult<Vec<Encoded>> {
    let empty = [PromptField::Text(String::new())];
    let prompts = match prompts {
        None => &empty[..],
        Some(Prompts::One(prompt)) => std::slice::from_ref(prompt),
        Some(Prompts::Many(prompts)) => prompts,
    };
    let encode = |prompt| {
        let encoded = model.encode_prompt(prompt, "prompt")?;
        limits.check_prompt("prompt", encoded.ids.len())?;
        Ok(encoded)
    };
    prompts.iter().map(encode).collect()
}

/// Checks what is asked for in all; returns the tokens that may be written.
fn check_total(
    limits: &Limits,
    read: usize,
    prompts: usize,
    best_of: usize,
    max_tokens: usize,
) -> ApiResult<usize> {
    let texts = prompts.saturating_mul(best_of);
    let written = texts.saturating_mul(max_tokens);
    let total = read.saturating_add(written.max(texts));
    if total <= limits.total_tokens {
        return Ok(written);
    }
    let most = limits.total_tokens;
    // What is wrong is what is most of it.
    let (param, message) = if read > most / 2 {
        ("prompt", format!("the prompts have {read} tokens together"))
    } else {
        let what = format!("{prompts} prompts × {best_of} texts × {max_tokens} tokens");
        ("max_tokens", format!("{what} are {written}"))
    };
    let message =
        format!("{message}, but a request may have {most} in all; ask for less at a time");
    Err(ApiError::of(param, message))
}

/// The tokens of `logit_bias` that are banned.
fn bans(model: &ServedModel, request: &CompletionRequest) -> ApiResult<Bans> {
    let mut banned = Vec::new();
    for (key, value) in request.logit_bias.iter().flatten() {
        if value == &Value::Bool(false) {
            banned.push(vec![biased(model, key)?]);
        }
    }
    if banned.is_empty() {
        return Ok(Bans::default());
    }
    Bans::new(&model.model.tokenizer, banned)
        .map_err(|error| ApiError::from(error).with_param("logit_bias"))
}

fn changes(model: &ServedModel, request: &CompletionRequest) -> ApiResult<LogitChanges> {
    let mut bias: BTreeMap<u32, f32> = BTreeMap::new();
    for (key, value) in request.logit_bias.iter().flatten() {
        if value == &Value::Bool(false) {
            continue;
        }
        let id = biased(model, key)?;
        let Some(value) = value.as_f64() else {
            let message = format!(
                "expected a number from -100 to 100, or false to ban the token, not {value} for \"{key}\""
            );
            return Err(ApiError::of("logit_bias", message));
        };
        *bias.entry(id).or_default() += value as f32;
    }
    Ok(LogitChanges {
        bias: bias.into_iter().collect(),
        presence_penalty: request.presence_penalty.unwrap_or(0.0),
        frequency_penalty: request.frequency_penalty.unwrap_or(0.0),
    })
}

/// The token that a key of `logit_bias` names, by its id or its text.
fn biased(model: &ServedModel, key: &str) -> ApiResult<u32> {
    if let Ok(id) = key.parse::<u32>() {
        model.check_ids(&[id], "logit_bias")?;
        return Ok(id);
    }
    let encoded = model.encode(key)?;
    match encoded.ids[..] {
        [id] if encoded.skipped.is_empty() => Ok(id),
        _ => {
            let message = format!("\"{key}\" is neither the id nor the text of one token");
            Err(ApiError::of("logit_bias", message))
        }
    }
}

fn stops(stop: Option<OneOrMany>) -> ApiResult<Vec<String>> {
    let mut stops = match stop {
        None => Vec::new(),
        Some(OneOrMany::One(stop)) => vec![stop],
        Some(OneOrMany::Many(stops)) => stops,
    };
    stops.retain(|stop| !stop.is_empty());
    if stops.len() > MOST_STOPS {
        let message = format!("at most {MOST_STOPS} stop strings, not {}", stops.len());
        return Err(ApiError::of("stop", message));
    }
    if let Some(stop) = stops.iter().find(|stop| stop.len() > LONGEST_STOP) {
        let message =
            format!("a stop string may have {LONGEST_STOP} bytes, but one has {}", stop.len());
        return Err(ApiError::of("stop", message));
    }
    Ok(stops)
}
