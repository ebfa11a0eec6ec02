//! Understanding a model: which concepts its states hold, and what they do.
//!
//! ```text
//! model + text ─harvest─► states [d_in] ─shuffle, sae_train─► Sae ─► codes [d_sae], sparse
//! ```
//!
//! A [`Sae`] writes each state as a sum of few *features*, directions that mean something more
//! often than single units do. The words are SAELens': `d_in`, `d_sae`, `w_enc`, `l0`.

mod bootstrap;
mod candidates;
mod causal;
mod concept;
mod contrast;
mod coverage;
mod dose;
mod effect;
pub mod experiment;
mod forms;
mod groups;
mod harvest;
mod measure;
mod pca;
mod properties;
mod read_out;
mod recovered;
mod sae;
mod sae_train;
mod shuffle;
mod spread;
mod stability;
mod stats;
mod steer;
mod strongest;
mod superposition;
mod survey;
mod token_text;
mod train_on_text;
mod word_index;
mod word_odds;
mod words;

pub use bootstrap::{Interval, Intervals, JUDGED_AT_LEAST};
pub use candidates::RuledStates;
pub use causal::Cause;
pub use concept::{Concept, ConceptScores, FindConfig, Kind, LEAST_AUROC, Scored};
pub use contrast::{BestUnit, Contrast};
pub use coverage::{Coverage, Covered, coverage, mean_f1};
pub use dose::{Control, ControlKind, Dose, DoseResponse, Rank, controls, drawn};
pub use effect::{Effect, Exact, Place, Sampled, Trial, TrialConfig};
pub use forms::Forms;
pub use groups::{Agreement, Groups, GroupsConfig, neighbours};
pub use harvest::{Harvest, Moments};
pub use measure::{SaeMeasure, SaeMeter};
pub use pca::principal_components;
pub use properties::{Properties, Property, properties};
pub use read_out::{Promoted, ReadOut};
pub use recovered::LossRecovered;
pub use sae::{Active, Sae, SaeEncoder, SaeWeights};
pub use sae_train::{Architecture, SaeConfig, SaeStep, SaeTrainer, Scaling};
pub use shuffle::ShuffleBuffer;
pub use stability::{STABLE, Stability, best_cosines};
pub use stats::{Separation, pearson, rank_p_value, spearman};
pub use steer::{Handle, Push, Replace, Splice, Steering};
pub use strongest::Strongest;
pub use superposition::{Recovery, Superposition};
pub use survey::{
    BANDS, FeatureSurvey, Firing, PropertyMatch, SurveyConfig, TokenLabels, Window, WordLift,
    WordMet,
};
pub use token_text::TokenText;
pub use train_on_text::Reading;
pub use word_index::{NO_WORD, Words};
pub use words::{WordCounts, distinct_2, longest_repeat, word_ranges, words};
