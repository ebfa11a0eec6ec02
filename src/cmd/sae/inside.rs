//! What the commands about features begin with: a model, its autoencoder, and a text.

use std::path::{Path, PathBuf};

use anyhow::Result;
use machado_core::interpret::{
    FeatureSurvey, Firing, Reading, Sae, SurveyConfig, TokenLabels, TokenText, Window,
};
use machado_core::math::threads::Compute;
use machado_core::model::Site;
use machado_core::tokenizer::UnknownPolicy;
use machado_interop::saelens::SaeFacts;

use super::piece::Piece;
use crate::cli::WhereArgs;
use crate::known_text::KnownText;
use crate::models::{self, LoadedModel};
use crate::sae_folder::{self, LoadedSae};

/// A model and its autoencoder.
pub(super) struct Inside {
    pub loaded: LoadedModel,
    pub compute: Compute,
    pub site: Site,
    pub sae: Sae,
    pub facts: SaeFacts,
}

/// A text that the model reads.
pub(super) struct InsideText {
    pub known: KnownText,
    pub text: TokenText,
    pub labels: TokenLabels,
}

impl Inside {
    pub fn open(run: Option<&Path>, place: &WhereArgs) -> Result<Self> {
        let loaded = models::load_path(run, None)?;
        let compute = crate::cmd::compute(&place.compute)?;
        let folder = place.sae.clone().unwrap_or_else(|| sae_folder::beside(run));
        let model = &loaded.file.model;
        let LoadedSae { sae, facts } = sae_folder::read(&folder, model)?;
        let site = Site::new(&model.config, &facts.site)?;
        Ok(Self { loaded, compute, site, sae, facts })
    }

    /// Reads the given texts, or without any those that the model was trained on.
    pub fn read(&self, paths: &[PathBuf]) -> Result<InsideText> {
        let known = KnownText::read(&self.loaded, paths, UnknownPolicy::Skip)?;
        let text =
            TokenText::new(&self.loaded.file.model.tokenizer, &known.ids, 0..known.ids.len());
        let labels = TokenLabels::of(&text);
        Ok(InsideText { known, text, labels })
    }

    pub fn reading<'a>(&'a self, text: &'a KnownText) -> Reading<'a> {
        Reading {
            model: &self.loaded.file.model,
            compute: &self.compute,
            site: &self.site,
            ids: &text.ids,
        }
    }

    /// What some features fire at in the whole text.
    pub fn survey(
        &self,
        text: &InsideText,
        features: &[usize],
        config: SurveyConfig,
    ) -> Result<Vec<FeatureSurvey>> {
        let range = 0..text.known.ids.len();
        let maxima = &self.facts.max_activations;
        let reading = self.reading(&text.known);
        Ok(reading.survey(&self.sae, maxima, features, &text.labels, config, range)?)
    }

    /// The pieces of text around some firing of features, with the activations there.
    pub fn pieces(&self, text: &InsideText, firing: &[(usize, Firing)]) -> Result<Vec<Piece>> {
        let tokens = text.known.ids.len();
        let characters = text.text.characters_per_token();
        let windows: Vec<Window> = firing
            .iter()
            .map(|&(feature, firing)| Window::around(feature, firing.place, characters, tokens))
            .collect();
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        let activations =
            self.reading(&text.known).activations_at(&self.sae, &windows, 0..tokens)?;
        let pieces = windows.iter().zip(activations).zip(firing);
        Ok(pieces
            .map(|((window, values), &(_, firing))| {
                let token = |(place, value)| (text.text.piece(place..place + 1).to_owned(), value);
                Piece { firing, tokens: window.tokens.clone().zip(values).map(token).collect() }
            })
            .collect())
    }

    /// All features that fired when the autoencoder was measured.
    pub fn alive(&self) -> Vec<usize> {
        (0..self.sae.d_sae()).filter(|&i| self.facts.max_activations[i] > 0.0).collect()
    }
}
