//! Understanding a model: which concepts its states hold, and what they do.
//!
//! ```text
//! model + text ─harvest─► states [d_in] ─shuffle, sae_train─► Sae ─► codes [d_sae], sparse
//! ```
//!
//! A [`Sae`] writes each state as a sum of few *features*, directions that mean something more
//! often than single units do. The words are SAELens': `d_in`, `d_sae`, `w_enc`, `l0`.

mod contrast;
mod dose;
mod effect;
mod harvest;
mod measure;
mod recovered;
mod sae;
mod sae_train;
mod shuffle;
mod stability;
mod stats;
mod steer;
mod superposition;
mod train_on_text;
mod words;

pub use contrast::{BestUnit, Contrast};
pub use dose::{Control, ControlKind, Dose, DoseResponse, Rank, controls, drawn};
pub use effect::{Effect, Exact, Place, Sampled, Trial, TrialConfig};
pub use harvest::{Harvest, Moments};
pub use measure::{SaeMeasure, SaeMeter};
pub use recovered::LossRecovered;
pub use sae::{Active, Sae, SaeEncoder, SaeWeights};
pub use sae_train::{Architecture, SaeConfig, SaeStep, SaeTrainer, Scaling};
pub use shuffle::ShuffleBuffer;
pub use stability::{STABLE, best_cosines};
pub use stats::{Separation, pearson, rank_p_value, spearman};
pub use steer::{Handle, Push, Replace, Splice, Steering};
pub use superposition::{Recovery, Superposition};
pub use train_on_text::Reading;
pub use words::{TokenText, WordCounts, WordLift, distinct_2, longest_repeat, word_ranges, words};
