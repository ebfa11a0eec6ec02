//! How well a score tells two kinds of positions apart, and how likely a figure is by chance.

/// How well scores tell positions of two kinds apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Separation {
    /// The probability that a positive position has a higher score than a negative one, ties counting
    /// half: ½ by chance, 1 at best.
    pub auroc: f64,
    /// The best harmonic mean of precision and recall over all thresholds.
    pub f1: f64,
    /// The threshold of the best F1: positions with at least this score are called positive.
    pub threshold: f32,
    /// There the share of the positions called positive that are.
    pub precision: f64,
    /// There the share of the positive positions that are called so.
    pub recall: f64,
}

impl Separation {
    /// Of scores greater than 0 with their kind, and the numbers of negative and positive positions
    /// whose score is 0: most activations are. `None` if one kind has no positions.
    pub fn of(scores: &mut [(f32, bool)], zeros: [u64; 2]) -> Option<Self> {
        scores.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let tied = scores.chunk_by(|a, b| a.0 == b.0).map(|tied| {
            let right = tied.iter().filter(|(_, positive)| *positive).count() as u64;
            (tied[0].0, [tied.len() as u64 - right, right])
        });
        Self::of_groups(&tied.chain([(0.0, zeros)]).collect::<Vec<_>>())
    }

    /// Of groups of positions that count as one score, the highest first, with the numbers of
    /// negative and positive ones in each. `None` if one kind has no positions.
    pub fn of_groups(groups: &[(f32, [u64; 2])]) -> Option<Self> {
        let total = |kind: usize| groups.iter().map(|(_, counts)| counts[kind]).sum::<u64>();
        if total(0) == 0 || total(1) == 0 {
            return None;
        }
        let [negatives, positives] = [total(0), total(1)].map(|count| count as f64);
        // Going down from the highest score: what is called positive so far.
        let (mut hits, mut false_alarms, mut area) = (0.0, 0.0, 0.0);
        let mut best =
            Self { auroc: 0.0, f1: 0.0, threshold: f32::INFINITY, precision: 0.0, recall: 0.0 };
        for &(threshold, more) in groups {
            let [wrong, right] = more.map(|count| count as f64);
            area += wrong * (hits + 0.5 * right);
            hits += right;
            false_alarms += wrong;
            let f1 = 2.0 * hits / (hits + false_alarms + positives);
            if f1 > best.f1 {
                let precision = hits / (hits + false_alarms);
                best = Self { f1, threshold, precision, recall: hits / positives, ..best };
            }
        }
        Some(Self { auroc: area / (positives * negatives), ..best })
    }
}

/// The probability of a figure at least this high among figures that chance gave, the figure itself
/// counted with them: never 0.
pub fn rank_p_value(figure: f64, by_chance: &[f64]) -> f64 {
    let above = by_chance.iter().filter(|&&other| other >= figure).count();
    (1 + above) as f64 / (1 + by_chance.len()) as f64
}

/// Spearman's rank correlation of pairs; 0 if one side does not vary.
pub fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let ranks = |side: fn(&(f64, f64)) -> f64| -> Vec<f64> {
        let rank = |pair: &(f64, f64)| {
            let (own, mut below, mut tied) = (side(pair), 0.0, 0.0);
            for other in pairs {
                below += f64::from(u8::from(side(other) < own));
                tied += f64::from(u8::from(side(other) == own));
            }
            below + 0.5 * tied
        };
        pairs.iter().map(rank).collect()
    };
    pearson(&ranks(|pair| pair.0), &ranks(|pair| pair.1))
}

/// Pearson's correlation; 0 if one side does not vary.
pub fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        both += (a - mean_a) * (b - mean_b);
        of_a += (a - mean_a).powi(2);
        of_b += (b - mean_b).powi(2);
    }
    if of_a > 0.0 && of_b > 0.0 { both / (of_a * of_b).sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Positives 3, 2, 0 and negatives 2, 1, 0, 0: of the 12 pairs 3 wins 4; 2 ties 1 and wins 3; 0
    /// ties 2. In all 4 + 3½ + 1 = 8½.
    #[test]
    fn a_separation_by_hand() {
        let mut scores = [(1.0, false), (3.0, true), (2.0, true), (2.0, false)];
        let found = Separation::of(&mut scores, [2, 1]).unwrap();
        assert!((found.auroc - 8.5 / 12.0).abs() < 1e-12, "{found:?}");
        // At 2: two hits of three, one false alarm.
        assert_eq!((found.threshold, found.precision, found.recall), (2.0, 2.0 / 3.0, 2.0 / 3.0));
        assert!((found.f1 - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_ends_of_the_scale() {
        let auroc = |scores: &[(f32, bool)], zeros| {
            Separation::of(&mut scores.to_vec(), zeros).map(|found| found.auroc)
        };
        assert_eq!(auroc(&[(1.0, true), (0.5, true)], [7, 0]), Some(1.0));
        assert_eq!(auroc(&[(1.0, false)], [0, 7]), Some(0.0));
        assert_eq!(auroc(&[], [5, 5]), Some(0.5));
        assert_eq!(auroc(&[(1.0, true)], [0, 5]), None);
    }

    #[test]
    fn chance_and_ranks() {
        assert_eq!(rank_p_value(5.0, &[1.0, 2.0, 5.0]), 0.5);
        assert_eq!(rank_p_value(6.0, &[1.0; 99]), 0.01);
        let pairs = |f: fn(f64) -> f64| (1..9).map(|x| (f64::from(x), f(f64::from(x)))).collect();
        let rising: Vec<(f64, f64)> = pairs(f64::exp);
        assert!((spearman(&rising) - 1.0).abs() < 1e-12);
        let falling: Vec<(f64, f64)> = pairs(|x| 1.0 / x);
        assert!((spearman(&falling) + 1.0).abs() < 1e-12);
        assert_eq!(spearman(&[(1.0, 3.0), (2.0, 3.0)]), 0.0);
    }
}
