//! The rule of `topk`: which features of a state are active, if not all that pass a threshold.

use std::cmp::Ordering;
use std::sync::Arc;

use super::sae::Active;

/// Of the features that pass their thresholds only the strongest are active.
#[derive(Clone, Debug, PartialEq)]
pub struct Strongest {
    /// The most features that a state may have.
    pub k: usize,
    /// Features are compared by their activation divided by this, `[d_sae]`: who compared them
    /// while directions had other lengths than 1 must go on doing so. Without it, as they are.
    pub lengths: Option<Arc<[f32]>>,
}

impl Strongest {
    /// What a feature is compared by.
    fn rank(&self, Active { feature, value }: Active) -> f32 {
        self.lengths.as_ref().map_or(value, |lengths| value / lengths[feature as usize])
    }

    /// Whether one feature comes before another; of equally strong ones the lower number does.
    pub(super) fn order(&self, a: &Active, b: &Active) -> Ordering {
        self.rank(*b).total_cmp(&self.rank(*a)).then(a.feature.cmp(&b.feature))
    }

    /// Leaves the strongest, in the order of their numbers.
    pub(super) fn keep(&self, active: &mut Vec<Active>) {
        if active.len() > self.k {
            active.select_nth_unstable_by(self.k - 1, |a, b| self.order(a, b));
            active.truncate(self.k);
            active.sort_unstable_by_key(|active| active.feature);
        }
    }
}
