//! Orders in which windows are learnt from.

use serde::{Deserialize, Serialize};

use crate::rng::{Rng, mix};

/// How windows are shuffled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Shuffle {
    /// Within a buffer of so many windows that moves along the text, as `tf.data` does it; 0 keeps
    /// their order.
    Buffer(usize),
    /// Over the whole part at once. It needs no memory, since a window's place is computed.
    Whole(Whole),
}

/// The word `"all"` in a config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whole {
    /// The only value.
    #[serde(rename = "all")]
    All,
}

impl Shuffle {
    /// Shuffling over the whole part.
    pub const ALL: Self = Self::Whole(Whole::All);

    /// The numbers `0..count` in the order that `rng` decides, from the `skip`th on.
    pub(super) fn order(
        self,
        count: u64,
        rng: Rng,
        skip: u64,
    ) -> Box<dyn Iterator<Item = u64> + Send> {
        match self {
            Self::Whole(_) => Box::new(permutation(count, rng, skip)),
            Self::Buffer(capacity) => {
                // What is drawn depends on what was drawn before, so what is skipped is drawn too.
                let buffer = ShuffleBuffer::new(count, capacity, rng);
                Box::new(buffer.skip(skip as usize))
            }
        }
    }

    /// Bytes that it takes for a part of so many windows.
    pub fn bytes(self, windows: u64) -> u64 {
        match self {
            Self::Buffer(capacity) => windows.min(capacity as u64) * size_of::<u64>() as u64,
            Self::Whole(_) => 0,
        }
    }
}

/// A random permutation of `0..count`, computed place by place: a Feistel network encrypts each
/// number within the next power of four, again and again until it falls below `count`.
fn permutation(count: u64, mut rng: Rng, skip: u64) -> impl Iterator<Item = u64> + Send {
    let half_bits = count.max(2).next_power_of_two().ilog2().div_ceil(2);
    let mask = (1u64 << half_bits) - 1;
    let keys: [u64; 6] = std::array::from_fn(|_| rng.bits());
    let encrypt = move |number: u64| {
        let (mut left, mut right) = (number >> half_bits, number & mask);
        for key in keys {
            (left, right) = (right, left ^ mix(right ^ key) & mask);
        }
        left << half_bits | right
    };
    (skip..count).map(move |place| {
        let mut number = encrypt(place);
        while number >= count {
            number = encrypt(number);
        }
        number
    })
}

/// The numbers `0..count` in an order that is random within a buffer: the buffer is filled, then
/// one of it is drawn and the next number takes its place.
#[derive(Debug)]
struct ShuffleBuffer {
    buffer: Vec<u64>,
    next: u64,
    count: u64,
    rng: Rng,
}

impl ShuffleBuffer {
    fn new(count: u64, capacity: usize, rng: Rng) -> Self {
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

    fn order(shuffle: Shuffle, count: u64, seed: u64) -> Vec<u64> {
        shuffle.order(count, Rng::new(seed, Purpose::Shuffle, 0), 0).collect()
    }

    #[test]
    fn every_number_comes_once_and_the_seed_decides_the_order() {
        let buffers = [0, 1, 2, 7, 100, 1000].map(Shuffle::Buffer);
        for shuffle in buffers.into_iter().chain([Shuffle::ALL]) {
            for count in [0, 1, 2, 3, 5, 17, 64, 100] {
                let mut numbers = order(shuffle, count, 1);
                assert_eq!(numbers, order(shuffle, count, 1));
                numbers.sort_unstable();
                assert!(numbers.iter().copied().eq(0..count), "{shuffle:?} of {count}");
            }
        }
        for shuffle in [Shuffle::Buffer(100), Shuffle::ALL] {
            assert_ne!(order(shuffle, 100, 1), order(shuffle, 100, 2));
        }
        assert!(order(Shuffle::Buffer(1), 100, 1).iter().copied().eq(0..100));
    }

    #[test]
    fn skipping_gives_the_rest_of_the_same_order() {
        for shuffle in [Shuffle::Buffer(7), Shuffle::ALL] {
            let rest = shuffle.order(50, Rng::new(1, Purpose::Shuffle, 0), 20);
            assert_eq!(rest.collect::<Vec<_>>(), order(shuffle, 50, 1)[20..]);
        }
    }

    #[test]
    fn a_number_comes_at_most_one_buffer_early() {
        let order = order(Shuffle::Buffer(10), 1000, 3);
        assert!(order.iter().enumerate().all(|(i, &n)| n < i as u64 + 10));
    }

    /// The first tenth of the order has as many numbers from each tenth of the range.
    #[test]
    fn shuffling_all_covers_the_whole_range_from_the_start() {
        let mut counts = [0u32; 10];
        for number in &order(Shuffle::ALL, 100_000, 4)[..10_000] {
            counts[(number / 10_000) as usize] += 1;
        }
        // 1,000 each, and the deviation of a fair draw is about 30.
        assert!(counts.iter().all(|count| count.abs_diff(1000) < 130), "{counts:?}");
    }
}
