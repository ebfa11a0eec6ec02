//! The features on a plane.

use machado_core::interpret::{Groups, GroupsConfig};

use super::answer::{FeatureMap, MapAgreement, MapGroup, MapPoint};
use super::{Features, Surveyed};

/// Settings as those of `machado sae map`.
const NEIGHBOURS: usize = 5;
const PERMUTATIONS: usize = 999;
const SEED: u64 = 42;

/// Fewer features make no map.
const FEWEST: usize = 3;

impl Features {
    /// All features that fire in the text, like near like.
    pub(super) fn arranged(&self, surveyed: &Surveyed) -> FeatureMap {
        let known = &self.autoencoder().facts.max_activations;
        let fires =
            |&feature: &usize| known[feature] > 0.0 && surveyed.features[feature].active > 0;
        let features: Vec<usize> = (0..surveyed.features.len()).filter(fires).collect();
        if features.len() < FEWEST {
            return FeatureMap::default();
        }
        let config = GroupsConfig {
            neighbours: NEIGHBOURS.min(features.len() - 1),
            groups: GroupsConfig::usual_groups(features.len()).min(features.len()),
            permutations: PERMUTATIONS,
            seed: SEED,
        };
        let groups = Groups::of(&self.autoencoder().sae, &features, &config);
        let label = |&feature: &usize| surveyed.labels[feature].clone();
        let labels: Vec<String> = features.iter().map(label).collect();
        let rule = |&feature: &usize| {
            surveyed.features[feature].property.map(|property| property.property)
        };
        let rules: Vec<Option<usize>> = features.iter().map(rule).collect();
        let agreement = rules.iter().any(Option::is_some).then(|| {
            let found = groups.agreement(&rules, &config);
            MapAgreement { observed: found.share, chance: found.by_chance, p: found.p_value }
        });
        let named = groups.names(&labels).into_iter().zip(groups.sizes()).zip(groups.middles());
        let group = |(id, ((name, size), middle)): (usize, ((String, usize), Option<_>))| {
            let [x, y] = within(middle?);
            Some(MapGroup { id, name, size, x, y })
        };
        let group_list = named.enumerate().filter_map(group).collect();
        let placed = features.iter().zip(labels).zip(groups.places.iter().zip(&groups.group));
        let point = |((&id, label), (&place, &group)): ((&usize, String), (_, &usize))| {
            let ([x, y], density) = (within(place), surveyed.features[id].density());
            MapPoint { id, x, y, group, label, density }
        };
        FeatureMap { points: placed.map(point).collect(), groups: group_list, agreement }
    }
}

/// From within ±1 to within 0 and 1.
fn within(place: [f64; 2]) -> [f64; 2] {
    place.map(|at| ((at + 1.0) / 2.0).clamp(0.0, 1.0))
}
