//! Memory for arithmetic.

use std::ops::{Deref, DerefMut};

use aligned_vec::{AVec, ConstAlign};

/// A line of the cache, which is also the widest vector. A vector that lies across two lines takes
/// two loads.
const LINE: usize = 64;

/// Values that begin at the beginning of a line of the cache. Keeps its memory when it shrinks.
#[derive(Clone, Debug)]
pub struct Buffer(AVec<f32, ConstAlign<LINE>>);

impl Default for Buffer {
    fn default() -> Self {
        Self(AVec::new(LINE))
    }
}

impl Buffer {
    /// So many zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::default();
        buffer.resize(len);
        buffer
    }

    /// Changes the length. Values stay where they are; new ones are 0.
    pub fn resize(&mut self, len: usize) {
        self.0.resize(len, 0.0);
    }

    /// Changes the length and makes all values 0.
    pub fn reset(&mut self, len: usize) {
        self.0.clear();
        self.0.resize(len, 0.0);
    }

    /// Takes over these values.
    pub fn set(&mut self, values: &[f32]) {
        self.0.clear();
        self.0.extend_from_slice(values);
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_begin_at_a_line_and_stay_when_the_length_changes() {
        let mut buffer = Buffer::zeros(3);
        buffer.copy_from_slice(&[1.0, 2.0, 3.0]);
        for len in [1000, 5, 4, 100_000] {
            buffer.resize(len);
            assert_eq!(buffer[..4], [1.0, 2.0, 3.0, 0.0]);
            assert_eq!(buffer.as_ptr().addr() % LINE, 0);
        }
        buffer.set(&[4.0]);
        assert_eq!(buffer[..], [4.0]);
        buffer.reset(2);
        assert_eq!(buffer[..], [0.0; 2]);
    }
}
