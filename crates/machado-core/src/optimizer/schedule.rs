//! How the learning rate changes during a run.

use serde::{Deserialize, Serialize};

/// The shape of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// It falls to 0 along half a cosine, Keras' `CosineDecay`. Needs to know where the run ends.
    Cosine,
}

impl Schedule {
    /// The factor of the learning rate for a step.
    ///
    /// `step` counts from 0. During the first `warmup_steps` it rises from 0 in a straight line.
    /// `progress`, from 0 to 1, says how much of what comes after the warm-up is done.
    pub fn factor(self, step: u64, warmup_steps: u64, progress: f64) -> f64 {
        if step < warmup_steps {
            return step as f64 / warmup_steps as f64;
        }
        match self {
            Self::Constant => 1.0,
            Self::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress.clamp(0.0, 1.0)).cos()),
        }
    }

    /// Its name, as in `--schedule cosine`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Cosine => "cosine",
        }
    }
}
