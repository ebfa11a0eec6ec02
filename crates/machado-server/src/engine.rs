//! The engine: threads that read prompts and write texts for many requests at a time.
//!
//! ```text
//! submit ─► waiting ─take─► worker ─► lane (model, steering)
//!                                       ├─ readings: prompts, a piece at a time
//!                                       └─ rows: texts, one token each a step ─► events of the request
//! ```
//!
//! A text joins and leaves the others of its lane between two tokens, and is the same whether it is
//! written alone or with them. Each worker is a thread with lanes of its own, so that none ever waits
//! for another one. Work whose receiver is gone is dropped at the next step; a text whose receiver is
//! slow steps aside until there is room.

mod event;
mod job;
mod lane;
mod row;
mod waiting;
mod worker;

use std::sync::Arc;
use std::thread::JoinHandle;

use machado_core::error::{Error, Result};
use prometheus::IntCounter;

pub use self::event::{Burst, Event, Step, TokenScore};
pub use self::job::{Choice, Job, LaneKey, Pace, PromptScores, Wanted};
pub use self::waiting::Refused;
use self::waiting::Waiting;

/// How much is done at a time.
#[derive(Clone, Copy, Debug)]
pub struct EngineConfig {
    /// Threads that compute.
    pub threads: usize,
    /// Texts that are written at the same time, at most.
    pub parallel: usize,
    /// Texts that may wait for a place beside these.
    pub queue: usize,
}

/// Threads that do jobs.
#[derive(Debug)]
pub struct Engine {
    waiting: Arc<Waiting>,
    workers: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Starts the threads.
    ///
    /// # Errors
    /// If a number is 0, or the system refuses a thread.
    pub fn start(config: EngineConfig) -> Result<Self> {
        for (what, number) in [("--threads", config.threads), ("--parallel", config.parallel)] {
            if number == 0 {
                let (expected, found) = ("at least 1".into(), "0".into());
                return Err(Error::OutOfRange { what: what.into(), expected, found });
            }
        }
        let waiting = Arc::new(Waiting::new(config.parallel, config.queue));
        let mut engine = Self { waiting, workers: Vec::new() };
        for number in 0..config.threads {
            let waiting = engine.waiting.clone();
            let thread = std::thread::Builder::new().name(format!("engine-{number}"));
            match thread.spawn(move || worker::work(&waiting)) {
                Ok(worker) => engine.workers.push(worker),
                Err(_) if number > 0 => break,
                Err(source) => return Err(Error::PrefetchThread { source }),
            }
        }
        Ok(engine)
    }

    /// Gives the engine the jobs of one request; requests take turns.
    ///
    /// # Errors
    /// If too many wait already, or the engine stops.
    pub fn submit(&self, jobs: Vec<Job>) -> Result<(), Refused> {
        self.waiting.submit(jobs)
    }

    /// Texts being written, or prompts being read.
    pub fn active(&self) -> usize {
        self.waiting.active()
    }

    /// Texts that wait for a place.
    pub fn queued(&self) -> usize {
        self.waiting.queued()
    }

    /// Counters of the tokens of prompts read, and of tokens written.
    pub fn counters(&self) -> [IntCounter; 2] {
        self.waiting.counters().clone()
    }

    /// The most texts that one job can have.
    pub fn most_choices(&self) -> usize {
        self.waiting.most_choices()
    }
}

impl Drop for Engine {
    /// Drops all work and waits for the threads.
    fn drop(&mut self) {
        self.waiting.stop();
        for worker in self.workers.drain(..) {
            // A panic of a worker was reported when it happened.
            let _ = worker.join();
        }
    }
}
