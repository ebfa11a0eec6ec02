//! How much of what a model knows an autoencoder keeps.

use std::ops::Range;
use std::sync::Arc;

use super::sae::Sae;
use super::steer::{Replace, Splice};
use super::train_on_text::Reading;
use crate::error::Result;
use crate::model::{Intervene, Intervention, Reach};

/// Nats per token of a text, with states replaced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossRecovered {
    /// Nothing replaced.
    pub clean: f64,
    /// States replaced by what the autoencoder makes of them, for the read-out only.
    pub output: f64,
    /// The same for the recurrence too, where errors add up; `None` where there is none.
    pub state: Option<f64>,
    /// The mean state everywhere, for the read-out: what remains without the site.
    pub mean: f64,
    /// The zero state everywhere, for the read-out.
    pub zero: f64,
}

impl LossRecovered {
    /// Reads a range of a text with each replacement.
    ///
    /// # Errors
    /// If the range is empty, or the autoencoder is none of the site's.
    pub fn measure(
        reading: &Reading<'_>,
        sae: &Arc<Sae>,
        mean: &[f64],
        range: Range<usize>,
    ) -> Result<Self> {
        let nats = |reach: Reach, change: Arc<dyn Intervene>| {
            let site = reading.site.clone();
            reading.nats(range.clone(), &[Intervention { site, reach, change }])
        };
        let splice = || Arc::new(Splice::new(sae.clone(), reading.compute.unit()));
        let mean: Vec<f32> = mean.iter().map(|&mean| mean as f32).collect();
        let zero = vec![0.0; mean.len()];
        let state = reading.site.is_recurrent().then(|| nats(Reach::State, splice()));
        Ok(Self {
            clean: reading.nats(range.clone(), &[])?,
            output: nats(Reach::Output, splice())?,
            state: state.transpose()?,
            mean: nats(Reach::Output, Arc::new(Replace(mean)))?,
            zero: nats(Reach::Output, Arc::new(Replace(zero)))?,
        })
    }

    /// The share of the loss between the mean state and the model that a replacement keeps: 1 for
    /// the model itself, 0 for the mean state.
    pub fn score(&self, nats: f64) -> f64 {
        (self.mean - nats) / (self.mean - self.clean).max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_goes_from_the_mean_to_the_model() {
        let recovered =
            LossRecovered { clean: 1.5, output: 1.6, state: Some(1.75), mean: 3.5, zero: 4.0 };
        let scores = [1.5, 3.5, 1.6].map(|nats| recovered.score(nats));
        assert_eq!(scores[..2], [1.0, 0.0]);
        assert!((scores[2] - 0.95).abs() < 1e-12);
    }
}
