//! States in random order: neighbours in a text are nearly the same, and a batch of such would
//! teach one thing many times over.

use crate::rng::{Purpose, Rng};

/// A pool of states out of which batches are drawn. It is refilled when half of it is gone, so a
/// batch mixes states that came far apart.
#[derive(Debug)]
pub struct ShuffleBuffer {
    dim: usize,
    capacity: usize,
    /// `[N, dim]`.
    states: Vec<f32>,
    rng: Rng,
}

impl ShuffleBuffer {
    /// A buffer for `capacity` states of `dim` values.
    pub fn new(capacity: usize, dim: usize, seed: u64) -> Self {
        let states = Vec::with_capacity(capacity * dim);
        Self { dim, capacity, states, rng: Rng::new(seed, Purpose::SaeShuffle, 0) }
    }

    /// States in the buffer.
    pub fn len(&self) -> usize {
        self.states.len() / self.dim
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Whether so few are left that it should be filled again.
    pub fn is_low(&self) -> bool {
        self.len() < self.capacity / 2
    }

    /// Whether it has as many as it is for.
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    /// Takes up a state.
    pub fn push(&mut self, state: &[f32]) {
        self.states.extend_from_slice(state);
    }

    /// Moves `count` states, each drawn at random out of those left, to `out`, which is overwritten;
    /// fewer if there are fewer.
    pub fn draw(&mut self, count: usize, out: &mut Vec<f32>) {
        out.clear();
        for _ in 0..count.min(self.len()) {
            let place = self.rng.below(self.len() as u64) as usize * self.dim;
            let last = self.states.len() - self.dim;
            out.extend_from_slice(&self.states[place..place + self.dim]);
            self.states.copy_within(last.., place);
            self.states.truncate(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_drawn_once_and_in_another_order() {
        let mut buffer = ShuffleBuffer::new(100, 2, 7);
        assert!(buffer.is_empty() && buffer.is_low());
        (0..100u8).for_each(|i| buffer.push(&[f32::from(i), -f32::from(i)]));
        assert!(buffer.is_full());
        let (mut drawn, mut out) = (Vec::new(), Vec::new());
        while !buffer.is_empty() {
            buffer.draw(30, &mut out);
            drawn.extend(out.chunks_exact(2).map(|state| {
                assert_eq!(state[0], -state[1]);
                state[0] as u8
            }));
        }
        assert_ne!(drawn, (0..100).collect::<Vec<u8>>());
        drawn.sort_unstable();
        assert_eq!(drawn, (0..100).collect::<Vec<u8>>());
    }
}
