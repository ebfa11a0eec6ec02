//! Directions that need no autoencoder: what a feature must be better than.

use super::labelled::TopicStates;
use crate::error::Result;
use crate::interpret::sae::{add_scaled, dot};
use crate::interpret::{Handle, Moments};
use crate::rng::{Purpose, Rng};

/// Principal components looked at.
const COMPONENTS: usize = 24;

/// Rounds of the subspace iteration; the gaps between the first variances are wide.
const ROUNDS: usize = 40;

/// A direction with its sign, measured from the mean of the states that it was found in.
fn handle(states: &TopicStates, direction: &[f32], mean: &[f32]) -> Result<Handle> {
    let handle = Handle::direction(direction, mean, 1.0)?;
    let measures = states.iter().map(|(state, _)| handle.measure(state));
    let highest = measures.fold(f32::MIN_POSITIVE, f32::max);
    Ok(handle.with_unit(highest))
}

/// The difference between the mean state of a topic and that of the others.
///
/// # Errors
/// If both are the same.
pub(super) fn diff_mean(states: &TopicStates, topic: usize) -> Result<Handle> {
    let mut direction = states.mean(|other| other == topic);
    add_scaled(&mut direction, -1.0, &states.mean(|other| other != topic));
    handle(states, &direction, &states.mean(|_| true))
}

/// The single unit that tells a topic best, with its sign.
///
/// # Errors
/// If the states have no values.
pub(super) fn best_unit(states: &TopicStates, topic: usize) -> Result<Handle> {
    let axis = |unit: usize| {
        let mut axis = vec![0.0; states.d_in];
        axis[unit] = 1.0;
        axis
    };
    best_of(states, topic, (0..states.d_in).map(axis))
}

/// The principal component that tells a topic best, with its sign.
///
/// # Errors
/// If the states have no values.
pub(super) fn best_component(
    states: &TopicStates,
    topic: usize,
    components: &[Vec<f32>],
) -> Result<Handle> {
    best_of(states, topic, components.iter().cloned())
}

fn best_of(
    states: &TopicStates,
    topic: usize,
    directions: impl Iterator<Item = Vec<f32>>,
) -> Result<Handle> {
    let (mut best, mut highest) = (vec![0.0; states.d_in], -1.0);
    for direction in directions {
        let auroc = states.auroc(topic, |state| dot(state, &direction));
        let sign = if auroc < 0.5 { -1.0 } else { 1.0 };
        let auroc = auroc.max(1.0 - auroc);
        if auroc > highest {
            highest = auroc;
            best = direction.iter().map(|x| sign * x).collect();
        }
    }
    handle(states, &best, &states.mean(|_| true))
}

/// The first principal components of some states, by subspace iteration.
pub(super) fn principal_components(states: &TopicStates, seed: u64) -> Vec<Vec<f32>> {
    let d_in = states.d_in;
    let mut moments = Moments::empty(d_in);
    states.iter().for_each(|(state, _)| moments.add(state));
    let mean: Vec<f32> = moments.mean.iter().map(|&mean| mean as f32).collect();
    let mut covariance = vec![0.0f32; d_in * d_in];
    for (state, _) in states.iter() {
        let off: Vec<f32> = state.iter().zip(&mean).map(|(x, mean)| x - mean).collect();
        for (row, &x) in covariance.chunks_exact_mut(d_in).zip(&off) {
            add_scaled(row, x, &off);
        }
    }
    let mut rng = Rng::new(seed, Purpose::Control, 2);
    let mut basis: Vec<Vec<f32>> =
        (0..COMPONENTS.min(d_in)).map(|_| random(&mut rng, d_in)).collect();
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
pub(super) fn random(rng: &mut Rng, d_in: usize) -> Vec<f32> {
    (0..d_in).map(|_| rng.normal() as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Topic 1 lies at x₀ = −2, the others at x₀ = 2; x₁ varies most and says nothing.
    fn states() -> TopicStates {
        let topics: Vec<usize> = (0..90).map(|i| i % 3).collect();
        let value = |(i, &topic): (usize, &usize)| {
            let x = if topic == 1 { -2.0 } else { 2.0 };
            [x + 0.01 * (i % 7) as f32, ((i * 37 % 90) as f32 - 45.0) * 0.5, 1.0]
        };
        let values = topics.iter().enumerate().flat_map(value);
        TopicStates { d_in: 3, values: values.collect(), topics }
    }

    #[test]
    fn each_finds_the_direction_that_tells_the_topic() {
        let states = states();
        let components = principal_components(&states, 1);
        assert!(components[0][1].abs() > 0.99, "{components:?}");
        for found in [
            diff_mean(&states, 1).expect("sound"),
            best_unit(&states, 1).expect("sound"),
            best_component(&states, 1, &components).expect("sound"),
        ] {
            assert_eq!(states.auroc(1, |state| found.measure(state)), 1.0, "{found:?}");
            assert!(found.pushes_along()[0] < -0.9, "{found:?}");
            // The strongest measure is that of the topic: four units beyond the others, on whose side
            // the mean lies.
            assert!((2.0..4.1).contains(&found.unit()), "{found:?}");
        }
    }
}
