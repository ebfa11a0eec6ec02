//! A whole text as ids, and its parts.

use std::ops::Range;

use super::split::{Part, Parts, Split};
use crate::error::{Error, Result};
use crate::ids::TokenIds;

/// The ids of a text with its training, validation and test parts.
#[derive(Debug)]
pub struct Corpus {
    ids: TokenIds,
    parts: Parts,
    fingerprint: u64,
}

impl Corpus {
    /// Splits the ids of a text.
    ///
    /// # Errors
    /// If there are no ids, or fewer than the split asks for.
    pub fn new(ids: TokenIds, split: &Split) -> Result<Self> {
        if ids.is_empty() {
            return Err(Error::EmptyText { after: String::new() });
        }
        let parts = split.parts(ids.len())?;
        Self::with_parts(ids, parts)
    }

    /// The ids of a text whose parts are known.
    ///
    /// # Errors
    /// If there are no ids.
    ///
    /// # Panics
    /// If a part goes beyond the end.
    pub fn with_parts(ids: TokenIds, parts: Parts) -> Result<Self> {
        if ids.is_empty() {
            return Err(Error::EmptyText { after: String::new() });
        }
        let (end, length) = (parts.test.end.max(parts.validation.end), ids.len());
        assert!(end <= length, "a part ends at {end}, the text at {length}");
        let fingerprint = ids.fingerprint();
        Ok(Self { ids, parts, fingerprint })
    }

    /// All ids.
    pub fn ids(&self) -> &TokenIds {
        &self.ids
    }

    /// The places of the parts.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The place of one part.
    pub fn range(&self, part: Part) -> Range<usize> {
        self.parts.range(part)
    }

    /// Tells whether a text is this one; see [`TokenIds::fingerprint`].
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}
