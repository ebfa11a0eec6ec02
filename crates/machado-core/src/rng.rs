//! One seeded generator for everything that is random.
//!
//! Each random decision of the program has its own generator, made from the run's seed, a
//! [`Purpose`] and an index (an epoch, a step, a row). Nothing random is carried from one step to
//! the next, so a training can be resumed from its step number alone and stays byte for byte the
//! same.

use rand_core::Rng as _;
use rand_pcg::Pcg64;

/// What random numbers are used for. Two purposes never share a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// First weights of a model; the index is the number of the parameter.
    Weights = 1,
    /// Order of the training windows; the index is the epoch.
    Shuffle = 2,
    /// Where the streams of `--sampling streams` begin; the index is the epoch.
    Streams = 3,
    /// Which units dropout switches off; the index mixes step and row.
    Dropout = 4,
    /// Text written while training; the index is the step.
    TrainingSample = 5,
    /// Text written by `generate`; the index is the number of the sample.
    Generate = 6,
    /// Predictions drawn for `decode`.
    Decode = 7,
    /// First directions of an autoencoder.
    SaeWeights = 8,
    /// The order in which an autoencoder sees states.
    SaeShuffle = 9,
    /// States with known features.
    Superposition = 10,
    /// What a steered feature is compared with.
    SteerControls = 11,
    /// Where features stand on a map, and which groups they begin in.
    FeatureMap = 12,
    /// Labels dealt out anew, to see what chance gives; the index is the number of the deal.
    Permutation = 13,
    /// Directions that features are compared with; the index is the kind of the comparison.
    SaeControls = 14,
    /// Documents of a grammar; the index is the number of the document.
    Grammar = 15,
    /// Random directions and features of an experiment's controls.
    Control = 16,
    /// Texts drawn anew, block by block; the index is the number of the draw.
    Bootstrap = 17,
}

/// A PCG-64 generator. Its sequence is fixed for all versions of the program.
#[derive(Clone, Debug)]
pub struct Rng(Pcg64);

impl Rng {
    /// The generator for one `purpose` and `index` of a run with this `seed`.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let key = mix(mix(mix(seed) ^ purpose as u64) ^ index);
        Self(Pcg64::new(u128::from(key) << 64 | u128::from(mix(key)), purpose as u128))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `[0, 1)`, a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// An integer in `0..bound`, each equally likely up to 2⁻⁶⁴.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a random number below 0 was asked for");
        // The high half of a 64×64-bit product: a division-free map onto 0..bound.
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from the standard normal distribution (Box and Muller's method).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// The finaliser of SplitMix64: neighbouring inputs give unrelated outputs.
#[inline(always)]
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_gives_the_same_sequence_and_another_key_another() {
        let first = |seed, purpose, index| Rng::new(seed, purpose, index).bits();
        assert_eq!(first(42, Purpose::Weights, 0), first(42, Purpose::Weights, 0));
        assert_ne!(first(42, Purpose::Weights, 0), first(43, Purpose::Weights, 0));
        assert_ne!(first(42, Purpose::Weights, 0), first(42, Purpose::Shuffle, 0));
        assert_ne!(first(42, Purpose::Weights, 0), first(42, Purpose::Weights, 1));
    }

    #[test]
    fn the_sequence_never_changes_between_versions() {
        let mut rng = Rng::new(42, Purpose::Shuffle, 0);
        let drawn: Vec<u64> = (0..3).map(|_| rng.below(1000)).collect();
        assert_eq!(drawn, [346, 523, 932]);
    }

    #[test]
    fn uniform_and_normal_have_the_right_mean_and_variance() {
        let mut rng = Rng::new(1, Purpose::Weights, 0);
        let n = 200_000;
        let (mut sum, mut sum_normal, mut squares) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            sum += rng.uniform();
            let x = rng.normal();
            sum_normal += x;
            squares += x * x;
        }
        let n = f64::from(n);
        assert!((sum / n - 0.5).abs() < 0.003);
        assert!((sum_normal / n).abs() < 0.01);
        assert!((squares / n - 1.0).abs() < 0.02);
    }
}
