//! Whether two autoencoders found the same features.

use super::sae::Sae;
use crate::math::buffer::Buffer;
use crate::math::matmul::{From, Packed, Rows, multiply, padded};
use crate::math::simd::VectorUnit;

/// A feature counts as found again from this cosine on.
pub const STABLE: f32 = 0.7;

/// Directions compared at a time.
const ROWS: usize = 256;

/// For each feature of `one` the cosine of the direction of `other` that is most like its own.
/// Features that only one seed finds say more about the seed than about the model.
///
/// # Panics
/// If the two are of states of different sizes.
pub fn best_cosines(one: &Sae, other: &Sae, unit: VectorUnit) -> Vec<f32> {
    assert_eq!(one.d_in(), other.d_in(), "states of two autoencoders");
    let mut packed = Packed::new(unit, other.d_in(), other.d_sae());
    packed.pack_transposed(&other.weights().w_dec);
    let width = padded(other.d_sae());
    let mut cosines = Buffer::default();
    let mut best = Vec::with_capacity(one.d_sae());
    for rows in one.weights().w_dec.chunks(ROWS * one.d_in()) {
        cosines.resize(rows.len() / one.d_in() * width);
        let rows = Rows::new(rows, one.d_in(), one.d_in());
        multiply(rows, &packed, From::Zero, &mut cosines);
        best.extend(cosines.chunks_exact(width).map(|cosines| {
            cosines[..other.d_sae()].iter().copied().fold(f32::NEG_INFINITY, f32::max)
        }));
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::SaeWeights;

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
