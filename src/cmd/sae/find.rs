//! `machado sae find`: the features that know a concept, and what pushing them does.

mod effects;
mod like;
mod report;

use std::collections::HashMap;

use anyhow::{Result, bail};
use machado_core::ids::TokenIds;
use machado_core::interpret::{
    Concept, ConceptScores, FeatureSurvey, FindConfig, Reading, SurveyConfig,
};

use self::report::Found;
use super::inside::{Inside, InsideText};
use super::wanted::{Matches, of_examples, pattern};
use crate::cli::{SaeFindArgs, UsageError};

pub(super) fn run(args: &SaeFindArgs) -> Result<()> {
    let inside = Inside::open(args.inside.run.as_deref(), &args.place)?;
    if let Some(like) = &args.like {
        return like::run(args, &inside, like);
    }
    if let (Some(pos), Some(neg)) = (&args.pos, &args.neg) {
        let (ids, concept) = of_examples(&inside, pos, neg)?;
        let scores = scores(args, &inside, &ids, &concept)?;
        let found = Found { scores, names: HashMap::new(), effects: Vec::new(), matches: None };
        return found.print(args);
    }
    let Some((regex, words)) = pattern(args, &inside)? else {
        bail!(UsageError(
            "say what to find: --words, --words-file, --regex, --pos with --neg, or --like".into()
        ));
    };
    let text = inside.read(&args.inside.text)?;
    let matches = Matches::of(&regex, &words, text.text.text())?;
    let [study, test] = text.known.parts_or_shares(&inside.loaded);
    let kinds = matches.kinds(&text.text, args.label);
    let concept = Concept { kinds, study: vec![study], test: vec![test] };
    let scores = scores(args, &inside, &text.known.ids, &concept)?;
    let effects = effects::effects(args, &inside, &text, &concept, &matches, &scores)?;
    let numbers: Vec<usize> = scores.features.iter().map(|scored| scored.number).collect();
    let names = names(&inside, &text, &numbers)?;
    Found { scores, names, effects, matches: Some(matches) }.print(args)
}

fn scores(
    args: &SaeFindArgs,
    inside: &Inside,
    ids: &TokenIds,
    concept: &Concept,
) -> Result<ConceptScores> {
    let reading = Reading {
        model: &inside.loaded.file.model,
        compute: &inside.compute,
        site: &inside.site,
        ids,
    };
    let config = FindConfig { top: args.top, seed: args.seed };
    Ok(reading.find(&inside.sae, &inside.facts.max_activations, concept, config)?)
}

/// What features are called by what was measured of them.
fn names(inside: &Inside, text: &InsideText, features: &[usize]) -> Result<HashMap<usize, String>> {
    let config = SurveyConfig { contexts: 0, samples: 0, seed: 0, all_words: false };
    let surveys = inside.survey(text, features, config)?;
    Ok(surveys.iter().map(|survey| (survey.feature, FeatureSurvey::label(survey))).collect())
}
