//! Directions that need no autoencoder: what a feature must be better than.

use super::labelled::TopicStates;
use crate::error::Result;
use crate::interpret::sae::{add_scaled, dot};
use crate::interpret::{Handle, pca};

/// Principal components looked at.
const COMPONENTS: usize = 24;

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

/// The first principal components of some states.
pub(super) fn principal_components(states: &TopicStates, seed: u64) -> Vec<Vec<f32>> {
    pca::principal_components(&states.values, states.d_in, COMPONENTS, seed)
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
