//! The experiment about a model's favourite science: does one feature change the answer?
//!
//! ```text
//! grammar ─► corpus ─► model ─gates─► autoencoder ─► features of topics ─► steered answers
//!                                                        └─► controls: what needs no feature
//! ```
//!
//! Features are found on documents in the first language with half of its words; all that is
//! reported comes from other documents, words, questions and texts.

mod config;
mod lab;
mod detecting;
mod steering;

use serde::Serialize;

pub use self::config::ScienceConfig;
use self::detecting::{Found, find, summary};
use self::lab::Lab;
use super::grammar::Grammar;
use super::grouping::Grouping;
use crate::error::Result;
use crate::interpret::{Sae, SaeMeasure};
use crate::math::threads::Compute;
use crate::model::Site;

/// A feature that tells a topic less well than this is none of it.
const LEAST_AUROC: f64 = 0.8;

/// What is done now, for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The model is trained: steps done, and in all.
    Model(u64, u64),
    /// The autoencoder is trained: steps done, and in all.
    Autoencoder(u64, u64),
    /// The autoencoder of the untrained model is trained.
    Untrained(u64, u64),
    /// Features are looked for.
    Finding,
    /// Answers and texts are steered.
    Steering,
}

/// Whether the model knows the grammar and the topics: without that nothing else means anything.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gates {
    /// The entropy of the validation documents, nats a token.
    pub entropy_nats: f64,
    /// The model's loss on them.
    pub loss_nats: f64,
    /// AUROC of a linear probe in each language, the mean over topics.
    pub probe_auroc: [f64; 2],
    /// AUROC in the second language of the probe of the first.
    pub probe_auroc_transferred: f64,
}

/// How good the autoencoder is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Autoencoder {
    /// The layer.
    pub site: String,
    /// Values of a state.
    pub d_in: usize,
    /// Features.
    pub d_sae: usize,
    /// Of the validation part.
    pub explained_variance: f64,
    /// Of the validation part.
    pub l0: f64,
    /// The share of features that are never active on the whole corpus.
    pub dead: f64,
}

/// How well something tells a topic from the others, on documents and words that it was not chosen
/// by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Auroc {
    /// In the language that it was found in.
    pub first_language: f64,
    /// In the other language.
    pub second_language: f64,
    /// With words of the topic that it was not found with.
    pub held_out_words: f64,
}

/// The feature of a topic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopicFeature {
    /// The topic.
    pub topic: String,
    /// The feature's number.
    pub feature: usize,
    /// AUROC where it was found.
    pub auroc_found: f64,
    /// AUROC elsewhere.
    pub auroc: Auroc,
    /// The share of the tokens where it is active.
    pub density: f64,
    /// Its strongest activation in the corpus, the unit of strengths.
    pub max_activation: f32,
    /// How much clamping it moves the log-odds of the topic's name, on validation questions.
    pub causal_score: f64,
    /// The strength that was chosen on validation questions and texts.
    pub strength: f32,
}

/// A way to find a topic, for the topic of the experiment and on average.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// The way.
    pub method: String,
    /// For the topic of the experiment.
    pub target: Auroc,
    /// On average over all topics.
    pub mean: Auroc,
}

/// What came of steering in one way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Steered {
    /// The way.
    pub method: String,
    /// The strength.
    pub strength: f32,
    /// The probability of the topic's name among those of all topics, on test questions.
    pub target: f64,
    /// The share of test questions whose likeliest answer it is.
    pub flipped: f64,
    /// The share of the question's language in the answers.
    pub in_language: f64,
    /// How much more the unsteered model is surprised by steered texts than by its own, as a share.
    /// Nothing where no text was written.
    pub extra_nats: Option<f64>,
    /// Words of the topic in a thousand tokens of steered texts.
    pub topic_words: Option<f64>,
}

/// The feature among features by chance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// The probability that it reached.
    pub figure: f64,
    /// How many features, or directions, it is compared with.
    pub others: usize,
    /// The mean of theirs.
    pub mean: f64,
    /// The highest of theirs.
    pub highest: f64,
    /// The probability of a figure like this by chance.
    pub p_value: f64,
    /// The same of what leaves text fluent: whatever surprises the unsteered model more than a quarter
    /// more counts as having done nothing, the feature too.
    pub p_value_fluent: f64,
}

/// A question and what was answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// What the model read.
    pub prompt: String,
    /// What it goes on with, unsteered and steered: probabilities of the topics.
    pub before: Vec<f64>,
    /// Steered.
    pub after: Vec<f64>,
}

/// What steering does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effects {
    /// The probability of each answer, unsteered.
    pub unsteered: Vec<f64>,
    /// For each topic that is steered the probability of each answer.
    pub matrix: Vec<Vec<f64>>,
    /// Ways to steer; the first is the feature, the second no steering.
    pub steered: Vec<Steered>,
    /// The feature among other features at its strength.
    pub among_features: Ranked,
    /// The feature among directions by chance that move states as far.
    pub among_directions: Ranked,
    /// The feature at rising strengths.
    pub dose: Vec<Steered>,
    /// The first strength at which steered texts surprise the unsteered model half as much again.
    pub breaks_at: Option<f32>,
    /// The probability of the usual answer, unsteered and with its own feature held at −1.
    pub usual_answer_turned_down: [f64; 2],
    /// Test questions, before and after.
    pub examples: Vec<Example>,
    /// A text of the model as it is, and a steered one.
    pub texts: [String; 2],
}

/// All that one seed gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScienceReport {
    /// The seed.
    pub seed: u64,
    /// The names of the topics.
    pub topics: Vec<String>,
    /// Tokens of the corpus.
    pub tokens: usize,
    /// Whether the model knows what is asked.
    pub gates: Gates,
    /// The autoencoder.
    pub autoencoder: Autoencoder,
    /// The feature of each topic.
    pub features: Vec<TopicFeature>,
    /// Ways to find topics.
    pub detection: Vec<Detection>,
    /// Whether features about one topic point alike.
    pub grouping: Option<Grouping>,
    /// What the features do.
    pub effects: Effects,
}

/// What one seed leaves: the report, and what others can go on with.
#[derive(Debug)]
pub struct ScienceOutcome {
    /// What was measured.
    pub report: ScienceReport,
    /// The corpus.
    pub corpus: String,
    /// The bytes of the model file.
    pub model_file: Vec<u8>,
    /// The autoencoder.
    pub sae: Sae,
    /// Where it looks.
    pub site: Site,
    /// What it makes of the validation part, and of the whole corpus.
    pub measures: [SaeMeasure; 2],
}

/// Does the experiment with one seed. `watch` is told what is being done.
///
/// # Errors
/// If a number of the config is outside its range, or a training diverges.
pub fn favourite_science(
    grammar: &Grammar,
    config: &ScienceConfig,
    compute: &Compute,
    watch: &mut dyn FnMut(Stage),
) -> Result<ScienceOutcome> {
    let lab = Lab::prepare(grammar, config, compute, watch)?;
    let found = find(&lab, watch)?;
    watch(Stage::Steering);
    let (features, effects) = steering::steer(&lab, &found.sae, &found.features)?;
    let Found { gates, sae, measures, mut detection, grouping, .. } = found;
    detection.insert(0, summary("feature", &lab, |topic| features[topic].auroc));
    let d_sae = sae.d_sae();
    let report = ScienceReport {
        seed: config.seed,
        topics: grammar.topics.iter().map(|topic| topic.name.to_owned()).collect(),
        tokens: lab.text.ids().len(),
        gates,
        autoencoder: Autoencoder {
            site: lab.site.name.clone(),
            d_in: lab.site.dim,
            d_sae,
            explained_variance: measures[0].explained_variance,
            l0: measures[0].l0,
            dead: measures[1].dead() as f64 / d_sae as f64,
        },
        features,
        detection,
        grouping,
        effects,
    };
    let Lab { corpus, model_file, site, .. } = lab;
    Ok(ScienceOutcome { report, corpus, model_file, sae, site, measures })
}
