//! Threads: the only place where the crate's arithmetic is spread over several of them.
//!
//! Each piece of work writes its own output, and no result depends on how work is cut into pieces.
//! So one thread and sixteen give the same bytes.

use std::sync::Arc;

use rayon::prelude::*;

use super::simd::VectorUnit;
use crate::error::{Error, Result};

/// More threads than any machine for this program has; a larger number is a slip of the keyboard.
const MOST_THREADS: usize = 1024;

/// What a computation may use: a vector unit and a number of threads.
#[derive(Clone, Debug)]
pub struct Compute {
    unit: VectorUnit,
    /// `None` for one thread: then nothing is ever spawned.
    pool: Option<Arc<rayon::ThreadPool>>,
}

impl Compute {
    /// `threads` threads that use `unit`.
    ///
    /// # Errors
    /// If `threads` is 0 or more than 1,024, or the system refuses to start them.
    pub fn new(threads: usize, unit: VectorUnit) -> Result<Self> {
        if !(1..=MOST_THREADS).contains(&threads) {
            return Err(Error::OutOfRange {
                what: "the number of threads".into(),
                expected: format!("from 1 to {MOST_THREADS}"),
                found: threads.to_string(),
            });
        }
        let pool = if threads == 1 {
            None
        } else {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|index| format!("machado-{index}"))
                .build()
                .map_err(|source| Error::Threads { threads, source })?;
            Some(Arc::new(pool))
        };
        Ok(Self { unit, pool })
    }

    /// One thread with the widest vector unit.
    pub fn single() -> Self {
        Self { unit: VectorUnit::detect(), pool: None }
    }

    /// The vector unit.
    pub fn unit(&self) -> VectorUnit {
        self.unit
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// Does `work` on one of the threads, so that what it spreads over the others starts at once.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Calls `work` once for each item, on any thread, and returns when all are done.
    pub fn for_each<T: Send>(&self, items: &mut [T], work: impl Fn(&mut T) + Sync + Send) {
        match &self.pool {
            Some(pool) if items.len() > 1 => {
                // One item a task: items are few and large.
                pool.install(|| items.par_iter_mut().with_max_len(1).for_each(work));
            }
            _ => items.iter_mut().for_each(work),
        }
    }

    /// Cuts slices of one length at the same places and calls `work` with each part, on any thread.
    /// With several threads a part has at most `chunk` values.
    ///
    /// # Panics
    /// If the slices are not of one length.
    pub fn for_each_chunk<const N: usize>(
        &self,
        changed: [&mut [f32]; N],
        read: &[f32],
        chunk: usize,
        work: impl Fn([&mut [f32]; N], &[f32]) + Sync,
    ) {
        assert!(changed.iter().all(|slice| slice.len() == read.len()), "slices of one length");
        match &self.pool {
            Some(pool) if read.len() > chunk => pool.install(|| halve(changed, read, chunk, &work)),
            _ => work(changed, read),
        }
    }
}

fn halve<const N: usize>(
    changed: [&mut [f32]; N],
    read: &[f32],
    chunk: usize,
    work: &(impl Fn([&mut [f32]; N], &[f32]) + Sync),
) {
    if read.len() <= chunk {
        return work(changed, read);
    }
    let middle = read.len() / 2;
    let mut halves = changed.map(|slice| slice.split_at_mut(middle));
    let first = halves.each_mut().map(|(first, _)| std::mem::take(first));
    let second = halves.map(|(_, second)| second);
    rayon::join(
        || halve(first, &read[..middle], chunk, work),
        || halve(second, &read[middle..], chunk, work),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_visited_once_with_any_number_of_threads() {
        for threads in 1..=3 {
            let compute = Compute::new(threads, VectorUnit::detect()).expect("threads start");
            assert_eq!(compute.threads(), threads);
            let mut items = vec![0; 17];
            compute.for_each(&mut items, |item| *item += 1);
            assert_eq!(items, vec![1; 17]);
        }
    }

    #[test]
    fn chunks_cover_all_slices_at_the_same_places() {
        for threads in 1..=3 {
            let compute = Compute::new(threads, VectorUnit::detect()).expect("threads start");
            let read: Vec<f32> = (0..1000).map(|i| i as f32).collect();
            let (mut a, mut b) = (vec![0.0; 1000], vec![1.0; 1000]);
            compute.for_each_chunk([&mut a, &mut b], &read, 64, |[a, b], read| {
                for ((a, b), read) in a.iter_mut().zip(b).zip(read) {
                    (*a, *b) = (*a + read, *b + 2.0 * read);
                }
            });
            assert!((0..1000).all(|i| a[i] == i as f32 && b[i] == 1.0 + 2.0 * i as f32));
        }
    }

    #[test]
    fn zero_threads_and_far_too_many_are_errors() {
        assert!(Compute::new(0, VectorUnit::detect()).is_err());
        assert!(Compute::new(usize::MAX, VectorUnit::detect()).is_err());
    }
}
