//! Encoding a text with the features dealt out to the threads.
//!
//! Each thread encodes all states with the features of its own, and counts these in the order of the
//! text. So the counts of a feature are the same, to the last bit, on any number of threads.

use super::sae::{Active, Sae, SaeEncoder};
use crate::error::Result;
use crate::math::threads::Compute;

/// States encoded at a time.
const ROWS: usize = 256;

/// Something that is counted of each feature.
#[derive(Debug)]
pub(super) struct Spread<T> {
    groups: Vec<Group<T>>,
}

/// The features of one thread.
#[derive(Debug)]
struct Group<T> {
    encoder: SaeEncoder,
    /// For each of them its place among those wanted and what was counted.
    features: Vec<(usize, T)>,
}

/// Where a feature fires, and how strongly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fires<'a> {
    pub place: usize,
    pub value: f32,
    /// `[d_in]`.
    pub state: &'a [f32],
}

impl<T: Send> Spread<T> {
    /// Nothing counted yet of some features of an autoencoder; `count` is given their places among
    /// those.
    ///
    /// # Errors
    /// If there is no such feature.
    pub(super) fn new(
        (sae, wanted): (&Sae, &[usize]),
        compute: &Compute,
        count: impl Fn(usize) -> T,
    ) -> Result<Self> {
        let threads = compute.threads().min(wanted.len());
        let group = |first: usize| {
            // In turns: the first features often fire more than the rest.
            let places: Vec<usize> = (first..wanted.len()).step_by(threads).collect();
            let numbers: Vec<usize> = places.iter().map(|&place| wanted[place]).collect();
            let encoder = sae.encoder_of(&numbers, compute.unit())?;
            let features = places.into_iter().map(|place| (place, count(place))).collect();
            Ok(Group { encoder, features })
        };
        Ok(Self { groups: (0..threads).map(group).collect::<Result<_>>()? })
    }

    /// Encodes the states at some places, `[N, d_in]`, and calls `visit` with each firing.
    pub(super) fn encode(
        &mut self,
        compute: &Compute,
        (places, states): (&[usize], &[f32]),
        visit: impl Fn(&mut T, Fires<'_>) + Sync + Send,
    ) {
        let d_in = states.len() / places.len().max(1);
        compute.for_each(&mut self.groups, |Group { encoder, features }| {
            for (places, states) in places.chunks(ROWS).zip(states.chunks(ROWS * d_in)) {
                encoder.encode(states, |row, active| {
                    let (place, state) = (places[row], &states[row * d_in..][..d_in]);
                    for &Active { feature, value } in active {
                        let (_, counted) = &mut features[feature as usize];
                        visit(counted, Fires { place, value, state });
                    }
                });
            }
        });
    }

    /// What was counted, in the order of the features.
    pub(super) fn finish(self) -> Vec<T> {
        let mut all: Vec<(usize, T)> =
            self.groups.into_iter().flat_map(|group| group.features).collect();
        all.sort_by_key(|(feature, _)| *feature);
        all.into_iter().map(|(_, counted)| counted).collect()
    }
}

/// Takes up states, `[N, units]`, one after the other: calls `add` with the number of the state, its
/// value and what is counted of the unit, each unit on one of the threads.
pub(super) fn for_each_value<T: Send>(
    compute: &Compute,
    units: &mut [T],
    states: &[f32],
    add: impl Fn(usize, f32, usize, &mut T) + Sync + Send,
) {
    let width = units.len();
    let size = width.div_ceil(compute.threads()).max(1);
    let mut parts: Vec<(usize, &mut [T])> =
        units.chunks_mut(size).enumerate().map(|(part, units)| (part * size, units)).collect();
    compute.for_each(&mut parts, |(first, units)| {
        for (row, state) in states.chunks_exact(width).enumerate() {
            for (place, (&x, unit)) in state[*first..].iter().zip(units.iter_mut()).enumerate() {
                add(row, x, *first + place, unit);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::SaeWeights;
    use crate::math::simd::VectorUnit;
    use crate::rng::{Purpose, Rng};

    /// Sums of floats tell the order in which they came.
    #[test]
    fn any_number_of_threads_counts_the_same_to_the_last_bit() {
        let mut rng = Rng::new(1, Purpose::SaeControls, 0);
        let (d_in, d_sae, rows) = (19, 53, 700);
        let mut normal =
            |count: usize| -> Vec<f32> { (0..count).map(|_| rng.normal() as f32).collect() };
        let sae = Sae::new(SaeWeights {
            d_in,
            d_sae,
            w_enc: normal(d_in * d_sae),
            b_enc: normal(d_sae),
            threshold: vec![0.5; d_sae],
            w_dec: normal(d_in * d_sae),
            b_dec: normal(d_in),
        })
        .unwrap();
        let states = normal(rows * d_in);
        let places: Vec<usize> = (0..rows).rev().collect();
        let all: Vec<usize> = (0..d_sae).collect();
        let counted = |threads: usize| {
            let compute = Compute::new(threads, VectorUnit::detect()).unwrap();
            let mut spread =
                Spread::new((&sae, &all), &compute, |feature| (feature, 0.0f32)).unwrap();
            spread.encode(&compute, (&places, &states), |(_, sum), fires| {
                *sum += fires.value * fires.state[0] + fires.place as f32;
            });
            spread.finish()
        };
        let alone = counted(1);
        assert!(alone.iter().enumerate().all(|(i, (feature, sum))| i == *feature && *sum > 0.0));
        for threads in [2, 3, 16, 64] {
            assert_eq!(counted(threads), alone, "{threads} threads");
        }
    }

    #[test]
    fn each_value_comes_once_and_in_order() {
        let states = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        for threads in [1, 2, 7] {
            let compute = Compute::new(threads, VectorUnit::detect()).unwrap();
            let mut units = vec![Vec::new(); 3];
            for_each_value(&compute, &mut units, &states, |row, x, number, unit: &mut Vec<_>| {
                unit.push((row, x, number));
            });
            assert_eq!(units[1], [(0, 2.0, 1), (1, 5.0, 1)]);
            assert_eq!(units[2], [(0, 3.0, 2), (1, 6.0, 2)]);
        }
    }
}
