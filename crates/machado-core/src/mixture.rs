//! A network and counted n-grams together: better than either.
//!
//! The probability of a token is a weighted mean of three: the network's, that of the n-grams of a
//! text studied before (what the network was trained on), and that of the n-grams of the text that
//! is being read. How much each is to be believed depends on how long a piece of the last tokens
//! the counts have met before, so there is a set of weights for each length. They are learnt while
//! reading, by the online form of the EM algorithm: an expert's weight moves towards its share in
//! the probability of what came.
//!
//! Nothing of a token is used before it has been predicted, so scores are honest: they compare
//! with those of a compressor, which learns from what it has read as well.

use std::ops::Range;

use crate::error::Result;
use crate::ids::TokenIds;
use crate::ngram::{Context, Ngram};

/// The network, the text studied before, the text being read.
const EXPERTS: usize = 3;

/// What each expert is trusted before anything was read; of a total of [`TRUST`] observations.
const FIRST_WEIGHTS: [f32; EXPERTS] = [0.70, 0.25, 0.05];

/// How many observations the first weights stand for.
const TRUST: f32 = 20.0;

/// Share of the older observations that is kept with each new one.
const KEPT: f32 = 0.998;

/// Matched lengths that are told apart, of the studied text and of the text being read.
const LENGTHS: [usize; 2] = [16, 4];

/// Counts and the weights of the experts.
#[derive(Clone, Debug)]
pub struct Mixture {
    studied: Ngram,
    reading: Ngram,
    /// For each pair of matched lengths the observations for each expert.
    weights: Vec<[f32; EXPERTS]>,
}

/// What the counts say of the token that comes next.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// The probabilities of both counts.
    probabilities: [Vec<f32>; 2],
    /// The place of the weights that apply.
    group: usize,
}

/// Where in a text a reader is. Copies of it can go different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    studied: Context,
    reading: Context,
}

impl Position {
    /// The beginning of a text.
    pub const START: Self = Self { studied: Context::EMPTY, reading: Context::EMPTY };
}

impl Mixture {
    /// A mixture that has counted nothing yet, for contexts of up to `order` tokens.
    ///
    /// # Errors
    /// If the order is outside [`ngram::ORDERS`](crate::ngram::ORDERS).
    pub fn new(vocabulary_size: usize, order: usize) -> Result<Self> {
        let ngram = Ngram::new(vocabulary_size, order)?;
        let first = FIRST_WEIGHTS.map(|weight| weight * TRUST);
        Ok(Self {
            studied: ngram.clone(),
            reading: ngram,
            weights: vec![first; LENGTHS[0] * LENGTHS[1]],
        })
    }

    /// Counts a text before reading.
    pub fn study(&mut self, ids: &TokenIds, range: Range<usize>) {
        let mut context = Context::EMPTY;
        ids.for_each(range, |id| context = self.studied.learn(context, id));
    }

    /// Mixes the probabilities of the network for the token that comes next, `[V]`, with those of
    /// the counts, in place. `counted` receives what [`learn`](Self::learn) wants.
    pub fn mix(&self, position: Position, probabilities: &mut [f32], counted: &mut Counted) {
        let [studied, reading] = &mut counted.probabilities;
        studied.resize(probabilities.len(), 0.0);
        reading.resize(probabilities.len(), 0.0);
        let of_studied = self.studied.probabilities(position.studied, studied);
        let of_reading = self.reading.probabilities(position.reading, reading);
        // A short match with what is being read says little, and there are few long ones.
        let lengths = [of_studied.min(LENGTHS[0] - 1), (of_reading / 2).min(LENGTHS[1] - 1)];
        counted.group = lengths[0] * LENGTHS[1] + lengths[1];
        let [of_network, of_studied, of_reading] = self.shares(counted.group);
        for ((p, studied), reading) in probabilities.iter_mut().zip(studied).zip(reading) {
            *p = of_network * *p + of_studied * *studied + of_reading * *reading;
        }
    }

    /// The weights of a group. Who has counted nothing has no say.
    fn shares(&self, group: usize) -> [f32; EXPERTS] {
        let [network, mut studied, mut reading] = self.weights[group];
        if self.studied.is_empty() {
            studied = 0.0;
        }
        if self.reading.is_empty() {
            reading = 0.0;
        }
        let observations = [network, studied, reading];
        let total: f32 = observations.iter().sum();
        observations.map(|observed| observed / total)
    }

    /// Moves on over a token without learning from it.
    pub fn advance(&self, position: Position, token: u32) -> Position {
        Position {
            studied: self.studied.advance(position.studied, token),
            reading: self.reading.advance(position.reading, token),
        }
    }

    /// Moves on over the first token of a text, about which nothing was predicted: it is counted, but
    /// says nothing about whom to believe.
    pub fn begin(&mut self, token: u32) -> Position {
        Position {
            studied: self.studied.learn(Context::EMPTY, token),
            reading: self.reading.learn(Context::EMPTY, token),
        }
    }

    /// Forgets the counts of what was read, but not whom to believe: for another text.
    pub fn forget_reading(&mut self) {
        self.reading.clear();
    }

    /// Moves on over a token and learns from it. `network` is the probability that the network
    /// gave it, `counted` what [`mix`](Self::mix) left of this place.
    ///
    /// # Panics
    /// If `mix` has not been called with `counted`, or the token is outside the vocabulary.
    pub fn learn(
        &mut self,
        position: Position,
        token: u32,
        network: f32,
        counted: &Counted,
    ) -> Position {
        let shares = self.shares(counted.group);
        let [studied, reading] = &counted.probabilities;
        let given = [network, studied[token as usize], reading[token as usize]];
        let mixed: f32 = shares.iter().zip(given).map(|(share, given)| share * given).sum();
        for ((observed, share), given) in
            self.weights[counted.group].iter_mut().zip(shares).zip(given)
        {
            // Where all three have no probability left, nothing is learnt about them.
            let part = if mixed > 0.0 { share * given / mixed } else { share };
            *observed = KEPT * *observed + part;
        }
        Position {
            studied: self.studied.learn(position.studied, token),
            reading: self.reading.learn(position.reading, token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a text with a network that knows nothing; returns its mean loss in nats.
    fn loss(mixture: &mut Mixture, tokens: &[u32]) -> f32 {
        let mut position = Position::START;
        let mut nats = 0.0;
        let mut counted = Counted::default();
        for &token in tokens {
            let mut probabilities = vec![0.25; 4];
            mixture.mix(position, &mut probabilities, &mut counted);
            let sum: f32 = probabilities.iter().sum();
            assert!((sum - 1.0).abs() < 1e-4, "probabilities that sum to {sum}");
            nats -= probabilities[token as usize].ln();
            position = mixture.learn(position, token, 0.25, &counted);
        }
        nats / tokens.len() as f32
    }

    fn mixture() -> Mixture {
        Mixture::new(4, 6).expect("an order")
    }

    #[test]
    fn it_learns_what_it_reads_and_whom_to_believe() {
        let text = [0, 1, 2, 1, 0, 3, 3].repeat(100);
        let mut mixture = mixture();
        assert!(loss(&mut mixture, &text[..7]) > 1.2, "nothing is known at first");
        assert!(loss(&mut mixture, &text) < 0.2);
        // After the longest matches of both.
        let longest = 6 * LENGTHS[1] + 3;
        assert!(mixture.shares(longest)[0] < 0.1, "{:?}", mixture.shares(longest));
    }

    #[test]
    fn what_was_studied_is_known_from_the_first_token_on() {
        let text = [0, 1, 2, 1, 0, 3, 3].repeat(10);
        let mut fresh = mixture();
        let mut studied = mixture();
        studied.study(&TokenIds::U32(text.clone()), 0..text.len());
        assert!(loss(&mut studied, &text[..14]) < 0.8 * loss(&mut fresh, &text[..14]));
    }

    #[test]
    fn who_has_counted_nothing_has_no_say() {
        let mut probabilities = [0.7, 0.1, 0.1, 0.1];
        mixture().mix(Position::START, &mut probabilities, &mut Counted::default());
        assert_eq!(probabilities, [0.7, 0.1, 0.1, 0.1]);
    }

    #[test]
    fn moving_on_without_learning_changes_nothing() {
        let mut mixture = mixture();
        let text = [0, 1, 2, 3, 2, 1].repeat(10);
        loss(&mut mixture, &text);
        let mut counted = Counted::default();
        let mut first = [0.25; 4];
        mixture.mix(Position::START, &mut first, &mut counted);
        let position = text.iter().fold(Position::START, |at, &token| mixture.advance(at, token));
        let mut there = [0.25; 4];
        mixture.mix(position, &mut there, &mut counted);
        assert!(there[0] > 0.5, "{there:?}");
        let mut again = [0.25; 4];
        mixture.mix(Position::START, &mut again, &mut counted);
        assert_eq!(first, again);
    }
}
