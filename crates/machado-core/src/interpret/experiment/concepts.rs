//! The experiment about concepts of a real text: does a feature know one, and does the model write
//! of it when the feature is held up?
//!
//! ```text
//! words of a concept ─► features that know it ─► the one that does most, and how strongly ─► effects
//!   (half of them)         on one part of the text     on prompts and texts to choose by        on others
//! ```
//!
//! There is no truth to compare with, as there is in [`favourite_science`](super::favourite_science):
//! a concept is where its words are. So each figure stands beside the same figure of what needs no
//! autoencoder, of features by chance, and of the other concepts.

mod bars;
mod choosing;
mod comparing;

use std::ops::Range;

use serde::Serialize;

pub use self::bars::concept_bars;
use self::choosing::choose;
use self::comparing::{compare, matrices};
use crate::error::Result;
use crate::interpret::{
    Concept, FindConfig, Place, Reading, Sae, Sampled, Trial, TrialConfig, WordCounts,
};
use crate::model::Reach;

/// The sizes of the experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConceptsConfig {
    /// Decides texts and controls.
    pub seed: u64,
    /// Features that know the concept best, of which one is chosen by what it does.
    pub candidates: usize,
    /// Strengths to choose from, in the strongest activations.
    pub strengths: Vec<f32>,
    /// Texts drawn for each figure.
    pub samples: usize,
    /// Tokens of each.
    pub tokens: usize,
    /// Other features to rank the chosen one among.
    pub controls: usize,
}

impl ConceptsConfig {
    /// The sizes of the experiment as it is reported, for tokens of so many characters.
    pub fn new(seed: u64, characters_per_token: f64) -> Self {
        // About as much text whatever a token is.
        let tokens = (240.0 / characters_per_token.max(1.0)).round() as usize;
        Self {
            seed,
            candidates: 20,
            strengths: vec![0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0],
            samples: 48,
            tokens: tokens.max(1),
            controls: 200,
        }
    }

    /// Sizes that only show that everything runs.
    pub fn tiny(seed: u64, characters_per_token: f64) -> Self {
        Self {
            candidates: 2,
            strengths: vec![0.5, 1.0],
            samples: 4,
            controls: 5,
            ..Self::new(seed, characters_per_token)
        }
    }
}

/// A concept to look for.
pub struct Wanted {
    /// What it is called.
    pub name: String,
    /// Where it is, by half of its words and by the other half.
    pub concept: Concept,
    /// Its most frequent words, whose probability is measured.
    pub words: Vec<String>,
    /// Words as long and as frequent.
    pub control_words: Vec<String>,
    /// How often it comes in a text.
    pub count: Box<dyn Fn(&str) -> u64 + Sync>,
}

/// A model with its autoencoder, and the texts that it is asked with.
#[derive(Clone, Copy, Debug)]
pub struct ConceptsLab<'a> {
    /// The model, its site and the text.
    pub reading: Reading<'a>,
    /// The autoencoder.
    pub sae: &'a Sae,
    /// The strongest activation of each feature, 0 where it has none. `[d_sae]`
    pub max_activations: &'a [f32],
    /// The words that are right.
    pub vocabulary: &'a WordCounts,
    /// Beginnings that have nothing to do with any concept: to choose by, and to report.
    pub prompts: [&'a [String]; 2],
    /// A part of the text that was not learnt from.
    pub natural: &'a Range<usize>,
}

/// How well something knows where a concept is, on a part of the text that it was not chosen by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Knows {
    /// The area under its ROC curve, ½ by chance.
    pub auroc: f64,
    /// The best F1 over thresholds.
    pub f1: f64,
    /// AUROC of the words that did not choose, where there are any.
    pub held_out_words: Option<f64>,
}

/// What steering in one way does, on prompts and texts that it was not chosen by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Did {
    /// The way.
    pub method: String,
    /// The strength that was chosen for it.
    pub strength: f32,
    /// How much likelier the concept's words become beyond words like them, in nats.
    pub score: f64,
    /// Words of the concept in a thousand that are written.
    pub per_thousand_words: f64,
    /// How much more the texts surprise the unsteered model than its own, as a share.
    pub extra_nats: f64,
    /// The share of the written words that the text has.
    pub known_words: f64,
}

/// The feature of a concept, and what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConceptReport {
    /// What it is called.
    pub name: String,
    /// Its most frequent words, whose probability was measured.
    pub measured_words: Vec<String>,
    /// Words to compare with.
    pub control_words: Vec<String>,
    /// Tokens of the concept in the part that judges.
    pub tokens: u64,
    /// The number of the feature.
    pub feature: usize,
    /// How well it knows the concept.
    pub knows: Knows,
    /// How well the best single unit does.
    pub unit_knows: Knows,
    /// How well the difference of the mean states does.
    pub difference_knows: Knows,
    /// What is written without steering: words of the concept in a thousand.
    pub unsteered_per_thousand_words: f64,
    /// The share of known words in that.
    pub unsteered_known_words: f64,
    /// Other features that the feature was ranked among.
    pub others: usize,
    /// Ways to steer: first the feature, then the controls.
    pub ways: Vec<Did>,
    /// The probability that one of the other features, held as strongly, does as much: its rank.
    pub p_value: f64,
    /// The same for all concepts together (Holm): times the number of concepts that are not surer, at
    /// most 1, and no less than that of any surer one.
    pub p_value_holm: f64,
    /// A beginning, what the model writes, and what it writes steered.
    pub example: [String; 3],
}

/// All concepts together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConceptsReport {
    /// Each concept.
    pub concepts: Vec<ConceptReport>,
    /// How much likelier the words of each concept (columns) become with the feature of each (rows),
    /// beyond words like them, in nats.
    pub scores: Vec<Vec<f64>>,
    /// Words of each concept (columns) in a thousand that are written with the feature of each
    /// (rows).
    pub rates: Vec<Vec<f64>>,
}

/// What is done now, for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConceptStage {
    /// Features are looked for.
    Finding,
    /// One is chosen.
    Choosing(usize),
    /// It is compared.
    Comparing(usize),
    /// All are held against all concepts.
    Crossing,
}

/// A concept with what measures it.
struct Bench<'a> {
    lab: ConceptsLab<'a>,
    config: &'a ConceptsConfig,
    wanted: &'a Wanted,
    place: Place,
    /// On prompts and texts to choose by, and on those to report.
    trials: [Trial<'a>; 2],
    /// What is written there without steering.
    plain: [Sampled; 2],
}

impl<'a> Bench<'a> {
    fn new(lab: ConceptsLab<'a>, config: &'a ConceptsConfig, wanted: &'a Wanted) -> Result<Self> {
        let trial = |number: usize| {
            Trial::new(TrialConfig {
                model: lab.reading.model,
                compute: lab.reading.compute,
                prompts: lab.prompts[number],
                words: &wanted.words,
                control_words: &wanted.control_words,
                count: &*wanted.count,
                vocabulary: lab.vocabulary,
                natural: (lab.reading.ids, lab.natural),
                samples: config.samples,
                tokens: config.tokens,
                seed: config.seed.wrapping_mul(2).wrapping_add(number as u64),
            })
        };
        let site = lab.reading.site;
        let reach = if site.is_recurrent() { Reach::State } else { Reach::Output };
        let place = Place { site: site.clone(), reach, in_box: false };
        let trials = [trial(0)?, trial(1)?];
        let plain = [trials[0].sampled(&[])?, trials[1].sampled(&[])?];
        Ok(Self { lab, config, wanted, place, trials, plain })
    }
}

/// Does the experiment. `watch` is told what is being done.
///
/// # Errors
/// If a concept is nowhere in the part that chooses or everywhere, or a prompt or word has
/// characters that the model does not know.
pub fn concepts(
    lab: ConceptsLab<'_>,
    config: &ConceptsConfig,
    wanted: &[Wanted],
    watch: &mut dyn FnMut(ConceptStage),
) -> Result<ConceptsReport> {
    watch(ConceptStage::Finding);
    let all: Vec<&Concept> = wanted.iter().map(|one| &one.concept).collect();
    let find = FindConfig { top: config.candidates, seed: config.seed };
    let found = lab.reading.find_each(lab.sae, lab.max_activations, &all, find)?;
    let benches: Result<Vec<Bench<'_>>> =
        wanted.iter().map(|one| Bench::new(lab, config, one)).collect();
    let (benches, mut reports, mut held) = (benches?, Vec::new(), Vec::new());
    for (number, (bench, found)) in benches.iter().zip(&found).enumerate() {
        watch(ConceptStage::Choosing(number));
        let chosen = choose(&benches, number, found)?;
        watch(ConceptStage::Comparing(number));
        reports.push(compare(bench, found, &chosen)?);
        held.push(chosen);
    }
    holm(&mut reports);
    watch(ConceptStage::Crossing);
    let [scores, rates] = matrices(&benches, &held)?;
    Ok(ConceptsReport { concepts: reports, scores, rates })
}

/// Holm's correction: the surest of `n` must be `n` times as sure, the next one `n − 1` times, and
/// none counts as surer than one before it.
fn holm(reports: &mut [ConceptReport]) {
    let mut order: Vec<usize> = (0..reports.len()).collect();
    order.sort_by(|&a, &b| reports[a].p_value.total_cmp(&reports[b].p_value));
    let mut least = 0.0f64;
    for (rank, &place) in order.iter().enumerate() {
        let all = (reports.len() - rank) as f64;
        least = least.max((all * reports[place].p_value).min(1.0));
        reports[place].p_value_holm = least;
    }
}

#[cfg(test)]
mod tests;
