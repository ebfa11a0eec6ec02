//! Which features know a concept: positions where it is against positions where it is not.
//!
//! Features are ranked on one part of a text and judged on another. Where a concept has several
//! words, half of them choose and the other half show whether it is the concept that was found or
//! only a word. Beside the features stand the best single unit and the difference between the mean
//! states, so that one sees what the autoencoder is good for.

use std::ops::Range;

use super::bootstrap::{Blocks, Intervals, Standing};
use super::sae::{Sae, dot};
use super::spread::{Spread, for_each_value};
use super::stats::Separation;
use super::train_on_text::Reading;
use crate::error::{Error, Result};
use crate::math::threads::Compute;

/// Bins of a score: AUROC over them differs from the exact one by less than one sees.
const BINS: usize = 128;

/// A score with a lower AUROC does not know a concept: at three of ten places of it, or more, it is
/// weaker than elsewhere, so that most of what it says is something else.
pub const LEAST_AUROC: f64 = 0.7;

/// What a position is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The concept is not there.
    #[default]
    Negative,
    /// It is, by what chooses.
    Chosen,
    /// It is, by what was held out of the choice.
    HeldOut,
}

/// A concept as positions of a text.
#[derive(Clone, Debug)]
pub struct Concept {
    /// What each token is. `[T]`
    pub kinds: Vec<Kind>,
    /// Parts to choose on.
    pub study: Vec<Range<usize>>,
    /// Parts to judge on.
    pub test: Vec<Range<usize>>,
}

/// How features are chosen and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindConfig {
    /// How many are judged.
    pub top: usize,
    /// Decides which blocks of text are drawn for the intervals.
    pub seed: u64,
}

/// How well one score knows the concept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The feature or unit; nothing for a direction.
    pub number: usize,
    /// On the parts that chose, over bins, of what chose.
    pub study: Separation,
    /// On the other parts, exact, of all positions of the concept. `None` if there are none.
    pub test: Option<Separation>,
    /// How far the figures of the other parts would vary in other text, over blocks of it. `None` if
    /// the concept is in too few of them.
    pub intervals: Option<Intervals>,
    /// The AUROC of what was held out of the choice, on all parts. `None` if there is nothing.
    pub held_out_auroc: Option<f64>,
    /// A low score means the concept.
    pub is_below: bool,
}

impl Scored {
    /// Whether it knows the concept, by the parts that did not choose: an AUROC of at least
    /// [`LEAST_AUROC`], and of more than chance wherever its interval ends.
    pub fn is_found(&self) -> bool {
        let is_high = self.test.is_some_and(|test| test.auroc >= LEAST_AUROC);
        is_high && self.intervals.is_some_and(|intervals| intervals.auroc.low > 0.5)
    }
}

/// The features that know a concept best, and what to compare them with.
#[derive(Clone, Debug)]
pub struct ConceptScores {
    /// The best features, falling by their AUROC on the parts that chose.
    pub features: Vec<Scored>,
    /// The best single unit.
    pub unit: Option<Scored>,
    /// The difference between the mean states with and without the concept; there is no figure of
    /// the parts that chose, so both are of the parts to judge on.
    pub difference: Option<Scored>,
    /// That difference, of length 1. `[d_in]`
    pub direction: Vec<f32>,
    /// Positions of the concept that chose.
    pub chosen: u64,
    /// Positions of the concept to judge on, and all there.
    pub tested: [u64; 2],
    /// Blocks of text with something of the concept there, and all.
    pub blocks: [usize; 2],
}

/// Counts of one score by part (study, test), kind and bin.
type Bins = [[[u32; BINS]; 3]; 2];

const NOTHING: Bins = [[[0; BINS]; 3]; 2];

/// All counts.
struct Counts {
    /// Of features the lowest bin counts nothing: what is not counted is 0.
    features: Vec<Bins>,
    units: Vec<Unit>,
    /// Positions by part and kind.
    totals: [[u64; 3]; 2],
}

/// Counts of a single unit.
#[derive(Clone)]
struct Unit {
    bins: Bins,
    /// Sums of the values that choose, without and with the concept.
    sums: [f64; 2],
}

impl Reading<'_> {
    /// Ranks the features by how well they know a concept, and judges the best;
    /// `max_activations` are those of all features, as they were measured before.
    ///
    /// # Errors
    /// If the concept is nowhere, or everywhere, in the parts that choose, or a part is empty.
    ///
    /// # Panics
    /// If there are not as many kinds as tokens.
    pub fn find(
        &self,
        sae: &Sae,
        max_activations: &[f32],
        concept: &Concept,
        config: FindConfig,
    ) -> Result<ConceptScores> {
        let mut found = self.find_each(sae, max_activations, &[concept], config)?;
        Ok(found.remove(0))
    }

    /// [`find`](Self::find) for several concepts while the text is read once.
    ///
    /// # Errors
    /// As [`find`](Self::find), for any of them.
    ///
    /// # Panics
    /// If there are not as many kinds as tokens, or two concepts have other parts.
    pub fn find_each(
        &self,
        sae: &Sae,
        max_activations: &[f32],
        concepts: &[&Concept],
        config: FindConfig,
    ) -> Result<Vec<ConceptScores>> {
        for concept in concepts {
            assert_eq!(concept.kinds.len(), self.ids.len(), "a kind for each token");
            assert_eq!(concept.study, concepts[0].study, "the same parts to choose on");
            assert_eq!(concept.test, concepts[0].test, "the same parts to judge on");
        }
        let counts = self.count(sae, max_activations, concepts)?;
        let each = concepts.iter().zip(&counts);
        each.map(|(concept, counts)| self.ranked(sae, concept, counts, config)).collect()
    }

    /// From counts to the best, and how good they are.
    fn ranked(
        &self,
        sae: &Sae,
        concept: &Concept,
        counts: &Counts,
        config: FindConfig,
    ) -> Result<ConceptScores> {
        let [negative, chosen, _] = counts.totals[0];
        if negative == 0 || chosen == 0 {
            return Err(Error::OutOfRange {
                what: "the concept".into(),
                expected: "at some, but not all, tokens of the part that chooses".into(),
                found: format!("at {chosen} of {}", negative + chosen),
            });
        }
        let mut features: Vec<Scored> = (0..sae.d_sae())
            .filter_map(|number| counts.scored(number, &counts.features[number]))
            .collect();
        sort(&mut features);
        features.truncate(config.top);
        let mut units: Vec<Scored> =
            (0..self.site.dim).flat_map(|number| counts.scored_unit(number)).collect();
        sort(&mut units);
        let unit = units.first().copied();
        let direction = counts.direction();
        let mut found = ConceptScores {
            features,
            unit,
            difference: None,
            direction,
            chosen,
            tested: [0; 2],
            blocks: [0; 2],
        };
        self.judge(sae, concept, config.seed, &mut found)?;
        Ok(found)
    }

    /// The pass that chooses, with counts of each concept.
    fn count(
        &self,
        sae: &Sae,
        max_activations: &[f32],
        concepts: &[&Concept],
    ) -> Result<Vec<Counts>> {
        let tally = |feature: usize| (max_activations[feature], vec![NOTHING; concepts.len()]);
        let all: Vec<usize> = (0..sae.d_sae()).collect();
        let mut features = Spread::new((sae, &all), self.compute, tally)?;
        let mut counts: Vec<Counts> = concepts.iter().map(|_| Counts::new(sae.d_in())).collect();
        let Some(first) = concepts.first() else { return Ok(counts) };
        for (part, ranges) in [&first.study, &first.test].into_iter().enumerate() {
            for range in ranges {
                self.for_each_block(range.clone(), |places, states| {
                    for (concept, counts) in concepts.iter().zip(&mut counts) {
                        let kinds: Vec<Kind> = places.iter().map(|&at| concept.kinds[at]).collect();
                        counts.add(self.compute, part, &kinds, states);
                    }
                    features.encode(self.compute, (places, states), |(max, all), fires| {
                        let share = fires.value / *max;
                        let bin = ((share * (BINS - 1) as f32) as usize).saturating_add(1);
                        for (concept, bins) in concepts.iter().zip(all) {
                            let kind = concept.kinds[fires.place] as usize;
                            bins[part][kind][bin.min(BINS - 1)] += 1;
                        }
                    });
                })?;
            }
        }
        for (_, bins) in features.finish() {
            counts.iter_mut().zip(bins).for_each(|(counts, bins)| counts.features.push(bins));
        }
        Ok(counts)
    }

    /// The exact pass over the parts to judge on, with what was chosen.
    fn judge(
        &self,
        sae: &Sae,
        concept: &Concept,
        seed: u64,
        found: &mut ConceptScores,
    ) -> Result<()> {
        let mut blocks = Blocks::cut(&concept.test);
        let mut scores: Vec<Vec<Standing>> = vec![Vec::new(); found.features.len() + 2];
        let sign = found.unit.map_or(1.0, |unit| if unit.is_below { -1.0 } else { 1.0 });
        for range in &concept.test {
            self.for_each(range.clone(), |place, state| {
                let positive = concept.kinds[place] != Kind::Negative;
                let block = blocks.add(place, positive);
                let standing = |value| Standing { value, positive, block };
                for (scored, scores) in found.features.iter().zip(&mut scores) {
                    let value = sae.activation(scored.number, state);
                    if value > 0.0 {
                        scores.push(standing(value));
                    }
                }
                let [.., of_unit, of_direction] = &mut scores[..] else { return };
                if let Some(unit) = found.unit {
                    of_unit.push(standing(sign * state[unit.number]));
                }
                of_direction.push(standing(dot(&found.direction, state)));
            })?;
        }
        let [negatives, positives] = blocks.positions();
        found.tested = [positives, negatives + positives];
        found.blocks = blocks.counts();
        let draws = blocks.draws(seed);
        let mut judged: Vec<_> = scores.into_iter().map(|scores| (scores, None)).collect();
        self.compute.for_each(&mut judged, |(scores, judged)| {
            *judged = self::judged(scores, &blocks, &draws);
        });
        let mut judged = judged.into_iter().map(|(_, judged)| judged);
        for (scored, judged) in found.features.iter_mut().zip(&mut judged) {
            (scored.test, scored.intervals) = test_of(judged);
        }
        let (of_unit, of_direction) = (judged.next().flatten(), judged.next().flatten());
        if let Some(unit) = &mut found.unit {
            (unit.test, unit.intervals) = test_of(of_unit);
        }
        found.difference = of_direction.map(|(study, intervals)| Scored {
            number: 0,
            study,
            test: Some(study),
            intervals,
            held_out_auroc: None,
            is_below: false,
        });
        Ok(())
    }
}

/// What was judged, as two.
fn test_of(
    judged: Option<(Separation, Option<Intervals>)>,
) -> (Option<Separation>, Option<Intervals>) {
    (judged.map(|(test, _)| test), judged.and_then(|(_, intervals)| intervals))
}

/// The exact figures of a score and their intervals. `None` if one kind has no positions.
fn judged(
    scores: &mut [Standing],
    blocks: &Blocks,
    draws: &[Vec<u32>],
) -> Option<(Separation, Option<Intervals>)> {
    scores.sort_unstable_by(|a, b| b.value.total_cmp(&a.value));
    let [negatives, positives] = blocks.positions();
    let right = scores.iter().filter(|score| score.positive).count() as u64;
    let zeros = [negatives - (scores.len() as u64 - right), positives - right];
    let mut pairs: Vec<(f32, bool)> = scores.iter().map(|s| (s.value, s.positive)).collect();
    let test = Separation::of(&mut pairs, zeros)?;
    Some((test, blocks.intervals(scores, test.threshold, draws)))
}

/// The best first, by what chose.
fn sort(scored: &mut [Scored]) {
    scored.sort_by(|a, b| {
        b.study.auroc.total_cmp(&a.study.auroc).then_with(|| a.number.cmp(&b.number))
    });
}

impl Counts {
    fn new(d_in: usize) -> Self {
        let unit = Unit { bins: NOTHING, sums: [0.0; 2] };
        Self { features: Vec::new(), units: vec![unit; d_in], totals: [[0; 3]; 2] }
    }

    /// Takes up states, `[N, d_in]`, of these kinds.
    fn add(&mut self, compute: &Compute, part: usize, kinds: &[Kind], states: &[f32]) {
        for &kind in kinds {
            self.totals[part][kind as usize] += 1;
        }
        for_each_value(compute, &mut self.units, states, |row, x, _, unit| {
            let kind = kinds[row];
            unit.bins[part][kind as usize][bin_of_unit(x)] += 1;
            if part == 0 && kind != Kind::HeldOut {
                unit.sums[kind as usize] += f64::from(x);
            }
        });
    }

    /// How well a feature knows the concept.
    fn scored(&self, number: usize, bins: &Bins) -> Option<Scored> {
        let study = Separation::of_groups(&self.groups(bins, [0, 1], Kind::Chosen))?;
        let held_out = Separation::of_groups(&self.groups(bins, [0, 2], Kind::HeldOut));
        let held_out_auroc = held_out.map(|held_out| held_out.auroc);
        let (test, intervals) = (None, None);
        Some(Scored { number, study, test, intervals, held_out_auroc, is_below: false })
    }

    /// How well a unit does, by being high and by being low.
    fn scored_unit(&self, number: usize) -> Vec<Scored> {
        let up = &self.units[number].bins;
        let mut down = *up;
        down.iter_mut().flatten().for_each(|bins| bins.reverse());
        let both = [(up, false), (&down, true)];
        let scored = |(bins, is_below)| Some(Scored { is_below, ..self.scored(number, bins)? });
        both.into_iter().filter_map(scored).collect()
    }

    /// Negative and positive positions of each bin, the highest first, over the first parts.
    fn groups(&self, bins: &Bins, [from, to]: [usize; 2], kind: Kind) -> Vec<(f32, [u64; 2])> {
        let kinds = [Kind::Negative as usize, kind as usize];
        let sum = |kind: usize, bin: usize| {
            bins[from..to].iter().map(|part| u64::from(part[kind][bin])).sum::<u64>()
        };
        let mut groups: Vec<(f32, [u64; 2])> = (0..BINS)
            .rev()
            .map(|bin| (bin as f32 / (BINS - 1) as f32, kinds.map(|kind| sum(kind, bin))))
            .collect();
        // Of features, what was not counted.
        for (place, kind) in kinds.into_iter().enumerate() {
            let total: u64 = self.totals[from..to].iter().map(|totals| totals[kind]).sum();
            let counted: u64 = groups.iter().map(|(_, counts)| counts[place]).sum();
            groups[BINS - 1].1[place] += total - counted;
        }
        groups
    }

    /// The difference of the means, of length 1 (of length 0 if they are the same).
    fn direction(&self) -> Vec<f32> {
        let mean = |kind: usize| {
            let count = self.totals[0][kind].max(1) as f64;
            self.units.iter().map(move |unit| unit.sums[kind] / count)
        };
        let difference: Vec<f32> =
            mean(1).zip(mean(0)).map(|(with, without)| (with - without) as f32).collect();
        let length = dot(&difference, &difference).sqrt().max(f32::MIN_POSITIVE);
        difference.into_iter().map(|x| x / length).collect()
    }
}

/// Any value to a bin, so that larger ones never lie lower.
fn bin_of_unit(x: f32) -> usize {
    // States are within ±1; what other layers say may be anything.
    let squashed = if x.abs() <= 1.0 { 0.45 * x } else { x.signum() * (0.5 - 0.05 / x.abs()) };
    (((squashed + 0.5) * BINS as f32) as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit 0 is high where the concept is, unit 1 low; what was held out moves unit 0 only.
    #[test]
    fn counts_by_hand() {
        let mut counts = Counts::new(2);
        let states = [
            (Kind::Chosen, [0.9, -0.5]),
            (Kind::Chosen, [0.8, -0.5]),
            (Kind::HeldOut, [0.7, 0.5]),
            (Kind::Negative, [0.0, 0.5]),
            (Kind::Negative, [0.1, 0.25]),
        ];
        let compute = Compute::single();
        states.iter().for_each(|(kind, state)| counts.add(&compute, 0, &[*kind], state));
        let [up, down] = counts.scored_unit(0)[..] else { panic!() };
        assert_eq!((up.study.auroc, down.study.auroc), (1.0, 0.0));
        assert_eq!(up.held_out_auroc, Some(1.0));
        let [up, down] = counts.scored_unit(1)[..] else { panic!() };
        assert_eq!((up.study.auroc, down.study.auroc), (0.0, 1.0));
        assert!(!up.is_below && down.is_below);
        // ½ ties with ½ and is above ¼.
        assert_eq!(up.held_out_auroc, Some(0.75));
        // (0.85, −0.5) − (0.05, 0.375)
        let direction = counts.direction();
        let length = (0.8f32 * 0.8 + 0.875 * 0.875).sqrt();
        assert!((direction[0] - 0.8 / length).abs() < 1e-6, "{direction:?}");
        assert!((direction[1] + 0.875 / length).abs() < 1e-6, "{direction:?}");
    }

    #[test]
    fn features_that_are_silent_are_below_all() {
        let mut counts = Counts::new(2);
        counts.features = vec![NOTHING; 2];
        for i in 0..10 {
            let kind = if i < 4 { Kind::Chosen } else { Kind::Negative };
            counts.add(&Compute::single(), 0, &[kind], &[0.0, 0.0]);
        }
        counts.features[1][0][Kind::Chosen as usize][100] = 3;
        let found = counts.scored(1, &counts.features[1]).unwrap().study;
        // Three of four above all six, one tied with them.
        assert!((found.auroc - (3.0 + 0.5) / 4.0).abs() < 1e-12);
        assert_eq!((found.precision, found.recall), (1.0, 0.75));
    }

    #[test]
    fn bins_of_units_never_fall() {
        let values = [-1e9, -3.0, -1.0, -0.99, -0.1, 0.0, 0.2, 1.0, 1.5, 1e9, f32::MAX];
        let bins = values.map(bin_of_unit);
        assert!(bins.is_sorted() && bins[10] < BINS, "{bins:?}");
        assert!(bins[4] < bins[5] && bins[5] < bins[6]);
    }
}
