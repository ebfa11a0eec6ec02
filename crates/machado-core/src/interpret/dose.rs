//! How the effect of steering grows with its strength, where text breaks, and what else would have
//! had the same effect.

use super::contrast::Contrast;
use super::effect::{Effect, Place, Sampled, Trial};
use super::pca::random_direction;
use super::stats::{rank_p_value, spearman};
use super::steer::{Handle, Push};
use crate::error::Result;
use crate::math::threads::Compute;
use crate::model::Reach;
use crate::rng::{Purpose, Rng};

/// One strength and what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Dose {
    /// The strength, in the strongest activations.
    pub strength: f32,
    /// What it does.
    pub effect: Effect,
    /// Whether the text that is written is broken.
    pub is_broken: bool,
}

/// The effect of a feature over its strength.
#[derive(Clone, Debug, PartialEq)]
pub struct DoseResponse {
    /// What the model writes as it is.
    pub unsteered: Sampled,
    /// The strengths, rising.
    pub doses: Vec<Dose>,
}

impl DoseResponse {
    /// Clamps a feature at each of some strengths. `watch` is told how many are done.
    ///
    /// # Errors
    /// If the feature does not fit the model.
    pub fn measure(
        trial: &Trial<'_>,
        (handle, place): (&Handle, &Place),
        strengths: &[f32],
        mut watch: impl FnMut(usize),
    ) -> Result<Self> {
        let unsteered = trial.sampled(&[])?;
        let mut strengths = strengths.to_vec();
        strengths.sort_by(f32::total_cmp);
        strengths.dedup();
        let mut doses = Vec::with_capacity(strengths.len());
        for strength in strengths {
            let effect = trial.effect(handle, Push::Clamp(strength), place)?;
            let is_broken = effect.sampled.is_broken(&unsteered);
            doses.push(Dose { strength, effect, is_broken });
            watch(doses.len());
        }
        Ok(Self { unsteered, doses })
    }

    /// The weakest positive strength at which text breaks.
    pub fn breaks_at(&self) -> Option<f32> {
        self.doses.iter().find(|dose| dose.strength > 0.0 && dose.is_broken).map(|d| d.strength)
    }

    /// The weakest negative strength at which text breaks.
    pub fn breaks_below(&self) -> Option<f32> {
        self.doses.iter().rfind(|dose| dose.strength < 0.0 && dose.is_broken).map(|d| d.strength)
    }

    /// Of the positive strengths before text breaks the one with the best output score; if text breaks
    /// at the weakest, that.
    pub fn best(&self) -> Option<&Dose> {
        let mut positive = self.doses.iter().filter(|dose| dose.strength > 0.0).peekable();
        let weakest = *positive.peek()?;
        let whole = positive.take_while(|dose| !dose.is_broken);
        let score = |dose: &Dose| dose.effect.exact.output_score();
        // Of equal ones the weaker.
        whole
            .reduce(|best, dose| if score(dose) > score(best) { dose } else { best })
            .or(Some(weakest))
    }

    /// Spearman's correlation between strength and output score, over the strengths up to where
    /// text breaks: 1 if more always does more.
    pub fn correlation(&self) -> f64 {
        let below = self.breaks_below().unwrap_or(f32::NEG_INFINITY);
        let above = self.breaks_at().unwrap_or(f32::INFINITY);
        let whole = self.doses.iter().filter(|d| d.strength > below && d.strength < above);
        let pairs: Vec<(f64, f64)> =
            whole.map(|d| (d.strength.into(), d.effect.exact.output_score())).collect();
        spearman(&pairs)
    }
}

/// What a feature is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ControlKind {
    /// The feature itself, seen by the layers above alone: a bias of the tokens, blind to context.
    ReadOutOnly,
    /// A random direction, with the feature's strongest activation as its unit.
    RandomDirection,
    /// The single unit that tells the concept best, in units of its own strongest value.
    BestUnit {
        /// Its number.
        unit: usize,
        /// How well it tells the concept.
        auroc: f64,
    },
    /// The difference between the mean states where the concept is and where it is not.
    DifferenceOfMeans,
}

impl ControlKind {
    /// Its name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ReadOutOnly => "read_out_only",
            Self::RandomDirection => "random_direction",
            Self::BestUnit { .. } => "best_unit",
            Self::DifferenceOfMeans => "difference_of_means",
        }
    }
}

/// Something that a feature is compared with, and what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// What.
    pub kind: ControlKind,
    /// What it does.
    pub effect: Effect,
}

/// What else does at the same strength.
///
/// # Errors
/// If a direction has no length.
pub fn controls(
    trial: &Trial<'_>,
    (handle, place): (&Handle, &Place),
    contrast: &Contrast,
    (strength, seed): (f32, u64),
) -> Result<Vec<Control>> {
    let push = Push::Clamp(strength);
    let mut controls = Vec::new();
    let mut control = |kind, handle: &Handle, place: &Place| -> Result<()> {
        controls.push(Control { kind, effect: trial.effect(handle, push, place)? });
        Ok(())
    };
    if place.reach == Reach::State {
        let output = Place { reach: Reach::Output, ..place.clone() };
        control(ControlKind::ReadOutOnly, handle, &output)?;
    }
    let mut rng = Rng::new(seed, Purpose::SteerControls, 0);
    let random = contrast.along(&random_direction(&mut rng, handle.d_in()))?;
    control(ControlKind::RandomDirection, &random.with_unit(handle.unit()), place)?;
    let best = contrast.best_unit()?;
    let kind = ControlKind::BestUnit { unit: best.unit, auroc: best.auroc };
    control(kind, &best.handle, place)?;
    control(ControlKind::DifferenceOfMeans, &contrast.difference_of_means()?, place)?;
    Ok(controls)
}

/// How a feature stands among others that were drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Rank {
    /// The output score of the feature.
    pub output_score: f64,
    /// Those of the others at the same strength.
    pub others: Vec<f64>,
}

impl Rank {
    /// Of a feature with this output score among some others, each clamped at the same strength of its
    /// own.
    ///
    /// # Errors
    /// If one of them does not fit the model.
    pub fn among(
        trial: &Trial<'_>,
        compute: &Compute,
        (others, place): (&[Handle], &Place),
        (strength, output_score): (f32, f64),
    ) -> Result<Self> {
        let mut scores: Vec<(&Handle, Result<f64>)> =
            others.iter().map(|handle| (handle, Ok(0.0))).collect();
        compute.for_each(&mut scores, |(handle, score)| {
            *score = trial.output_score(handle, Push::Clamp(strength), place);
        });
        let others: Result<Vec<f64>> = scores.into_iter().map(|(_, score)| score).collect();
        Ok(Self { output_score, others: others? })
    }

    /// The probability that one of so many features drawn at random does as much: its rank.
    pub fn p_value(&self) -> f64 {
        rank_p_value(self.output_score, &self.others)
    }

    /// The mean of the others.
    pub fn mean_of_others(&self) -> f64 {
        self.others.iter().sum::<f64>() / self.others.len().max(1) as f64
    }
}

/// Some of a list, drawn without putting any back; all of it if there are not more.
pub fn drawn(mut from: Vec<usize>, count: usize, seed: u64) -> Vec<usize> {
    let mut rng = Rng::new(seed, Purpose::SteerControls, 1);
    let count = count.min(from.len());
    for place in 0..count {
        let other = place + rng.below((from.len() - place) as u64) as usize;
        from.swap(place, other);
    }
    from.truncate(count);
    from
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::interpret::effect::Exact;

    fn sampled(nats_per_token: f64, known_words: f64) -> Sampled {
        Sampled {
            concept: 3,
            words: 600,
            nats_per_token,
            known_words,
            distinct_2: 1.0,
            longest_repeat: 5.0,
            example: Default::default(),
        }
    }

    /// Output scores and nats per token of some strengths; unsteered text has 2 nats a token.
    fn response(doses: &[(f32, f64, f64)]) -> DoseResponse {
        let unsteered = sampled(2.0, 0.9);
        let dose = |&(strength, words_nats, nats): &(f32, f64, f64)| {
            let sampled = sampled(nats, 0.9);
            let exact = Exact { words_nats, control_words_nats: 0.0, kl_nats: 0.1, loss_nats: 0.1 };
            let is_broken = sampled.is_broken(&unsteered);
            Dose { strength, effect: Effect { exact, sampled, clipped_share: None }, is_broken }
        };
        DoseResponse { doses: doses.iter().map(dose).collect(), unsteered }
    }

    #[test]
    fn broken_is_a_quarter_more_surprise_or_a_fifth_fewer_words() {
        let unsteered = sampled(2.0, 0.9);
        assert!(!sampled(2.5, 0.73).is_broken(&unsteered));
        assert!(sampled(2.51, 0.9).is_broken(&unsteered));
        assert!(sampled(1.0, 0.71).is_broken(&unsteered));
        assert_eq!(unsteered.concept_per_thousand_words(), 5.0);
    }

    #[test]
    fn the_best_strength_is_one_before_text_breaks() {
        let found = response(&[
            (-2.0, -3.0, 9.0),
            (-1.0, -1.0, 2.1),
            (0.0, -0.5, 2.0),
            (1.0, 1.0, 2.0),
            (2.0, 2.0, 2.4),
            (3.0, 5.0, 2.6),
            (5.0, 7.0, 2.2),
        ]);
        assert_eq!((found.breaks_below(), found.breaks_at()), (Some(-2.0), Some(3.0)));
        assert_eq!(found.best().unwrap().strength, 2.0);
        assert!((found.correlation() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn where_nothing_or_everything_breaks() {
        let whole = response(&[(1.0, 1.0, 2.0), (2.0, 0.5, 2.0)]);
        assert_eq!((whole.breaks_below(), whole.breaks_at()), (None, None));
        assert_eq!(whole.best().unwrap().strength, 1.0);
        assert!((whole.correlation() + 1.0).abs() < 1e-12);
        let broken = response(&[(1.0, 1.0, 8.0), (2.0, 5.0, 9.0)]);
        assert_eq!((broken.breaks_at(), broken.best().unwrap().strength), (Some(1.0), 1.0));
        assert_eq!(response(&[(-1.0, 1.0, 2.0)]).best(), None);
    }

    #[test]
    fn nothing_is_drawn_twice() {
        let mut found = drawn((10..20).collect(), 7, 3);
        assert_ne!(found, drawn((10..20).collect(), 7, 4));
        found.sort_unstable();
        found.dedup();
        assert!(found.len() == 7 && found.iter().all(|n| (10..20).contains(n)), "{found:?}");
        assert_eq!(drawn(vec![1, 2], 7, 3).len(), 2);
    }
}
