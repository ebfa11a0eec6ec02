//! Token ids, stored in one, two or four bytes each.

use std::ops::Range;

use crate::rng::mix;

/// An unsigned integer that stores a token id.
pub trait TokenId: Copy {
    /// The largest id that it can hold.
    const MOST: u64;

    /// The id as this type; the vocabulary is small enough for it.
    fn from_u32(id: u32) -> Self;

    /// The id, widened.
    fn to_u32(self) -> u32;
}

impl TokenId for u8 {
    const MOST: u64 = Self::MAX as u64;

    fn from_u32(id: u32) -> Self {
        id as Self
    }

    fn to_u32(self) -> u32 {
        u32::from(self)
    }
}

impl TokenId for u16 {
    const MOST: u64 = Self::MAX as u64;

    fn from_u32(id: u32) -> Self {
        id as Self
    }

    fn to_u32(self) -> u32 {
        u32::from(self)
    }
}

impl TokenId for u32 {
    const MOST: u64 = Self::MAX as u64;

    fn from_u32(id: u32) -> Self {
        id
    }

    fn to_u32(self) -> u32 {
        self
    }
}

/// The ids of a text in the smallest type that holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenIds {
    /// Up to 256 tokens.
    U8(Vec<u8>),
    /// Up to 65,536 tokens.
    U16(Vec<u16>),
    /// Any vocabulary.
    U32(Vec<u32>),
}

impl Default for TokenIds {
    fn default() -> Self {
        Self::U8(Vec::new())
    }
}

/// Runs an expression with the inner vector, whatever its type.
macro_rules! with_ids {
    ($ids:expr, $inner:ident => $body:expr) => {
        match $ids {
            TokenIds::U8($inner) => $body,
            TokenIds::U16($inner) => $body,
            TokenIds::U32($inner) => $body,
        }
    };
}

impl TokenIds {
    /// No ids yet, of the smallest type for a vocabulary of `size`.
    pub fn for_vocabulary(size: usize) -> Self {
        match size {
            0..=0x100 => Self::U8(Vec::new()),
            0x101..=0x1_0000 => Self::U16(Vec::new()),
            _ => Self::U32(Vec::new()),
        }
    }

    /// Makes room for exactly `additional` more ids.
    pub fn reserve_exact(&mut self, additional: usize) {
        with_ids!(self, ids => ids.reserve_exact(additional));
    }

    /// The number of ids.
    pub fn len(&self) -> usize {
        with_ids!(self, ids => ids.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that one id takes.
    pub fn bytes_per_id(&self) -> usize {
        match self {
            Self::U8(_) => 1,
            Self::U16(_) => 2,
            Self::U32(_) => 4,
        }
    }

    /// Stores each id in the next wider type.
    pub fn widen(&mut self) {
        *self = match std::mem::take(self) {
            Self::U8(ids) => Self::U16(widened(&ids)),
            Self::U16(ids) => Self::U32(widened(&ids)),
            Self::U32(ids) => Self::U32(ids),
        };
    }

    /// Puts `table[id]` in place of each id, and leaves out those that have nothing there.
    ///
    /// # Panics
    /// If an id is outside the table.
    pub fn replace(&mut self, table: &[Option<u32>]) {
        with_ids!(self, ids => ids.retain_mut(|id| {
            let new = table[id.to_u32() as usize];
            new.inspect(|&new| *id = TokenId::from_u32(new)).is_some()
        }));
    }

    /// Appends an id.
    pub fn push(&mut self, id: u32) {
        with_ids!(self, ids => ids.push(TokenId::from_u32(id)));
    }

    /// The id at `position`.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn at(&self, position: usize) -> u32 {
        with_ids!(self, ids => ids[position].to_u32())
    }

    /// Leaves out all ids but the first `len`.
    pub fn truncate(&mut self, len: usize) {
        with_ids!(self, ids => ids.truncate(len));
    }

    /// Calls `visit` with each id of a range, in order.
    ///
    /// # Panics
    /// If the range goes beyond the end.
    pub fn for_each(&self, range: Range<usize>, mut visit: impl FnMut(u32)) {
        with_ids!(self, ids => ids[range].iter().for_each(|&id| visit(id.to_u32())));
    }

    /// All ids, widened.
    pub fn to_vec(&self) -> Vec<u32> {
        with_ids!(self, ids => ids.iter().map(|&id| id.to_u32()).collect())
    }

    /// A number that changes when any id changes: tells whether a text is the one that a model
    /// was trained on. It is no protection against somebody who wants it to collide.
    pub fn fingerprint(&self) -> u64 {
        with_ids!(self, ids => ids.chunks(8).fold(ids.len() as u64, |hash, chunk| {
            mix(chunk.iter().fold(hash, |word, &id| {
                word.wrapping_mul(0x0100_0000_01b3) ^ u64::from(id.to_u32())
            }))
        }))
    }
}

/// The same ids in a wider type, with as much room.
fn widened<From: TokenId, To: TokenId>(ids: &Vec<From>) -> Vec<To> {
    let mut wide = Vec::with_capacity(ids.capacity());
    wide.extend(ids.iter().map(|id| To::from_u32(id.to_u32())));
    wide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_follows_the_vocabulary() {
        let bytes = |size| TokenIds::for_vocabulary(size).bytes_per_id();
        assert_eq!(
            [bytes(82), bytes(256), bytes(257), bytes(65_536), bytes(65_537)],
            [1, 1, 2, 2, 4]
        );
    }

    #[test]
    fn the_fingerprint_sees_a_change_of_any_id() {
        let ids: Vec<u8> = (0..100).collect();
        let original = TokenIds::U8(ids.clone()).fingerprint();
        for place in 0..ids.len() {
            let mut changed = ids.clone();
            changed[place] += 1;
            assert_ne!(TokenIds::U8(changed).fingerprint(), original, "place {place}");
        }
        assert_ne!(TokenIds::U8(ids[..99].to_vec()).fingerprint(), original);
    }
}
