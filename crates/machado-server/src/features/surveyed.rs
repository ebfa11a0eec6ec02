//! The text of a model, read once, and what each feature fires at in it.

use std::collections::HashMap;

use machado_core::error::Error;
use machado_core::ids::TokenIds;
use machado_core::interpret::{
    FeatureSurvey, Reading, SurveyConfig, TokenLabels, TokenText, WordLift,
};
use machado_core::math::threads::Compute;

use crate::error::{ApiError, ApiResult};
use crate::served::{Autoencoder, ServedModel};

/// Of a longer text so many tokens are read: what fires at no token of them is rare indeed, and nobody
/// would wait for the rest.
const MOST_TOKENS: usize = 1 << 24;

/// What is kept of each feature, as `machado sae show` does.
const CONFIG: SurveyConfig = SurveyConfig { contexts: 20, samples: 2, seed: 42, all_words: true };

/// A text that was read.
#[derive(Debug)]
pub struct Surveyed {
    /// The text.
    pub ids: TokenIds,
    /// Characters of a token, on average.
    pub(super) characters_per_token: usize,
    /// What each feature fires at, all of them in their order.
    pub features: Vec<FeatureSurvey>,
    /// What each is called.
    pub labels: Vec<String>,
    /// The words of the text, in lower case, by their numbers.
    pub(super) words: HashMap<String, u32>,
    /// How many times each comes.
    pub(super) times: Vec<u64>,
}

impl Surveyed {
    /// Reads the text of a model.
    ///
    /// # Errors
    /// If it is not at hand.
    pub(super) fn read(model: &ServedModel, threads: usize) -> ApiResult<Self> {
        let no_text = |message: &str| ApiError::not_found("no_text", message);
        let Some(source) = &model.text else {
            return Err(no_text(
                "the text that the model was trained on is not at hand, and so nobody knows what its \
                 features fire at; start the server with a text",
            ));
        };
        let mut ids = (source.0)().map_err(|problem| no_text(&problem))?;
        ids.truncate(MOST_TOKENS);
        if ids.is_empty() {
            return Err(no_text("the text of the model has no token that the model knows"));
        }
        let Some(autoencoder) = &model.autoencoder else {
            return Err(ApiError::internal(
                "a model without an autoencoder was asked for features",
            ));
        };
        Self::survey(model, autoencoder, ids, threads)
            .map_err(|error: Error| ApiError::internal(error.to_string()))
    }

    fn survey(
        model: &ServedModel,
        autoencoder: &Autoencoder,
        ids: TokenIds,
        threads: usize,
    ) -> Result<Self, Error> {
        let text = TokenText::new(&model.model.tokenizer, &ids, 0..ids.len());
        let characters_per_token = text.characters_per_token();
        let labels = TokenLabels::of(&text);
        drop(text);
        let Autoencoder { sae, facts, site } = autoencoder;
        let all: Vec<usize> = (0..sae.d_sae()).collect();
        let compute = Compute::new(threads, model.unit)?;
        let reading = Reading { model: &model.model, compute: &compute, site, ids: &ids };
        let maxima = &facts.max_activations;
        let features = reading.survey(sae, maxima, &all, &labels, CONFIG, 0..ids.len())?;
        let words = (0..).zip(labels.words.names).map(|(number, word)| (word, number)).collect();
        Ok(Self {
            characters_per_token,
            labels: features.iter().map(FeatureSurvey::label).collect(),
            features,
            words,
            times: labels.words.counts,
            ids,
        })
    }

    /// The share of the times that a word comes at which a feature fires strongly in it, or right after.
    pub(super) fn recall(&self, feature: &FeatureSurvey, word: &WordLift) -> f64 {
        let number = self.words.get(&word.word).copied();
        let share = number.and_then(|number| {
            Some(f64::from(feature.met(number)?.times) / self.times[number as usize] as f64)
        });
        share.unwrap_or(0.0)
    }
}
