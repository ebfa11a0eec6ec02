//! Looking at what a layer says while it works, and changing it.
//!
//! A [`Site`] is the output of one layer; of a recurrent one that is its state. An
//! [`Intervention`] changes the values there. Without interventions nothing here costs anything.

use std::fmt::Debug;
use std::sync::Arc;

use super::config::{LayerConfig, ModelConfig};
use crate::error::{Error, Result};

/// The output of one layer of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The layer's name, as Keras gives it: `gru`, `gru_1`, `conv1d`.
    pub name: String,
    /// Values per position, `d_in` of an autoencoder.
    pub dim: usize,
    /// The layer's place in the config.
    place: usize,
    is_recurrent: bool,
}

impl Site {
    /// The output of the layer of this name.
    ///
    /// # Errors
    /// If there is no such layer, or it is the last one, whose output are logits.
    pub fn new(config: &ModelConfig, name: &str) -> Result<Self> {
        config.check()?;
        let sites = Self::all(config);
        let known: Vec<&str> = sites.iter().map(|site| &site.name[..]).collect();
        let unknown = || Error::UnknownSite { found: name.to_owned(), known: known.join(", ") };
        sites.iter().find(|site| site.name == name).cloned().ok_or_else(unknown)
    }

    /// All sites of a model from its input on. What a dropout says is, outside training, what the
    /// layer before it says, so it is not among them.
    pub fn all(config: &ModelConfig) -> Vec<Self> {
        let is_site = |layer: &LayerConfig| {
            !matches!(layer, LayerConfig::Embedding { .. } | LayerConfig::Dropout { .. })
        };
        let before_last = config.layers.len().saturating_sub(1);
        let places = (0..before_last).filter(|&place| is_site(&config.layers[place]));
        let names = config.layer_names();
        let site = |place: usize| Self {
            name: names[place].clone(),
            dim: config.width(place),
            place,
            is_recurrent: matches!(config.layers[place], LayerConfig::Gru { .. }),
        };
        places.map(site).collect()
    }

    /// The last recurrent layer, which remembers most of what was read.
    pub fn last_state(config: &ModelConfig) -> Option<Self> {
        Self::all(config).into_iter().rfind(|site| site.is_recurrent)
    }

    /// Whether the values are a state, from which the layer goes on at the next step.
    pub fn is_recurrent(&self) -> bool {
        self.is_recurrent
    }

    /// The layer's place in the config.
    pub(crate) fn place(&self) -> usize {
        self.place
    }
}

/// Who sees the changed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The layers above, at this step: the read-out.
    Output,
    /// The layer itself too, which goes on from them at the next step: the state. For a recurrent
    /// layer only.
    State,
}

/// Changes the values at a site.
pub trait Intervene: Debug + Send + Sync {
    /// Changes those of one position of one text, `[dim]`.
    fn apply(&self, values: &mut [f32]);

    /// Changes those of several positions, each padded from `dim` to `width` values: a chance to do
    /// it faster than one by one.
    fn apply_rows(&self, rows: &mut [f32], dim: usize, width: usize) {
        rows.chunks_exact_mut(width).for_each(|row| self.apply(&mut row[..dim]));
    }
}

/// A change at a site.
#[derive(Clone, Debug)]
pub struct Intervention {
    /// Where.
    pub site: Site,
    /// Who sees it.
    pub reach: Reach,
    /// What.
    pub change: Arc<dyn Intervene>,
}

impl Intervention {
    /// Checks that it can be done to a model.
    ///
    /// # Errors
    /// If the model has no such site, or the layer has no state.
    pub fn check(&self, config: &ModelConfig) -> Result<()> {
        let site = Site::new(config, &self.site.name)?;
        if site != self.site {
            let problem = format!("{} has {} values, not {}", site.name, site.dim, self.site.dim);
            return Err(Error::Intervention { problem });
        }
        if self.reach == Reach::State && !site.is_recurrent {
            let problem = format!("{} has no state that goes on, only an output", site.name);
            return Err(Error::Intervention { problem });
        }
        Ok(())
    }

    /// Changes rows of values, each padded to `width`.
    pub(crate) fn apply(&self, values: &mut [f32], width: usize) {
        self.change.apply_rows(values, self.site.dim, width);
    }
}
