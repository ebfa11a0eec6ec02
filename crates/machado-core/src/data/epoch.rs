//! The batches of one pass over a part of the text.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::batch::{Batch, Start};
use super::corpus::Corpus;
use super::shuffle::Shuffle;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Rng};

/// How a part of the text is cut into batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Overlapping windows in random order, each from an empty state: the tutorial's way.
    #[default]
    Windows,
    /// As many contiguous streams as the batch has rows; the state goes on from batch to batch
    /// (truncated backpropagation through time).
    Streams,
}

/// What a window predicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The token after each of its tokens ("all_window" in the tutorial).
    #[default]
    All,
    /// The token after the last one only ("last_char").
    Last,
}

/// How to cut a range of ids into batches. The same plan, seed and epoch give the same batches.
#[derive(Clone, Debug)]
pub struct BatchPlan {
    /// The part of the text, in tokens.
    pub range: Range<usize>,
    /// Windows or streams.
    pub sampling: Sampling,
    /// Time steps of a window, `T`.
    pub window: usize,
    /// From the start of one window to the next, in tokens.
    pub shift: usize,
    /// Rows of a batch, `B`; the last batch of an epoch may have fewer.
    pub batch_size: usize,
    /// The order of the windows.
    pub shuffle: Shuffle,
    /// The run's seed.
    pub seed: u64,
}

impl BatchPlan {
    /// Checks that there is at least one window (or one step of each stream).
    ///
    /// # Errors
    /// If the range is too short; `part` names it in the message.
    pub fn check(&self, part: &'static str) -> Result<()> {
        let needed = match self.sampling {
            Sampling::Windows => self.window + 1,
            Sampling::Streams => self.batch_size * self.window + 1,
        };
        if self.range.len() < needed {
            return Err(match self.sampling {
                Sampling::Windows => Error::TextTooShort {
                    part,
                    tokens: self.range.len() as u64,
                    needed: needed as u64,
                    window: self.window,
                },
                Sampling::Streams => Error::TooFewForStreams {
                    part,
                    tokens: self.range.len() as u64,
                    needed: needed as u64,
                    streams: self.batch_size,
                    window: self.window,
                },
            });
        }
        Ok(())
    }

    /// Windows in an epoch; for streams, the steps of all rows.
    pub fn windows(&self) -> u64 {
        match self.sampling {
            Sampling::Windows if self.range.len() <= self.window => 0,
            Sampling::Windows => ((self.range.len() - self.window - 1) / self.shift) as u64 + 1,
            Sampling::Streams => self.batches() * self.batch_size as u64,
        }
    }

    /// Batches in an epoch.
    pub fn batches(&self) -> u64 {
        match self.sampling {
            Sampling::Windows => self.windows().div_ceil(self.batch_size as u64),
            Sampling::Streams => self.stream_length().div_ceil(self.window) as u64,
        }
    }

    /// Tokens of one stream. Up to a window's length is left free, so that each epoch can start
    /// at another place and the cuts between batches move.
    fn stream_length(&self) -> usize {
        (self.targets() - self.stream_slack()) / self.batch_size
    }

    /// Tokens left free; none where the part is so short that a stream has but one window.
    fn stream_slack(&self) -> usize {
        self.window.min(self.targets().saturating_sub(self.batch_size * self.window))
    }

    /// Tokens that have one before them.
    fn targets(&self) -> usize {
        self.range.len().saturating_sub(1)
    }

    /// The batches of one epoch, from batch `skip` on.
    pub fn epoch(
        &self,
        corpus: Arc<Corpus>,
        epoch: u64,
        skip: u64,
    ) -> impl Iterator<Item = Batch> + Send + use<> {
        match self.sampling {
            Sampling::Windows => Batches::Windows(self.windowed(corpus, epoch, skip)),
            Sampling::Streams => Batches::Streams(self.streamed(corpus, epoch, skip)),
        }
    }

    fn windowed(
        &self,
        corpus: Arc<Corpus>,
        epoch: u64,
        skip: u64,
    ) -> impl Iterator<Item = Batch> + Send + use<> {
        let plan = self.clone();
        let rng = Rng::new(self.seed, Purpose::Shuffle, epoch);
        let mut order = self.shuffle.order(self.windows(), rng, skip * self.batch_size as u64);
        std::iter::from_fn(move || {
            let next = order.by_ref().take(plan.batch_size);
            let starts: Vec<usize> =
                next.map(|window| plan.range.start + window as usize * plan.shift).collect();
            let batch = || Batch::gather(corpus.ids(), &starts, plan.window, Start::Fresh);
            (!starts.is_empty()).then(batch)
        })
    }

    fn streamed(
        &self,
        corpus: Arc<Corpus>,
        epoch: u64,
        skip: u64,
    ) -> impl Iterator<Item = Batch> + Send + use<> {
        let (length, window, rows) = (self.stream_length(), self.window, self.batch_size);
        let free = self.stream_slack() as u64 + 1;
        let offset = Rng::new(self.seed, Purpose::Streams, epoch).below(free) as usize;
        let first = self.range.start + offset;
        (skip..self.batches()).map(move |batch| {
            let done = batch as usize * window;
            let starts: Vec<usize> = (0..rows).map(|row| first + row * length + done).collect();
            let start = if batch == 0 { Start::Fresh } else { Start::Carried };
            Batch::gather(corpus.ids(), &starts, window.min(length - done), start)
        })
    }
}

/// One of two iterators.
enum Batches<A, B> {
    Windows(A),
    Streams(B),
}

impl<A: Iterator<Item = Batch>, B: Iterator<Item = Batch>> Iterator for Batches<A, B> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        match self {
            Self::Windows(batches) => batches.next(),
            Self::Streams(batches) => batches.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::ids::TokenIds;

    fn corpus(tokens: u32) -> Arc<Corpus> {
        let ids = TokenIds::U32((0..tokens).collect());
        Arc::new(Corpus::new(ids, &"1.0:0.0".parse::<Split>().expect("a split")).expect("ids"))
    }

    fn plan(sampling: Sampling, tokens: usize) -> BatchPlan {
        BatchPlan {
            range: 0..tokens,
            sampling,
            window: 5,
            shift: 1,
            batch_size: 4,
            shuffle: Shuffle::Buffer(10),
            seed: 42,
        }
    }

    #[test]
    fn an_epoch_of_the_tutorial_has_31246_batches() {
        let plan = BatchPlan {
            range: 0..1_000_000,
            window: 128,
            batch_size: 32,
            ..plan(Sampling::Windows, 0)
        };
        assert_eq!((plan.windows(), plan.batches()), (999_872, 31_246));
    }

    #[test]
    fn each_window_comes_once_and_the_last_batch_keeps_the_remainder() {
        let plan = BatchPlan { shift: 3, ..plan(Sampling::Windows, 40) };
        let batches: Vec<Batch> = plan.epoch(corpus(40), 0, 0).collect();
        assert_eq!(batches.len() as u64, plan.batches());
        let mut firsts: Vec<u32> =
            batches.iter().flat_map(|b| (0..b.rows).map(|row| b.row(row)[0])).collect();
        firsts.sort_unstable();
        assert_eq!(firsts, (0..12).map(|w| w * 3).collect::<Vec<u32>>());
        assert_eq!(batches[0].row(0).len(), 6);
        assert_eq!(batches.iter().map(|b| b.rows).collect::<Vec<_>>(), [4, 4, 4]);
        let odd = BatchPlan { range: 0..15, ..plan };
        assert_eq!(odd.epoch(corpus(40), 0, 0).map(|b| b.rows).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn epochs_differ_and_skipping_gives_the_same_batches() {
        for sampling in [Sampling::Windows, Sampling::Streams] {
            let plan = plan(sampling, 200);
            let all: Vec<Batch> = plan.epoch(corpus(200), 3, 0).collect();
            let rest: Vec<Batch> = plan.epoch(corpus(200), 3, 4).collect();
            assert_eq!(all[4..], rest, "{sampling:?}");
            let other: Vec<Batch> = plan.epoch(corpus(200), 4, 0).collect();
            assert_ne!(all, other, "{sampling:?}");
        }
    }

    #[test]
    fn streams_go_on_where_the_batch_before_ended() {
        for tokens in [21, 22, 30, 64, 200, 203] {
            let plan = plan(Sampling::Streams, tokens);
            plan.check("training").expect("long enough");
            let batches: Vec<Batch> = plan.epoch(corpus(tokens as u32), 0, 0).collect();
            assert_eq!(batches.len() as u64, plan.batches(), "{tokens} tokens");
            assert_eq!(batches[0].start, Start::Fresh);
            for pair in batches.windows(2) {
                assert_eq!(pair[1].start, Start::Carried);
                for row in 0..4 {
                    assert_eq!(pair[0].row(row)[pair[0].time], pair[1].row(row)[0]);
                }
            }
            let targets: usize = batches.iter().map(Batch::tokens).sum();
            assert!(targets + 5 + 4 >= tokens - 1, "{targets} of {tokens}");
        }
    }

    #[test]
    fn a_part_shorter_than_one_window_is_an_error_with_both_numbers() {
        let message = plan(Sampling::Windows, 5).check("training").expect_err("short").to_string();
        assert!(message.contains("training") && message.contains('6'), "{message}");
        assert!(plan(Sampling::Windows, 6).check("training").is_ok());
        assert!(plan(Sampling::Streams, 20).check("training").is_err());
        assert!(plan(Sampling::Streams, 21).check("training").is_ok());
    }
}
