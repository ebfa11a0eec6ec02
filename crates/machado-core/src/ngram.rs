//! Counting which tokens followed which: an n-gram model that goes on learning while it reads.
//!
//! A network generalises, a table of counts remembers. Names, set phrases and rare words that the
//! network smooths away are exactly what such a table knows, so a [`Mixture`](crate::mixture) of
//! the two is better than either.
//!
//! The counts are a tree: the path from the root to a node is a piece of the text of at most
//! `order + 1` tokens. A token raises its count in the longest context in which it had been seen
//! before and is new in all longer ones ("update exclusion", as in the PPM compressors): shorter
//! contexts then count in how many ways a token was reached and not how often, as in the method of
//! Kneser and Ney. Probabilities of all lengths are interpolated by absolute discounting: each
//! count gives up a fixed part, and what was given up goes to the next shorter context.

use std::ops::Range;

use crate::error::{Error, Result};

/// What a count of 1, of 2, and of 3 or more gives up. Kneser and Ney's discounts for three classes
/// of counts; found by trying, on the validation part of one text, to be best near these values.
const DISCOUNTS: [f32; 3] = [0.8, 1.1, 1.3];

/// The lengths of context that [`Ngram::new`] takes.
pub const ORDERS: Range<usize> = 1..33;

const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;

/// Counts of what followed the last tokens, for contexts of up to `order` tokens.
#[derive(Clone, Debug)]
pub struct Ngram {
    order: usize,
    nodes: Vec<Node>,
    /// For each token its node under the root, where there may be very many.
    under_root: Vec<u32>,
}

/// A token after some context.
#[derive(Clone, Copy, Debug)]
struct Node {
    token: u32,
    count: u32,
    /// Tokens on the path from the root, this one included.
    depth: u32,
    /// The first token after this path.
    child: u32,
    /// The next token after the same context.
    sibling: u32,
    /// The same path without its first token.
    shorter: u32,
}

/// The last tokens, as far as an [`Ngram`] knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context(u32);

impl Context {
    /// Nothing was read yet.
    pub const EMPTY: Self = Self(ROOT);
}

impl Ngram {
    /// An empty model for tokens below `vocabulary_size` and contexts of up to `order` tokens.
    ///
    /// # Errors
    /// If the order is not in [`ORDERS`].
    pub fn new(vocabulary_size: usize, order: usize) -> Result<Self> {
        if !ORDERS.contains(&order) {
            return Err(Error::OutOfRange {
                what: "the order of the n-grams".into(),
                expected: format!("from {} to {}", ORDERS.start, ORDERS.end - 1),
                found: order.to_string(),
            });
        }
        let root =
            Node { token: NONE, count: 0, depth: 0, child: NONE, sibling: NONE, shorter: NONE };
        Ok(Self { order, nodes: vec![root], under_root: vec![NONE; vocabulary_size] })
    }

    /// Whether nothing was counted yet.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    /// Bytes that the counts take.
    pub fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.under_root.len() * size_of::<u32>()
    }

    /// Counts a token after a context, and returns the context of the next one.
    ///
    /// # Panics
    /// If the token is outside the vocabulary.
    pub fn learn(&mut self, Context(longest): Context, token: u32) -> Context {
        let mut context = longest;
        // The node of the token in the next longer context, which waits for its shorter one.
        let mut longer = NONE;
        let mut next = NONE;
        loop {
            let found = self.find(context, token);
            let node = if found == NONE { self.insert(context, token) } else { found };
            self.nodes[node as usize].count += 1;
            if longer == NONE {
                next = node;
            } else {
                self.nodes[longer as usize].shorter = node;
            }
            if found != NONE {
                break;
            }
            if context == ROOT {
                self.nodes[node as usize].shorter = ROOT;
                break;
            }
            longer = node;
            context = self.nodes[context as usize].shorter;
        }
        self.within_order(next)
    }

    /// The context after one more token, without counting it.
    pub fn advance(&self, Context(mut context): Context, token: u32) -> Context {
        loop {
            let found = self.find(context, token);
            if found != NONE {
                return self.within_order(found);
            }
            if context == ROOT {
                return Context::EMPTY;
            }
            context = self.nodes[context as usize].shorter;
        }
    }

    /// The probability of each token after a context, `[V]`; and how many tokens of it have been
    /// seen with something after them.
    ///
    /// # Panics
    /// If `out` has not one place for each token.
    pub fn probabilities(&self, Context(longest): Context, out: &mut [f32]) -> usize {
        assert_eq!(out.len(), self.under_root.len(), "one probability for each token");
        out.fill(1.0 / out.len() as f32);
        let mut contexts = [ROOT; ORDERS.end];
        let mut count = 0;
        let mut context = longest;
        while context != NONE {
            contexts[count] = context;
            count += 1;
            context = self.nodes[context as usize].shorter;
        }
        let mut matched = 0;
        for &context in contexts[..count].iter().rev() {
            if self.nodes[context as usize].child == NONE {
                // Longer ones have nothing after them either.
                break;
            }
            self.interpolate(context, out);
            matched = self.nodes[context as usize].depth as usize;
        }
        matched
    }

    /// From the probabilities of the shorter context to those of this one.
    fn interpolate(&self, context: u32, out: &mut [f32]) {
        let (mut total, mut given_up) = (0u64, 0.0);
        for node in self.children(context) {
            total += u64::from(node.count);
            given_up += discount(node.count);
        }
        let of_each = 1.0 / total as f32;
        let kept = given_up * of_each;
        out.iter_mut().for_each(|probability| *probability *= kept);
        for node in self.children(context) {
            out[node.token as usize] += (node.count as f32 - discount(node.count)) * of_each;
        }
    }

    fn children(&self, context: u32) -> impl Iterator<Item = &Node> {
        let mut next = self.nodes[context as usize].child;
        std::iter::from_fn(move || {
            let node = self.nodes.get(next as usize)?;
            next = node.sibling;
            Some(node)
        })
    }

    fn find(&self, context: u32, token: u32) -> u32 {
        if context == ROOT {
            return self.under_root[token as usize];
        }
        let mut node = self.nodes[context as usize].child;
        while node != NONE && self.nodes[node as usize].token != token {
            node = self.nodes[node as usize].sibling;
        }
        node
    }

    fn insert(&mut self, context: u32, token: u32) -> u32 {
        let node = u32::try_from(self.nodes.len()).expect("fewer than 2³² nodes");
        let parent = &mut self.nodes[context as usize];
        let (depth, sibling) = (parent.depth + 1, parent.child);
        parent.child = node;
        self.nodes.push(Node { token, count: 0, depth, child: NONE, sibling, shorter: NONE });
        if context == ROOT {
            self.under_root[token as usize] = node;
        }
        node
    }

    fn within_order(&self, node: u32) -> Context {
        let Node { depth, shorter, .. } = self.nodes[node as usize];
        Context(if depth as usize > self.order { shorter } else { node })
    }
}

/// What a count gives up. A single occurrence gives up most of itself, never all.
fn discount(count: u32) -> f32 {
    DISCOUNTS[(count as usize).clamp(1, DISCOUNTS.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u32 = 0;
    const B: u32 = 1;

    fn model(order: usize, tokens: &[u32]) -> (Ngram, Context) {
        let mut ngram = Ngram::new(3, order).expect("an order");
        let mut context = Context::EMPTY;
        for &token in tokens {
            context = ngram.learn(context, token);
        }
        (ngram, context)
    }

    fn probabilities(ngram: &Ngram, context: Context) -> (Vec<f32>, usize) {
        let mut out = vec![0.0; 3];
        let matched = ngram.probabilities(context, &mut out);
        (out, matched)
    }

    /// After "abab" with contexts of one token, a was followed by b twice. Of the root's counts, a
    /// and b have 1 each: the second time each was known in a longer context or raised there. The
    /// second a is new after b, so it counts in the root too: a has 2, b has 1.
    ///
    /// Root: total 3, given up 1.1 + 0.8 = 1.9, so
    /// p(a) = 1.9/3 · 1/3 + 0.9/3, p(b) = 1.9/3 · 1/3 + 0.2/3, p(c) = 1.9/3 · 1/3.
    /// After a: b has 2, gives up 1.1, so p(b | a) = 0.9/2 + 1.1/2 · p(b).
    #[test]
    fn probabilities_by_hand() {
        let (ngram, context) = model(1, &[A, B, A, B]);
        let after_a = ngram.advance(context, A);
        let (found, matched) = probabilities(&ngram, after_a);
        let root = [0.9, 0.2, 0.0].map(|own| 1.9 / 9.0 + own / 3.0);
        let expected = [0.0, 0.9, 0.0].into_iter().zip(root).map(|(own, p)| (own + 1.1 * p) / 2.0);
        assert_eq!(matched, 1);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
    }

    #[test]
    fn nothing_read_is_nothing_known() {
        let (ngram, context) = model(4, &[]);
        assert_eq!(probabilities(&ngram, context), (vec![1.0 / 3.0; 3], 0));
    }

    /// Random tokens: probabilities are positive and sum to 1 in every context, no context is longer
    /// than the order, and what `advance` finds is what `learn` leads to.
    #[test]
    fn probabilities_sum_to_one_in_every_context() {
        use crate::rng::{Purpose, Rng};
        let mut rng = Rng::new(3, Purpose::Shuffle, 0);
        for order in [1, 2, 5, 32] {
            let tokens: Vec<u32> = (0..500).map(|_| rng.below(3) as u32).collect();
            let (ngram, _) = model(order, &tokens);
            let mut context = Context::EMPTY;
            for &token in &tokens {
                let (found, matched) = probabilities(&ngram, context);
                let sum: f32 = found.iter().sum();
                assert!((sum - 1.0).abs() < 1e-4 && found.iter().all(|&p| p > 0.0), "{found:?}");
                assert!(matched <= order, "{matched} tokens");
                context = ngram.advance(context, token);
            }
            let (mut learning, mut known) = (ngram.clone(), Context::EMPTY);
            for &token in &tokens {
                let read = ngram.advance(known, token);
                known = learning.learn(known, token);
                assert_eq!(read, known);
            }
        }
    }

    #[test]
    fn what_was_seen_becomes_likely() {
        let (mut ngram, _) = model(8, &[A, B, A, A, B, A, B, B, A]);
        let period: Vec<u32> = [A, A, B, 2].repeat(20);
        let context =
            period.iter().fold(Context::EMPTY, |context, &token| ngram.learn(context, token));
        let (found, matched) = probabilities(&ngram, context);
        assert!(found[A as usize] > 0.9, "{found:?}");
        assert_eq!(matched, 8);
    }

    #[test]
    fn an_order_outside_the_range_is_refused() {
        for order in [0, 33] {
            let error = Ngram::new(3, order).expect_err("a bad order").to_string();
            assert!(error.contains("from 1 to 32"), "{error}");
        }
    }
}
