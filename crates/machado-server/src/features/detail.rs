//! One feature in full, and the features of a text.

use std::ops::Range;

use machado_core::error::Result;
use machado_core::ids::TokenIds;
use machado_core::interpret::{
    Active, FeatureSurvey, Firing, Promoted, TokenText, Window, WordLift, neighbours, properties,
};

use super::answer::{
    AlikeFeature, AlikeUnit, FeatureContext, FeatureDetail, FeatureEntry, FeatureRule,
    FeatureSample, FeatureWord, FiringFeature, MovedToken, TokenFires,
};
use super::{Features, Surveyed};
use crate::tokens::text_of;

/// Tokens promoted and suppressed, and features alike, as `machado sae show` has them.
const MOVED: usize = 10;
const ALIKE: usize = 6;

impl Features {
    /// A feature as it stands in a list.
    pub fn entry(&self, surveyed: &Surveyed, feature: usize, score: Option<f64>) -> FeatureEntry {
        let survey = &surveyed.features[feature];
        let word = |word: &WordLift| FeatureWord {
            word: word.word.clone(),
            lift: word.lift,
            share: word.share,
            recall: surveyed.recall(survey, word),
        };
        FeatureEntry {
            id: feature,
            label: surveyed.labels[feature].clone(),
            words: survey.words.iter().map(word).collect(),
            rule: survey
                .property
                .map(|rule| FeatureRule { name: properties()[rule.property].name, f1: rule.f1 }),
            density: survey.density(),
            active: survey.active,
            max_activation: self.strongest(surveyed, feature),
            score,
        }
    }

    /// All that is known of a feature.
    pub(super) fn detail_of(&self, surveyed: &Surveyed, feature: usize) -> Result<FeatureDetail> {
        let survey = &surveyed.features[feature];
        let (sae, compute) = (&self.autoencoder().sae, self.one_thread()?);
        let strongest = self.strongest(surveyed, feature);
        let reading = self.reading(&surveyed.ids, &compute);
        let moved = reading.promoted(sae, feature, strongest, MOVED)?;
        let [promotes, suppresses] = moved.map(|tokens| self.moved(&tokens));
        let mut contexts = self.contexts(surveyed, survey)?.into_iter();
        let strongest_contexts = contexts.by_ref().take(survey.contexts.len()).collect();
        let bands = survey.samples.iter().enumerate();
        let bands = bands.flat_map(|(band, drawn)| drawn.iter().map(move |_| band));
        let samples = bands.zip(contexts);
        Ok(FeatureDetail {
            entry: self.entry(surveyed, feature, None),
            mean_activation: survey.mean,
            bands: survey.bands,
            promotes,
            suppresses,
            alike: self.alike(surveyed, feature),
            unit: survey.unit.map(|(unit, correlation)| AlikeUnit { unit, correlation }),
            contexts: strongest_contexts,
            samples: samples.map(|(band, context)| FeatureSample { band, context }).collect(),
        })
    }

    fn moved(&self, tokens: &[Promoted]) -> Vec<MovedToken> {
        let token = |&Promoted { id, logit }: &Promoted| MovedToken {
            token: self.model.model.tokenizer.token(id),
            id,
            logit,
        };
        tokens.iter().map(token).collect()
    }

    /// Those of the features that were ever active whose directions are most like that of one.
    fn alike(&self, surveyed: &Surveyed, feature: usize) -> Vec<AlikeFeature> {
        let sae = &self.autoencoder().sae;
        let alive: Vec<usize> =
            (0..sae.d_sae()).filter(|&other| self.strongest(surveyed, other) > 0.0).collect();
        let near = neighbours(sae, &[feature], &alive, ALIKE).pop().unwrap_or_default();
        let alike = |(id, cosine)| AlikeFeature { id, cosine, label: surveyed.labels[id].clone() };
        near.into_iter().map(alike).collect()
    }

    /// The pieces of text around the places that were kept of a feature: the strongest ones, then those
    /// that were drawn.
    fn contexts(&self, surveyed: &Surveyed, survey: &FeatureSurvey) -> Result<Vec<FeatureContext>> {
        let (ids, characters) = (&surveyed.ids, surveyed.characters_per_token);
        let firing: Vec<Firing> =
            survey.contexts.iter().chain(survey.samples.iter().flatten()).copied().collect();
        if firing.is_empty() {
            return Ok(Vec::new());
        }
        let around = |firing: &Firing| {
            Window::around(survey.feature, firing.place, characters, ids.len()).tokens
        };
        let pieces: Vec<Range<usize>> = firing.iter().map(around).collect();
        let compute = self.one_thread()?;
        let sae = &self.autoencoder().sae;
        let activations =
            self.reading(ids, &compute).activations_near(sae, survey.feature, &pieces)?;
        let context = |((firing, piece), activations): ((&Firing, Range<usize>), Vec<f32>)| {
            let tokens = TokenText::pieces(&self.model.model.tokenizer, ids, piece);
            let Firing { place, value } = *firing;
            FeatureContext { place, activation: value, tokens, activations }
        };
        Ok(firing.iter().zip(pieces).zip(activations).map(context).collect())
    }

    /// The `top` features after each token of a text, by their shares.
    pub(super) fn fires(
        &self,
        surveyed: &Surveyed,
        text: &[u32],
        top: usize,
    ) -> Result<Vec<TokenFires>> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let tokenizer = &self.model.model.tokenizer;
        let mut ids = TokenIds::for_vocabulary(tokenizer.vocabulary_size());
        text.iter().for_each(|&id| ids.push(id));
        let compute = self.one_thread()?;
        let sae = &self.autoencoder().sae;
        let active = self.reading(&ids, &compute).active(sae, 0..text.len())?;
        let mut offset = 0;
        let token = |(active, &id): (Vec<Active>, &u32)| {
            let mut shares: Vec<(usize, f32, f32)> = active
                .iter()
                .map(|active| {
                    let feature = active.feature as usize;
                    let strongest = self.strongest(surveyed, feature);
                    // What never fired before fires as strongly as ever.
                    let share = if strongest > 0.0 { active.value / strongest } else { 1.0 };
                    (feature, active.value, share)
                })
                .collect();
            shares.sort_by(|a, b| b.2.total_cmp(&a.2));
            let firing = |&(id, activation, share): &(usize, f32, f32)| FiringFeature {
                id,
                activation,
                share,
                label: surveyed.labels[id].clone(),
            };
            let features = shares.iter().take(top).map(firing).collect();
            let here = offset;
            offset += text_of(tokenizer, id).1;
            TokenFires { token: tokenizer.token(id), id, offset: here, features }
        };
        Ok(active.into_iter().zip(text).map(token).collect())
    }
}
