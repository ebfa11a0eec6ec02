//! What pushing a feature does to the probability of words: exact, without drawing any text.

use super::steer::{Push, Steering};
use super::word_odds::log_probabilities;
use crate::error::Result;
use crate::interpret::Handle;
use crate::math::simd::VectorUnit;
use crate::model::{Intervention, Model, Reach, Site, Streams};

/// Prompts, and words that may follow them: those of a concept, and others as frequent and long.
#[derive(Clone, Copy, Debug)]
pub struct Cause<'a> {
    /// The model.
    pub model: &'a Model,
    /// What computes.
    pub unit: VectorUnit,
    /// Where it is pushed: the state where there is one, else the output.
    pub site: &'a Site,
    /// Prompts that have nothing to do with the concept.
    pub prompts: &'a [Vec<u32>],
    /// Words of the concept.
    pub words: &'a [Vec<u32>],
    /// Other words, to tell what makes any word likelier.
    pub controls: &'a [Vec<u32>],
}

impl Cause<'_> {
    /// The mean log-probability, in nats, of the words and of the controls after the prompts; with a
    /// handle held at a strength while prompts and words are read, or without.
    ///
    /// # Errors
    /// If the handle does not fit the model.
    pub fn log_probabilities(&self, held: Option<(&Handle, f32)>) -> Result<[f64; 2]> {
        let mut streams = Streams::new(self.model, self.unit)?;
        if let Some((handle, strength)) = held {
            let reach = if self.site.is_recurrent() { Reach::State } else { Reach::Output };
            let change =
                std::sync::Arc::new(Steering::new().and(handle.clone(), Push::Clamp(strength)));
            let push = Intervention { site: self.site.clone(), reach, change };
            streams.intervene(&[push], self.model)?;
        }
        let mut sums = [0.0; 2];
        for prompt in self.prompts {
            streams.clear();
            streams.read(&self.model.tokenizer.begin(prompt));
            for (sum, words) in sums.iter_mut().zip([self.words, self.controls]) {
                *sum += log_probabilities(streams.clone(), words).iter().sum::<f64>();
            }
        }
        let counts = [self.words.len(), self.controls.len()];
        let mean = |i: usize| sums[i] / (self.prompts.len() * counts[i]).max(1) as f64;
        Ok([mean(0), mean(1)])
    }

    /// How much more a handle held at a strength lifts the words than the controls, in nats a word.
    /// `before` are the log-probabilities without it.
    ///
    /// # Errors
    /// As [`log_probabilities`](Self::log_probabilities).
    pub fn effect(&self, handle: &Handle, strength: f32, before: [f64; 2]) -> Result<f64> {
        let after = self.log_probabilities(Some((handle, strength)))?;
        Ok((after[0] - before[0]) - (after[1] - before[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::{Promoted, ReadOut};
    use crate::layers::Activation;
    use crate::model::{LayerConfig, ModelConfig};
    use crate::tokenizer::{CharTokenizer, Tokenizer};

    fn model() -> Model {
        let layers = vec![
            LayerConfig::Embedding { output_dim: 5 },
            LayerConfig::gru(6),
            LayerConfig::Dense { units: None, activation: Activation::Softmax },
        ];
        let tokenizer = Tokenizer::Char(CharTokenizer::from_text("abcdefg"));
        Model::new(ModelConfig { layers }, tokenizer, 3).unwrap()
    }

    /// The probabilities of all words of two letters sum to 1.
    #[test]
    fn words_have_probabilities() {
        let model = model();
        let site = Site::new(&model.config, "gru").unwrap();
        let unit = VectorUnit::detect();
        let mut sum = 0.0;
        for word in (0..49).map(|i| vec![i / 7, i % 7]) {
            let (prompts, words) = ([vec![1, 2, 3]], [word]);
            let cause = Cause {
                model: &model,
                unit,
                site: &site,
                prompts: &prompts,
                words: &words,
                controls: &[],
            };
            sum += cause.log_probabilities(None).unwrap()[0].exp();
        }
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }

    /// A push along the direction that the read-out has for a token lifts that token.
    #[test]
    fn what_is_pushed_becomes_likelier() {
        let model = model();
        let site = Site::new(&model.config, "gru").unwrap();
        let direction = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let logits = ReadOut::after(&site, &model).unwrap().unwrap().logits(&direction, 1.0);
        let [up, down] = Promoted::extremes(&logits, 1);
        let (prompts, words, controls) =
            ([vec![1, 2], vec![4]], [vec![up[0].id]], [vec![down[0].id]]);
        let cause = Cause {
            model: &model,
            unit: VectorUnit::detect(),
            site: &site,
            prompts: &prompts,
            words: &words,
            controls: &controls,
        };
        let handle = Handle::direction(&direction, &[0.0; 6], 1.0).unwrap();
        let before = cause.log_probabilities(None).unwrap();
        assert!(cause.effect(&handle, 2.0, before).unwrap() > 0.1);
        assert!(cause.effect(&handle, -2.0, before).unwrap() < -0.1);
    }
}
