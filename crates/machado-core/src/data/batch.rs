//! One batch of windows.

use crate::ids::TokenIds;

/// Where the recurrent layers of a batch start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From an empty state, as each window of the tutorial.
    Fresh,
    /// From the state that the batch before left, row by row (streams).
    Carried,
}

/// Windows of `T + 1` ids: the first `T` are the input, the last `T` the targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The ids, `[B, T + 1]`.
    pub windows: Vec<u32>,
    /// Rows, `B`.
    pub rows: usize,
    /// Time steps, `T`.
    pub time: usize,
    /// Where it starts from.
    pub start: Start,
}

impl Batch {
    /// The windows that begin at `starts`.
    ///
    /// # Panics
    /// If one goes beyond the end.
    pub fn gather(ids: &TokenIds, starts: &[usize], time: usize, start: Start) -> Self {
        let mut windows = Vec::with_capacity(starts.len() * (time + 1));
        for &first in starts {
            ids.for_each(first..first + time + 1, |id| windows.push(id));
        }
        Self { windows, rows: starts.len(), time, start }
    }

    /// The window of one row, `[T + 1]`.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.windows[row * (self.time + 1)..][..self.time + 1]
    }

    /// Tokens that go in, `B · T`.
    pub fn tokens(&self) -> usize {
        self.rows * self.time
    }
}
