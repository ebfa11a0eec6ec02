//! What OpenAI's API adds to logits: a bias for some tokens, and penalties on what was written.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};

/// Numbers added to the logits before all else: before the repetition penalty and the temperature.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogitChanges {
    /// What is added to the logits of tokens. A token may be there once.
    pub bias: Vec<(u32, f32)>,
    /// What a token loses that was written at least once. Default 0.
    pub presence_penalty: f64,
    /// What a token loses for each time that it was written. Default 0.
    pub frequency_penalty: f64,
}

/// The largest amount of a penalty, OpenAI's.
const MOST_PENALTY: f64 = 2.0;

/// The largest amount of a bias, OpenAI's: as good as a ban, or the only choice.
const MOST_BIAS: f32 = 100.0;

impl LogitChanges {
    /// Checks each number, for a vocabulary of this size.
    ///
    /// # Errors
    /// If one is outside its range; the error names it as the API does.
    pub fn check(&self, vocabulary_size: usize) -> Result<()> {
        let error = |what: &str, expected: String, found: String| {
            Err(Error::OutOfRange { what: what.into(), expected, found })
        };
        for (what, penalty) in [
            ("presence_penalty", self.presence_penalty),
            ("frequency_penalty", self.frequency_penalty),
        ] {
            if !(-MOST_PENALTY..=MOST_PENALTY).contains(&penalty) {
                return error(what, "from -2 to 2".into(), penalty.to_string());
            }
        }
        for &(id, bias) in &self.bias {
            if id as usize >= vocabulary_size {
                let expected = format!("of token ids less than {vocabulary_size}");
                return error("logit_bias", expected, id.to_string());
            }
            if !(-MOST_BIAS..=MOST_BIAS).contains(&bias) {
                return error("logit_bias", "from -100 to 100".into(), bias.to_string());
            }
        }
        Ok(())
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.bias.is_empty() && !self.penalises()
    }

    fn penalises(&self) -> bool {
        self.presence_penalty != 0.0 || self.frequency_penalty != 0.0
    }
}

/// Changes the logits of a text while it is written.
#[derive(Clone, Debug, Default)]
pub struct LogitChanger {
    /// Shared by all texts of a request.
    changes: Arc<LogitChanges>,
    /// How often each token was written; nothing is counted where nothing is penalised.
    written: HashMap<u32, u32>,
    changed: Vec<f32>,
}

impl LogitChanger {
    /// Nothing is written yet. The changes must have been checked.
    pub fn new(changes: impl Into<Arc<LogitChanges>>) -> Self {
        let changes = changes.into();
        Self { changes, written: HashMap::new(), changed: Vec::new() }
    }

    /// The logits with the changes, `[V]`.
    pub fn change<'a>(&'a mut self, logits: &'a [f32]) -> &'a [f32] {
        if self.changes.is_empty() {
            return logits;
        }
        self.changed.clear();
        self.changed.extend_from_slice(logits);
        for &(id, bias) in &self.changes.bias {
            self.changed[id as usize] += bias;
        }
        let LogitChanges { presence_penalty, frequency_penalty, .. } = *self.changes;
        for (&id, &count) in &self.written {
            let penalty = presence_penalty + frequency_penalty * f64::from(count);
            self.changed[id as usize] -= penalty as f32;
        }
        &self.changed
    }

    /// A token was written.
    pub fn push(&mut self, id: u32) {
        if self.changes.penalises() {
            *self.written.entry(id).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changer(bias: &[(u32, f32)], presence_penalty: f64, frequency_penalty: f64) -> LogitChanger {
        let changes = LogitChanges { bias: bias.to_vec(), presence_penalty, frequency_penalty };
        changes.check(3).expect("good numbers");
        LogitChanger::new(changes)
    }

    /// A token that came twice loses the presence penalty once and the frequency penalty twice.
    #[test]
    fn penalties_count_what_was_written() {
        let mut changer = changer(&[(2, 4.0)], 0.5, 0.25);
        assert_eq!(changer.change(&[1.0, 1.0, 1.0]), [1.0, 1.0, 5.0]);
        [0, 0, 2].into_iter().for_each(|id| changer.push(id));
        assert_eq!(changer.change(&[1.0, 1.0, 1.0]), [0.0, 1.0, 4.25]);
    }

    #[test]
    fn without_changes_the_logits_stay_where_they_are() {
        let (mut changer, logits) = (changer(&[], 0.0, 0.0), [1.0, 2.0, 3.0]);
        changer.push(1);
        assert_eq!(changer.change(&logits).as_ptr(), logits.as_ptr());
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        let check = |bias: &[(u32, f32)], presence_penalty, frequency_penalty| {
            let changes = LogitChanges { bias: bias.to_vec(), presence_penalty, frequency_penalty };
            changes.check(3).map_err(|error| error.to_string())
        };
        let message = |text: &str| Err(text.to_owned());
        assert_eq!(check(&[(2, -100.0)], -2.0, 2.0), Ok(()));
        assert_eq!(check(&[], 2.5, 0.0), message("presence_penalty must be from -2 to 2, not 2.5"));
        assert_eq!(
            check(&[], 0.0, f64::NAN),
            message("frequency_penalty must be from -2 to 2, not NaN")
        );
        assert_eq!(
            check(&[(3, 1.0)], 0.0, 0.0),
            message("logit_bias must be of token ids less than 3, not 3")
        );
        assert_eq!(
            check(&[(0, 101.0)], 0.0, 0.0),
            message("logit_bias must be from -100 to 100, not 101")
        );
    }
}
