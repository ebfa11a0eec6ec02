//! Repeating work and taking its time.

use std::time::{Duration, Instant};

/// Repetitions at least, however long they take.
const FEWEST: usize = 3;

/// Share of the time that the machine may warm up in: caches, clock, threads.
const WARM_UP: f64 = 0.2;

/// Repeats work for some time.
pub(super) struct Timer {
    time: Duration,
}

impl Timer {
    /// A timer that repeats for so many seconds.
    pub(super) fn new(seconds: f64) -> Self {
        Self { time: Duration::from_secs_f64(seconds) }
    }

    /// The median of the seconds that each repetition took.
    pub(super) fn median(&self, work: impl FnMut()) -> f64 {
        let mut seconds = self.repeat(work);
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    }

    /// The fewest seconds that a repetition took.
    pub(super) fn shortest(&self, work: impl FnMut()) -> f64 {
        self.repeat(work).into_iter().fold(f64::INFINITY, f64::min)
    }

    fn repeat(&self, mut work: impl FnMut()) -> Vec<f64> {
        let began = Instant::now();
        while began.elapsed() < self.time.mul_f64(WARM_UP) {
            work();
        }
        let began = Instant::now();
        let mut seconds = Vec::new();
        while seconds.len() < FEWEST || began.elapsed() < self.time {
            let one = Instant::now();
            work();
            seconds.push(one.elapsed().as_secs_f64());
        }
        seconds
    }
}
