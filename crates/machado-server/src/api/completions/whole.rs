//! The answer in one piece.

use axum::Json;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::answer::{Completion, CompletionChoice, Usage};
use super::assembler::Assembler;
use super::plan::Plan;
use crate::app::App;
use crate::engine::Event;
use crate::error::{ApiError, ApiResult};

/// Waits for all texts.
pub(super) async fn collect(
    app: &App,
    plan: Plan,
    mut events: Receiver<Event>,
) -> ApiResult<Response> {
    let mut assembler = Assembler::new(plan);
    let plan = assembler.plan();
    let begun = |index| CompletionChoice { index, ..CompletionChoice::default() };
    let mut choices: Vec<CompletionChoice> = (0..plan.choices()).map(begun).collect();
    let add = |deltas: Vec<CompletionChoice>, choices: &mut Vec<CompletionChoice>| {
        deltas.into_iter().for_each(|delta| choices[delta.index].append(delta));
    };
    add(assembler.begin(), &mut choices);
    let all = async {
        while let Some(event) = events.recv().await {
            add(assembler.whole(event), &mut choices);
        }
    };
    let limit = app.config.limits.request;
    if timeout(limit, all).await.is_err() {
        return Err(ApiError::unavailable("timeout", 1, took_too_long(app)));
    }
    if !assembler.is_done() {
        return Err(app.given_up());
    }
    let written = assembler.written();
    let plan = assembler.plan();
    let completion = Completion {
        id: &plan.name,
        object: "text_completion",
        created: plan.created,
        model: &plan.model.id,
        system_fingerprint: &plan.model.fingerprint,
        choices: best(plan, choices),
        usage: Some(Some(Usage::new(plan.prompt_tokens(), written))),
        machado: plan.extra(),
    };
    Ok(Json(completion).into_response())
}

/// What is said when a request takes too long.
pub(super) fn took_too_long(app: &App) -> String {
    let seconds = app.config.limits.request.as_secs();
    format!("the request took longer than {seconds} seconds; ask for fewer tokens")
}

/// The likeliest texts of each prompt, numbered anew.
fn best(plan: &Plan, mut choices: Vec<CompletionChoice>) -> Vec<CompletionChoice> {
    if plan.best_of > plan.n {
        let mut kept = Vec::new();
        let mut rest = choices.into_iter();
        for _ in &plan.prompts {
            let mut of_prompt: Vec<CompletionChoice> = rest.by_ref().take(plan.best_of).collect();
            of_prompt.sort_by(|a, b| b.mean_logprob().total_cmp(&a.mean_logprob()));
            of_prompt.truncate(plan.n);
            kept.extend(of_prompt);
        }
        choices = kept;
    }
    for (index, choice) in choices.iter_mut().enumerate() {
        choice.index = index;
        if plan.logprobs.is_none() {
            choice.logprobs = None;
        }
    }
    choices
}
