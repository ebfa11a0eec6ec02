//! The last tokens of a text, as many as a sampler looks at.

/// Keeps at least the last `most` tokens, and never more than twice as many.
#[derive(Clone, Debug, Default)]
pub struct History {
    most: usize,
    ids: Vec<u32>,
}

impl History {
    /// Keeps `most` tokens, to begin with the last ones of `ids`.
    pub fn new(most: usize, ids: &[u32]) -> Self {
        let ids = ids[ids.len().saturating_sub(most)..].to_vec();
        Self { most, ids }
    }

    /// One more token.
    pub fn push(&mut self, id: u32) {
        if self.most == 0 {
            return;
        }
        // Moving all of them once in a while is cheaper than moving them each time.
        if self.ids.len() == self.most.saturating_mul(2) {
            self.ids.drain(..self.most);
        }
        self.ids.push(id);
    }

    /// The last tokens, the latest at the end.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tokens_are_there_and_old_ones_are_forgotten() {
        for most in [0, 1, 3, 10] {
            let mut history = History::new(most, &[7, 8, 9, 10]);
            for id in 11..200 {
                history.push(id);
                let ids = history.ids();
                assert!(ids.len() <= 2 * most, "{} of {most}", ids.len());
                let expected: Vec<u32> = (7..=id).rev().take(most).collect();
                assert!(ids.iter().rev().take(most).eq(&expected), "{ids:?}");
            }
        }
    }
}
