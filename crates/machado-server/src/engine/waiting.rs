//! The jobs that wait, and the places that there are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::IntCounter;

use super::job::Job;

/// Texts of one prompt that one thread writes; more are spread.
const MOST_CHOICES: usize = 16;

/// Places that may be waited for in all; each needs some memory.
const MOST_WAITING: usize = 1 << 18;

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Too many wait.
    Full,
    /// The engine stops.
    Stopping,
}

/// The jobs that wait.
#[derive(Debug)]
pub(super) struct Waiting {
    parallel: usize,
    queue: usize,
    jobs: Mutex<Jobs>,
    came: Condvar,
    /// Places that are taken.
    active: AtomicUsize,
    /// Tokens of prompts read, and tokens written.
    counters: [IntCounter; 2],
}

#[derive(Debug, Default)]
struct Jobs {
    /// Of each request those that wait; the one at the front is served next.
    requests: VecDeque<VecDeque<Job>>,
    /// Places that all of them need.
    places: usize,
    is_stopping: bool,
}

/// Some places, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Places {
    waiting: Arc<Waiting>,
    count: usize,
}

impl Waiting {
    pub fn new(parallel: usize, queue: usize) -> Self {
        Self {
            parallel,
            queue,
            jobs: Mutex::default(),
            came: Condvar::new(),
            active: AtomicUsize::new(0),
            counters: [
                counter("machado_prompt_tokens_total", "Tokens of prompts read."),
                counter("machado_generated_tokens_total", "Tokens written."),
            ],
        }
    }

    pub fn submit(&self, jobs: Vec<Job>) -> Result<(), Refused> {
        let mut waiting = self.lock();
        if waiting.is_stopping {
            return Err(Refused::Stopping);
        }
        // Requests are counted, not texts: one with many keeps nobody out, since requests take turns.
        let free = self.parallel.saturating_sub(self.active());
        if waiting.requests.len() >= free.saturating_add(self.queue) {
            return Err(Refused::Full);
        }
        let places = jobs.iter().map(Job::places).sum::<usize>();
        if waiting.places > 0 && waiting.places + places > MOST_WAITING {
            return Err(Refused::Full);
        }
        waiting.places += places;
        let many = jobs.len() > 1;
        waiting.requests.push_back(jobs.into());
        drop(waiting);
        if many {
            self.came.notify_all()
        } else {
            self.came.notify_one()
        }
        Ok(())
    }

    /// The next job, if there is one and room for it. Requests take turns, so that one with many jobs
    /// does not keep the others waiting.
    pub fn take(self: &Arc<Self>, wait: Wait) -> Taken {
        let mut waiting = self.lock();
        loop {
            if waiting.is_stopping {
                return Taken::Stop;
            }
            if let Some(taken) = self.take_next(&mut waiting) {
                return taken;
            }
            match wait {
                Wait::No => return Taken::Nothing,
                Wait::Until(time) => {
                    let result = self.came.wait_timeout(waiting, time);
                    let (guard, timeout) = result.unwrap_or_else(PoisonError::into_inner);
                    waiting = guard;
                    if timeout.timed_out() {
                        return Taken::Nothing;
                    }
                }
                Wait::ForEver => {
                    waiting = self.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn take_next(self: &Arc<Self>, waiting: &mut Jobs) -> Option<Taken> {
        loop {
            let front = waiting.requests.front_mut()?;
            let count = front.front()?.places();
            // Under the lock, so that it only shrinks meanwhile.
            let active = self.active();
            let gone = front.front()?.events.is_closed();
            if !gone && active + count > self.parallel && active > 0 {
                return None;
            }
            let job = front.pop_front()?;
            let rest = waiting.requests.pop_front()?;
            if !rest.is_empty() {
                waiting.requests.push_back(rest);
            }
            waiting.places -= count;
            if gone {
                continue;
            }
            self.active.fetch_add(count, Ordering::Relaxed);
            let places = Places { waiting: self.clone(), count };
            return Some(Taken::Job(Box::new(job), places));
        }
    }

    /// A place for a text that had one before.
    pub fn place(self: &Arc<Self>) -> Places {
        self.active.fetch_add(1, Ordering::Relaxed);
        Places { waiting: self.clone(), count: 1 }
    }

    pub fn stop(&self) {
        let mut waiting = self.lock();
        waiting.is_stopping = true;
        waiting.requests.clear();
        waiting.places = 0;
        drop(waiting);
        self.came.notify_all();
    }

    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    pub fn queued(&self) -> usize {
        self.lock().places
    }

    pub fn most_choices(&self) -> usize {
        self.parallel.min(MOST_CHOICES)
    }

    pub fn counters(&self) -> &[IntCounter; 2] {
        &self.counters
    }

    pub fn count(&self, [read, written]: [usize; 2]) {
        self.counters[0].inc_by(read as u64);
        self.counters[1].inc_by(written as u64);
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        // Nothing is left half done where a thread could panic.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::new(name, help).expect("a well-formed name")
}

/// How long to wait for a job.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    No,
    Until(Duration),
    ForEver,
}

/// What came.
#[derive(Debug)]
pub(super) enum Taken {
    Job(Box<Job>, Places),
    Nothing,
    Stop,
}

impl Places {
    /// One of these.
    pub fn split_one(&mut self) -> Self {
        assert!(self.count > 0, "a place that is left");
        self.count -= 1;
        Self { waiting: self.waiting.clone(), count: 1 }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        if self.count > 0 {
            self.waiting.active.fetch_sub(self.count, Ordering::Relaxed);
            // Who waits for a place may be another thread. Taking the lock makes sure that it does not
            // look just now and miss it.
            drop(self.waiting.lock());
            self.waiting.came.notify_one();
        }
    }
}
