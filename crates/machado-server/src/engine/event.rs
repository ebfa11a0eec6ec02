//! What a request hears of its jobs.

use machado_core::generate::FinishReason;

/// Something new of one prompt or text.
#[derive(Debug)]
pub enum Event {
    /// How likely the next tokens of a prompt were.
    Scored {
        /// The number of the job.
        job: usize,
        /// The tokens, in order, none left out.
        tokens: Vec<TokenScore>,
    },
    /// A prompt is read: the logits of what comes next, `[V]`.
    Next {
        /// The logits.
        logits: Vec<f32>,
    },
    /// What was written since the last time.
    Written(Burst),
}

/// How likely a token was, by the model itself: at temperature 1, without penalties and filters.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenScore {
    /// The token.
    pub id: u32,
    /// ln of its probability; none for the first token of a prompt, which has nothing before it.
    pub logprob: Option<f32>,
    /// Its place among all tokens, 1 for the likeliest, if wanted.
    pub rank: Option<usize>,
    /// The surprise that was to be expected, if wanted.
    pub entropy_nats: Option<f64>,
    /// The likeliest tokens with ln of their probabilities, as many as wanted.
    pub top: Vec<(u32, f32)>,
}

/// Some tokens of one text.
#[derive(Debug, Default, PartialEq)]
pub struct Burst {
    /// The number of the text within the request.
    pub choice: usize,
    /// What can be given out, in whole characters.
    pub text: String,
    /// Where the text and the scores end that each token gave out.
    pub steps: Vec<Step>,
    /// The tokens that were given out, if wanted.
    pub tokens: Vec<TokenScore>,
    /// Why the text ended, if it has.
    pub finished: Option<FinishReason>,
}

/// What one drawn token gave out: up to these ends of [`Burst::text`] and [`Burst::tokens`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Bytes.
    pub text_end: usize,
    /// Tokens.
    pub tokens_end: usize,
}
