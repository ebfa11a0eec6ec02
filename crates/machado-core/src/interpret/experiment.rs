//! Experiments on what the features of a model are, with a truth that is known.

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

pub use bars::{Bar, bars};
pub use grammar::{Document, Grammar, Language, Question, Topic, Words};
pub use grouping::Grouping;
pub use probe::Probe;
pub use science::{
    Auroc, Autoencoder, Detection, Effects, Example, Gates, Ranked, ScienceConfig, ScienceOutcome,
    ScienceReport, Stage, Steered, TopicFeature, favourite_science,
};
pub use science_words::{NEUROSCIENCE, PHYSICS, science_grammar};
