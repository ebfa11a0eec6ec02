//! Turning a concept up or down while a model reads and writes.
//!
//! A [`Handle`] measures how strongly something is there in a state, and knows the direction in
//! which it grows: a feature of an autoencoder, one unit, or the difference between two texts.
//! [`Steering`] moves states along it. All measures are taken of the state as it came, so the order
//! of several pushes does not matter, and what no handle describes stays in the state as it was.
//!
//! Strengths count in the strongest measure ever seen: 1 is "as strong as anywhere in the text".

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::sae::{Sae, SaeEncoder, add_scaled, dot};
use super::train_on_text::Reading;
use crate::error::{Error, Result};
use crate::math::simd::VectorUnit;
use crate::model::Intervene;

/// Something in a state that can be measured and pushed.
#[derive(Clone, Debug, PartialEq)]
pub struct Handle {
    /// The measure is `read · x + bias`, `[d_in]`.
    read: Vec<f32>,
    bias: f32,
    /// When a measure counts as 0.
    floor: Floor,
    /// What a measure of 1 adds to the state, `[d_in]`.
    direction: Vec<f32>,
    /// The strongest measure that was seen.
    unit: f32,
}

/// When a measure counts as 0.
#[derive(Clone, Debug, PartialEq)]
enum Floor {
    /// Never: it may be negative.
    None,
    /// Up to a threshold.
    Threshold(f32),
    /// Unless it is among the strongest of the autoencoder's features in the state.
    Rivals { sae: Sae, feature: usize },
}

impl Handle {
    /// A feature of an autoencoder, with its strongest activation.
    ///
    /// # Errors
    /// If there is no such feature, or it was never active.
    pub fn feature(sae: &Sae, feature: usize, max_activation: f32) -> Result<Self> {
        if feature >= sae.d_sae() {
            return Err(Error::OutOfRange {
                what: "a feature".into(),
                expected: format!("from 0 to {}", sae.d_sae() - 1),
                found: feature.to_string(),
            });
        }
        if max_activation <= 0.0 {
            let problem = format!("feature {feature} was never active, so it has no strength");
            return Err(Error::Intervention { problem });
        }
        let w = sae.weights();
        let read = w.w_enc[feature * w.d_in..][..w.d_in].to_vec();
        Ok(Self {
            bias: w.b_enc[feature] - dot(&read, &w.b_dec),
            floor: match sae.strongest() {
                None => Floor::Threshold(w.threshold[feature]),
                Some(_) => Floor::Rivals { sae: sae.clone(), feature },
            },
            direction: sae.direction(feature).to_vec(),
            unit: max_activation,
            read,
        })
    }

    /// A direction in the states: the measure is how far a state lies from `origin` along it. `unit`
    /// is the strongest measure seen.
    ///
    /// # Errors
    /// If the direction has no length, or the unit is not positive.
    pub fn direction(direction: &[f32], origin: &[f32], unit: f32) -> Result<Self> {
        let length = dot(direction, direction).sqrt();
        if !(length > 0.0 && unit > 0.0 && unit.is_finite()) {
            let problem = "the direction has no length: both texts look alike".into();
            return Err(Error::Intervention { problem });
        }
        let direction: Vec<f32> = direction.iter().map(|x| x / length).collect();
        let bias = -dot(&direction, origin);
        Ok(Self { read: direction.clone(), bias, floor: Floor::None, direction, unit })
    }

    /// One value of a state of `d_in`, measured as it stands and in units of 1: what a unit of a GRU
    /// never quite reaches.
    ///
    /// # Errors
    /// If there is no such value.
    pub fn value(d_in: usize, place: usize) -> Result<Self> {
        if place >= d_in {
            return Err(Error::OutOfRange {
                what: "a unit of the layer".into(),
                expected: format!("from 0 to {}", d_in.saturating_sub(1)),
                found: place.to_string(),
            });
        }
        let mut direction = vec![0.0; d_in];
        direction[place] = 1.0;
        Self::direction(&direction, &vec![0.0; d_in], 1.0)
    }

    /// The direction from the mean state in one text to that in another (difference of means). A
    /// measure of 0 is the mean of `away`, and the unit is the strongest measure in either text.
    ///
    /// # Errors
    /// If a text is empty, the site is none of the model's, or the texts look alike to the model.
    pub fn difference_of_means(toward: &Reading<'_>, away: &Reading<'_>) -> Result<Self> {
        let mean = |text: &Reading<'_>| -> Result<Vec<f32>> {
            let moments = text.moments(0..text.ids.len())?;
            Ok(moments.mean.iter().map(|&x| x as f32).collect())
        };
        let (to, from) = (mean(toward)?, mean(away)?);
        let difference: Vec<f32> = to.iter().zip(&from).map(|(to, from)| to - from).collect();
        let handle = Self::direction(&difference, &from, 1.0)?;
        let mut strongest = f32::MIN;
        for text in [toward, away] {
            text.for_each(0..text.ids.len(), |_, state| {
                strongest = strongest.max(handle.measure(state));
            })?;
        }
        Ok(handle.with_unit(strongest))
    }

    /// The measure of a state, `[d_in]`.
    pub fn measure(&self, state: &[f32]) -> f32 {
        let sum = dot(&self.read, state) + self.bias;
        match &self.floor {
            Floor::None => sum,
            Floor::Threshold(threshold) if sum > *threshold => sum,
            Floor::Threshold(_) => 0.0,
            Floor::Rivals { sae, feature } => sae.activation(*feature, state),
        }
    }

    /// The strongest measure that was seen.
    pub fn unit(&self) -> f32 {
        self.unit
    }

    /// The same handle with another strongest measure.
    pub fn with_unit(self, unit: f32) -> Self {
        Self { unit, ..self }
    }

    /// Values of a state.
    pub fn d_in(&self) -> usize {
        self.read.len()
    }

    /// What a measure of 1 adds to a state, `[d_in]`.
    pub fn pushes_along(&self) -> &[f32] {
        &self.direction
    }
}

/// What is done with a handle. Strengths are in its strongest measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Push {
    /// Holds the measure at this strength, whatever the state says; in a state that goes on it
    /// adds only what has decayed.
    Clamp(f32),
    /// Adds this much at each step; in a state that goes on it piles up.
    Add(f32),
    /// Takes it out.
    Off,
}

/// Some handles and what is done with them.
#[derive(Debug, Default)]
pub struct Steering {
    pushes: Vec<(Handle, Push)>,
    /// No value of a state may be beyond ±1, which no GRU's state ever is.
    in_box: bool,
    values: AtomicU64,
    clipped: AtomicU64,
}

impl Steering {
    /// Does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does this too.
    #[must_use]
    pub fn and(mut self, handle: Handle, push: Push) -> Self {
        self.pushes.push((handle, push));
        self
    }

    /// Keeps all values of the states within ±1, where a GRU's own states are.
    #[must_use]
    pub fn in_box(self) -> Self {
        Self { in_box: true, ..self }
    }

    /// The share of the values that had to be brought back into the box.
    pub fn clipped_share(&self) -> f64 {
        let [clipped, values] = [&self.clipped, &self.values].map(|n| n.load(Ordering::Relaxed));
        clipped as f64 / values.max(1) as f64
    }
}

impl Intervene for Steering {
    fn apply(&self, state: &mut [f32]) {
        let mut moves = [0.0; 16];
        let mut more;
        let moves = if self.pushes.len() <= moves.len() {
            &mut moves[..self.pushes.len()]
        } else {
            more = vec![0.0; self.pushes.len()];
            &mut more[..]
        };
        for ((handle, push), by) in self.pushes.iter().zip(moves.iter_mut()) {
            *by = match push {
                Push::Clamp(strength) => strength * handle.unit - handle.measure(state),
                Push::Add(strength) => strength * handle.unit,
                Push::Off => -handle.measure(state),
            };
        }
        for ((handle, _), &by) in self.pushes.iter().zip(moves.iter()) {
            add_scaled(state, by, &handle.direction);
        }
        if self.in_box {
            let beyond = state.iter().filter(|x| x.abs() > 1.0).count();
            self.values.fetch_add(state.len() as u64, Ordering::Relaxed);
            self.clipped.fetch_add(beyond as u64, Ordering::Relaxed);
            state.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0));
        }
    }
}

/// Replaces a state by what an autoencoder makes of it: what a model loses is what the autoencoder
/// does not know.
#[derive(Debug)]
pub struct Splice {
    sae: Arc<Sae>,
    /// Encoding wants memory of its own; one for each thread that asks.
    encoders: Mutex<Vec<SaeEncoder>>,
    unit: VectorUnit,
}

impl Splice {
    /// Replaces states by what `sae` makes of them.
    pub fn new(sae: Arc<Sae>, unit: VectorUnit) -> Self {
        Self { sae, encoders: Mutex::new(Vec::new()), unit }
    }
}

impl Intervene for Splice {
    fn apply(&self, state: &mut [f32]) {
        let dim = state.len();
        self.apply_rows(state, dim, dim);
    }

    fn apply_rows(&self, rows: &mut [f32], dim: usize, width: usize) {
        let free = || self.encoders.lock().unwrap_or_else(PoisonError::into_inner);
        let encoder = free().pop();
        let mut encoder = encoder.unwrap_or_else(|| self.sae.encoder(self.unit));
        let states: Vec<f32> =
            rows.chunks_exact(width).flat_map(|row| &row[..dim]).copied().collect();
        encoder.encode(&states, |row, active| {
            self.sae.decode(active, &mut rows[row * width..][..dim]);
        });
        free().push(encoder);
    }
}

/// Replaces a state by a fixed one, such as the mean: what a model loses is all that the site
/// knows.
#[derive(Clone, Debug)]
pub struct Replace(pub Vec<f32>);

impl Intervene for Replace {
    fn apply(&self, state: &mut [f32]) {
        state.copy_from_slice(&self.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::interpret::{SaeWeights, Strongest};

    /// Feature 0 reads 2·(x₀ − 1) and pushes along x₁; feature 1 reads x₂ + ½ and pushes along x₂.
    fn sae() -> Sae {
        Sae::new(SaeWeights {
            d_in: 3,
            d_sae: 2,
            w_enc: vec![2.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            b_enc: vec![0.0, 0.5],
            threshold: vec![0.25, 0.0],
            w_dec: vec![0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            b_dec: vec![1.0, 0.0, 0.0],
        })
        .unwrap()
    }

    fn steered(steering: &Steering, state: [f32; 3]) -> [f32; 3] {
        let mut state = state;
        steering.apply(&mut state);
        state
    }

    fn one(feature: usize, push: Push) -> Steering {
        Steering::new().and(Handle::feature(&sae(), feature, 4.0).unwrap(), push)
    }

    #[test]
    fn pushes_by_hand() {
        // The measure of feature 0 is 2·(2 − 1) = 2, its unit 4.
        let state = [2.0, 0.3, 0.0];
        assert_eq!(steered(&one(0, Push::Clamp(1.5)), state), [2.0, 0.3 + 6.0 - 2.0, 0.0]);
        assert_eq!(steered(&one(0, Push::Add(0.5)), state), [2.0, 2.3, 0.0]);
        assert_eq!(steered(&one(0, Push::Off), state), [2.0, -1.7, 0.0]);
        // Below its threshold there is nothing to take out.
        assert_eq!(steered(&one(0, Push::Off), [1.1, 0.3, 0.0]), [1.1, 0.3, 0.0]);
    }

    #[test]
    fn held_at_what_it_is_nothing_moves() {
        let state = [2.0, 0.3, 0.75];
        for feature in [0, 1] {
            let handle = Handle::feature(&sae(), feature, 4.0).unwrap();
            let push = Push::Clamp(handle.measure(&state) / 4.0);
            let found = steered(&Steering::new().and(handle, push), state);
            found.iter().zip(state).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{found:?}"));
        }
    }

    /// With k = 1 of both features only the stronger one is there: 2·(x₀ − 1) = 2 beside x₂ + ½.
    #[test]
    fn one_of_the_k_strongest_is_taken_out_and_any_other_is_not_there() {
        let sae = sae().with_strongest(Strongest { k: 1, lengths: None }).unwrap();
        let one = |push| Steering::new().and(Handle::feature(&sae, 0, 4.0).unwrap(), push);
        let [strong, weak] = [[2.0, 0.3, 1.0], [2.0, 0.3, 3.0]];
        assert_eq!(steered(&one(Push::Off), strong), [2.0, -1.7, 1.0]);
        assert_eq!(steered(&one(Push::Off), weak), weak);
        // Held at 4, there is 2 of it, or nothing.
        assert_eq!(steered(&one(Push::Clamp(1.0)), strong), [2.0, 2.3, 1.0]);
        assert_eq!(steered(&one(Push::Clamp(1.0)), weak), [2.0, 4.3, 3.0]);
    }

    #[test]
    fn the_order_of_pushes_does_not_matter() {
        let [first, second] = [0, 1].map(|i| Handle::feature(&sae(), i, 4.0).unwrap());
        let state = [1.5, -0.3, 0.25];
        let there =
            Steering::new().and(first.clone(), Push::Clamp(0.3)).and(second.clone(), Push::Off);
        let back = Steering::new().and(second, Push::Off).and(first, Push::Clamp(0.3));
        assert_eq!(steered(&there, state), steered(&back, state));
    }

    #[test]
    fn a_direction_is_measured_from_its_origin() {
        let handle = Handle::direction(&[0.0, 3.0, 4.0], &[5.0, 1.0, 0.0], 2.0).unwrap();
        // (x − origin) · (0, 0.6, 0.8) = 0.6·1 + 0.8·2
        assert!((handle.measure(&[9.0, 2.0, 2.0]) - 2.2).abs() < 1e-6);
        assert!(Handle::direction(&[0.0; 3], &[0.0; 3], 1.0).is_err());
    }

    #[test]
    fn a_value_is_held_as_it_stands() {
        let steering = Steering::new().and(Handle::value(3, 1).unwrap(), Push::Clamp(-0.25));
        assert_eq!(steered(&steering, [0.5, 0.75, -0.1]), [0.5, -0.25, -0.1]);
        let error = Handle::value(3, 3).unwrap_err().to_string();
        assert_eq!(error, "a unit of the layer must be from 0 to 2, not 3");
    }

    #[test]
    fn the_box_holds_and_counts() {
        let steering = one(0, Push::Clamp(1.0)).in_box();
        assert_eq!(steered(&steering, [0.5, 0.2, -0.1]), [0.5, 1.0, -0.1]);
        assert!((steering.clipped_share() - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn what_has_no_strength_cannot_be_pushed() {
        let error = |feature, max| Handle::feature(&sae(), feature, max).unwrap_err().to_string();
        assert_eq!(error(2, 1.0), "a feature must be from 0 to 1, not 2");
        assert!(error(1, 0.0).contains("was never active"), "{}", error(1, 0.0));
    }
}
