//! Whether two autoencoders found the same features.

use serde::Serialize;

use super::sae::{Sae, dot};
use crate::math::buffer::Buffer;
use crate::math::matmul::{From, Packed, Rows, multiply, padded};
use crate::math::simd::VectorUnit;
use crate::rng::{Purpose, Rng};

/// A feature counts as found again from this cosine on.
pub const STABLE: f32 = 0.7;

/// Directions compared at a time.
const ROWS: usize = 256;

/// Random directions that tell what chance gives.
const CHANCE: usize = 512;

/// For each feature of `one` the cosine of the direction of `other` that is most like its own.
/// Features that only one seed finds say more about the seed than about the model.
///
/// # Panics
/// If the two are of states of different sizes.
pub fn best_cosines(one: &Sae, other: &Sae, unit: VectorUnit) -> Vec<f32> {
    best_of(&one.weights().w_dec, other, unit)
}

/// For each direction, `[N, d_in]`, the cosine of the nearest feature.
fn best_of(directions: &[f32], other: &Sae, unit: VectorUnit) -> Vec<f32> {
    let d_in = other.d_in();
    assert_eq!(directions.len() % d_in, 0, "states of two autoencoders");
    let mut packed = Packed::new(unit, d_in, other.d_sae());
    packed.pack_transposed(&other.weights().w_dec);
    let width = padded(other.d_sae());
    let mut cosines = Buffer::default();
    let mut best = Vec::with_capacity(directions.len() / d_in);
    for rows in directions.chunks(ROWS * d_in) {
        cosines.resize(rows.len() / d_in * width);
        multiply(Rows::new(rows, d_in, d_in), &packed, From::Zero, &mut cosines);
        best.extend(cosines.chunks_exact(width).map(|cosines| {
            cosines[..other.d_sae()].iter().copied().fold(f32::NEG_INFINITY, f32::max)
        }));
    }
    best
}

/// How much of an autoencoder another training finds again. A feature is found again if some
/// direction of the other is as near as [`STABLE`]; features that never fire are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stability {
    /// The share of the features.
    pub features: f64,
    /// The share of those that must describe a state by themselves, the first prefix.
    pub first_prefix: f64,
    /// The share of all firing that is that of such features.
    pub firings: f64,
    /// The mean of the best cosines.
    pub mean_cosine: f64,
    /// That of random directions (512 at most), which chance gives.
    pub mean_cosine_by_chance: f64,
}

impl Stability {
    /// Of an autoencoder whose features fire at so many positions, beside another one.
    ///
    /// # Panics
    /// If the two are of states of different sizes, or there is not a count for each feature.
    pub fn of(
        [one, other]: [&Sae; 2],
        active_positions: &[u64],
        first_prefix: usize,
        unit: VectorUnit,
    ) -> Self {
        assert_eq!(active_positions.len(), one.d_sae(), "a count for each feature");
        let mut rng = Rng::new(0, Purpose::SaeControls, 1 << 32);
        let mut random = |_| rng.normal() as f32;
        let chance = (0..one.d_in() * CHANCE.min(one.d_sae())).map(&mut random).collect();
        let chance: Vec<f32> = best_of(&unit_rows(chance, one.d_in()), other, unit);
        let cosines = best_cosines(one, other, unit);
        let live: Vec<(usize, f32, u64)> = cosines
            .into_iter()
            .zip(active_positions)
            .enumerate()
            .filter(|(_, (_, fires))| **fires > 0)
            .map(|(number, (cosine, fires))| (number, cosine, *fires))
            .collect();
        let share = |weight: &dyn Fn(usize, u64) -> f64| {
            let all: f64 = live.iter().map(|&(number, _, fires)| weight(number, fires)).sum();
            let stable = live.iter().filter(|(_, cosine, _)| *cosine >= STABLE);
            stable.map(|&(number, _, fires)| weight(number, fires)).sum::<f64>()
                / all.max(f64::MIN_POSITIVE)
        };
        let mean = |cosines: &mut dyn Iterator<Item = f32>| {
            let (sum, count) = cosines.fold((0.0, 0.0), |(s, n), c| (s + f64::from(c), n + 1.0));
            sum / f64::max(count, 1.0)
        };
        Self {
            features: share(&|_, _| 1.0),
            first_prefix: share(&|number, _| f64::from(u8::from(number < first_prefix))),
            firings: share(&|_, fires| fires as f64),
            mean_cosine: mean(&mut live.iter().map(|(_, cosine, _)| *cosine)),
            mean_cosine_by_chance: mean(&mut chance.into_iter()),
        }
    }
}

/// Rows of length 1.
fn unit_rows(mut rows: Vec<f32>, d_in: usize) -> Vec<f32> {
    for row in rows.chunks_exact_mut(d_in) {
        let length = dot(row, row).sqrt().max(f32::MIN_POSITIVE);
        row.iter_mut().for_each(|x| *x /= length);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::SaeWeights;

    /// Three features, of which the first two are found again; the third fires most, the fourth never.
    #[test]
    fn shares_by_hand() {
        let one = sae(&[[1.0, 0.0], [0.6, 0.8], [0.0, -1.0], [1.0, 0.0]]);
        let other = sae(&[[1.0, 0.0], [0.8, 0.6]]);
        let found = Stability::of([&one, &other], &[10, 30, 60, 0], 1, VectorUnit::detect());
        assert!((found.features - 2.0 / 3.0).abs() < 1e-9, "{found:?}");
        assert_eq!(found.first_prefix, 1.0);
        assert!((found.firings - 0.4).abs() < 1e-9, "{found:?}");
        // 1, 0.96 and 0.
        assert!((found.mean_cosine - 1.96 / 3.0).abs() < 1e-6, "{found:?}");
        assert!((-1.0..1.0).contains(&found.mean_cosine_by_chance));
    }

    fn sae(directions: &[[f32; 2]]) -> Sae {
        let w_dec = directions.concat();
        let d_sae = directions.len();
        Sae::new(SaeWeights {
            d_in: 2,
            d_sae,
            w_enc: w_dec.clone(),
            b_enc: vec![0.0; d_sae],
            threshold: vec![0.0; d_sae],
            w_dec,
            b_dec: vec![0.0; 2],
        })
        .unwrap()
    }

    #[test]
    fn each_feature_is_compared_with_the_one_most_like_it() {
        let one = sae(&[[1.0, 0.0], [0.0, -1.0], [0.6, 0.8]]);
        let other = sae(&[[0.0, 1.0], [1.0, 0.0]]);
        // (0, −1) is most like (1, 0): a feature that points the other way is another one.
        let found = best_cosines(&one, &other, VectorUnit::detect());
        for (found, expected) in found.iter().zip([1.0, 0.0, 0.8]) {
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
        assert_eq!(found.len(), 3);
    }
}
