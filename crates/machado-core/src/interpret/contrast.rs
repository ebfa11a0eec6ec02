//! Places of a text where a concept is, against all others: what one would steer with if there
//! were no autoencoder.

use std::ops::Range;

use super::stats::Separation;
use super::steer::Handle;
use super::train_on_text::Reading;
use crate::error::{Error, Result};

/// States kept of each kind: enough to rank units by, and to know how far states lie from a mean.
const KEPT: usize = 8192;

/// States at places of a concept and at others.
#[derive(Clone, Debug)]
pub struct Contrast {
    d_in: usize,
    /// Places: others, and of the concept.
    positions: [u64; 2],
    /// The mean state of each kind, `[d_in]`.
    means: [Vec<f64>; 2],
    /// Some states of each kind, evenly spread, `[N, d_in]`.
    kept: [Vec<f32>; 2],
}

/// A single unit, and how well it tells a concept.
#[derive(Clone, Debug)]
pub struct BestUnit {
    /// The number of the unit.
    pub unit: usize,
    /// The area under its ROC curve, ½ by chance.
    pub auroc: f64,
    /// Pushes it to the side on which the concept is.
    pub handle: Handle,
}

impl Contrast {
    /// Of the places of a range, each with a label: whether the concept is there.
    ///
    /// # Errors
    /// If the concept is nowhere or everywhere, or the text cannot be read.
    ///
    /// # Panics
    /// If there is not one label for each place.
    pub fn of(reading: &Reading<'_>, range: Range<usize>, labels: &[bool]) -> Result<Self> {
        assert_eq!(labels.len(), range.len(), "one label for each place");
        let d_in = reading.site.dim;
        let concept = labels.iter().filter(|&&label| label).count();
        let counts = [labels.len() - concept, concept];
        if counts.contains(&0) {
            return Err(Error::OutOfRange {
                what: "the number of tokens of the concept".into(),
                expected: format!("at least 1 and below {}", labels.len()),
                found: concept.to_string(),
            });
        }
        let every = counts.map(|count| count.div_ceil(KEPT));
        let mut seen = [0; 2];
        let mut sums = [vec![0.0; d_in], vec![0.0; d_in]];
        let mut kept = [Vec::new(), Vec::new()];
        let first = range.start;
        reading.for_each(range, |place, state| {
            let kind = usize::from(labels[place - first]);
            sums[kind].iter_mut().zip(state).for_each(|(sum, &x)| *sum += f64::from(x));
            if seen[kind] % every[kind] == 0 {
                kept[kind].extend_from_slice(state);
            }
            seen[kind] += 1;
        })?;
        for (sum, count) in sums.iter_mut().zip(counts) {
            sum.iter_mut().for_each(|x| *x /= count as f64);
        }
        Ok(Self { d_in, positions: counts.map(|count| count as u64), means: sums, kept })
    }

    /// Places: others, and of the concept.
    pub fn positions(&self) -> [u64; 2] {
        self.positions
    }

    /// The direction from the mean of the others to that of the concept. Its unit is the
    /// strongest measure among the kept states.
    ///
    /// # Errors
    /// If both have the same mean.
    pub fn difference_of_means(&self) -> Result<Handle> {
        let [others, concept] = &self.means;
        let difference: Vec<f32> =
            concept.iter().zip(others).map(|(a, b)| (a - b) as f32).collect();
        self.along(&difference)
    }

    /// A direction, measured from the mean of the others, with the strongest measure as its unit.
    ///
    /// # Errors
    /// If the direction has no length.
    pub fn along(&self, direction: &[f32]) -> Result<Handle> {
        let origin: Vec<f32> = self.means[0].iter().map(|&x| x as f32).collect();
        let handle = Handle::direction(direction, &origin, 1.0)?;
        let states = self.kept.iter().flat_map(|kept| kept.chunks_exact(self.d_in));
        let strongest = states.map(|state| handle.measure(state)).fold(f32::MIN_POSITIVE, f32::max);
        Ok(handle.with_unit(strongest))
    }

    /// The unit that alone tells the concept best, whichever of its sides that is.
    ///
    /// # Errors
    /// None, if the site has values.
    pub fn best_unit(&self) -> Result<BestUnit> {
        let mut best = (0, 0.5, 1.0);
        for unit in 0..self.d_in {
            let auroc = self.auroc_of(unit);
            // A unit that is low where the concept is tells it as well.
            let (auroc, side) = if auroc < 0.5 { (1.0 - auroc, -1.0) } else { (auroc, 1.0) };
            if auroc > best.1 {
                best = (unit, auroc, side);
            }
        }
        let (unit, auroc, side) = best;
        let mut direction = vec![0.0; self.d_in];
        direction[unit] = side;
        Ok(BestUnit { unit, auroc, handle: self.along(&direction)? })
    }

    fn auroc_of(&self, unit: usize) -> f64 {
        let values = |kind: usize| {
            let states = self.kept[kind].chunks_exact(self.d_in);
            states.map(move |state| (state[unit], kind == 1))
        };
        let mut scores: Vec<(f32, bool)> = values(0).chain(values(1)).collect();
        Separation::of(&mut scores, [0, 0]).map_or(0.5, |separation| separation.auroc)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Others at (0, 0) and (0, 2), the concept at (3, 0) and (5, 2).
    fn contrast() -> Contrast {
        Contrast {
            d_in: 2,
            positions: [2, 2],
            means: [vec![0.0, 1.0], vec![4.0, 1.0]],
            kept: [vec![0.0, 0.0, 0.0, 2.0], vec![3.0, 0.0, 5.0, 2.0]],
        }
    }

    #[test]
    fn a_difference_of_means_by_hand() {
        let handle = contrast().difference_of_means().unwrap();
        assert_eq!(handle.pushes_along(), [1.0, 0.0]);
        assert_eq!((handle.measure(&[3.0, 7.0]), handle.unit()), (3.0, 5.0));
    }

    #[test]
    fn the_best_unit_may_be_a_low_one() {
        let best = contrast().best_unit().unwrap();
        assert_eq!((best.unit, best.auroc), (0, 1.0));
        assert_eq!(best.handle.pushes_along(), [1.0, 0.0]);
        let mut turned = contrast();
        turned.kept.iter_mut().flatten().for_each(|x| *x = -*x);
        turned.means.iter_mut().flatten().for_each(|x| *x = -*x);
        let best = turned.best_unit().unwrap();
        assert_eq!((best.unit, best.auroc), (0, 1.0));
        assert_eq!((best.handle.pushes_along(), best.handle.unit()), (&[-1.0, 0.0][..], 5.0));
    }
}
