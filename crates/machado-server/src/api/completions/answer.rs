//! What a request for completions is answered.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// A whole answer, or one chunk of a stream.
#[derive(Debug, Serialize, ToSchema)]
pub struct Completion<'a> {
    /// The name of this answer, the same for all chunks.
    pub id: &'a str,
    /// `text_completion`.
    pub object: &'static str,
    /// When, in seconds since 1970.
    pub created: u64,
    /// The name of the model.
    pub model: &'a str,
    /// Changes when the program or the model's weights do.
    pub system_fingerprint: &'a str,
    /// The texts.
    pub choices: Vec<CompletionChoice>,
    /// How many tokens there were. In a stream that asks for it, null but in the last chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
    /// What is not in OpenAI's API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machado: Option<Extra>,
}

/// A text, or what came of it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CompletionChoice {
    /// Its number: that of the prompt × n + that of the text.
    pub index: usize,
    /// What the model wrote.
    pub text: String,
    /// How likely each token was.
    pub logprobs: Option<Logprobs>,
    /// `length`, `stop`, or null where it goes on.
    pub finish_reason: Option<&'static str>,
    /// The ids of the tokens, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<Vec<u32>>,
}

/// How likely each token was: four lists of one length.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Logprobs {
    /// The tokens. One that is no whole character stands as `bytes:\xc3`.
    pub tokens: Vec<String>,
    /// ln of their probabilities, before temperature, penalties and filters; null for a first token.
    pub token_logprobs: Vec<Option<f32>>,
    /// The likeliest tokens in each place with ln of their probabilities, and the one that came.
    #[schema(value_type = Vec<Option<Object>>)]
    pub top_logprobs: Vec<Option<Top>>,
    /// Where each token begins, in characters from the beginning of the prompt.
    pub text_offset: Vec<usize>,
}

/// Tokens and numbers, sent as an object. A number here is written as it is elsewhere: clients compare
/// the largest one with that of the token that came.
#[derive(Debug)]
pub struct Top(pub Vec<(String, f32)>);

impl Serialize for Top {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(token, logprob)| (token, logprob)))
    }
}

/// How many tokens there were.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct Usage {
    /// Of the prompts, each counted once.
    pub prompt_tokens: usize,
    /// Drawn, with those of a stop string.
    pub completion_tokens: usize,
    /// Their sum.
    pub total_tokens: usize,
}

/// What is not in OpenAI's API.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Extra {
    /// Characters of the prompts that the model does not know, and that were left out.
    pub skipped: Vec<Skipped>,
}

/// A character that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Skipped {
    /// The character.
    pub character: char,
    /// How often.
    pub count: u64,
}

impl Usage {
    /// Tokens of prompts and of texts.
    pub fn new(prompt_tokens: usize, completion_tokens: usize) -> Self {
        Self { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
    }
}

impl CompletionChoice {
    /// Appends what came.
    pub fn append(&mut self, more: Self) {
        self.text.push_str(&more.text);
        self.finish_reason = more.finish_reason.or(self.finish_reason);
        match (&mut self.logprobs, more.logprobs) {
            (Some(own), Some(more)) => own.append(more),
            (own, more) => *own = own.take().or(more),
        }
        match (&mut self.token_ids, more.token_ids) {
            (Some(own), Some(more)) => own.extend(more),
            (own, more) => *own = own.take().or(more),
        }
    }
}

impl Logprobs {
    fn append(&mut self, more: Self) {
        self.tokens.extend(more.tokens);
        self.token_logprobs.extend(more.token_logprobs);
        self.top_logprobs.extend(more.top_logprobs);
        self.text_offset.extend(more.text_offset);
    }
}
