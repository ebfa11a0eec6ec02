//! What the Rust peers share: their arguments, windows of a text, and the clock.
//!
//! The same as `python/measure.py` does for the Python peers.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

/// Windows in a batch.
pub const BATCH: usize = 32;
/// Tokens that one window sees.
pub const WINDOW: usize = 128;
/// Values per token of the embedding.
pub const EMBEDDING_DIM: usize = 16;
/// Filters of the convolution.
pub const FILTERS: usize = 32;
/// Tokens that a filter sees.
pub const KERNEL_SIZE: usize = 3;
/// Size of the GRU's state.
pub const UNITS: usize = 128;

const LOCK: &str = include_str!("../../Cargo.lock");
/// Batches that the steps take in turn.
const BATCHES: usize = 16;
/// Steps of the warm-up and of the measurement, however long they take.
const FEWEST_STEPS: usize = 3;

/// The arguments of a peer: `TEXT SECONDS`.
pub struct Arguments {
    /// What is learnt.
    pub text: Text,
    /// How long is measured.
    pub measured: Duration,
}

impl Arguments {
    /// Reads the command line and the text.
    ///
    /// # Errors
    ///
    /// If an argument is missing, or the text cannot be read.
    pub fn read() -> Result<Self, Box<dyn Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [path, seconds] = arguments.as_slice() else {
            return Err("usage: peer TEXT SECONDS".into());
        };
        let text = Text::new(&std::fs::read_to_string(path)?);
        Ok(Self { text, measured: Duration::try_from_secs_f64(seconds.parse()?)? })
    }
}

/// The version of a package in this workspace's Cargo.lock.
///
/// # Panics
///
/// If the workspace does not depend on the package.
#[must_use]
pub fn locked_version(package: &str) -> &'static str {
    let name = format!("name = \"{package}\"");
    let mut after_the_name = LOCK.lines().skip_while(|line| *line != name).skip(1);
    let version = after_the_name.next().expect("a package of the lock file");
    version.trim_start_matches("version = ").trim_matches('"')
}

/// Inputs and targets of a batch, both `[BATCH, WINDOW]`: the target of a place is the id that
/// follows it.
pub type Batch = (Vec<u32>, Vec<u32>);

/// A text as ids, one per character of the lower-cased text.
pub struct Text {
    ids: Vec<u32>,
    /// Distinct characters.
    pub vocabulary_size: usize,
}

impl Text {
    fn new(text: &str) -> Self {
        let mut known = HashMap::new();
        let mut ids = Vec::new();
        for character in text.chars().flat_map(char::to_lowercase) {
            let next = u32::try_from(known.len()).expect("there are fewer characters than u32s");
            ids.push(*known.entry(character).or_insert(next));
        }
        Self { ids, vocabulary_size: known.len() }
    }

    /// Batches of windows from random places, without an end. They are made once and taken in turn,
    /// so that it is learning that is measured.
    pub fn batches(&self) -> impl Iterator<Item = Batch> {
        let mut random = Random(42);
        let batches: Vec<Batch> = (0..BATCHES).map(|_| self.batch(&mut random)).collect();
        batches.into_iter().cycle()
    }

    fn batch(&self, random: &mut Random) -> Batch {
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..BATCH {
            let start = random.below(self.ids.len() - WINDOW);
            inputs.extend_from_slice(&self.ids[start..start + WINDOW]);
            targets.extend_from_slice(&self.ids[start + 1..start + 1 + WINDOW]);
        }
        (inputs, targets)
    }
}

/// Knuth's linear congruential generator: good enough to pick places in a text.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % end
    }
}

/// Takes a step with one batch after another, for half of `measured` without counting, then for all
/// of it, and prints the median time of a step as one JSON object. `step` returns its loss.
///
/// # Errors
///
/// Those of `step`.
pub fn measure<E>(
    version: &str,
    measured: Duration,
    mut batches: impl Iterator<Item = Batch>,
    mut step: impl FnMut(Batch) -> Result<f32, E>,
) -> Result<(), E> {
    repeat(measured / 2, &mut batches, &mut step)?;
    let (mut ms, loss) = repeat(measured, &mut batches, &mut step)?;
    ms.sort_by(f64::total_cmp);
    let (median, steps) = (ms[ms.len() / 2], ms.len());
    println!(
        r#"{{"version": "{version}", "ms_per_step": {median}, "steps": {steps}, "loss": {loss}}}"#
    );
    Ok(())
}

/// The milliseconds of each step, and the last loss.
fn repeat<E>(
    time: Duration,
    batches: &mut impl Iterator<Item = Batch>,
    step: &mut impl FnMut(Batch) -> Result<f32, E>,
) -> Result<(Vec<f64>, f32), E> {
    let begin = Instant::now();
    let (mut ms, mut loss) = (Vec::new(), 0.0);
    while ms.len() < FEWEST_STEPS || begin.elapsed() < time {
        let batch = batches.next().expect("batches have no end");
        let start = Instant::now();
        loss = step(batch)?;
        ms.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok((ms, loss))
}
