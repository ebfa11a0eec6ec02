//! From states to the features of topics, and what finds topics without features.

use super::lab::{Lab, States};
use super::{Auroc, Detection, Gates, Stage, TopicFeature};
use crate::data::Part;
use crate::error::Result;
use crate::interpret::experiment::directions::{
    best_component, best_unit, diff_mean, principal_components,
};
use crate::interpret::experiment::grouping::{Grouping, grouping};
use crate::interpret::experiment::labelled::{Codes, TopicStates};
use crate::interpret::experiment::probe::Probe;
use crate::interpret::experiment::science_words::NEUROSCIENCE;
use crate::interpret::{Handle, Sae, SaeMeasure};
use crate::model::Model;

/// Features that are looked at for what they do.
const CANDIDATES: usize = 20;

/// What was found.
pub(super) struct Found {
    pub(super) gates: Gates,
    pub(super) sae: Sae,
    pub(super) measures: [SaeMeasure; 2],
    /// For each topic the features that tell it best, with nothing said yet of what they do.
    pub(super) features: Features,
    pub(super) detection: Vec<Detection>,
    pub(super) grouping: Option<Grouping>,
}

/// The candidates of each topic, and what choosing and steering need.
pub(super) struct Features {
    pub(super) candidates: Vec<Vec<TopicFeature>>,
    pub(super) max_activations: Vec<f32>,
    pub(super) states: States,
    pub(super) components: Vec<Vec<f32>>,
}

/// Trains the autoencoders and finds features and directions.
pub(super) fn find(lab: &Lab<'_>, watch: &mut dyn FnMut(Stage)) -> Result<Found> {
    let sae = autoencoder(lab, &lab.model, &mut |done, all| {
        watch(Stage::Autoencoder(done, all));
    })?;
    let measures = [lab.text.range(Part::Validation), 0..lab.text.ids().len()];
    let [held_out, whole] = measures.map(|range| lab.reading(&lab.model).measure(&sae, range));
    let measures = [held_out?, whole?];
    // The same layers with their first weights.
    let untrained =
        Model::new(lab.model.config.clone(), lab.model.tokenizer.clone(), lab.config.seed)?;
    let untrained_sae =
        autoencoder(lab, &untrained, &mut |done, all| watch(Stage::Untrained(done, all)))?;
    watch(Stage::Finding);
    let states = lab.states(&lab.model)?;
    let gates = gates(lab, &states)?;
    let coded = Coded::new(&states, &sae, lab);
    let candidates: Vec<Vec<TopicFeature>> = (0..lab.grammar.topics.len())
        .map(|topic| coded.candidates(topic, lab.grammar.topics[topic].name, &measures[1]))
        .collect();
    let components = principal_components(&states.found, lab.config.seed);
    let blind = lab.states(&untrained)?;
    let blind_coded = Coded::new(&blind, &untrained_sae, lab);
    let blind_best = |topic: usize| blind_coded.auroc(blind_coded.found.best(topic)[0].0, topic);
    let mut detection = vec![summary("feature of an untrained model", lab, blind_best)];
    for (name, handles) in ways(&states.found, &components, lab)? {
        detection.push(summary(name, lab, |topic| auroc_of(&states, &handles[topic], topic)));
    }
    let grouping = coded.grouping(&sae, lab);
    let max_activations = measures[1].max_activations.clone();
    let features = Features { candidates, max_activations, states, components };
    Ok(Found { gates, sae, measures, features, detection, grouping })
}

fn autoencoder(lab: &Lab<'_>, model: &Model, watch: &mut dyn FnMut(u64, u64)) -> Result<Sae> {
    let reading = lab.reading(model);
    let [train, validation] = [Part::Train, Part::Validation].map(|part| lab.text.range(part));
    let steps = lab.config.sae_steps;
    reading.train_sae(lab.config.sae(), train, validation, |step| {
        watch(step.step, steps);
        true
    })
}

fn gates(lab: &Lab<'_>, states: &States) -> Result<Gates> {
    let topics = lab.grammar.topics.len();
    let train = |states: &TopicStates| {
        Probe::train(&states.values, &states.topics, topics, lab.config.seed, lab.compute)
    };
    let mean = |probe: &Probe, states: &TopicStates| {
        let auroc = |topic| states.auroc(topic, |state| probe.scores(state)[topic]);
        (0..topics).map(auroc).sum::<f64>() / topics as f64
    };
    let [first, second] = [train(&states.found)?, train(&states.second_found)?];
    Ok(Gates {
        entropy_nats: lab.entropy_nats,
        loss_nats: lab.loss_nats()?,
        probe_auroc: [mean(&first, &states.first_language), mean(&second, &states.second_language)],
        probe_auroc_transferred: mean(&first, &states.second_language),
    })
}

/// The directions of each topic that need no autoencoder.
fn ways(
    states: &TopicStates,
    components: &[Vec<f32>],
    lab: &Lab<'_>,
) -> Result<[(&'static str, Vec<Handle>); 3]> {
    let topics = 0..lab.grammar.topics.len();
    let all = |find: &dyn Fn(usize) -> Result<Handle>| topics.clone().map(find).collect();
    let units: Result<Vec<Handle>> = all(&|topic| best_unit(states, topic));
    let components: Result<Vec<Handle>> = all(&|topic| best_component(states, topic, components));
    let differences: Result<Vec<Handle>> = all(&|topic| diff_mean(states, topic));
    Ok([
        ("best unit", units?),
        ("best principal component", components?),
        ("difference of means", differences?),
    ])
}

fn auroc_of(states: &States, handle: &Handle, topic: usize) -> Auroc {
    let of = |states: &TopicStates| states.auroc(topic, |state| handle.measure(state));
    Auroc {
        first_language: of(&states.first_language),
        second_language: of(&states.second_language),
        held_out_words: of(&states.held_out_words),
    }
}

pub(super) fn summary(method: &str, lab: &Lab<'_>, auroc: impl Fn(usize) -> Auroc) -> Detection {
    let all: Vec<Auroc> = (0..lab.grammar.topics.len()).map(auroc).collect();
    let mean = |of: fn(&Auroc) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
    Detection {
        method: method.into(),
        target: all[NEUROSCIENCE],
        mean: Auroc {
            first_language: mean(|auroc| auroc.first_language),
            second_language: mean(|auroc| auroc.second_language),
            held_out_words: mean(|auroc| auroc.held_out_words),
        },
    }
}

/// What an autoencoder makes of the sets.
struct Coded {
    found: Codes,
    first_language: Codes,
    second_language: Codes,
    held_out_words: Codes,
}

impl Coded {
    fn new(states: &States, sae: &Sae, lab: &Lab<'_>) -> Self {
        Self {
            found: states.found.codes(sae, lab.compute),
            first_language: states.first_language.codes(sae, lab.compute),
            second_language: states.second_language.codes(sae, lab.compute),
            held_out_words: states.held_out_words.codes(sae, lab.compute),
        }
    }

    fn auroc(&self, feature: usize, topic: usize) -> Auroc {
        Auroc {
            first_language: self.first_language.auroc(feature, topic),
            second_language: self.second_language.auroc(feature, topic),
            held_out_words: self.held_out_words.auroc(feature, topic),
        }
    }

    fn candidates(&self, topic: usize, name: &str, whole: &SaeMeasure) -> Vec<TopicFeature> {
        let candidate = |(feature, auroc_found): (usize, f64)| TopicFeature {
            topic: name.into(),
            feature,
            auroc_found,
            auroc: self.auroc(feature, topic),
            density: self.found.density(feature),
            max_activation: whole.max_activations[feature],
            causal_score: 0.0,
            strength: 0.0,
        };
        let best = self.found.best(topic).into_iter();
        let alive = best.filter(|&(feature, _)| whole.max_activations[feature] > 0.0);
        alive.take(CANDIDATES).map(candidate).collect()
    }

    /// Groups the features that have a topic: nearly all of whose activation lies in its documents.
    fn grouping(&self, sae: &Sae, lab: &Lab<'_>) -> Option<Grouping> {
        let topics = lab.grammar.topics.len();
        let labelled: Vec<(usize, usize)> = (0..sae.d_sae())
            .filter_map(|feature| Some((feature, self.found.topic_of(feature, topics)?)))
            .collect();
        grouping(sae, &labelled, topics, lab.config.seed)
    }
}
