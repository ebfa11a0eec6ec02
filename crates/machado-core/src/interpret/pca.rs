//! Principal components: the directions in which states vary most.

use super::harvest::Moments;
use super::sae::{add_scaled, dot};
use crate::rng::{Purpose, Rng};

/// Rounds of the subspace iteration. Directions of nearly equal variance may still be mixed after
/// them, which a comparison does not mind.
const ROUNDS: usize = 30;

/// The first `count` principal components of states `[N, d_in]`, each of length 1, the one with the
/// largest variance first.
pub fn principal_components(states: &[f32], d_in: usize, count: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut moments = Moments::empty(d_in);
    states.chunks_exact(d_in).for_each(|state| moments.add(state));
    let mean: Vec<f32> = moments.mean.iter().map(|&mean| mean as f32).collect();
    let mut covariance = vec![0.0f32; d_in * d_in];
    for state in states.chunks_exact(d_in) {
        let off: Vec<f32> = state.iter().zip(&mean).map(|(x, mean)| x - mean).collect();
        for (row, &x) in covariance.chunks_exact_mut(d_in).zip(&off) {
            add_scaled(row, x, &off);
        }
    }
    let mut rng = Rng::new(seed, Purpose::SaeControls, 0);
    let mut basis: Vec<Vec<f32>> =
        (0..count.min(d_in)).map(|_| random_direction(&mut rng, d_in)).collect();
    for _ in 0..ROUNDS {
        for vector in &mut basis {
            *vector = covariance.chunks_exact(d_in).map(|row| dot(row, vector)).collect();
        }
        orthonormalize(&mut basis);
    }
    basis
}

/// Gram and Schmidt's method.
fn orthonormalize(basis: &mut [Vec<f32>]) {
    for i in 0..basis.len() {
        let (done, rest) = basis.split_at_mut(i);
        let vector = &mut rest[0];
        for other in done {
            let along = dot(vector, other);
            add_scaled(vector, -along, other);
        }
        let length = dot(vector, vector).sqrt().max(f32::MIN_POSITIVE);
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

/// A direction without a meaning.
pub(super) fn random_direction(rng: &mut Rng, d_in: usize) -> Vec<f32> {
    (0..d_in).map(|_| rng.normal() as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// States that vary by ±3 along (0.6, 0.8, 0), by ±1 along (0.8, −0.6, 0), and not otherwise.
    #[test]
    fn the_largest_variance_comes_first() {
        let state = |i: usize| {
            let (a, b) = ([3.0, -3.0][i % 2], [1.0, 1.0, -1.0, -1.0][i % 4]);
            [0.6 * a + 0.8 * b + 5.0, 0.8 * a - 0.6 * b, 2.0]
        };
        let states: Vec<f32> = (0..400).flat_map(state).collect();
        let found = principal_components(&states, 3, 2, 1);
        for (found, expected) in found.iter().zip([[0.6, 0.8, 0.0], [0.8, -0.6, 0.0]]) {
            assert!((dot(found, &expected).abs() - 1.0).abs() < 1e-4, "{found:?}");
        }
    }
}
