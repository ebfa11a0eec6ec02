//! The values of a site for each token of a text.

use std::ops::Range;

use crate::data::{Batch, Start, Target};
use crate::error::{Error, Result};
use crate::ids::TokenIds;
use crate::math::threads::Compute;
use crate::model::{Engine, Intervention, Model, Site};

/// Parts of a text that are read side by side.
const LANES: usize = 64;

/// Tokens that each part but the first reads before its own, so that its state is that of the
/// whole text for all that matters.
const WARM_UP: usize = 256;

/// Tokens of each part computed at a time.
const STEPS: usize = 32;

/// Reads a range of a text and gives the values of a site after each token, each once, in an order
/// that depends on the text's length alone.
///
/// The text is cut into up to 64 parts that are read side by side; each begins 256 tokens
/// before its own ones with an empty state. So reading is many times faster than in one go, and a
/// value differs from that of one go only by what the model still knew of 256 tokens ago.
#[derive(Debug)]
pub struct Harvest<'a> {
    engine: Engine,
    site: Site,
    ids: &'a TokenIds,
    lanes: Vec<Lane>,
    /// Tokens that each part reads, warm-up included.
    steps: usize,
    /// Read so far.
    step: usize,
}

/// One part.
#[derive(Clone, Debug)]
struct Lane {
    /// The first token that it reads.
    first: usize,
    /// The tokens whose values it gives.
    own: Range<usize>,
}

impl<'a> Harvest<'a> {
    /// The values of `site` over a range of a text.
    ///
    /// # Errors
    /// If the range is empty, or the site is none of the model's.
    pub fn new(
        model: &Model,
        compute: &Compute,
        site: &Site,
        ids: &'a TokenIds,
        range: Range<usize>,
    ) -> Result<Self> {
        check(&range, ids)?;
        Self::of(model, compute, site, ids, cut(range))
    }

    /// The values of `site` over some short pieces of a text, which are read side by side; each begins 256
    /// tokens before its own ones with an empty state, as the parts of a whole text do.
    ///
    /// # Errors
    /// If a range is empty, or the site is none of the model's.
    pub fn of_pieces(
        model: &Model,
        compute: &Compute,
        site: &Site,
        ids: &'a TokenIds,
        pieces: &[Range<usize>],
    ) -> Result<Self> {
        pieces.iter().try_for_each(|piece| check(piece, ids))?;
        let lane = |own: &Range<usize>| Lane {
            first: own.start.saturating_sub(WARM_UP),
            own: own.clone(),
        };
        Self::of(model, compute, site, ids, pieces.iter().map(lane).collect())
    }

    fn of(
        model: &Model,
        compute: &Compute,
        site: &Site,
        ids: &'a TokenIds,
        lanes: Vec<Lane>,
    ) -> Result<Self> {
        let site = Site::new(&model.config, &site.name)?;
        let mut engine =
            Engine::new(&model.config, model.tokenizer.vocabulary_size(), compute.clone())?;
        engine.load(&model.weights);
        let longest = lanes.iter().map(|lane| lane.own.end - lane.first).max();
        Ok(Self { engine, site, ids, lanes, steps: longest.unwrap_or(0), step: 0 })
    }

    /// Reads on, and calls `visit` with the place in the text of some tokens and the values after
    /// each, `[dim]`. Returns false when all has been given.
    pub fn read(&mut self, mut visit: impl FnMut(usize, &[f32])) -> bool {
        self.read_parts(|_, place, values| visit(place, values))
    }

    /// Reads on, and calls `visit` with the number of the part, the place in the text of some tokens of it
    /// and the values after each, `[dim]`. Returns false when all has been given.
    pub fn read_parts(&mut self, mut visit: impl FnMut(usize, usize, &[f32])) -> bool {
        let Some((batch, step)) = self.next_batch() else { return false };
        self.engine.evaluate(&batch, Target::All);
        let lanes = &self.lanes;
        self.engine.outputs(&self.site, |row, t, values| {
            let place = lanes[row].first + step + t;
            if lanes[row].own.contains(&place) {
                visit(row, place, values);
            }
        });
        true
    }

    /// Reads on, and calls `visit` with the place of some tokens and how much the token after each
    /// surprised the model, in nats. Returns false when all has been given.
    pub fn read_nats(&mut self, mut visit: impl FnMut(usize, f64)) -> bool {
        let Some((batch, step)) = self.next_batch() else { return false };
        let probabilities = self.engine.probabilities(&batch);
        let rows = probabilities.chunks_exact(probabilities.len() / batch.tokens());
        for (position, probabilities) in rows.enumerate() {
            let (row, t) = (position / batch.time, position % batch.time);
            let place = self.lanes[row].first + step + t;
            // The last token has none after it.
            if self.lanes[row].own.contains(&place) && place + 1 < self.ids.len() {
                let next = batch.row(row)[t + 1] as usize;
                visit(place, -f64::from(probabilities[next].max(f32::MIN_POSITIVE)).ln());
            }
        }
        true
    }

    /// The next tokens of all parts, and how many each had read before.
    fn next_batch(&mut self) -> Option<(Batch, usize)> {
        if self.step >= self.steps {
            return None;
        }
        let time = STEPS.min(self.steps - self.step);
        let start = if self.step == 0 { Start::Fresh } else { Start::Carried };
        let mut windows = Vec::with_capacity(self.lanes.len() * (time + 1));
        for lane in &self.lanes {
            let from = (lane.first + self.step).min(self.ids.len());
            let to = (from + time + 1).min(self.ids.len());
            self.ids.for_each(from..to, |id| windows.push(id));
            // A part at the end of the text has nothing more to read.
            windows.extend(std::iter::repeat_n(0, time + 1 - (to - from)));
        }
        let step = self.step;
        self.step += time;
        Some((Batch { windows, rows: self.lanes.len(), time, start }, step))
    }

    /// Changes something inside the model while it reads.
    ///
    /// # Errors
    /// If an intervention does not fit the model.
    pub fn intervene(&mut self, interventions: &[Intervention], model: &Model) -> Result<()> {
        interventions.iter().try_for_each(|intervention| intervention.check(&model.config))?;
        self.engine.intervene(interventions.to_vec());
        Ok(())
    }
}

/// Refuses a range without a token, or beyond the text.
fn check(range: &Range<usize>, ids: &TokenIds) -> Result<()> {
    if range.is_empty() || range.end > ids.len() {
        return Err(Error::OutOfRange {
            what: "the text to look at".into(),
            expected: "at least 1 token long".into(),
            found: format!("{range:?} of {} tokens", ids.len()),
        });
    }
    Ok(())
}

/// Cuts a range into parts of about one length.
fn cut(range: Range<usize>) -> Vec<Lane> {
    // Parts much shorter than their warm-up would only cost.
    let count = (range.len() / (2 * WARM_UP)).clamp(1, LANES);
    let size = range.len().div_ceil(count);
    range
        .clone()
        .step_by(size)
        .map(|first| Lane {
            first: first.saturating_sub(WARM_UP).max(range.start),
            own: first..(first + size).min(range.end),
        })
        .collect()
}

/// Mean and spread of the values of a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// How many positions.
    pub positions: u64,
    /// The mean of each value.
    pub mean: Vec<f64>,
    /// The variance of each value.
    pub variance: Vec<f64>,
}

impl Moments {
    /// Those of states `[N, d]` that come piece by piece.
    #[must_use]
    pub fn empty(dim: usize) -> Self {
        Self { positions: 0, mean: vec![0.0; dim], variance: vec![0.0; dim] }
    }

    /// Takes up one state (Welford's recurrence).
    pub fn add(&mut self, state: &[f32]) {
        let before = self.positions as f64;
        self.positions += 1;
        let count = self.positions as f64;
        for ((&x, mean), variance) in state.iter().zip(&mut self.mean).zip(&mut self.variance) {
            let off = f64::from(x) - *mean;
            *mean += off / count;
            *variance = (*variance * before + off * (f64::from(x) - *mean)) / count;
        }
    }

    /// The mean squared distance from the mean.
    pub fn total_variance(&self) -> f64 {
        self.variance.iter().sum()
    }

    /// How far the mean lies from zero, in standard deviations: where it is large, features tend
    /// to die unless states are centred.
    pub fn mean_to_deviation(&self) -> f64 {
        let squared: f64 = self.mean.iter().map(|mean| mean * mean).sum();
        (squared / self.total_variance().max(f64::MIN_POSITIVE)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_belongs_to_one_part() {
        for range in [0..1, 0..511, 5..2_000, 100..70_123, 0..1_000_000] {
            let lanes = cut(range.clone());
            assert!(lanes.len() <= LANES);
            let mut next = range.start;
            for lane in &lanes {
                assert_eq!(lane.own.start, next);
                assert_eq!(lane.first, lane.own.start.saturating_sub(WARM_UP).max(range.start));
                next = lane.own.end;
            }
            assert_eq!(next, range.end);
        }
    }

    /// Of 1, 3 and 8 the mean is 4 and the variance (9 + 1 + 16) / 3.
    #[test]
    fn moments_by_hand() {
        let mut moments = Moments::empty(2);
        [1.0, 3.0, 8.0].iter().for_each(|&x| moments.add(&[x, -2.0]));
        assert_eq!((moments.positions, &moments.mean), (3, &vec![4.0, -2.0]));
        assert!((moments.variance[0] - 26.0 / 3.0).abs() < 1e-12);
        assert_eq!(moments.variance[1], 0.0);
        let expected = (20.0f64 / (26.0 / 3.0)).sqrt();
        assert!((moments.mean_to_deviation() - expected).abs() < 1e-12);
    }
}
