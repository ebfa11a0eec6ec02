//! How likely words are after a prompt: exact, token by token.

use crate::model::Streams;

/// The log-probability of each of some words, token by token, after what a stream has read.
pub(super) fn log_probabilities(mut streams: Streams, words: &[Vec<u32>]) -> Vec<f64> {
    streams.fork(words.len());
    let mut found = vec![0.0; words.len()];
    let longest = words.iter().map(Vec::len).max().unwrap_or(0);
    for step in 0..longest {
        for (row, word) in words.iter().enumerate().filter(|(_, word)| step < word.len()) {
            found[row] += log_probability(streams.logits(row), word[step]);
        }
        if step + 1 < longest {
            // A word that has ended reads something, so that the others keep their rows.
            let next = |word: &Vec<u32>| word.get(step).copied().unwrap_or(0);
            streams.read(&words.iter().map(next).collect::<Vec<u32>>());
        }
    }
    found
}

/// The log-probability of one token.
pub(super) fn log_probability(logits: &[f32], id: u32) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - most).exp()).sum();
    f64::from(logits[id as usize] - most) - sum.ln()
}
