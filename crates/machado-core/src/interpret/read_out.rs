//! Which tokens a feature makes likelier, and which less likely.
//!
//! Where a site feeds the last layer, its directions move the logits in one fixed way: `W_o · d`,
//! whatever the text. Elsewhere what a direction does depends on the state; it is then measured by a
//! small push at some places of a text, and the mean is told.

use std::sync::Arc;

use super::sae::{Sae, dot};
use super::steer::{Push, Steering};
use super::train_on_text::Reading;
use crate::error::Result;
use crate::interpret::Handle;
use crate::model::{Intervention, LayerConfig, Model, Reach, Site, Streams};

/// Tokens read before a push.
const CONTEXT: usize = 64;

/// The push, as a share of the strongest activation: so small that twice as much would do twice as
/// much.
const PUSH: f32 = 0.1;

/// Places at which a push is measured where nothing else is said.
const PUSHES: usize = 64;

/// A token and what a feature does to its logit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promoted {
    /// The token.
    pub id: u32,
    /// What the strongest activation adds to its logit, compared with the mean over all tokens.
    pub logit: f64,
}

/// The last layer, where it reads a site directly.
#[derive(Clone, Debug)]
pub struct ReadOut {
    /// `[V, d_in]`.
    kernel: Vec<f32>,
    d_in: usize,
}

impl ReadOut {
    /// The last layer of a model, if nothing but dropouts lies between it and a site.
    ///
    /// # Errors
    /// If the layers do not fit together.
    pub fn after(site: &Site, model: &Model) -> Result<Option<Self>> {
        let layers = &model.config.layers;
        let last = layers.len() - 1;
        let between = &layers[site.place() + 1..last];
        if !between.iter().all(|layer| matches!(layer, LayerConfig::Dropout { .. })) {
            return Ok(None);
        }
        let table = model.parameters()?;
        let vocabulary = model.tokenizer.vocabulary_size();
        let is_kernel =
            |shape: &[usize]| shape.first() == Some(&site.dim) && shape.get(1) == Some(&vocabulary);
        // The last layer's weights stand last: kernel, bias.
        let Some(index) = table.specs().iter().rposition(|spec| is_kernel(&spec.shape)) else {
            return Ok(None);
        };
        let values = &model.weights[table.range(index)];
        let column = |id: usize| values.iter().skip(id).step_by(vocabulary).copied();
        Ok(Some(Self { kernel: (0..vocabulary).flat_map(column).collect(), d_in: site.dim }))
    }

    /// What a direction, `[d_in]`, times `strength` adds to each token's logit, compared with the
    /// mean over all tokens. `[V]`
    pub fn logits(&self, direction: &[f32], strength: f32) -> Vec<f64> {
        let rows = self.kernel.chunks_exact(self.d_in);
        centred(rows.map(|row| f64::from(dot(row, direction) * strength)).collect())
    }
}

impl Promoted {
    /// The tokens that logits lift most, and those that they lower most, of each at most `count`.
    pub fn extremes(logits: &[f64], count: usize) -> [Vec<Self>; 2] {
        let mut all: Vec<Self> = (0..).zip(logits).map(|(id, &logit)| Self { id, logit }).collect();
        all.sort_by(|a, b| b.logit.total_cmp(&a.logit));
        let above = all.iter().take(count).filter(|p| p.logit > 0.0).copied().collect();
        let below = all.iter().rev().take(count).filter(|p| p.logit < 0.0).copied().collect();
        [above, below]
    }
}

impl Reading<'_> {
    /// The tokens that the strongest activation of a feature makes likelier, and those that it makes less
    /// likely, of each at most `count`: exact where the last layer reads the site, else measured at 64
    /// places of the text. None of a feature that never fires.
    ///
    /// # Errors
    /// If there is no such feature, or it is of another model.
    pub fn promoted(
        &self,
        sae: &Sae,
        feature: usize,
        strongest: f32,
        count: usize,
    ) -> Result<[Vec<Promoted>; 2]> {
        if strongest <= 0.0 {
            return Ok([Vec::new(), Vec::new()]);
        }
        let logits = match ReadOut::after(self.site, self.model)? {
            Some(read_out) => read_out.logits(sae.direction(feature), strongest),
            None => {
                let tokens = self.ids.len();
                let place = |push| tokens * (push + 1) / (PUSHES + 1);
                let places: Vec<usize> = (0..PUSHES).map(place).collect();
                let handle = Handle::feature(sae, feature, strongest)?;
                self.pushed_logits(&handle, &places)?
            }
        };
        Ok(Promoted::extremes(&logits, count))
    }

    /// What a handle at its strongest would add to each token's logit, compared with the mean over
    /// all tokens: measured with a tenth of that, at some places of the text. `[V]`
    ///
    /// # Errors
    /// If the handle does not fit the model.
    pub fn pushed_logits(&self, handle: &Handle, places: &[usize]) -> Result<Vec<f64>> {
        let vocabulary = self.model.tokenizer.vocabulary_size();
        let mut sums = vec![0.0; vocabulary];
        let change = Arc::new(Steering::new().and(handle.clone(), Push::Add(PUSH)));
        let push = Intervention { site: self.site.clone(), reach: Reach::Output, change };
        let mut streams = Streams::new(self.model, self.compute.unit())?;
        for &place in places {
            let mut ids = Vec::with_capacity(CONTEXT);
            self.ids.for_each(place.saturating_sub(CONTEXT)..place + 1, |id| ids.push(id));
            let (before, last) = ids.split_at(ids.len() - 1);
            streams.intervene(&[], self.model)?;
            streams.clear();
            if !before.is_empty() {
                streams.read(before);
            }
            let state = streams.state();
            streams.read(last);
            let plain = streams.logits(0).to_vec();
            streams.set_state(&state);
            streams.intervene(std::slice::from_ref(&push), self.model)?;
            streams.read(last);
            for ((sum, pushed), plain) in sums.iter_mut().zip(streams.logits(0)).zip(plain) {
                *sum += f64::from((pushed - plain) / PUSH);
            }
        }
        sums.iter_mut().for_each(|sum| *sum /= places.len().max(1) as f64);
        Ok(centred(sums))
    }
}

/// Logits without their mean, which changes no probability.
fn centred(mut logits: Vec<f64>) -> Vec<f64> {
    let mean = logits.iter().sum::<f64>() / logits.len().max(1) as f64;
    logits.iter_mut().for_each(|logit| *logit -= mean);
    logits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TokenIds;
    use crate::layers::Activation;
    use crate::math::threads::Compute;
    use crate::model::ModelConfig;
    use crate::tokenizer::{CharTokenizer, Tokenizer};

    fn model(layers: &[LayerConfig]) -> Model {
        let mut all = vec![LayerConfig::Embedding { output_dim: 5 }];
        all.extend_from_slice(layers);
        all.push(LayerConfig::Dense { units: None, activation: Activation::Softmax });
        let tokenizer = Tokenizer::Char(CharTokenizer::from_text("abcdefg"));
        Model::new(ModelConfig { layers: all }, tokenizer, 3).unwrap()
    }

    /// Where the last layer reads the site, a measured push and the weights say the same.
    #[test]
    fn the_weights_say_what_a_push_shows() {
        let model = model(&[LayerConfig::gru(6), LayerConfig::dropout(0.2)]);
        let site = Site::new(&model.config, "gru").unwrap();
        let direction = [0.0, 0.6, 0.0, -0.8, 0.0, 0.0];
        let handle = Handle::direction(&direction, &[0.0; 6], 2.0).unwrap();
        let compute = Compute::single();
        let ids = TokenIds::U8((0..100).map(|i| (i * i % 7) as u8).collect());
        let reading = Reading { model: &model, compute: &compute, site: &site, ids: &ids };
        let measured = reading.pushed_logits(&handle, &[0, 3, 80]).unwrap();
        let read_out = ReadOut::after(&site, &model).unwrap().unwrap();
        let known = read_out.logits(&direction, 2.0);
        for (measured, known) in measured.iter().zip(&known) {
            assert!((measured - known).abs() < 1e-3, "{measured} {known}");
        }
        let [up, down] = Promoted::extremes(&known, 2);
        assert!(up[0].logit >= up[1].logit && down[0].logit <= down[1].logit);
        assert!(up[0].logit > 0.0 && down[0].logit < 0.0);
    }

    #[test]
    fn below_another_layer_there_is_no_read_out() {
        let model = model(&[LayerConfig::gru(6), LayerConfig::gru(6)]);
        let after =
            |name| ReadOut::after(&Site::new(&model.config, name).unwrap(), &model).unwrap();
        assert!(after("gru").is_none() && after("gru_1").is_some());
    }
}
