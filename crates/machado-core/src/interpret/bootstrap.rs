//! How far a figure would vary in other text of the same kind: the text is drawn anew, block by block.
//!
//! Neighbouring tokens are alike, since a model's state changes slowly and a topic lasts. Drawing
//! single tokens would take them for independent, and every interval would come out too narrow. So
//! whole blocks of text are drawn, with putting back (Künsch 1989, of blocks that do not overlap).

use std::ops::Range;

use crate::rng::{Purpose, Rng};

/// Blocks at most: more would only make them shorter, and more alike.
const MOST_BLOCKS: usize = 200;

/// Tokens of a block at least, so that few states of one are still much like those of the next.
const LEAST_TOKENS: usize = 50;

/// How often the text is drawn anew.
const DRAWS: u64 = 1000;

/// A concept must be in so many blocks: of fewer there are hardly any different draws.
const LEAST_WITH: usize = 5;

/// Of fewer tokens of a concept, and of what is not it, there are no intervals.
pub const JUDGED_AT_LEAST: usize = LEAST_WITH * LEAST_TOKENS;

/// Where 95 of 100 figures of drawn texts lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// One in forty is lower.
    pub low: f64,
    /// One in forty is higher.
    pub high: f64,
}

impl Interval {
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let outside = figures.len() / 40;
        Self { low: figures[outside], high: figures[figures.len() - 1 - outside] }
    }
}

/// The intervals of one score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intervals {
    /// Of the AUROC.
    pub auroc: Interval,
    /// Of the F1 at the threshold that is best in the whole text.
    pub f1: Interval,
}

/// A score that is not 0, where it stands, and whether the concept is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    pub value: f32,
    pub positive: bool,
    pub block: u32,
}

/// Some ranges of a text in blocks of neighbouring tokens.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    /// The blocks of each range, in the order of the text.
    blocks: Vec<Vec<Range<usize>>>,
    /// Positions of each block, without and with the concept.
    totals: Vec<[u64; 2]>,
}

impl Blocks {
    /// Cuts each range into blocks as long as each other, but for one token.
    pub(super) fn cut(ranges: &[Range<usize>]) -> Self {
        let all: usize = ranges.iter().map(Range::len).sum();
        let size = all.div_ceil(MOST_BLOCKS).max(LEAST_TOKENS);
        let blocks_of = |range: &Range<usize>| {
            let count = (range.len() / size).max(1);
            let edge = |number: usize| range.start + range.len() * number / count;
            (0..count).map(|number| edge(number)..edge(number + 1)).collect()
        };
        let blocks: Vec<Vec<Range<usize>>> = ranges.iter().map(blocks_of).collect();
        let count = blocks.iter().map(Vec::len).sum();
        Self { blocks, totals: vec![[0; 2]; count] }
    }

    /// Counts a position in, and says in which block it is.
    ///
    /// # Panics
    /// If it is in none of the ranges.
    pub(super) fn add(&mut self, place: usize, positive: bool) -> u32 {
        let mut before = 0;
        for blocks in &self.blocks {
            let number = blocks.partition_point(|block| block.end <= place);
            if blocks.get(number).is_some_and(|block| block.contains(&place)) {
                let block = before + number;
                self.totals[block][usize::from(positive)] += 1;
                return block as u32;
            }
            before += blocks.len();
        }
        panic!("token {place} is in none of {:?}", self.blocks);
    }

    /// Blocks with something of the concept, and all.
    pub(super) fn counts(&self) -> [usize; 2] {
        let with = self.totals.iter().filter(|[_, positives]| *positives > 0).count();
        [with, self.totals.len()]
    }

    /// Positions without and with the concept.
    pub(super) fn positions(&self) -> [u64; 2] {
        [0, 1].map(|kind| self.totals.iter().map(|total| total[kind]).sum())
    }

    /// How often each block comes in each drawn text. As many as there are come of each range, so that
    /// a text of examples and one of counterexamples keep their lengths.
    pub(super) fn draws(&self, seed: u64) -> Vec<Vec<u32>> {
        let draw = |number: u64| {
            let mut rng = Rng::new(seed, Purpose::Bootstrap, number);
            let mut times = vec![0; self.totals.len()];
            let mut first = 0;
            for blocks in &self.blocks {
                for _ in blocks {
                    times[first + rng.below(blocks.len() as u64) as usize] += 1;
                }
                first += blocks.len();
            }
            times
        };
        (0..DRAWS).map(draw).collect()
    }

    /// The intervals of a score, from the strongest standing to the weakest; what has none has the
    /// score 0. `None` where the concept, or what is not of it, is in too few blocks to tell.
    pub(super) fn intervals(
        &self,
        standing: &[Standing],
        threshold: f32,
        draws: &[Vec<u32>],
    ) -> Option<Intervals> {
        let with = |kind: usize| self.totals.iter().filter(|total| total[kind] > 0).count();
        if with(0) < LEAST_WITH || with(1) < LEAST_WITH {
            return None;
        }
        let figures = draws.iter().filter_map(|times| self.figures(standing, threshold, times));
        let (aurocs, f1s): (Vec<f64>, Vec<f64>) = figures.unzip();
        // A text without one of the two kinds has no figures.
        (aurocs.len() * 2 > draws.len())
            .then(|| Intervals { auroc: Interval::of(aurocs), f1: Interval::of(f1s) })
    }

    /// AUROC and F1 of one drawn text, each block of which comes so many times.
    fn figures(&self, standing: &[Standing], threshold: f32, times: &[u32]) -> Option<(f64, f64)> {
        let mut totals = [0.0; 2];
        for (total, &times) in self.totals.iter().zip(times) {
            totals[0] += total[0] as f64 * f64::from(times);
            totals[1] += total[1] as f64 * f64::from(times);
        }
        let [negatives, positives] = totals;
        if negatives == 0.0 || positives == 0.0 {
            return None;
        }
        let (mut area, mut wrong, mut right, mut called) = (0.0, 0.0, 0.0, [0.0; 2]);
        for tied in standing.chunk_by(|a, b| a.value == b.value) {
            let mut more = [0.0; 2];
            for one in tied {
                more[usize::from(one.positive)] += f64::from(times[one.block as usize]);
            }
            area += more[0] * (right + 0.5 * more[1]);
            wrong += more[0];
            right += more[1];
            if tied[0].value >= threshold {
                called = [wrong, right];
            }
        }
        // All that stand nowhere have the score 0.
        area += (negatives - wrong) * (right + 0.5 * (positives - right));
        let have_score_0 = (standing.len() as u64) < self.positions().iter().sum();
        let [wrong, right] = if threshold <= 0.0 && have_score_0 { totals } else { called };
        Some((area / (positives * negatives), 2.0 * right / (right + wrong + positives)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init, reason = "one range is what is meant")]

    use super::*;
    use crate::interpret::Separation;

    /// Two ranges of 500 and 100 tokens; the concept is at every fourth token.
    fn blocks() -> (Blocks, Vec<Standing>) {
        let mut blocks = Blocks::cut(&[0..500, 700..800]);
        let mut standing = Vec::new();
        for place in (0..500).chain(700..800) {
            let positive = place % 4 == 0;
            let block = blocks.add(place, positive);
            // A score that knows the concept fairly well, in halves, so that many tie.
            let value = ((place * 7 % 13) as f32 + if positive { 5.0 } else { 0.0 } - 6.0).round();
            if value > 0.0 {
                standing.push(Standing { value, positive, block });
            }
        }
        standing.sort_by(|a, b| b.value.total_cmp(&a.value));
        (blocks, standing)
    }

    #[test]
    fn blocks_are_of_one_range_each_and_none_is_short() {
        let (blocks, _) = blocks();
        assert_eq!(blocks.counts(), [12, 12]);
        assert_eq!(blocks.positions(), [450, 150]);
        assert_eq!(blocks.blocks[1], [700..750, 750..800]);
        assert_eq!(Blocks::cut(&[0..1_000_000]).counts(), [0, 200]);
        // However short a range is, it is a block.
        assert_eq!(Blocks::cut(&[5..20, 30..129]).blocks, [vec![5..20], vec![30..129]]);
    }

    /// If each block comes once, it is the text as it is.
    #[test]
    fn the_figures_of_the_text_itself_are_the_exact_ones() {
        let (blocks, standing) = blocks();
        let mut scores: Vec<(f32, bool)> = standing.iter().map(|s| (s.value, s.positive)).collect();
        let right = standing.iter().filter(|s| s.positive).count() as u64;
        let zeros = [450 - (standing.len() as u64 - right), 150 - right];
        let exact = Separation::of(&mut scores, zeros).unwrap();
        let (auroc, f1) = blocks.figures(&standing, exact.threshold, &[1; 12]).unwrap();
        assert!((auroc - exact.auroc).abs() < 1e-12 && (f1 - exact.f1).abs() < 1e-12, "{exact:?}");
        // Where all are called, half of the harmony is lost to the others: 2·150 / (600 + 150).
        assert_eq!(blocks.figures(&standing, 0.0, &[1; 12]).unwrap().1, 0.4);
        // Twice the same text has the same figures.
        let twice = blocks.figures(&standing, exact.threshold, &[2; 12]).unwrap();
        assert!((twice.0 - auroc).abs() < 1e-12 && (twice.1 - f1).abs() < 1e-12);
    }

    #[test]
    fn intervals_hold_the_figure_and_the_seed_decides() {
        let (blocks, standing) = blocks();
        let found = |seed| blocks.intervals(&standing, 3.0, &blocks.draws(seed)).unwrap();
        assert_eq!(found(1), found(1));
        assert_ne!(found(1), found(2));
        let (auroc, f1) = blocks.figures(&standing, 3.0, &[1; 12]).unwrap();
        let Intervals { auroc: around, f1: around_f1 } = found(1);
        assert!(around.low < auroc && auroc < around.high, "{auroc} {around:?}");
        assert!(around_f1.low < f1 && f1 < around_f1.high, "{f1} {around_f1:?}");
    }

    #[test]
    fn each_range_keeps_its_number_of_blocks() {
        let (blocks, _) = blocks();
        let draws = blocks.draws(3);
        assert_eq!(draws.len(), 1000);
        for times in &draws {
            assert_eq!(times[..10].iter().sum::<u32>(), 10);
            assert_eq!(times[10..].iter().sum::<u32>(), 2);
        }
    }

    /// A score that stands high in one long stretch and nowhere else: tokens are many, texts few.
    #[test]
    fn what_is_in_few_blocks_has_no_interval_and_what_comes_in_stretches_a_wide_one() {
        let with_stretches = |length: usize, every: usize| {
            let mut blocks = Blocks::cut(&[0..5_000]);
            let mut standing = Vec::new();
            for place in 0..5_000 {
                let positive = place % 2 == 0;
                let block = blocks.add(place, positive);
                // Right in every other stretch, wrong in the others.
                if (place / length).is_multiple_of(every) == positive {
                    standing.push(Standing { value: 1.0, positive, block });
                }
            }
            let found = blocks.intervals(&standing, 1.0, &blocks.draws(1)).unwrap().auroc;
            found.high - found.low
        };
        assert!(with_stretches(50, 2) > 3.0 * with_stretches(2, 2));
        let mut few = Blocks::cut(&[0..1_000]);
        for place in 0..1_000 {
            few.add(place, place < 200);
        }
        assert_eq!(few.counts(), [4, 20]);
        assert_eq!(few.intervals(&[], 1.0, &few.draws(1)), None);
    }
}
