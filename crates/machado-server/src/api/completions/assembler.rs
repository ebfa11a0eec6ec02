//! From events of the engine to what is added to each text.

use machado_core::tokenizer::CharacterJoiner;

use super::answer::{CompletionChoice, Logprobs, Top};
use super::plan::Plan;
use crate::engine::{Burst, Event, Step, TokenScore};
use crate::tokens::text_of;

/// Puts texts together.
#[derive(Debug)]
pub(super) struct Assembler {
    plan: Plan,
    /// For each job.
    prompts: Vec<PromptSoFar>,
    /// For each text, characters of it and its prompt so far, and whether it is done.
    choices: Vec<ChoiceSoFar>,
    /// Tokens drawn.
    written: usize,
}

#[derive(Debug, Default)]
struct PromptSoFar {
    joiner: CharacterJoiner,
    characters: usize,
    tokens: usize,
}

#[derive(Clone, Debug)]
struct ChoiceSoFar {
    characters: usize,
    /// Logarithms of the probabilities of its own tokens, summed, and how many they are.
    logprobs: (f64, usize),
    is_done: bool,
}

impl Assembler {
    pub fn new(plan: Plan) -> Self {
        let tokenizer = &plan.model.model.tokenizer;
        let of_prompt = |ids: &[u32]| ids.iter().map(|&id| text_of(tokenizer, id).1).sum();
        let choices = plan.prompts.iter().flat_map(|prompt| {
            let characters = of_prompt(&prompt.ids);
            let begun = ChoiceSoFar { characters, logprobs: (0.0, 0), is_done: false };
            std::iter::repeat_n(begun, plan.best_of)
        });
        let choices = choices.collect();
        let prompts = plan.jobs.iter().map(|_| PromptSoFar::default()).collect();
        Self { plan, prompts, choices, written: 0 }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Tokens drawn so far.
    pub fn written(&self) -> usize {
        self.written
    }

    /// The mean of the logarithms of a text's own tokens' probabilities.
    pub fn mean_logprob(&self, choice: usize) -> f64 {
        let (sum, count) = self.choices[choice].logprobs;
        if count == 0 { f64::NEG_INFINITY } else { sum / count as f64 }
    }

    /// Whether all texts have come to their ends.
    pub fn is_done(&self) -> bool {
        self.choices.iter().all(|choice| choice.is_done)
    }

    /// What is there before the engine does anything: prompts that are repeated but not scored, and the
    /// ends of texts without a token.
    pub fn begin(&mut self) -> Vec<CompletionChoice> {
        let mut deltas = Vec::new();
        for number in 0..self.choices.len() {
            let prompt = &self.plan.prompts[number / self.plan.best_of];
            let waits = self.plan.scores_prompts() && !prompt.ids.is_empty();
            if waits {
                continue;
            }
            let mut delta = CompletionChoice { index: number, ..CompletionChoice::default() };
            if self.plan.echo {
                delta.text = self.plan.model.model.tokenizer.decode(&prompt.ids);
                delta.token_ids = self.plan.token_ids.then(|| prompt.ids.clone());
            }
            if self.plan.writes_nothing {
                self.end(&mut delta);
            }
            if !delta.text.is_empty() || delta.finish_reason.is_some() {
                deltas.push(delta);
            }
        }
        deltas
    }

    /// What an event adds, in one delta for each text.
    pub fn whole(&mut self, event: Event) -> Vec<CompletionChoice> {
        match event {
            Event::Scored { job, tokens } => self.scored(job, &tokens),
            Event::Written(burst) => {
                let end = burst.steps.last().copied();
                end.map(|end| self.written_to(&burst, [Step::default(), end], true))
                    .into_iter()
                    .collect()
            }
            Event::Next { .. } => Vec::new(),
        }
    }

    /// What an event adds, in one delta for each token. A token without text has none, unless it is
    /// scored.
    pub fn each(&mut self, event: Event) -> Vec<CompletionChoice> {
        match event {
            Event::Scored { job, tokens } => self.scored(job, &tokens),
            Event::Written(burst) => {
                let mut deltas = Vec::with_capacity(burst.steps.len());
                let mut from = Step::default();
                for (number, &to) in burst.steps.iter().enumerate() {
                    let is_last = number + 1 == burst.steps.len();
                    let delta = self.written_to(&burst, [from, to], is_last);
                    if from != to || delta.finish_reason.is_some() {
                        deltas.push(delta);
                    }
                    from = to;
                }
                deltas
            }
            Event::Next { .. } => Vec::new(),
        }
    }

    /// Tokens of a prompt, for all texts of its job.
    fn scored(&mut self, job: usize, tokens: &[TokenScore]) -> Vec<CompletionChoice> {
        let (prompt, choices) = self.plan.jobs[job].clone();
        let ids = &self.plan.prompts[prompt].ids;
        let so_far = &mut self.prompts[job];
        so_far.tokens += tokens.len();
        let is_whole = so_far.tokens == ids.len();
        let tokenizer = &self.plan.model.model.tokenizer;
        let (mut text, mut bytes) = (String::new(), Vec::new());
        for token in tokens {
            bytes.clear();
            tokenizer.push_token(token.id, &mut bytes);
            so_far.joiner.push(&bytes, &mut text);
        }
        if is_whole {
            so_far.joiner.finish(&mut text);
        }
        let begin = so_far.characters;
        let deltas = choices.map(|index| {
            let mut characters = begin;
            let mut delta = self.plan.delta(index, tokens, &mut characters);
            self.prompts[job].characters = characters;
            delta.text.clone_from(&text);
            if is_whole && self.plan.writes_nothing {
                self.choices[index].is_done = true;
                delta.finish_reason = Some("length");
            }
            delta
        });
        deltas.collect()
    }

    /// What a text gained between two steps.
    fn written_to(
        &mut self,
        burst: &Burst,
        [from, to]: [Step; 2],
        is_last: bool,
    ) -> CompletionChoice {
        let tokens = &burst.tokens[from.tokens_end..to.tokens_end];
        let so_far = &mut self.choices[burst.choice];
        for logprob in tokens.iter().filter_map(|token| token.logprob) {
            so_far.logprobs.0 += f64::from(logprob);
            so_far.logprobs.1 += 1;
        }
        let mut delta = self.plan.delta(burst.choice, tokens, &mut so_far.characters);
        delta.text = burst.text[from.text_end..to.text_end].to_owned();
        if is_last {
            self.written += burst.steps.len();
            if let Some(reason) = burst.finished {
                so_far.is_done = true;
                delta.finish_reason = Some(reason.name());
            }
        }
        delta
    }

    /// Ends a text that has no tokens.
    fn end(&mut self, delta: &mut CompletionChoice) {
        self.choices[delta.index].is_done = true;
        delta.finish_reason = Some("length");
    }
}

impl Plan {
    /// The scores of some tokens, the first of which begins after so many `characters`.
    fn delta(
        &self,
        index: usize,
        scores: &[TokenScore],
        characters: &mut usize,
    ) -> CompletionChoice {
        let mut logprobs = Logprobs::default();
        let tokenizer = &self.model.model.tokenizer;
        for score in scores {
            let (text, begins) = text_of(tokenizer, score.id);
            let top = score.logprob.map(|logprob| {
                let mut top: Vec<(String, f32)> = (score.top.iter())
                    .map(|&(id, logprob)| (text_of(tokenizer, id).0, logprob))
                    .collect();
                // The token that came is always there.
                if !score.top.iter().any(|&(id, _)| id == score.id) {
                    top.push((text.clone(), logprob));
                }
                Top(top)
            });
            logprobs.tokens.push(text);
            logprobs.token_logprobs.push(score.logprob);
            logprobs.top_logprobs.push(top);
            logprobs.text_offset.push(*characters);
            *characters += begins;
        }
        CompletionChoice {
            index,
            logprobs: self.logprobs.map(|_| logprobs),
            token_ids: self.token_ids.then(|| scores.iter().map(|score| score.id).collect()),
            ..CompletionChoice::default()
        }
    }
}
