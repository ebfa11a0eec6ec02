//! Between texts of requests and tokens.

use machado_core::tokenizer::{TokenSize, Tokenizer, UnknownPolicy};

use crate::api::completions::{PromptField, Skipped};
use crate::error::{ApiError, ApiResult};
use crate::served::ServedModel;

/// A prompt as the model reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Its tokens.
    pub ids: Vec<u32>,
    /// Characters that the model does not know, and that were left out.
    pub skipped: Vec<Skipped>,
    /// Whether it ended with a space that belongs to the next word and is not among the tokens.
    pub space_waits: bool,
}

impl ServedModel {
    /// The tokens of a prompt: of a text without the space at its end that belongs to the next word.
    ///
    /// # Errors
    /// If an id is outside the vocabulary.
    pub fn encode_prompt(&self, prompt: &PromptField, param: &str) -> ApiResult<Encoded> {
        match prompt {
            PromptField::Text(text) => {
                let read = self.model.tokenizer.read_of_prompt(text);
                let encoded = self.encode(read)?;
                Ok(Encoded { space_waits: read.len() < text.len(), ..encoded })
            }
            PromptField::Ids(ids) => {
                self.check_ids(ids, param)?;
                Ok(Encoded { ids: ids.clone(), ..Encoded::default() })
            }
        }
    }

    /// The tokens of a whole text.
    ///
    /// # Errors
    /// None, since characters that are not known are left out; the core's signature has one.
    pub fn encode(&self, text: &str) -> ApiResult<Encoded> {
        let tokenizer = &self.model.tokenizer;
        let mut encoding = tokenizer.encoding(UnknownPolicy::Skip, "text");
        tokenizer.encode_piece(&self.standardize.apply(text), &mut encoding)?;
        let skipped = encoding.skipped.iter();
        let skipped = skipped.map(|&(character, count)| Skipped { character, count }).collect();
        Ok(Encoded { ids: encoding.ids.to_vec(), skipped, space_waits: false })
    }

    /// Checks that the vocabulary has these ids.
    ///
    /// # Errors
    /// If it has not.
    pub fn check_ids(&self, ids: &[u32], param: &str) -> ApiResult<()> {
        let size = self.model.tokenizer.vocabulary_size();
        match ids.iter().find(|&&id| id as usize >= size) {
            None => Ok(()),
            Some(id) => {
                let message = format!(
                    "token id {id} is not in the vocabulary of {size} tokens, which are numbered from 0"
                );
                Err(ApiError::of(param, message))
            }
        }
    }
}

/// Likeliest tokens in a whole answer, at most: 2²⁰, which is some hundred megabytes.
const MOST_TOP: usize = 1 << 20;

/// Checks that an answer does not become too large.
///
/// # Errors
/// If it would.
pub fn check_top(param: &str, top: usize, tokens: usize) -> ApiResult<()> {
    if top.saturating_mul(tokens) <= MOST_TOP {
        return Ok(());
    }
    let message = format!(
        "{top} for each of {tokens} tokens are more than the {MOST_TOP} that one answer may have; ask for \
         fewer"
    );
    Err(ApiError::of(param, message))
}

/// The text of a token, and how many characters begin in it.
pub fn text_of(tokenizer: &Tokenizer, id: u32) -> (String, usize) {
    let mut bytes = Vec::new();
    tokenizer.push_token(id, &mut bytes);
    let begins = TokenSize::of(&bytes).characters as usize;
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        // As OpenAI writes tokens that are no whole characters.
        let bytes = error.as_bytes().iter().map(|byte| format!("\\x{byte:02x}"));
        format!("bytes:{}", bytes.collect::<String>())
    });
    (text, begins)
}
