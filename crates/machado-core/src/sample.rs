//! Drawing the next token from its probabilities.

use crate::error::{Error, Result};
use crate::math::simd::VectorUnit;
use crate::math::softmax::{argmax, softmax_weights};
use crate::rng::Rng;

/// How the next token is drawn.
///
/// The filters apply in the order of the fields, as in Hugging Face's `generate`: first the
/// temperature, then top-k, top-p and min-p, each on what the one before left, made to sum to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// The logits are divided by it: below 1 the likely tokens become likelier, above 1 less so;
    /// 0 always takes the likeliest. Default 1.
    pub temperature: f64,
    /// Only the `k` likeliest tokens.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens that together reach this probability.
    pub top_p: Option<f64>,
    /// Only tokens with at least this share of the likeliest one's probability.
    pub min_p: Option<f64>,
}

impl Default for Sampler {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: None, top_p: None, min_p: None }
    }
}

impl Sampler {
    /// Checks each number.
    ///
    /// # Errors
    /// If one is outside its range; the error names its flag.
    pub fn check(&self) -> Result<()> {
        let error = |what: &str, expected: &str, found: String| {
            Err(Error::OutOfRange { what: what.into(), expected: expected.into(), found })
        };
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return error("--temperature", "0 or more", self.temperature.to_string());
        }
        if self.top_k == Some(0) {
            return error("--top-k", "at least 1", "0".into());
        }
        for (name, value) in [("--top-p", self.top_p), ("--min-p", self.min_p)] {
            if let Some(value) = value
                && !(value > 0.0 && value <= 1.0)
            {
                return error(name, "greater than 0 and at most 1", value.to_string());
            }
        }
        Ok(())
    }

    /// The probability of each token, given the logits.
    pub fn distribution(&self, logits: &[f32]) -> Vec<f64> {
        if self.temperature == 0.0 {
            let mut certain = vec![0.0; logits.len()];
            certain[argmax(logits)] = 1.0;
            return certain;
        }
        let max = f64::from(logits[argmax(logits)]);
        let mut probabilities: Vec<f64> =
            logits.iter().map(|&x| ((f64::from(x) - max) / self.temperature).exp()).collect();
        normalize(&mut probabilities);
        if self.top_k.is_some() || self.top_p.is_some() || self.min_p.is_some() {
            self.filter(&mut probabilities);
        }
        probabilities
    }

    fn filter(&self, probabilities: &mut [f64]) {
        // The likeliest first; of equals the smaller id.
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let mut kept = order.len();
        let mut keep = |probabilities: &mut [f64], count: usize| {
            order[count.min(kept)..kept].iter().for_each(|&id| probabilities[id] = 0.0);
            kept = kept.min(count);
            normalize(probabilities);
            order[..kept].to_vec()
        };
        let mut order_left = keep(probabilities, self.top_k.unwrap_or(usize::MAX));
        if let Some(top_p) = self.top_p {
            let mut sum = 0.0;
            // The token that reaches the sum still belongs to it.
            let below = order_left.iter().take_while(|&&id| {
                sum += probabilities[id];
                sum < top_p
            });
            order_left = keep(probabilities, below.count() + 1);
        }
        if let Some(min_p) = self.min_p {
            let least = min_p * probabilities[order_left[0]];
            let count = order_left.iter().take_while(|&&id| probabilities[id] >= least).count();
            keep(probabilities, count);
        }
    }

    /// Whether only the temperature shapes the probabilities.
    fn is_plain(&self) -> bool {
        self.temperature > 0.0
            && self.top_k.is_none()
            && self.top_p.is_none()
            && self.min_p.is_none()
    }
}

/// Draws tokens; keeps a buffer for it.
#[derive(Clone, Debug)]
pub struct Draw {
    sampler: Sampler,
    unit: VectorUnit,
    /// What the probabilities are proportional to.
    weights: Vec<f32>,
}

/// Weights summed at a time when the place of a random number is looked for.
const SUMMED: usize = 16;

impl Draw {
    /// Draws as `sampler` says.
    ///
    /// # Errors
    /// If one of its numbers is outside its range.
    pub fn new(sampler: Sampler, unit: VectorUnit) -> Result<Self> {
        sampler.check()?;
        Ok(Self { sampler, unit, weights: Vec::new() })
    }

    /// Draws a token.
    pub fn draw(&mut self, logits: &[f32], rng: &mut Rng) -> u32 {
        if self.sampler.is_plain() {
            let temperature = self.sampler.temperature as f32;
            softmax_weights(self.unit, logits, temperature, &mut self.weights);
        } else {
            let distribution = self.sampler.distribution(logits);
            self.weights.clear();
            self.weights.extend(distribution.iter().map(|&probability| probability as f32));
        }
        place_of(&self.weights, rng.uniform()) as u32
    }
}

/// Where `share` of the sum of all weights is reached: each index comes with a probability
/// proportional to its weight. `share` is in `[0, 1)`.
fn place_of(weights: &[f32], share: f64) -> usize {
    let sum = |chunk: &[f32]| f64::from(chunk.iter().sum::<f32>());
    let mut rest = share * weights.chunks(SUMMED).map(sum).sum::<f64>();
    for (number, chunk) in weights.chunks(SUMMED).enumerate() {
        let whole = sum(chunk);
        if rest >= whole {
            rest -= whole;
            continue;
        }
        for (place, &weight) in chunk.iter().enumerate() {
            rest -= f64::from(weight);
            if rest < 0.0 {
                return number * SUMMED + place;
            }
        }
    }
    // If rounding left a little over, the last possible token takes it.
    weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0)
}

fn normalize(values: &mut [f64]) {
    let sum: f64 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    /// Logits of the probabilities ½, ¼, ⅛, ⅛, in another order.
    const LOGITS: [f32; 4] = [-2.079_441_5, -std::f32::consts::LN_2, -2.079_441_5, -1.386_294_4];

    fn check(sampler: Sampler, expected: [f64; 4]) {
        sampler.check().expect("a sampler");
        let distribution = sampler.distribution(&LOGITS);
        for (found, expected) in distribution.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{sampler:?}: {distribution:?}");
        }
        // What is drawn has these frequencies, within 4 standard deviations.
        let mut rng = Rng::new(8, Purpose::Generate, 0);
        let n = 40_000;
        let mut counts = [0; 4];
        let mut draw = Draw::new(sampler, VectorUnit::detect()).expect("a sampler");
        for _ in 0..n {
            counts[draw.draw(&LOGITS, &mut rng) as usize] += 1;
        }
        for (count, p) in counts.iter().zip(expected) {
            let mean = f64::from(n) * p;
            let deviation = (mean * (1.0 - p)).sqrt();
            assert!((f64::from(*count) - mean).abs() <= 4.0 * deviation, "{sampler:?}: {counts:?}");
        }
    }

    #[test]
    fn probabilities_and_frequencies_follow_the_closed_form() {
        let plain = Sampler::default();
        check(plain, [0.125, 0.5, 0.125, 0.25]);
        // p^(1/T): with T = ½ the squares ¼, 1/16, 1/64, 1/64, over their sum 22/64.
        check(
            Sampler { temperature: 0.5, ..plain },
            [1.0 / 22.0, 16.0 / 22.0, 1.0 / 22.0, 4.0 / 22.0],
        );
        check(Sampler { temperature: 0.0, ..plain }, [0.0, 1.0, 0.0, 0.0]);
        check(Sampler { top_k: Some(2), ..plain }, [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
        check(Sampler { top_k: Some(99), ..plain }, [0.125, 0.5, 0.125, 0.25]);
        check(Sampler { top_p: Some(0.6), ..plain }, [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
        check(Sampler { top_p: Some(0.49), ..plain }, [0.0, 1.0, 0.0, 0.0]);
        check(Sampler { min_p: Some(0.4), ..plain }, [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
        check(Sampler { min_p: Some(1.0), ..plain }, [0.0, 1.0, 0.0, 0.0]);
        // Of the three likeliest, ½, ¼, ⅛ over ⅞, the first two reach 0.8.
        let both = Sampler { top_k: Some(3), top_p: Some(0.8), ..plain };
        check(both, [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
    }

    #[test]
    fn places_follow_the_weights_and_never_have_weight_0() {
        let mut weights = vec![0.0; 40];
        (weights[3], weights[17], weights[38]) = (1.0, 2.0, 1.0);
        for (share, expected) in [(0.0, 3), (0.24, 3), (0.26, 17), (0.74, 17), (0.76, 38)] {
            assert_eq!(place_of(&weights, share), expected, "{share}");
        }
        assert_eq!(place_of(&weights, 1.0), 38, "rounding");
        weights[0] = 4.0;
        assert_eq!(place_of(&weights, 1.0), 38, "rounding, with a likely first token");
    }

    #[test]
    fn temperatures_at_the_ends_of_their_range() {
        for unit in VectorUnit::available() {
            let drawn = |temperature: f64| -> Vec<u32> {
                let sampler = Sampler { temperature, ..Sampler::default() };
                let mut draw = Draw::new(sampler, unit).expect("a sampler");
                let mut rng = Rng::new(9, Purpose::Generate, 0);
                (0..400).map(|_| draw.draw(&LOGITS, &mut rng)).collect()
            };
            for low in [1e-300, 1e-39, 1e-20] {
                assert!(drawn(low).iter().all(|&id| id == 1), "{} at {low}", unit.name());
            }
            // Nearly even: each of the four about 100 times.
            for high in [1e20, 1e39, 1e300] {
                for id in 0..4 {
                    let count = drawn(high).iter().filter(|&&drawn| drawn == id).count();
                    assert!((60..140).contains(&count), "{} at {high}: {count}", unit.name());
                }
            }
        }
    }

    #[test]
    fn numbers_outside_their_range_are_named() {
        for (sampler, flag) in [
            (Sampler { temperature: -1.0, ..Sampler::default() }, "--temperature"),
            (Sampler { temperature: f64::NAN, ..Sampler::default() }, "--temperature"),
            (Sampler { top_k: Some(0), ..Sampler::default() }, "--top-k"),
            (Sampler { top_p: Some(1.5), ..Sampler::default() }, "--top-p"),
            (Sampler { min_p: Some(0.0), ..Sampler::default() }, "--min-p"),
        ] {
            let message = sampler.check().expect_err("out of range").to_string();
            assert!(message.starts_with(flag), "{message}");
        }
    }
}
