//! Understanding a model: which concepts its states hold, and what they do.
//!
//! ```text
//! model + text ─harvest─► states [d_in] ─shuffle, sae_train─► Sae ─► codes [d_sae], sparse
//! ```
//!
//! A [`Sae`] writes each state as a sum of few *features*, directions that mean something more
//! often than single units do. The words are SAELens': `d_in`, `d_sae`, `w_enc`, `l0`.

pub mod experiment;
mod harvest;
mod measure;
mod sae;
mod sae_train;
mod shuffle;
mod stats;
mod steer;
mod superposition;
mod train_on_text;

pub use harvest::{Harvest, Moments};
pub use measure::{SaeMeasure, SaeMeter};
pub use sae::{Active, Sae, SaeEncoder, SaeWeights};
pub use sae_train::{Architecture, SaeConfig, SaeStep, SaeTrainer, Scaling};
pub use shuffle::ShuffleBuffer;
pub use stats::{Separation, pearson, rank_p_value, spearman};
pub use steer::{Handle, Push, Replace, Splice, Steering};
pub use superposition::{Recovery, Superposition};
pub use train_on_text::Reading;
