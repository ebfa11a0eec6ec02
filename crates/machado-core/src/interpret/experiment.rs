//! Experiments on what the features of a model are and do.

mod grammar;
mod science_words;
mod probe;
mod labelled;
mod directions;
mod ask;
mod fluency;
mod grouping;
mod science;
mod bars;
mod concepts;

pub use bars::{Bar, bars};
pub use concepts::{
    ConceptReport, ConceptStage, ConceptsConfig, ConceptsLab, ConceptsReport, Did, Knows, Wanted,
    concept_bars, concepts,
};
pub use grammar::{Document, Grammar, Language, Question, Topic, Words};
pub use grouping::Grouping;
pub use probe::Probe;
pub use science::{
    Auroc, Autoencoder, Detection, Effects, Example, Gates, Ranked, ScienceConfig, ScienceOutcome,
    ScienceReport, Stage, Steered, TopicFeature, favourite_science,
};
pub use science_words::{NEUROSCIENCE, PHYSICS, science_grammar};
