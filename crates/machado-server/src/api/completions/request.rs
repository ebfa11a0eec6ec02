//! The body of a request for completions, as it comes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::steer::SteerField;

/// `POST /v1/completions`: OpenAI's fields and some more. Fields that are not here are ignored.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CompletionRequest {
    /// The name of a model; any, where only one is served.
    pub model: Option<String>,
    /// A text, token ids, or a list of either.
    #[schema(value_type = Option<Value>)]
    pub prompt: Option<Prompts>,
    /// Tokens to write at most. Default 16; 0 writes nothing, to score the prompt with `echo`.
    pub max_tokens: Option<usize>,
    /// Below 1 the likely becomes likelier, above 1 less so; 0 takes the likeliest. Default 1.
    pub temperature: Option<f64>,
    /// Only the likeliest tokens that together reach this probability. Default 1.
    pub top_p: Option<f64>,
    /// Texts for each prompt. Default 1.
    pub n: Option<usize>,
    /// Texts to write for each prompt, of which the `n` likeliest are returned. Not with `stream`.
    pub best_of: Option<usize>,
    /// Whether to send the text while it is written.
    pub stream: Option<bool>,
    /// How to stream.
    pub stream_options: Option<StreamOptions>,
    /// Return how likely each token was, and so many of the likeliest in its place.
    pub logprobs: Option<usize>,
    /// Begin each text with its prompt, as the model read it.
    pub echo: Option<bool>,
    /// A text ends before the first of these: a string, or a list of strings.
    #[schema(value_type = Option<Value>)]
    pub stop: Option<OneOrMany>,
    /// The same seed writes the same text.
    pub seed: Option<i64>,
    /// What a token's logit loses that was written at least once, from -2 to 2.
    pub presence_penalty: Option<f64>,
    /// What a token's logit loses for each time that it was written, from -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// What is added to the logits of tokens, from -100 to 100, by id or by text; `false` bans.
    #[schema(value_type = Option<Value>)]
    pub logit_bias: Option<BTreeMap<String, Value>>,
    /// Not supported: these models only write on.
    pub suffix: Option<String>,

    /// Only so many of the likeliest tokens; 0 or less for all.
    pub top_k: Option<i64>,
    /// Only tokens with at least this share of the likeliest one's probability; 0 for all.
    pub min_p: Option<f64>,
    /// Only the tokens whose surprise is nearest to the expected one, up to this probability; 1 for all.
    pub typical_p: Option<f64>,
    /// Above 1, tokens that came lately come less often. Default 1.
    #[serde(alias = "repetition_penalty")]
    pub repeat_penalty: Option<f64>,
    /// How many of the last tokens that looks at, those of the prompt among them. Default 64.
    pub repeat_last_n: Option<usize>,
    /// Return the ids of the tokens as `token_ids`.
    pub return_token_ids: Option<bool>,
    /// Features of the model's autoencoder to turn up or down.
    pub steer: Option<Vec<SteerField>>,
    /// Who sees what is steered: `state` (the layer's next step too, the default) or `output`.
    pub steer_reach: Option<String>,
}

/// How to stream.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// Send how many tokens there were, in a chunk of its own at the end.
    pub include_usage: Option<bool>,
}

/// One prompt, or several.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompts {
    /// One.
    One(PromptField),
    /// Several.
    Many(Vec<PromptField>),
}

/// A prompt.
#[derive(Clone, Debug, PartialEq)]
pub enum PromptField {
    /// A text.
    Text(String),
    /// Token ids.
    Ids(Vec<u32>),
}

/// A string or some.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Some.
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for Prompts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        prompts(value).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for PromptField {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match prompts(Value::deserialize(deserializer)?) {
            Ok(Prompts::One(prompt)) => Ok(prompt),
            Ok(Prompts::Many(_)) => Err(serde::de::Error::custom(
                "expected one prompt, a string or a list of token ids",
            )),
            Err(problem) => Err(serde::de::Error::custom(problem)),
        }
    }
}

/// A text, a list of ids, a list of texts, or a list of lists of ids.
fn prompts(value: Value) -> Result<Prompts, String> {
    let list = match value {
        Value::String(text) => return Ok(Prompts::One(PromptField::Text(text))),
        Value::Array(list) => list,
        other => {
            return Err(format!(
                "expected a string, a list of strings, a list of token ids, or a list of such lists, \
                 not {}",
                shown(&other)
            ));
        }
    };
    if list.is_empty() {
        return Err("expected at least one prompt or token id, not an empty list".into());
    }
    if list.iter().all(|item| item.is_string() || item.is_array()) {
        let prompt = |item| match item {
            Value::String(text) => Ok(PromptField::Text(text)),
            Value::Array(list) => ids(&list).map(PromptField::Ids),
            _ => unreachable!("only these were let through"),
        };
        return list.into_iter().map(prompt).collect::<Result<_, _>>().map(Prompts::Many);
    }
    ids(&list).map(PromptField::Ids).map(Prompts::One)
}

fn ids(list: &[Value]) -> Result<Vec<u32>, String> {
    let id = |item: &Value| {
        let id = item.as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| format!("expected token ids, whole numbers from 0, not {}", shown(item)))
    };
    list.iter().map(id).collect()
}

/// A value as it came, if that is short.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        Value::String(text) if text.len() > 40 => "a string".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<Prompts, &str>) {
        let found = serde_json::from_str::<Prompts>(json).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{json}");
    }

    #[test]
    fn prompts_come_in_four_shapes() {
        let text = |text: &str| PromptField::Text(text.into());
        check("\"a\"", Ok(Prompts::One(text("a"))));
        check("[\"a\", \"\"]", Ok(Prompts::Many(vec![text("a"), text("")])));
        check("[1, 2]", Ok(Prompts::One(PromptField::Ids(vec![1, 2]))));
        let ids = |ids: &[u32]| PromptField::Ids(ids.to_vec());
        check("[[1], [2, 3], []]", Ok(Prompts::Many(vec![ids(&[1]), ids(&[2, 3]), ids(&[])])));
    }

    #[test]
    fn what_is_no_prompt_is_said() {
        check("[]", Err("expected at least one prompt or token id, not an empty list"));
        check("[[null, 1]]", Err("expected token ids, whole numbers from 0, not null"));
        check("[1, \"a\"]", Err("expected token ids, whole numbers from 0, not \"a\""));
        check("[-1]", Err("expected token ids, whole numbers from 0, not -1"));
        check("[1.5]", Err("expected token ids, whole numbers from 0, not 1.5"));
        check(
            "true",
            Err(
                "expected a string, a list of strings, a list of token ids, or a list of such lists, \
                 not true",
            ),
        );
    }
}
