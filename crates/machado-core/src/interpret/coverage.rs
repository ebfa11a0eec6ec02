//! How well scores find the rules of [`properties`](super::properties): features, single units or
//! any directions, judged alike.

use super::properties::{bits, properties};
use super::sae::Active;

/// Thresholds of each candidate.
const BINS: usize = 32;

/// The best candidate for a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Covered {
    /// The number of the rule.
    pub property: usize,
    /// The number of the candidate.
    pub candidate: usize,
    /// The best harmonic mean of precision and recall.
    pub f1: f64,
    /// The score from which on the rule is said to hold.
    pub threshold: f32,
    /// It is said to hold below that score instead: a unit may well mean something by being low.
    pub is_below: bool,
}

/// Scores of some candidates at many positions, counted by bins, with the rules that hold there:
/// one pass, whatever the text's length.
#[derive(Clone, Debug)]
pub struct Coverage {
    candidates: usize,
    /// Rising, `[candidates, BINS - 1]`.
    edges: Vec<f32>,
    /// `[candidates, BINS, properties + 1]`; the last one counts positions.
    counts: Vec<u32>,
    /// `[properties + 1]`.
    totals: Vec<u64>,
}

impl Coverage {
    /// Nothing counted yet. The thresholds of each candidate are quantiles of its scores in a sample
    /// of positions, `[N, candidates]`; where most are 0, of those that are not.
    ///
    /// # Panics
    /// If the sample is no whole number of positions.
    pub fn new(sample: &[f32], candidates: usize) -> Self {
        assert!(
            candidates > 0 && sample.len().is_multiple_of(candidates),
            "{} scores of {candidates} candidates",
            sample.len()
        );
        let edges = (0..candidates)
            .flat_map(|candidate| {
                quantiles(sample.iter().skip(candidate).step_by(candidates).copied().collect())
            })
            .collect();
        let width = properties().len() + 1;
        Self {
            candidates,
            edges,
            counts: vec![0; candidates * BINS * width],
            totals: vec![0; width],
        }
    }

    /// Thresholds that cut the range from 0 to each candidate's strongest score into equal parts:
    /// for features, whose strongest activations are known.
    pub fn of_features(max_activations: &[f32]) -> Self {
        let mut coverage = Self::new(&[], max_activations.len());
        coverage.edges = max_activations
            .iter()
            .flat_map(|max| (0..BINS - 1).map(move |i| i as f32 / (BINS - 1) as f32 * max))
            .collect();
        coverage
    }

    /// Takes up a position: the rules that hold there, and the score of each candidate,
    /// `[candidates]`.
    pub fn add(&mut self, mask: u64, scores: &[f32]) {
        self.count_position(mask);
        for (candidate, &score) in scores.iter().enumerate() {
            self.count(mask, candidate, score);
        }
    }

    /// Takes up a position where all candidates but these have the score 0.
    pub fn add_active(&mut self, mask: u64, active: &[Active]) {
        self.count_position(mask);
        for &Active { feature, value } in active {
            self.count(mask, feature as usize, value);
        }
    }

    fn count_position(&mut self, mask: u64) {
        bits(mask, |bit| self.totals[bit] += 1);
        *self.totals.last_mut().expect("never empty") += 1;
    }

    fn count(&mut self, mask: u64, candidate: usize, score: f32) {
        let width = self.totals.len();
        let edges = &self.edges[candidate * (BINS - 1)..][..BINS - 1];
        // Scores equal to an edge lie above it, but those of 0 below the first edge of a feature.
        let bin = edges.partition_point(|&edge| edge < score || edge == score && score != 0.0);
        let counts = &mut self.counts[(candidate * BINS + bin) * width..][..width];
        bits(mask, |bit| counts[bit] += 1);
        counts[width - 1] += 1;
    }

    /// For each rule that holds somewhere, and not everywhere, the best candidate.
    pub fn finish(self) -> Vec<Covered> {
        let positions = self.totals[self.totals.len() - 1];
        let occurs = |&property: &usize| (1..positions).contains(&self.totals[property]);
        let best = |property: usize| {
            let all = (0..self.candidates).map(|candidate| self.best(property, candidate));
            all.max_by(|a, b| a.f1.total_cmp(&b.f1).then(b.candidate.cmp(&a.candidate)))
        };
        (0..properties().len()).filter(occurs).filter_map(best).collect()
    }

    /// The best threshold of a candidate for a rule.
    fn best(&self, property: usize, candidate: usize) -> Covered {
        let width = self.totals.len();
        let (positions, total) = (self.totals[width - 1] as f64, self.totals[property] as f64);
        let mut best = Covered { property, candidate, f1: 0.0, threshold: 0.0, is_below: false };
        let edges = &self.edges[candidate * (BINS - 1)..][..BINS - 1];
        let counts = &self.counts[candidate * BINS * width..][..BINS * width];
        let (mut hits, mut called) = (0.0, 0.0);
        // From the highest bin down; what was never counted has the score 0 and is below all.
        for bin in (1..BINS).rev() {
            hits += f64::from(counts[bin * width + property]);
            called += f64::from(counts[bin * width + width - 1]);
            for (is_below, hits, called) in
                [(false, hits, called), (true, total - hits, positions - called)]
            {
                let f1 = 2.0 * hits / (called + total);
                if f1 > best.f1 {
                    best = Covered { f1, threshold: edges[bin - 1], is_below, ..best };
                }
            }
        }
        best
    }
}

/// The coverage of some scores that are all at hand: rules that hold at each position, `[N]`, and
/// scores, `[N, candidates]`. For each rule that occurs, the best candidate.
///
/// # Panics
/// If there are not as many scores as positions times candidates.
pub fn coverage(masks: &[u64], scores: &[f32], candidates: usize) -> Vec<Covered> {
    assert_eq!(masks.len() * candidates, scores.len(), "scores of {candidates} candidates");
    let mut coverage = Coverage::new(scores, candidates);
    for (&mask, scores) in masks.iter().zip(scores.chunks_exact(candidates)) {
        coverage.add(mask, scores);
    }
    coverage.finish()
}

/// The mean F1 of what was covered: one figure for all rules.
pub fn mean_f1(covered: &[Covered]) -> f64 {
    covered.iter().map(|covered| covered.f1).sum::<f64>() / covered.len().max(1) as f64
}

/// `BINS - 1` thresholds out of some scores.
fn quantiles(mut scores: Vec<f32>) -> Vec<f32> {
    let zeros = scores.iter().filter(|&&score| score == 0.0).count();
    let is_sparse = zeros * 2 > scores.len();
    if is_sparse {
        scores.retain(|&score| score != 0.0);
    }
    scores.sort_unstable_by(f32::total_cmp);
    let quantile = |i: usize| scores.get(i * scores.len() / BINS).copied().unwrap_or(0.0);
    let mut edges: Vec<f32> = (1..BINS).map(quantile).collect();
    if is_sparse {
        // The first threshold is whether there is anything at all.
        edges[0] = f32::MIN_POSITIVE.min(scores.first().copied().unwrap_or(0.0));
        edges.sort_unstable_by(f32::total_cmp);
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Candidate 0 is 1 where rule 0 holds, and once where it does not; candidate 1 is low where rule
    /// 1 holds.
    #[test]
    fn a_coverage_by_hand() {
        let masks = [0b01, 0b01, 0b10, 0b00, 0b00, 0b10];
        let first = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
        let second = [0.7, 0.2, -0.5, 0.1, 0.3, -0.4];
        let scores: Vec<f32> = (0..6).flat_map(|i| [first[i], second[i]]).collect();
        let found = coverage(&masks, &scores, 2);
        assert_eq!(found.len(), 2);
        // Two hits of three called positive: precision ⅔, recall 1.
        assert_eq!((found[0].property, found[0].candidate), (0, 0));
        assert!((found[0].f1 - 0.8).abs() < 1e-12, "{found:?}");
        assert!(!found[0].is_below);
        assert_eq!((found[1].property, found[1].candidate, found[1].f1), (1, 1, 1.0));
        assert!(found[1].is_below && found[1].threshold > -0.4 && found[1].threshold <= 0.1);
        assert!((mean_f1(&found) - 0.9).abs() < 1e-12);
    }

    #[test]
    fn what_is_active_counts_like_all_scores() {
        let masks: Vec<u64> =
            (0..200).map(|i| u64::from(i % 5 == 0) | u64::from(i % 3 == 0) << 1).collect();
        let score = |i: usize, j: usize| if i.is_multiple_of(2 + j) { (i % 7) as f32 } else { 0.0 };
        let (mut dense, mut sparse) =
            (Coverage::of_features(&[6.0, 6.0]), Coverage::of_features(&[6.0, 6.0]));
        for (i, &mask) in masks.iter().enumerate() {
            let scores = [score(i, 0), score(i, 1)];
            dense.add(mask, &scores);
            let active: Vec<Active> = (0..2)
                .map(|j| Active { feature: j, value: scores[j as usize] })
                .filter(|active| active.value > 0.0)
                .collect();
            sparse.add_active(mask, &active);
        }
        let found = dense.finish();
        assert_eq!(found, sparse.finish());
        assert!(found.iter().all(|covered| covered.f1 > 0.0));
    }
}
