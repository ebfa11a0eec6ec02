//! From logits to the tokens that may be drawn and their probabilities.

use std::cmp::Ordering;

use super::Sampler;

/// A token that may be drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) id: u32,
    /// Its probability.
    pub(super) share: f64,
    /// What the filter at work orders by, the best first.
    rank: f64,
}

/// Tokens put in order at first where nobody knows how many are needed; then four times as many.
const FIRST: usize = 64;

/// Leaves in `kept` the tokens that may be drawn, with probabilities that sum to 1. Logits of −∞ are
/// of tokens that cannot come.
///
/// Nothing is sorted as a whole: vocabularies may have tens of thousands of tokens, of which the
/// filters keep a few.
pub(super) fn shape(sampler: &Sampler, logits: &[f32], kept: &mut Vec<Kept>) {
    let possible = (0..).zip(logits).filter(|&(_, &logit)| logit > f32::NEG_INFINITY);
    kept.clear();
    kept.extend(possible.map(|(id, &logit)| Kept { id, share: 0.0, rank: -f64::from(logit) }));
    let greedy = sampler.temperature == 0.0;
    // The temperature changes no order, so that only what top-k leaves has to be computed.
    if let Some(count) = if greedy { Some(1) } else { sampler.top_k } {
        keep_best(kept, count);
    }
    let best = kept.iter().map(|token| token.rank).fold(f64::INFINITY, f64::min);
    for token in kept.iter_mut() {
        let below = best - token.rank;
        token.share = if greedy { 1.0 } else { (below / sampler.temperature).exp() };
    }
    normalize(kept);
    if let Some(top_p) = sampler.top_p {
        kept.iter_mut().for_each(|token| token.rank = -token.share);
        keep_until(kept, top_p);
    }
    if let Some(min_p) = sampler.min_p {
        let least = min_p * kept.iter().map(|token| token.share).fold(0.0, f64::max);
        kept.retain(|token| token.share >= least);
        normalize(kept);
    }
    if let Some(typical_p) = sampler.typical_p {
        let surprise = |token: &Kept| -token.share.ln();
        let possible = kept.iter().filter(|token| token.share > 0.0);
        let entropy: f64 = possible.map(|token| token.share * surprise(token)).sum();
        kept.iter_mut().for_each(|token| token.rank = (surprise(token) - entropy).abs());
        keep_until(kept, typical_p);
    }
}

/// The best first; of equals the smaller id.
fn order(a: &Kept, b: &Kept) -> Ordering {
    a.rank.total_cmp(&b.rank).then(a.id.cmp(&b.id))
}

/// Keeps the `count` best.
fn keep_best(kept: &mut Vec<Kept>, count: usize) {
    if count < kept.len() {
        kept.select_nth_unstable_by(count - 1, order);
        kept.truncate(count);
    }
}

/// Keeps the best until together they reach the probability `share`; the one that reaches it still
/// belongs to them.
fn keep_until(kept: &mut Vec<Kept>, share: f64) {
    let (mut sum, mut sorted, mut next) = (0.0, 0, FIRST);
    while sorted < kept.len() {
        let rest = &mut kept[sorted..];
        let count = next.min(rest.len());
        if count < rest.len() {
            rest.select_nth_unstable_by(count - 1, order);
        }
        rest[..count].sort_unstable_by(order);
        let reached = rest[..count].iter().position(|token| {
            sum += token.share;
            sum >= share
        });
        if let Some(place) = reached {
            kept.truncate(sorted + place + 1);
            break;
        }
        sorted += count;
        next *= 4;
    }
    normalize(kept);
}

fn normalize(kept: &mut [Kept]) {
    let sum: f64 = kept.iter().map(|token| token.share).sum();
    kept.iter_mut().for_each(|token| token.share /= sum);
}
