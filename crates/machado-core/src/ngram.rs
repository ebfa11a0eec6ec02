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

use std::collections::HashMap;
use std::ops::Range;

use crate::error::{Error, Result};

/// What a count of 1, of 2, and of 3 or more gives up. Kneser and Ney's discounts for three classes
/// of counts; found by trying, on the validation part of one text, to be best near these values.
const DISCOUNTS: [f32; 3] = [0.8, 1.1, 1.3];

/// The lengths of context that [`Ngram::new`] takes.
pub const ORDERS: Range<usize> = 1..33;

/// Followers of a context up to which they are looked for one by one.
const FEW: u32 = 8;

/// Nodes at most, about a gigabyte; what comes after that is counted only where it is known.
const MOST_NODES: usize = 40_000_000;

const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;

/// Counts of what followed the last tokens, for contexts of up to `order` tokens.
#[derive(Clone, Debug)]
pub struct Ngram {
    order: usize,
    nodes: Vec<Node>,
    /// The nodes of the followers of contexts with more than a few, by context and token.
    followers: HashMap<(u32, u32), u32>,
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
    /// Different tokens after this path.
    children: u32,
    /// The latest of them.
    child: u32,
    /// The next token after the same context.
    sibling: u32,
    /// The same path without its first token.
    shorter: u32,
}

impl Node {
    fn new(token: u32, depth: u32, sibling: u32) -> Self {
        Self { token, count: 0, depth, children: 0, child: NONE, sibling, shorter: NONE }
    }
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
        Ok(Self {
            order,
            nodes: vec![Node::new(NONE, 0, NONE)],
            followers: HashMap::new(),
            under_root: vec![NONE; vocabulary_size],
        })
    }

    /// Forgets all counts.
    pub fn clear(&mut self) {
        self.nodes.truncate(1);
        self.nodes[ROOT as usize] = Node::new(NONE, 0, NONE);
        self.followers.clear();
        self.under_root.fill(NONE);
    }

    /// Whether nothing was counted yet.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    /// Counts a token after a context, and returns the context of the next one.
    ///
    /// # Panics
    /// If the token is outside the vocabulary.
    pub fn learn(&mut self, Context(longest): Context, token: u32) -> Context {
        let mut context = longest;
        // The node of the token in the next longer context, which waits for its shorter one.
        let mut longer = NONE;
        let mut next = ROOT;
        let is_full = self.nodes.len() + ORDERS.end > MOST_NODES;
        loop {
            let found = self.find(context, token);
            let node = match found {
                NONE if is_full => NONE,
                NONE => self.insert(context, token),
                found => found,
            };
            if node != NONE {
                let count = &mut self.nodes[node as usize].count;
                *count = count.saturating_add(1);
                if longer == NONE {
                    next = node;
                } else {
                    self.nodes[longer as usize].shorter = node;
                }
                longer = node;
            }
            if found != NONE {
                break;
            }
            if context == ROOT {
                if node != NONE {
                    self.nodes[node as usize].shorter = ROOT;
                }
                break;
            }
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
        out.fill(0.0);
        // From the longest context down, so that all tokens are visited only once: what each
        // gives up is the share of all shorter ones.
        let (mut share, mut matched) = (1.0, 0);
        let mut context = longest;
        while context != NONE {
            let Node { children, depth, shorter, .. } = self.nodes[context as usize];
            if children > 0 {
                matched = matched.max(depth as usize);
                share *= self.add_own(context, share, out);
            }
            context = shorter;
        }
        let uniform = share / out.len() as f32;
        out.iter_mut().for_each(|probability| *probability += uniform);
        matched
    }

    /// Adds what a context says by itself, times `share`; returns what it gives up.
    fn add_own(&self, context: u32, share: f32, out: &mut [f32]) -> f32 {
        let (mut total, mut given_up) = (0u64, 0.0);
        for node in self.children(context) {
            total += u64::from(node.count);
            given_up += discount(node.count);
        }
        let of_each = share / total as f32;
        for node in self.children(context) {
            out[node.token as usize] += (node.count as f32 - discount(node.count)) * of_each;
        }
        given_up / total as f32
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
        if self.nodes[context as usize].children > FEW {
            return self.followers.get(&(context, token)).copied().unwrap_or(NONE);
        }
        let mut node = self.nodes[context as usize].child;
        while node != NONE && self.nodes[node as usize].token != token {
            node = self.nodes[node as usize].sibling;
        }
        node
    }

    fn insert(&mut self, context: u32, token: u32) -> u32 {
        let node = u32::try_from(self.nodes.len()).expect("no more than the most nodes");
        let parent = &mut self.nodes[context as usize];
        let (depth, sibling) = (parent.depth + 1, parent.child);
        parent.child = node;
        parent.children += 1;
        let children = parent.children;
        self.nodes.push(Node::new(token, depth, sibling));
        if context == ROOT {
            self.under_root[token as usize] = node;
        } else if children == FEW + 1 {
            // From now on all of them are looked up.
            let mut child = node;
            while child != NONE {
                let Node { token, sibling, .. } = self.nodes[child as usize];
                self.followers.insert((context, token), child);
                child = sibling;
            }
        } else if children > FEW {
            self.followers.insert((context, token), node);
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

    /// Many followers of one context, which are looked up in another way than few.
    #[test]
    fn a_context_with_many_followers_knows_each_of_them() {
        let mut ngram = Ngram::new(100, 3).expect("an order");
        let mut context = Context::EMPTY;
        let text: Vec<u32> = (1..100).flat_map(|token| [0, token]).collect();
        for &token in text.iter().chain(&text) {
            context = ngram.learn(context, token);
        }
        let after_0 = ngram.advance(Context::EMPTY, 0);
        let mut out = vec![0.0; 100];
        assert_eq!(ngram.probabilities(after_0, &mut out), 1);
        assert!(out[2..].iter().all(|&p| (p - out[2]).abs() < 1e-6 && p > 0.005), "{out:?}");
        assert!((out.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        for token in 1..100 {
            let after = ngram.advance(after_0, token);
            assert_eq!(ngram.nodes[after.0 as usize].depth, 2, "0 and {token} were seen");
        }
    }

    #[test]
    fn an_order_outside_the_range_is_refused() {
        for order in [0, 33] {
            let error = Ngram::new(3, order).expect_err("a bad order").to_string();
            assert!(error.contains("from 1 to 32"), "{error}");
        }
    }
}
