//! Whether features about one topic point alike.

use serde::Serialize;

use crate::interpret::sae::dot;
use crate::interpret::{Sae, rank_p_value};
use crate::rng::{Purpose, Rng};

/// Shuffled labels to compare with.
const PERMUTATIONS: usize = 999;

/// Nearest neighbours looked at.
const NEIGHBOURS: usize = 5;

/// How alike the directions of features are within and between topics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grouping {
    /// Features with a topic.
    pub features: usize,
    /// Features of each topic.
    pub of_topics: Vec<usize>,
    /// The mean cosine of two features of one topic.
    pub within: f64,
    /// The mean cosine of two features of different topics.
    pub between: f64,
    /// The probability of a difference like this under shuffled labels.
    pub p_value: f64,
    /// The share of the five nearest neighbours that have a feature's own topic.
    pub neighbours_agree: f64,
    /// That share by chance.
    pub by_chance: f64,
}

/// Of features with their topics; `None` where no topic has two, or only one topic has any.
pub(super) fn grouping(
    sae: &Sae,
    features: &[(usize, usize)],
    topics: usize,
    seed: u64,
) -> Option<Grouping> {
    let count = features.len();
    let mut cosines = vec![0.0; count * count];
    for (i, a) in features.iter().enumerate() {
        for (j, b) in features.iter().enumerate() {
            cosines[i * count + j] = f64::from(dot(sae.direction(a.0), sae.direction(b.0)));
        }
    }
    let mut labels: Vec<usize> = features.iter().map(|(_, topic)| *topic).collect();
    let (within, between) = means(&cosines, &labels)?;
    let of_topics = (0..topics).map(|t| labels.iter().filter(|&&l| l == t).count()).collect();
    let (neighbours_agree, by_chance) = neighbours(&cosines, &labels);
    let mut rng = Rng::new(seed, Purpose::Control, 3);
    let mut by_shuffling = Vec::with_capacity(PERMUTATIONS);
    for _ in 0..PERMUTATIONS {
        for i in (1..count).rev() {
            labels.swap(i, rng.below(i as u64 + 1) as usize);
        }
        by_shuffling.extend(means(&cosines, &labels).map(|(within, between)| within - between));
    }
    let p_value = rank_p_value(within - between, &by_shuffling);
    Some(Grouping {
        features: count,
        of_topics,
        within,
        between,
        p_value,
        neighbours_agree,
        by_chance,
    })
}

/// The mean cosine within and between labels.
fn means(cosines: &[f64], labels: &[usize]) -> Option<(f64, f64)> {
    let (mut sums, mut counts) = ([0.0; 2], [0.0; 2]);
    for i in 0..labels.len() {
        for j in 0..i {
            let same = usize::from(labels[i] == labels[j]);
            sums[same] += cosines[i * labels.len() + j];
            counts[same] += 1.0;
        }
    }
    (counts[0] > 0.0 && counts[1] > 0.0).then(|| (sums[1] / counts[1], sums[0] / counts[0]))
}

/// The share of nearest neighbours with the same label, and that by chance.
fn neighbours(cosines: &[f64], labels: &[usize]) -> (f64, f64) {
    let count = labels.len();
    let (mut agree, mut looked_at, mut chance) = (0.0, 0.0, 0.0);
    for i in 0..count {
        let mut others: Vec<usize> = (0..count).filter(|&j| j != i).collect();
        let same = others.iter().filter(|&&j| labels[j] == labels[i]).count();
        chance += same as f64 / others.len() as f64 / count as f64;
        others.sort_by(|&a, &b| cosines[i * count + b].total_cmp(&cosines[i * count + a]));
        for &j in others.iter().take(NEIGHBOURS) {
            agree += f64::from(u8::from(labels[j] == labels[i]));
            looked_at += 1.0;
        }
    }
    (agree / f64::max(looked_at, 1.0), chance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::SaeWeights;

    /// Eight features along two axes, four each.
    fn sae() -> Sae {
        let w_dec: Vec<f32> =
            (0..8).flat_map(|i| if i < 4 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
        Sae::new(SaeWeights {
            d_in: 2,
            d_sae: 8,
            w_enc: w_dec.clone(),
            b_enc: vec![0.0; 8],
            threshold: vec![0.0; 8],
            w_dec,
            b_dec: vec![0.0; 2],
        })
        .expect("sound")
    }

    #[test]
    fn groups_are_found_where_they_are_and_only_there() {
        let by_axis: Vec<(usize, usize)> = (0..8).map(|i| (i, i / 4)).collect();
        let found = grouping(&sae(), &by_axis, 2, 1).expect("sound");
        assert_eq!((found.within, found.between, &found.of_topics[..]), (1.0, 0.0, &[4, 4][..]));
        // Two of the 70 ways to choose four of eight are as good.
        assert!((0.01..0.06).contains(&found.p_value), "{found:?}");
        // Three of the five nearest are of the own group, as many as there are.
        assert!((found.neighbours_agree - 0.6).abs() < 1e-9);
        assert!((found.by_chance - 3.0 / 7.0).abs() < 1e-9);
        let mixed: Vec<(usize, usize)> = (0..8).map(|i| (i, i % 2)).collect();
        assert!(grouping(&sae(), &mixed, 2, 1).expect("sound").p_value > 0.5);
        assert_eq!(grouping(&sae(), &[(0, 0), (1, 0)], 2, 1), None);
    }
}
