//! Which features are alike: neighbours, groups, and a map where like stands near like.
//!
//! Alike are features that push a state the same way: the cosine of their directions.

use std::collections::HashMap;

use super::sae::{Sae, add_scaled, dot};
use super::stats::rank_p_value;
use crate::rng::{Purpose, Rng};
use crate::sample::keep_first;

/// Rounds in which groups are made.
const GROUP_ROUNDS: usize = 30;

/// Steps in which the map settles.
const MAP_STEPS: usize = 300;

/// Random features that push one away in each step, so that not all stand in one place.
const PUSHES: usize = 6;

/// How groups and map are made.
#[derive(Clone, Copy, Debug)]
pub struct GroupsConfig {
    /// Neighbours of a feature.
    pub neighbours: usize,
    /// Groups.
    pub groups: usize,
    /// Times that labels are dealt out anew.
    pub permutations: usize,
    /// Decides where features begin on the map and in groups, and the deals.
    pub seed: u64,
}

/// Some features, arranged.
#[derive(Clone, Debug)]
pub struct Groups {
    /// For each feature the features most like it, with the cosines, as places in the list.
    pub neighbours: Vec<Vec<(usize, f32)>>,
    /// The group of each.
    pub group: Vec<usize>,
    /// Where each stands on the map, within ±1.
    pub places: Vec<[f64; 2]>,
}

impl GroupsConfig {
    /// How many groups so many features are put in where nothing else is said: the root of half of them,
    /// up to 24.
    pub fn usual_groups(features: usize) -> usize {
        ((features as f64 / 2.0).sqrt() as usize).clamp(2, 24)
    }
}

/// For some features of an autoencoder the `count` features most like each, of all those in `among`
/// but itself, the most alike first.
pub fn neighbours(
    sae: &Sae,
    of: &[usize],
    among: &[usize],
    count: usize,
) -> Vec<Vec<(usize, f32)>> {
    let nearest = |&feature: &usize| {
        let others = among.iter().filter(|&&other| other != feature);
        let mut all: Vec<(usize, f32)> = others
            .map(|&other| (other, dot(sae.direction(feature), sae.direction(other))))
            .collect();
        keep_first(&mut all, count, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all
    };
    of.iter().map(nearest).collect()
}

impl Groups {
    /// Arranges some features of an autoencoder.
    pub fn of(sae: &Sae, features: &[usize], config: &GroupsConfig) -> Self {
        let place: HashMap<usize, usize> =
            features.iter().enumerate().map(|(place, &feature)| (feature, place)).collect();
        let neighbours: Vec<Vec<(usize, f32)>> =
            neighbours(sae, features, features, config.neighbours)
                .into_iter()
                .map(|near| {
                    near.into_iter().map(|(other, cosine)| (place[&other], cosine)).collect()
                })
                .collect();
        let directions: Vec<&[f32]> = features.iter().map(|&i| sae.direction(i)).collect();
        let mut rng = Rng::new(config.seed, Purpose::FeatureMap, 0);
        let group = k_means(&directions, config.groups, &mut rng);
        let places = settle(first_places(&directions, &mut rng), &neighbours, &mut rng);
        Self { neighbours, group, places }
    }

    /// How many groups there are.
    pub fn count(&self) -> usize {
        self.group.iter().max().map_or(0, |last| last + 1)
    }

    /// How many features each group has.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.count()];
        self.group.iter().for_each(|&group| sizes[group] += 1);
        sizes
    }

    /// The middle of each group on the map, by the medians of the places of its features; `None` of a
    /// group without any.
    pub fn middles(&self) -> Vec<Option<[f64; 2]>> {
        let middle = |group: usize| {
            let own = self.places.iter().zip(&self.group).filter(|(_, own)| **own == group);
            let own: Vec<[f64; 2]> = own.map(|(place, _)| *place).collect();
            (!own.is_empty()).then(|| [0, 1].map(|i| median(own.iter().map(|at| at[i]).collect())))
        };
        (0..self.count()).map(middle).collect()
    }

    /// A name for each group: of the labels of all features, one for each, that which is most
    /// over-represented in it.
    pub fn names(&self, labels: &[String]) -> Vec<String> {
        let mut in_all: HashMap<&str, f64> = HashMap::new();
        labels.iter().for_each(|label| *in_all.entry(label).or_default() += 1.0);
        let name = |group: usize| {
            let mut inside: HashMap<&str, f64> = HashMap::new();
            let own = labels.iter().zip(&self.group).filter(|(_, own)| **own == group);
            own.for_each(|(label, _)| *inside.entry(label).or_default() += 1.0);
            // Often here, and of all that are called so many here.
            let weight = |label: &str, here: f64| here * (here / in_all[label]).sqrt();
            let best = inside.into_iter().max_by(|a, b| {
                weight(a.0, a.1).total_cmp(&weight(b.0, b.1)).then_with(|| b.0.cmp(a.0))
            });
            best.map_or_else(String::new, |(label, _)| label.to_owned())
        };
        (0..self.count()).map(name).collect()
    }

    /// The share of neighbours that have the same label, and the probability of a share at least as
    /// high if labels had nothing to do with directions. Features without a label count on no side.
    pub fn agreement(&self, labels: &[Option<usize>], config: &GroupsConfig) -> Agreement {
        let share = |labels: &[Option<usize>]| {
            let (mut same, mut pairs) = (0u64, 0u64);
            for (own, near) in labels.iter().zip(&self.neighbours) {
                for (own, other) in near.iter().filter_map(|&(i, _)| (*own).zip(labels[i])) {
                    same += u64::from(own == other);
                    pairs += 1;
                }
            }
            same as f64 / pairs.max(1) as f64
        };
        let found = share(labels);
        let labelled: Vec<usize> = (0..labels.len()).filter(|&i| labels[i].is_some()).collect();
        let by_chance: Vec<f64> = (0..config.permutations)
            .map(|deal| {
                let mut rng = Rng::new(config.seed, Purpose::Permutation, deal as u64);
                let mut dealt = labels.to_vec();
                for last in (1..labelled.len()).rev() {
                    let other = rng.below(last as u64 + 1) as usize;
                    dealt.swap(labelled[last], labelled[other]);
                }
                share(&dealt)
            })
            .collect();
        Agreement {
            share: found,
            by_chance: by_chance.iter().sum::<f64>() / by_chance.len().max(1) as f64,
            p_value: rank_p_value(found, &by_chance),
        }
    }
}

/// Whether neighbours share labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// The share of neighbours with the same label.
    pub share: f64,
    /// That share if labels are dealt out anew, on average.
    pub by_chance: f64,
    /// The probability of the share by chance.
    pub p_value: f64,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Groups directions around means of length 1 (spherical k-means); the first means lie far apart.
fn k_means(directions: &[&[f32]], groups: usize, rng: &mut Rng) -> Vec<usize> {
    if directions.is_empty() {
        return Vec::new();
    }
    let mut means = vec![directions[rng.below(directions.len() as u64) as usize].to_vec()];
    let mut nearest: Vec<f32> = vec![f32::NEG_INFINITY; directions.len()];
    while means.len() < groups.clamp(1, directions.len()) {
        let newest = means.last().expect("there is one");
        for (nearest, direction) in nearest.iter_mut().zip(directions) {
            *nearest = nearest.max(dot(direction, newest));
        }
        let far = (0..directions.len()).min_by(|&a, &b| nearest[a].total_cmp(&nearest[b]));
        means.push(directions[far.unwrap_or(0)].to_vec());
    }
    let mut group = vec![0; directions.len()];
    for _ in 0..GROUP_ROUNDS {
        let closest = |direction: &&[f32]| {
            let cosine = |&i: &usize| dot(direction, &means[i]);
            (0..means.len()).max_by(|a, b| cosine(a).total_cmp(&cosine(b))).unwrap_or(0)
        };
        let next: Vec<usize> = directions.iter().map(closest).collect();
        if next == group {
            break;
        }
        group = next;
        for (number, mean) in means.iter_mut().enumerate() {
            let mut sum = vec![0.0; mean.len()];
            let own = directions.iter().zip(&group).filter(|(_, group)| **group == number);
            own.for_each(|(direction, _)| add_scaled(&mut sum, 1.0, direction));
            let length = dot(&sum, &sum).sqrt();
            if length > 0.0 {
                *mean = sum.into_iter().map(|x| x / length).collect();
            }
        }
    }
    group
}

/// Where features begin: their two strongest principal components, a little shaken.
fn first_places(directions: &[&[f32]], rng: &mut Rng) -> Vec<[f64; 2]> {
    let d_in = directions.first().map_or(0, |direction| direction.len());
    let mut mean = vec![0.0; d_in];
    let share = 1.0 / directions.len().max(1) as f32;
    directions.iter().for_each(|direction| add_scaled(&mut mean, share, direction));
    let centred: Vec<Vec<f32>> = directions
        .iter()
        .map(|direction| direction.iter().zip(&mean).map(|(x, mean)| x - mean).collect())
        .collect();
    let mut axes: Vec<Vec<f32>> = Vec::new();
    for _ in 0..2 {
        let mut axis: Vec<f32> = (0..d_in).map(|_| rng.normal() as f32).collect();
        // Power iteration: times the covariance until only its strongest direction is left.
        for _ in 0..50 {
            let mut next = vec![0.0; d_in];
            centred.iter().for_each(|row| add_scaled(&mut next, dot(row, &axis), row));
            for other in &axes {
                let along = dot(&next, other);
                add_scaled(&mut next, -along, other);
            }
            let length = dot(&next, &next).sqrt().max(f32::MIN_POSITIVE);
            axis = next.into_iter().map(|x| x / length).collect();
        }
        axes.push(axis);
    }
    let shaken = |along: f32, rng: &mut Rng| f64::from(along) * 10.0 + 0.01 * rng.normal();
    centred.iter().map(|row| [0, 1].map(|i| shaken(dot(row, &axes[i]), rng))).collect()
}

/// Lets features that are alike attract each other, and others push each other away, until like
/// stands near like.
fn settle(
    mut places: Vec<[f64; 2]>,
    neighbours: &[Vec<(usize, f32)>],
    rng: &mut Rng,
) -> Vec<[f64; 2]> {
    let count = places.len() as u64;
    for step in 0..MAP_STEPS {
        let rate = 1.0 - step as f64 / MAP_STEPS as f64;
        for own in 0..places.len() {
            // Measured by the nearest one: in many dimensions even neighbours have small cosines.
            let nearest = neighbours[own].first().map_or(1.0, |near| near.1.max(1e-3));
            for &(other, cosine) in &neighbours[own] {
                let alike = f64::from(cosine.max(0.0) / nearest);
                let by = attraction(places[own], places[other], alike * rate);
                (0..2).for_each(|i| {
                    places[own][i] += by[i];
                    places[other][i] -= by[i];
                });
            }
            for _ in 0..PUSHES {
                let other = rng.below(count) as usize;
                if other != own {
                    let by = repulsion(places[own], places[other], rate);
                    (0..2).for_each(|i| places[own][i] += by[i]);
                }
            }
        }
    }
    within_one(places)
}

/// The move of one place towards another: none where they meet, and never all the way.
fn attraction(own: [f64; 2], other: [f64; 2], strength: f64) -> [f64; 2] {
    let off = [other[0] - own[0], other[1] - own[1]];
    let squared = off[0] * off[0] + off[1] * off[1];
    off.map(|off| 0.25 * strength * off * squared / (1.0 + squared) / (1.0 + squared.sqrt()))
}

/// The move of one place away from another, the stronger the nearer.
fn repulsion(own: [f64; 2], other: [f64; 2], strength: f64) -> [f64; 2] {
    let off = [own[0] - other[0], own[1] - other[1]];
    let squared = off[0] * off[0] + off[1] * off[1];
    off.map(|off| (0.2 * strength * off / ((0.01 + squared) * (1.0 + squared))).clamp(-0.5, 0.5))
}

/// Places moved and scaled to lie within ±1.
fn within_one(mut places: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    for i in 0..2 {
        let all = || places.iter().map(|place| place[i]);
        let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(f64::MIN, f64::max));
        let (middle, half) = ((low + high) / 2.0, ((high - low) / 2.0).max(f64::MIN_POSITIVE));
        places.iter_mut().for_each(|place| place[i] = (place[i] - middle) / half);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::SaeWeights;

    const SIZE: usize = 12;

    /// Three bundles of twelve directions, each around an axis of its own.
    fn bundles() -> Sae {
        let mut rng = Rng::new(7, Purpose::Superposition, 0);
        let mut w_dec = Vec::new();
        for feature in 0..3 * SIZE {
            let mut row: Vec<f32> = (0..6).map(|_| 0.15 * rng.normal() as f32).collect();
            row[feature / SIZE] += 1.0;
            let length = dot(&row, &row).sqrt();
            w_dec.extend(row.iter().map(|x| x / length));
        }
        Sae::new(SaeWeights {
            d_in: 6,
            d_sae: 3 * SIZE,
            w_enc: w_dec.clone(),
            b_enc: vec![0.0; 3 * SIZE],
            threshold: vec![0.0; 3 * SIZE],
            w_dec,
            b_dec: vec![0.0; 6],
        })
        .unwrap()
    }

    const CONFIG: GroupsConfig =
        GroupsConfig { neighbours: 5, groups: 3, permutations: 199, seed: 3 };

    fn arranged() -> Groups {
        let all: Vec<usize> = (0..3 * SIZE).collect();
        Groups::of(&bundles(), &all, &CONFIG)
    }

    #[test]
    fn like_stands_with_like() {
        let found = arranged();
        for own in 0..3 * SIZE {
            assert_eq!(found.group[own], found.group[own / SIZE * SIZE], "{:?}", found.group);
            let near = &found.neighbours[own];
            assert!(near.len() == 5 && near.iter().all(|(other, _)| other / SIZE == own / SIZE));
            assert!(near.iter().all(|(other, _)| *other != own));
            assert!(near.is_sorted_by(|a, b| a.1 >= b.1));
        }
        let distance = |a: usize, b: usize| {
            let off = [0, 1].map(|i| found.places[a][i] - found.places[b][i]);
            off[0].hypot(off[1])
        };
        let mean = |same: bool| {
            let pairs = (0..3 * SIZE).flat_map(|a| (0..a).map(move |b| (a, b)));
            let chosen: Vec<f64> = pairs
                .filter(|(a, b)| (a / SIZE == b / SIZE) == same)
                .map(|(a, b)| distance(a, b))
                .collect();
            chosen.iter().sum::<f64>() / chosen.len() as f64
        };
        assert!(2.0 * mean(true) < mean(false), "{} {}", mean(true), mean(false));
        assert!(found.places.iter().flatten().all(|x| x.abs() <= 1.0 + 1e-9));
    }

    /// Two of the first group are called "a" of three in all, and its one "b" is the only one.
    #[test]
    fn groups_by_hand() {
        let groups = Groups {
            neighbours: Vec::new(),
            group: vec![0, 2, 0, 0, 2],
            places: vec![[0.0, 0.5], [0.1, 0.1], [1.0, 0.2], [0.5, 0.9], [0.2, 0.3]],
        };
        let labels = ["a", "a", "b", "a", "c"].map(str::to_owned);
        assert_eq!(groups.sizes(), [3, 0, 2]);
        assert_eq!(groups.middles(), [Some([0.5, 0.5]), None, Some([0.2, 0.3])]);
        // 2·√(2/3) against 1; 1·√(1/3) against 1.
        assert_eq!(groups.names(&labels), ["a", "", "c"]);
        assert_eq!([3, 8, 512, 1 << 14].map(GroupsConfig::usual_groups), [2, 2, 16, 24]);
    }

    #[test]
    fn the_same_seed_gives_the_same_map() {
        assert_eq!(arranged().places, arranged().places);
    }

    #[test]
    fn shared_labels_are_told_from_chance() {
        let found = arranged();
        let by_bundle: Vec<Option<usize>> = (0..3 * SIZE).map(|i| Some(i / SIZE)).collect();
        let agreement = found.agreement(&by_bundle, &CONFIG);
        assert_eq!((agreement.share, agreement.p_value), (1.0, 1.0 / 200.0));
        assert!((agreement.by_chance - 11.0 / 35.0).abs() < 0.03, "{agreement:?}");
        // Labels that go across the bundles.
        let across: Vec<Option<usize>> = (0..3 * SIZE).map(|i| Some(i % SIZE)).collect();
        assert!(found.agreement(&across, &CONFIG).p_value > 0.5);
        let none = vec![None; 3 * SIZE];
        assert_eq!(found.agreement(&none, &CONFIG).p_value, 1.0);
    }
}
