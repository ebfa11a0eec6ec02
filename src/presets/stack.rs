//! What the flags for layers change in a stack.
//!
//! A sum names the layer that it adds, and in a name there may be a number that counts the layers of a
//! kind. So layers are known by something else here while some come and others go.

use std::ops::Range;

use anyhow::{Result, bail};
use machado_core::layers::{Activation, DropoutPer};
use machado_core::model::{LayerConfig, ModelConfig};

use crate::cli::{Settings, UsageError};

/// Changes the layers as the flags say.
pub(super) fn apply(model: &mut ModelConfig, settings: &Settings) -> Result<()> {
    set_sizes(&mut model.layers, settings);
    if settings.gru_layers.is_none() && settings.dropout.is_none() {
        return Ok(());
    }
    let mut stack = Stack::new(model)?;
    if let Some(count) = settings.gru_layers {
        stack.set_grus(count)?;
    }
    if let Some(rate) = settings.dropout {
        stack.set_dropout(rate);
    }
    *model = stack.finish()?;
    Ok(())
}

fn set_sizes(layers: &mut [LayerConfig], settings: &Settings) {
    for layer in layers {
        match layer {
            LayerConfig::Embedding { output_dim } => {
                *output_dim = settings.embedding_dim.unwrap_or(*output_dim);
            }
            LayerConfig::Conv1d { filters, .. } => {
                *filters = settings.filters.unwrap_or(*filters);
            }
            LayerConfig::Gru { units, .. } => *units = settings.units.unwrap_or(*units),
            LayerConfig::Dropout { .. } | LayerConfig::Add { .. } | LayerConfig::Dense { .. } => {}
        }
    }
}

/// A layer, by which number it is known, and by which the one that it adds.
#[derive(Clone)]
struct Known {
    layer: LayerConfig,
    id: usize,
    adds: Option<usize>,
}

impl Known {
    fn is_dropout(&self) -> bool {
        matches!(self.layer, LayerConfig::Dropout { .. })
    }

    fn is_gru(&self) -> bool {
        matches!(self.layer, LayerConfig::Gru { .. })
    }

    fn is_output(&self) -> bool {
        matches!(self.layer, LayerConfig::Dense { activation: Activation::Softmax, .. })
    }
}

struct Stack {
    layers: Vec<Known>,
    /// The names that the layers had, by their ids.
    names: Vec<String>,
    next_id: usize,
}

impl Stack {
    fn new(model: &ModelConfig) -> Result<Self> {
        model.check()?;
        let known = |(id, layer): (usize, &LayerConfig)| {
            let adds = match layer {
                LayerConfig::Add { layer } => model.place(layer),
                _ => None,
            };
            Known { layer: layer.clone(), id, adds }
        };
        let layers: Vec<Known> = model.layers.iter().enumerate().map(known).collect();
        Ok(Self { next_id: layers.len(), names: model.layer_names(), layers })
    }

    /// The layers, each sum with the name that the layer it adds has now.
    fn finish(self) -> Result<ModelConfig> {
        let place = |id: usize| self.layers.iter().position(|known| known.id == id);
        let mut layers: Vec<LayerConfig> =
            self.layers.iter().map(|known| known.layer.clone()).collect();
        let names = ModelConfig { layers: layers.clone() }.layer_names();
        for (layer, known) in layers.iter_mut().zip(&self.layers) {
            let Some(id) = known.adds else { continue };
            let Some(source) = place(id) else {
                let (sum, source) = (&self.names[known.id], &self.names[id]);
                bail!(UsageError(format!(
                    "--gru-layers would take away {source}, which the sum {sum} needs\n\
                     hint: give more layers, or write the stack you want in a file for --config"
                )));
            };
            *layer = LayerConfig::Add { layer: names[source].clone() };
        }
        Ok(ModelConfig { layers })
    }

    /// Repeats the last GRU, or takes the last ones away, each with what belongs to it: the dropout
    /// before it and the sums after it.
    fn set_grus(&mut self, count: usize) -> Result<()> {
        let blocks = self.gru_blocks();
        let Some(last) = blocks.last().cloned() else {
            bail!(UsageError(
                "--gru-layers: there is no gru among the layers of this config".into()
            ));
        };
        if let Some(gap) = blocks.windows(2).find(|pair| pair[0].end < pair[1].start) {
            bail!(UsageError(format!(
                "--gru-layers cannot repeat GRUs that have other layers between them, such as {}\n\
                 hint: write the stack you want in a file for --config",
                self.names[self.layers[gap[0].end].id]
            )));
        }
        if let Some(first) = blocks.get(count) {
            self.layers.drain(first.start..last.end);
        }
        let (mut block, mut end) = (last.clone(), last.end);
        for _ in blocks.len()..count {
            let copy = self.copy_of(block);
            block = end..end + copy.len();
            self.layers.splice(end..end, copy);
            end = block.end;
        }
        Ok(())
    }

    /// Where each GRU lies with what belongs to it.
    fn gru_blocks(&self) -> Vec<Range<usize>> {
        let grus = (0..self.layers.len()).filter(|&place| self.layers[place].is_gru());
        grus.map(|gru| {
            let before = self.layers[..gru].iter().rev().take_while(|known| known.is_dropout());
            let after = self.layers[gru + 1..].iter().take_while(|known| known.adds.is_some());
            gru - before.count()..gru + 1 + after.count()
        })
        .collect()
    }

    /// A copy of some layers to stand right behind them. It adds its own layers where they add
    /// their own, and what goes into it where they add what goes into them: a way around them is
    /// one around the copy, too.
    fn copy_of(&mut self, block: Range<usize>) -> Vec<Known> {
        let input = |first: usize| self.layers[first - 1].id;
        let mut renamed = vec![(input(block.start), input(block.end))];
        let mut copy = self.layers[block].to_vec();
        for known in &mut copy {
            renamed.push((known.id, self.next_id));
            known.id = self.next_id;
            self.next_id += 1;
            let new = |id: usize| renamed.iter().find(|(old, _)| *old == id).map(|(_, new)| *new);
            known.adds = known.adds.map(|id| new(id).unwrap_or(id));
        }
        copy
    }

    /// Gives all dropout this rate, and puts some before each GRU and before the output where there
    /// is none. At 0 it is taken away.
    fn set_dropout(&mut self, new_rate: f64) {
        let mut per_of_others = None;
        for known in &mut self.layers {
            if let LayerConfig::Dropout { rate, per } = &mut known.layer {
                *rate = new_rate;
                per_of_others.get_or_insert(*per);
            }
        }
        if new_rate > 0.0 {
            self.fill_in_dropout(new_rate, per_of_others.unwrap_or_default());
        } else {
            self.take_dropout_away();
        }
    }

    fn fill_in_dropout(&mut self, rate: f64, per: DropoutPer) {
        let mut place = 1;
        while place < self.layers.len() {
            let here = &self.layers[place];
            if (here.is_gru() || here.is_output()) && !self.layers[place - 1].is_dropout() {
                let layer = LayerConfig::Dropout { rate, per };
                self.layers.insert(place, Known { layer, id: self.next_id, adds: None });
                self.next_id += 1;
                place += 1;
            }
            place += 1;
        }
    }

    /// A sum keeps the one before it, and the one that it adds: at a rate of 0 they do nothing, and
    /// without them it might add a layer to itself.
    fn take_dropout_away(&mut self) {
        let added: Vec<usize> = self.layers.iter().filter_map(|known| known.adds).collect();
        let before_sum: Vec<usize> = self
            .layers
            .windows(2)
            .filter(|pair| pair[1].adds.is_some())
            .map(|pair| pair[0].id)
            .collect();
        self.layers.retain(|known| {
            !known.is_dropout() || added.contains(&known.id) || before_sum.contains(&known.id)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stack in words: `gru` and numbers are units or rates, `+name` is a sum.
    fn stack(words: &str) -> ModelConfig {
        let layer = |word: &str| match word {
            "embedding" => LayerConfig::Embedding { output_dim: 8 },
            "conv1d" => {
                LayerConfig::Conv1d { filters: 8, kernel_size: 3, activation: Activation::Relu }
            }
            "gru" => LayerConfig::gru(8),
            "dense" => LayerConfig::Dense { units: Some(8), activation: Activation::Relu },
            "softmax" => LayerConfig::Dense { units: None, activation: Activation::Softmax },
            sum if sum.starts_with('+') => LayerConfig::Add { layer: sum[1..].into() },
            rate => LayerConfig::dropout(rate.parse().expect("a rate")),
        };
        ModelConfig { layers: words.split(' ').map(layer).collect() }
    }

    fn words(model: &ModelConfig) -> String {
        let word = |layer: &LayerConfig| match layer {
            LayerConfig::Dropout { rate, .. } => rate.to_string(),
            LayerConfig::Add { layer } => format!("+{layer}"),
            LayerConfig::Dense { units: None, .. } => "softmax".into(),
            layer => layer.type_name().into(),
        };
        model.layers.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    fn changed(before: &str, settings: &Settings) -> Result<String> {
        let mut model = stack(before);
        apply(&mut model, settings)?;
        model.check()?;
        Ok(words(&model))
    }

    fn check_grus(before: &str, count: usize, after: &str) {
        let settings = Settings { gru_layers: Some(count), ..Settings::default() };
        assert_eq!(changed(before, &settings).expect(before), after, "{count} of {before}");
    }

    fn check_dropout(before: &str, rate: f64, after: &str) {
        let settings = Settings { dropout: Some(rate), ..Settings::default() };
        assert_eq!(changed(before, &settings).expect(before), after, "{rate} in {before}");
    }

    /// That of the preset `large`.
    const LARGE: &str = "embedding conv1d 0.2 gru 0.4 gru +gru 0.4 softmax";

    #[test]
    fn new_grus_are_treated_as_the_last_one_is() {
        check_grus("embedding gru softmax", 2, "embedding gru gru softmax");
        let small = "embedding conv1d 0.3 gru 0.3 softmax";
        check_grus(small, 2, "embedding conv1d 0.3 gru 0.3 gru 0.3 softmax");
        check_grus(LARGE, 2, LARGE);
        check_grus(
            LARGE,
            4,
            "embedding conv1d 0.2 gru 0.4 gru +gru 0.4 gru +add 0.4 gru +add_1 0.4 softmax",
        );
        check_grus(LARGE, 1, "embedding conv1d 0.2 gru 0.4 softmax");
        // A sum with a layer of its own block, and with one that has nothing to do with blocks.
        check_grus(
            "embedding 0.1 gru +dropout softmax",
            2,
            "embedding 0.1 gru +dropout 0.1 gru +dropout_1 softmax",
        );
        check_grus(
            "embedding conv1d gru +embedding softmax",
            2,
            "embedding conv1d gru +embedding gru +embedding softmax",
        );
    }

    #[test]
    fn numbers_of_grus_that_a_stack_cannot_have_are_told_of() {
        let message = |before: &str, count| {
            let settings = Settings { gru_layers: Some(count), ..Settings::default() };
            changed(before, &settings).expect_err(before).to_string()
        };
        assert!(message("embedding conv1d softmax", 2).contains("there is no gru"));
        let between = message("embedding gru dense gru softmax", 3);
        assert!(between.contains("other layers between them, such as dense\nhint: "), "{between}");
        let taken = message("embedding gru gru 0.1 +gru_1 softmax", 1);
        assert!(
            taken.contains("would take away gru_1, which the sum add needs\nhint: "),
            "{taken}"
        );
    }

    #[test]
    fn dropout_is_set_where_it_stands_and_filled_in_where_it_lacks() {
        check_dropout(LARGE, 0.5, "embedding conv1d 0.5 gru 0.5 gru +gru 0.5 softmax");
        check_dropout("embedding gru softmax", 0.2, "embedding 0.2 gru 0.2 softmax");
        // Names of sums follow the layers that they mean.
        check_dropout(
            "embedding gru 0.1 gru +dropout gru +add softmax",
            0.3,
            "embedding 0.3 gru 0.3 gru +dropout_1 0.3 gru +add 0.3 softmax",
        );
        // Dropout elsewhere stays where it is.
        check_dropout(
            "embedding 0.1 conv1d gru softmax",
            0.3,
            "embedding 0.3 conv1d 0.3 gru 0.3 softmax",
        );
    }

    #[test]
    fn no_dropout_is_none_but_where_a_sum_needs_a_layer() {
        check_dropout(LARGE, 0.0, "embedding conv1d gru gru +gru softmax");
        check_dropout(
            "embedding 0.1 gru +dropout 0.2 softmax",
            0.0,
            "embedding 0 gru +dropout softmax",
        );
        check_dropout("embedding gru 0.1 +gru 0.2 softmax", 0.0, "embedding gru 0 +gru softmax");
    }

    #[test]
    fn dropout_that_is_filled_in_lasts_as_long_as_the_other() {
        let mut model = stack("embedding conv1d gru softmax");
        let window = LayerConfig::Dropout { rate: 0.1, per: DropoutPer::Window };
        model.layers.insert(2, window);
        let settings = Settings { dropout: Some(0.2), ..Settings::default() };
        apply(&mut model, &settings).expect("a stack");
        let windows = |layer: &&LayerConfig| {
            **layer == LayerConfig::Dropout { rate: 0.2, per: DropoutPer::Window }
        };
        assert_eq!(model.layers.iter().filter(windows).count(), 2);
    }
}
