//! The answer in one piece.

use axum::Json;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc::Receiver;

use super::answer::{CompletionChoice, Usage};
use super::assembler::Assembler;
use super::plan::Plan;
use crate::app::App;
use crate::engine::Event;
use crate::error::ApiResult;

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
    app.in_time(all).await?;
    if !assembler.is_done() {
        return Err(app.given_up());
    }
    let written = assembler.written();
    let plan = assembler.plan();
    let usage = Usage::new(plan.prompt_tokens(), written);
    let choices = best(&assembler, choices);
    Ok(Json(plan.completion(choices, Some(Some(usage)), plan.extra())).into_response())
}

/// The likeliest texts of each prompt, numbered anew.
fn best(assembler: &Assembler, choices: Vec<CompletionChoice>) -> Vec<CompletionChoice> {
    let plan = assembler.plan();
    let mut kept = choices;
    if plan.best_of > plan.n {
        let mean = |choice: &CompletionChoice| assembler.mean_logprob(choice.index);
        let mut rest = std::mem::take(&mut kept).into_iter();
        for _ in &plan.prompts {
            let mut of_prompt: Vec<CompletionChoice> = rest.by_ref().take(plan.best_of).collect();
            of_prompt.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
            of_prompt.truncate(plan.n);
            kept.extend(of_prompt);
        }
    }
    kept.iter_mut().enumerate().for_each(|(index, choice)| choice.index = index);
    kept
}
