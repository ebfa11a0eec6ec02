//! A thread of the engine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lane::Lane;
use super::waiting::{Taken, Wait, Waiting};

/// How often texts are looked after that wait for a slow reader, when there is nothing else to do.
const PATIENCE: Duration = Duration::from_millis(5);

/// Works until the engine stops.
pub(super) fn work(waiting: &Arc<Waiting>) {
    let mut lanes: Vec<Lane> = Vec::new();
    let mut turn: usize = 0;
    loop {
        // Between two tokens one job at most, so that those who write are not kept waiting.
        let wait = if lanes.is_empty() {
            Wait::ForEver
        } else if lanes.iter().all(Lane::only_waits) {
            Wait::Until(PATIENCE)
        } else {
            Wait::No
        };
        let taken = waiting.take(wait);
        if matches!(taken, Taken::Stop) {
            return;
        }
        let step = || {
            if let Taken::Job(job, places) = taken {
                let lane = lanes.iter().position(|lane| lane.key() == &job.lane);
                let lane = lane.unwrap_or_else(|| {
                    lanes.push(Lane::new(job.lane.clone()));
                    lanes.len() - 1
                });
                lanes[lane].add(*job, places);
            }
            // One lane reads prompts, and they take turns: the more lanes, the longer would the texts wait.
            let with_prompts: Vec<usize> =
                (0..lanes.len()).filter(|&place| lanes[place].has_prompts()).collect();
            turn = turn.wrapping_add(1);
            let reader = with_prompts.get(turn % with_prompts.len().max(1)).copied();
            let now = Instant::now();
            for (place, lane) in lanes.iter_mut().enumerate() {
                waiting.count(lane.step(now, waiting, reader == Some(place)));
            }
            lanes.retain(|lane| !lane.is_empty());
        };
        // A mistake costs the requests that this thread works for, and not all that are to come.
        if catch_unwind(AssertUnwindSafe(step)).is_err() {
            tracing::error!(
                "a thread of the engine made a mistake; what it was working on is given up"
            );
            lanes.clear();
        }
    }
}
