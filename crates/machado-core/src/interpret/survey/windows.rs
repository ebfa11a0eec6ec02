//! The activations around some places: the pass after that which finds the places.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::error::Result;
use crate::interpret::{Reading, Sae};

/// Activations that are asked for: of a feature, at some tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The feature.
    pub feature: usize,
    /// The tokens.
    pub tokens: Range<usize>,
}

/// Characters of a context before and after the place, on average.
const BEFORE: usize = 48;
const AFTER: usize = 20;

impl Window {
    /// The tokens around one at which a feature fires, of a text of so many tokens: about as much text
    /// whatever a token is. `characters` are those of a token, on average.
    pub fn around(feature: usize, place: usize, characters: usize, tokens: usize) -> Self {
        let first = place.saturating_sub(BEFORE / characters);
        Self { feature, tokens: first..(place + 1 + AFTER / characters).min(tokens) }
    }
}

/// Tokens that share a list of the windows that touch them.
const PER_LIST: usize = 64;

impl Reading<'_> {
    /// The activations in some windows within a range of the text, in their order.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn activations_at(
        &self,
        sae: &Sae,
        windows: &[Window],
        range: Range<usize>,
    ) -> Result<Vec<Vec<f32>>> {
        let mut found: Vec<Vec<f32>> =
            windows.iter().map(|window| vec![0.0; window.tokens.len()]).collect();
        let mut lists: HashMap<usize, Vec<usize>> = HashMap::new();
        for (number, window) in windows.iter().enumerate() {
            let touched: HashSet<usize> = window.tokens.clone().map(|at| at / PER_LIST).collect();
            touched.into_iter().for_each(|list| lists.entry(list).or_default().push(number));
        }
        self.for_each(range, |place, state| {
            for &number in lists.get(&(place / PER_LIST)).into_iter().flatten() {
                let Window { feature, tokens } = &windows[number];
                if tokens.contains(&place) {
                    found[number][place - tokens.start] = sae.activation(*feature, state);
                }
            }
        })?;
        Ok(found)
    }
}
