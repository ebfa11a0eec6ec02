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
pub use self::job::{Job, LaneKey, Pace, PromptScores, Wanted, Writing};
pub use self::waiting::Refused;
use self::waiting::Waiting;

/// How much is done at a time.
#[derive(Clone, Copy, Debug)]
pub struct EngineConfig {
    /// Threads that compute.
    pub threads: usize,
    /// Texts that are written at the same time, at most.
    pub parallel: usize,
    /// Requests that may wait for a place beside these.
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
                Err(source) => return Err(Error::Thread { purpose: "write texts", source }),
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

    /// Drops all work, and takes no more.
    pub fn stop(&self) {
        self.waiting.stop();
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

#[cfg(test)]
mod tests {
    use machado_core::generate::Ending;
    use machado_core::layers::Activation;
    use machado_core::math::simd::VectorUnit;
    use machado_core::model::{
        Intervene, Intervention, LayerConfig, Model, ModelConfig, Reach, Site,
    };
    use machado_core::sample::{LogitChanges, Sampler};
    use machado_core::text::Standardize;
    use machado_core::tokenizer::{CharTokenizer, Tokenizer};
    use tokio::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::served::ServedModel;

    /// A change that fails when it is made.
    #[derive(Debug)]
    struct Broken;

    impl Intervene for Broken {
        fn apply(&self, _: &mut [f32]) {
            panic!("broken on purpose");
        }
    }

    fn served() -> Arc<ServedModel> {
        let layers = vec![
            LayerConfig::Embedding { output_dim: 4 },
            LayerConfig::Gru { units: 4, reset_after: true },
            LayerConfig::Dense { units: None, activation: Activation::Softmax },
        ];
        let tokenizer = Tokenizer::Char(CharTokenizer::from_text("abc"));
        let model = Model::new(ModelConfig { layers }, tokenizer, 1).unwrap();
        let unit = VectorUnit::detect();
        Arc::new(ServedModel::new("a".into(), model, Standardize::None, unit).unwrap())
    }

    fn job(model: &Arc<ServedModel>, broken: bool, room: usize) -> (Job, Receiver<Event>) {
        let (events, receiver) = channel(room);
        let site = Site::last_state(&model.model.config).unwrap();
        let change = Intervention { site, reach: Reach::State, change: Arc::new(Broken) };
        let (changes, interventions): (&str, Arc<[Intervention]>) =
            if broken { ("broken", [change].into()) } else { ("", [].into()) };
        let ending = Ending { tokens: 5, stop: Vec::new() };
        let sampler = Sampler::default();
        let writing = Writing::new(sampler, LogitChanges::default(), ending, 1, 3).unwrap();
        let wanted = Some(Wanted { top: 1, details: false });
        let job = Job {
            number: 0,
            lane: LaneKey { model: model.clone(), changes: changes.into(), interventions },
            prompt: vec![0; 1000].into(),
            prompt_scores: PromptScores::Each(Wanted { top: 1, details: false }),
            choices: 0..1,
            writing: writing.into(),
            first: 0,
            space_is_there: false,
            wanted,
            pace: Pace::STREAM,
            events,
        };
        (job, receiver)
    }

    /// Tokens scored, and tokens written.
    fn drained(mut receiver: Receiver<Event>) -> [usize; 2] {
        let mut counts = [0, 0];
        while let Some(event) = receiver.blocking_recv() {
            match event {
                Event::Scored { tokens, .. } => counts[0] += tokens.len(),
                Event::Written(burst) => counts[1] += burst.steps.len(),
                Event::Next { .. } => {}
            }
        }
        counts
    }

    #[test]
    fn a_mistake_in_one_request_leaves_the_engine_working() {
        let model = served();
        let engine = Engine::start(EngineConfig { threads: 1, parallel: 4, queue: 4 }).unwrap();
        let (broken, receiver) = job(&model, true, 64);
        engine.submit(vec![broken]).unwrap();
        assert_eq!(drained(receiver), [0, 0]);
        let (good, receiver) = job(&model, false, 64);
        engine.submit(vec![good]).unwrap();
        assert_eq!(drained(receiver), [1000, 5]);
    }

    /// With room for one event, each piece of a prompt waits until the one before is taken.
    #[test]
    fn a_receiver_without_room_gets_all_in_the_end() {
        let model = served();
        let engine = Engine::start(EngineConfig { threads: 2, parallel: 4, queue: 4 }).unwrap();
        for room in [1, 2, 3] {
            let receivers: Vec<Receiver<Event>> = (0..6)
                .map(|_| {
                    let (job, receiver) = job(&model, false, room);
                    engine.submit(vec![job]).unwrap();
                    receiver
                })
                .collect();
            for receiver in receivers {
                assert_eq!(drained(receiver), [1000, 5]);
            }
        }
        // Places are free a moment after the receiver hears of the end.
        while engine.active() > 0 {
            std::thread::yield_now();
        }
    }
}
