//! Keeping few of many places: the strongest, or random ones.

use super::Firing;
use crate::rng::mix;

/// The strongest firing, one for each block of text at most.
#[derive(Clone, Debug)]
pub(super) struct Strongest {
    most: usize,
    /// With the block of each; in no order.
    kept: Vec<(Firing, u32)>,
    /// The weakest of those kept, once there are enough.
    weakest: f32,
}

impl Strongest {
    pub(super) fn new(most: usize) -> Self {
        Self { most, kept: Vec::new(), weakest: f32::NEG_INFINITY }
    }

    pub(super) fn offer(&mut self, firing: Firing, block: u32) {
        if self.most == 0 || self.kept.len() == self.most && firing.value <= self.weakest {
            return;
        }
        if let Some((kept, _)) = self.kept.iter_mut().find(|(_, other)| *other == block) {
            if firing.value > kept.value {
                *kept = firing;
            }
        } else if self.kept.len() < self.most {
            self.kept.push((firing, block));
        } else if let Some(weakest) =
            self.kept.iter_mut().min_by(|a, b| a.0.value.total_cmp(&b.0.value))
        {
            *weakest = (firing, block);
        }
        self.weakest = self.kept.iter().map(|(kept, _)| kept.value).fold(f32::INFINITY, f32::min);
    }

    /// The strongest first.
    pub(super) fn finish(self) -> Vec<Firing> {
        let mut kept: Vec<Firing> = self.kept.into_iter().map(|(kept, _)| kept).collect();
        kept.sort_by(|a, b| b.value.total_cmp(&a.value).then(a.place.cmp(&b.place)));
        kept
    }
}

/// A random choice that does not depend on the order in which places come: each place has a random
/// number of its own, and the lowest numbers stay.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    most: usize,
    kept: Vec<(u64, Firing)>,
}

impl Drawn {
    pub(super) fn new(most: usize) -> Self {
        Self { most, kept: Vec::new() }
    }

    pub(super) fn offer(&mut self, firing: Firing, seed: u64) {
        let key = mix(seed ^ firing.place as u64);
        if self.kept.len() < self.most {
            self.kept.push((key, firing));
        } else if let Some(highest) = self.kept.iter_mut().max_by_key(|(key, _)| *key)
            && key < highest.0
        {
            *highest = (key, firing);
        }
    }

    /// In the order of the text.
    pub(super) fn finish(self) -> Vec<Firing> {
        let mut kept: Vec<Firing> = self.kept.into_iter().map(|(_, firing)| firing).collect();
        kept.sort_by_key(|firing| firing.place);
        kept
    }
}
