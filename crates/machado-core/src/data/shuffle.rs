//! Shuffling in constant memory, as `tf.data`'s `shuffle(buffer_size)`.

use crate::rng::Rng;

/// The numbers `0..count` in an order that is random within a buffer: the buffer is filled, then
/// one of it is drawn and the next number takes its place.
#[derive(Debug)]
pub struct ShuffleBuffer {
    buffer: Vec<u64>,
    next: u64,
    count: u64,
    rng: Rng,
}

impl ShuffleBuffer {
    /// Numbers `0..count`, shuffled in a buffer of `capacity`; 0 and 1 keep them in order.
    pub fn new(count: u64, capacity: usize, rng: Rng) -> Self {
        let filled = count.min(capacity.max(1) as u64);
        Self { buffer: (0..filled).collect(), next: filled, count, rng }
    }
}

impl Iterator for ShuffleBuffer {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.buffer.is_empty() {
            return None;
        }
        let drawn = self.rng.below(self.buffer.len() as u64) as usize;
        if self.next < self.count {
            let number = std::mem::replace(&mut self.buffer[drawn], self.next);
            self.next += 1;
            Some(number)
        } else {
            Some(self.buffer.swap_remove(drawn))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    fn order(count: u64, capacity: usize, seed: u64) -> Vec<u64> {
        ShuffleBuffer::new(count, capacity, Rng::new(seed, Purpose::Shuffle, 0)).collect()
    }

    #[test]
    fn every_number_comes_once_and_the_seed_decides_the_order() {
        for capacity in [0, 1, 2, 7, 100, 1000] {
            let mut numbers = order(100, capacity, 1);
            assert_eq!(numbers, order(100, capacity, 1));
            numbers.sort_unstable();
            assert!(numbers.iter().copied().eq(0..100), "capacity {capacity}");
        }
        assert_ne!(order(100, 100, 1), order(100, 100, 2));
        assert!(order(100, 1, 1).iter().copied().eq(0..100));
    }

    #[test]
    fn a_number_comes_at_most_one_buffer_early() {
        let early = order(1000, 10, 3).iter().enumerate().all(|(i, &n)| n < i as u64 + 10);
        assert!(early);
    }
}
