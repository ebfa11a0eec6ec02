//! The activations around some places: the pass after that which finds the places.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::error::Result;
use crate::interpret::harvest::Harvest;
use crate::interpret::{Active, Reading, Sae};

/// Activations that are asked for: of a feature, at some tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The feature.
    pub feature: usize,
    /// The tokens.
    pub tokens: Range<usize>,
}

/// Characters of a context before and after the place, on average.
const BEFORE: usize = 48;
const AFTER: usize = 20;

impl Window {
    /// The tokens around one at which a feature fires, of a text of so many tokens: about as much text
    /// whatever a token is. `characters` are those of a token, on average.
    pub fn around(feature: usize, place: usize, characters: usize, tokens: usize) -> Self {
        let first = place.saturating_sub(BEFORE / characters);
        Self { feature, tokens: first..(place + 1 + AFTER / characters).min(tokens) }
    }
}

/// Tokens that share a list of the windows that touch them.
const PER_LIST: usize = 64;

impl Reading<'_> {
    /// The activations in some windows within a range of the text, in their order.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn activations_at(
        &self,
        sae: &Sae,
        windows: &[Window],
        range: Range<usize>,
    ) -> Result<Vec<Vec<f32>>> {
        let mut found: Vec<Vec<f32>> =
            windows.iter().map(|window| vec![0.0; window.tokens.len()]).collect();
        let mut lists: HashMap<usize, Vec<usize>> = HashMap::new();
        for (number, window) in windows.iter().enumerate() {
            let touched: HashSet<usize> = window.tokens.clone().map(|at| at / PER_LIST).collect();
            touched.into_iter().for_each(|list| lists.entry(list).or_default().push(number));
        }
        self.for_each(range, |place, state| {
            for &number in lists.get(&(place / PER_LIST)).into_iter().flatten() {
                let Window { feature, tokens } = &windows[number];
                if tokens.contains(&place) {
                    found[number][place - tokens.start] = sae.activation(*feature, state);
                }
            }
        })?;
        Ok(found)
    }

    /// The activations of a feature in some pieces of the text, without reading the rest of it: each piece
    /// is read from 256 tokens before it on. So they differ from those of the whole text by what the model
    /// would still know of before.
    ///
    /// # Errors
    /// If there is no such feature, or a piece is empty.
    pub fn activations_near(
        &self,
        sae: &Sae,
        feature: usize,
        pieces: &[Range<usize>],
    ) -> Result<Vec<Vec<f32>>> {
        let mut found: Vec<Vec<f32>> = pieces.iter().map(|piece| vec![0.0; piece.len()]).collect();
        self.encode_pieces(sae, Some(feature), pieces, |piece, at, active| {
            found[piece][at] = active.first().map_or(0.0, |active| active.value);
        })?;
        Ok(found)
    }

    /// The features that are active after each token of a piece of the text, which is read from 256 tokens
    /// before it on.
    ///
    /// # Errors
    /// If the piece is empty, or the autoencoder is of another model.
    pub fn active(&self, sae: &Sae, piece: Range<usize>) -> Result<Vec<Vec<Active>>> {
        let mut found = vec![Vec::new(); piece.len()];
        self.encode_pieces(sae, None, &[piece], |_, at, active| found[at] = active.to_vec())?;
        Ok(found)
    }

    /// Calls `visit` with the number of a piece, a place in it and what is active there, of one feature or
    /// of all.
    fn encode_pieces(
        &self,
        sae: &Sae,
        feature: Option<usize>,
        pieces: &[Range<usize>],
        mut visit: impl FnMut(usize, usize, &[Active]),
    ) -> Result<()> {
        let unit = self.compute.unit();
        let mut encoder = match feature {
            Some(feature) => sae.encoder_of(&[feature], unit)?,
            None => sae.encoder(unit),
        };
        let Reading { model, compute, site, ids } = *self;
        let mut harvest = Harvest::of_pieces(model, compute, site, ids, pieces)?;
        let (mut places, mut states) = (Vec::new(), Vec::new());
        while harvest.read_parts(|piece, place, state| {
            places.push((piece, place - pieces[piece].start));
            states.extend_from_slice(state);
        }) {
            // What comes before the pieces has no places.
            if !places.is_empty() {
                encoder.encode(&states, |row, active| visit(places[row].0, places[row].1, active));
            }
            places.clear();
            states.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TokenIds;
    use crate::interpret::SaeWeights;
    use crate::layers::Activation;
    use crate::math::threads::Compute;
    use crate::model::{LayerConfig, Model, ModelConfig, Site};
    use crate::rng::{Purpose, Rng};
    use crate::tokenizer::{CharTokenizer, Tokenizer};

    const D_IN: usize = 6;
    const D_SAE: usize = 9;

    fn sae() -> Sae {
        let mut rng = Rng::new(5, Purpose::SaeControls, 0);
        let mut normal =
            |count: usize| -> Vec<f32> { (0..count).map(|_| rng.normal() as f32).collect() };
        Sae::new(SaeWeights {
            d_in: D_IN,
            d_sae: D_SAE,
            w_enc: normal(D_IN * D_SAE),
            b_enc: vec![0.0; D_SAE],
            threshold: vec![0.02; D_SAE],
            w_dec: normal(D_IN * D_SAE),
            b_dec: normal(D_IN).iter().map(|x| 0.01 * x).collect(),
        })
        .unwrap()
    }

    #[test]
    fn pieces_read_alone_have_the_activations_of_the_whole_text() {
        let layers = vec![
            LayerConfig::Embedding { output_dim: 5 },
            LayerConfig::gru(D_IN),
            LayerConfig::Dense { units: None, activation: Activation::Softmax },
        ];
        let tokenizer = Tokenizer::Char(CharTokenizer::from_text("abcdefg"));
        let model = Model::new(ModelConfig { layers }, tokenizer, 3).unwrap();
        let (compute, sae) = (Compute::single(), sae());
        let site = Site::new(&model.config, "gru").unwrap();
        let ids = TokenIds::U8((0..2000).map(|i| (i * i % 7 + i / 3 % 2) as u8 % 7).collect());
        let reading = Reading { model: &model, compute: &compute, site: &site, ids: &ids };
        // At the very beginning, around the end of the warm-up, and at the end; of several lengths.
        let pieces = [0..3, 250..300, 1990..2000, 0..1];
        let mut fires = 0;
        for feature in 0..D_SAE {
            let window = |tokens: &Range<usize>| Window { feature, tokens: tokens.clone() };
            let windows: Vec<Window> = pieces.iter().map(window).collect();
            let whole = reading.activations_at(&sae, &windows, 0..ids.len()).unwrap();
            let near = reading.activations_near(&sae, feature, &pieces).unwrap();
            for (piece, (whole, near)) in pieces.iter().zip(whole.iter().zip(&near)) {
                assert_eq!(whole.len(), piece.len());
                assert!(
                    whole.iter().zip(near).all(|(a, b)| (a - b).abs() < 1e-4),
                    "{whole:?} {near:?}"
                );
                let all = reading.active(&sae, piece.clone()).unwrap();
                for (active, value) in all.iter().zip(near) {
                    let own = active.iter().find(|active| active.feature as usize == feature);
                    assert!((own.map_or(0.0, |own| own.value) - value).abs() < 1e-5);
                    fires += usize::from(*value > 0.0);
                }
            }
        }
        assert!(fires > 20, "{fires}");
        assert!(reading.activations_near(&sae, D_SAE, &pieces).is_err());
        assert!(reading.active(&sae, 5..5).is_err());
    }

    #[test]
    fn windows_by_hand() {
        let around = |place, characters| Window::around(1, place, characters, 1000).tokens;
        assert_eq!((around(100, 1), around(10, 1), around(995, 1)), (52..121, 0..31, 947..1000));
        assert_eq!((around(100, 5), around(100, 60)), (91..105, 100..101));
    }
}
