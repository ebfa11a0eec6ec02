//! An autoencoder of the states that a model has while it reads a text.

use std::ops::Range;

use super::harvest::{Harvest, Moments};
use super::measure::{SaeMeasure, SaeMeter};
use super::sae::Sae;
use super::sae_train::{SaeConfig, SaeStep, SaeTrainer, Scaling};
use super::shuffle::ShuffleBuffer;
use crate::error::Result;
use crate::ids::TokenIds;
use crate::math::threads::Compute;
use crate::model::{Intervention, Model, Site};

/// States out of which batches are drawn.
const SHUFFLED: usize = 1 << 16;

/// States that set the threshold.
const FOR_THRESHOLD: usize = 1 << 15;

/// A model that reads a text, and where one looks.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The model.
    pub model: &'a Model,
    /// What computes.
    pub compute: &'a Compute,
    /// Where one looks.
    pub site: &'a Site,
    /// The text.
    pub ids: &'a TokenIds,
}

impl<'a> Reading<'a> {
    /// Calls `visit` with place and values of each token of a range.
    ///
    /// # Errors
    /// If the range is empty, or the site none of the model's.
    pub fn for_each(
        &self,
        range: Range<usize>,
        mut visit: impl FnMut(usize, &[f32]),
    ) -> Result<()> {
        let mut harvest = self.harvest(range)?;
        while harvest.read(&mut visit) {}
        Ok(())
    }

    /// Calls `visit` with the places of some tokens of a range and the values there, `[N, dim]`, until
    /// all have been given, in the order of [`for_each`](Self::for_each).
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn for_each_block(
        &self,
        range: Range<usize>,
        mut visit: impl FnMut(&[usize], &[f32]),
    ) -> Result<()> {
        let mut harvest = self.harvest(range)?;
        let (mut places, mut states) = (Vec::new(), Vec::new());
        while harvest.read(|place, state| {
            places.push(place);
            states.extend_from_slice(state);
        }) {
            visit(&places, &states);
            places.clear();
            states.clear();
        }
        Ok(())
    }

    /// Mean and spread of the values over a range.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn moments(&self, range: Range<usize>) -> Result<Moments> {
        let mut moments = Moments::empty(self.site.dim);
        self.for_each(range, |_, values| moments.add(values))?;
        Ok(moments)
    }

    /// Nats per token of a range, of which the first token is not counted, with something changed
    /// inside the model.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each), or if an intervention does not fit the model.
    pub fn nats(&self, range: Range<usize>, interventions: &[Intervention]) -> Result<f64> {
        let mut harvest = self.harvest(range)?;
        harvest.intervene(interventions, self.model)?;
        let (mut sum, mut count) = (0.0, 0u64);
        while harvest.read_nats(|_, nats| {
            sum += nats;
            count += 1;
        }) {}
        Ok(sum / count.max(1) as f64)
    }

    /// What an autoencoder makes of a range.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn measure(&self, sae: &Sae, range: Range<usize>) -> Result<SaeMeasure> {
        let mut meter = SaeMeter::new(sae, self.compute.unit());
        self.for_each(range, |_, values| meter.add(values))?;
        Ok(meter.finish())
    }

    /// Trains an autoencoder on the states of one range, with the threshold set on those of another.
    /// `watch` sees each step and says whether to go on; stopped early, the autoencoder is what it
    /// was then.
    ///
    /// # Errors
    /// If a number of the config is outside its range, a range is empty, or the loss is no longer a
    /// finite number.
    pub fn train_sae(
        &self,
        config: SaeConfig,
        study: Range<usize>,
        held_out: Range<usize>,
        mut watch: impl FnMut(&SaeStep) -> bool,
    ) -> Result<Sae> {
        let moments = self.moments(study.clone())?;
        let mut buffer = ShuffleBuffer::new(SHUFFLED, self.site.dim, config.seed);
        let (steps, batch_size) = (config.steps, config.batch_size);
        let mut trainer = SaeTrainer::new(config, Scaling::from(&moments), self.compute.clone())?;
        let mut harvest = None;
        let mut batch = Vec::new();
        for _ in 0..steps {
            if buffer.is_low() || buffer.len() < batch_size {
                self.fill(&mut buffer, &mut harvest, study.clone(), batch_size)?;
            }
            buffer.draw(batch_size, &mut batch);
            if !watch(&trainer.step(&batch)?) {
                break;
            }
        }
        let mut states = Vec::new();
        let end = held_out.end.min(held_out.start + FOR_THRESHOLD);
        self.for_each(held_out.start..end, |_, values| states.extend_from_slice(values))?;
        trainer.finish(&states)
    }

    /// Reads on until the buffer is full, from the beginning again where the range ends; a short
    /// range need not fill it with copies of itself.
    fn fill(
        &self,
        buffer: &mut ShuffleBuffer,
        harvest: &mut Option<Harvest<'a>>,
        range: Range<usize>,
        at_least: usize,
    ) -> Result<()> {
        let mut ends = 0;
        while !buffer.is_full() && (ends < 2 || buffer.len() < at_least) {
            let mut reading = match harvest.take() {
                Some(reading) => reading,
                None => self.harvest(range.clone())?,
            };
            if reading.read(|_, values| buffer.push(values)) {
                *harvest = Some(reading);
            } else {
                ends += 1;
            }
        }
        Ok(())
    }

    fn harvest(&self, range: Range<usize>) -> Result<Harvest<'a>> {
        Harvest::new(self.model, self.compute, self.site, self.ids, range)
    }
}
