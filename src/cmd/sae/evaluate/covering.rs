//! How well features find rules of the text, and what else would have found them.

use std::ops::Range;

use anyhow::Result;
use machado_core::interpret::{
    Covered, Properties, Reading, RuledStates, Sae, TokenText, mean_f1, properties,
};
use machado_core::model::Model;
use machado_interop::saelens::SaeFacts;
use serde_json::{Value, json};

use super::again;

/// Positions that are judged at most: their states are all held in memory.
const MOST: usize = 1 << 16;

/// For each kind of candidate the rules with the best candidate.
pub(super) struct Covering {
    kinds: Vec<(&'static str, Vec<Covered>)>,
}

impl Covering {
    /// Judges all kinds on a range.
    pub(super) fn measure(
        reading: &Reading<'_>,
        sae: &Sae,
        facts: &SaeFacts,
        parts: [Range<usize>; 2],
        range: &Range<usize>,
    ) -> Result<Self> {
        let range = range.start..range.end.min(range.start + MOST);
        let text = TokenText::new(&reading.model.tokenizer, reading.ids, 0..reading.ids.len());
        let masks = Properties::of(&text).masks[range.clone()].to_vec();
        let states = states(reading, range.clone())?;
        let ruled = |states| {
            let (d_in, unit) = (reading.site.dim, reading.compute.unit());
            RuledStates { d_in, states, masks: &masks, unit }
        };
        let own = ruled(&states[..]);
        let mut kinds = vec![
            ("features", own.features(sae, &facts.max_activations)),
            ("single units", own.units()),
            ("principal components", own.components(facts.seed)),
            ("random directions", own.random(sae.d_sae(), facts.seed)),
        ];
        let Model { config, tokenizer, .. } = reading.model.clone();
        let untrained = Model::new(config, tokenizer, facts.seed)?;
        let reading = Reading { model: &untrained, ..*reading };
        let other = again::train(&reading, sae, facts, facts.seed, parts)?;
        let max_activations = reading.measure(&other, range.clone())?.max_activations;
        let states = self::states(&reading, range)?;
        kinds.push(("features, untrained", ruled(&states).features(&other, &max_activations)));
        Ok(Self { kinds })
    }

    pub(super) fn as_json(&self) -> Value {
        let of = |covered: &[Covered]| {
            let rules: Vec<Value> = covered
                .iter()
                .map(|covered| {
                    json!({
                        "rule": properties()[covered.property].name,
                        "f1": covered.f1,
                        "candidate": covered.candidate,
                    })
                })
                .collect();
            json!({ "mean_f1": mean_f1(covered), "rules": rules })
        };
        Value::Object(self.kinds.iter().map(|(kind, all)| ((*kind).into(), of(all))).collect())
    }

    pub(super) fn as_text(&self) -> String {
        let rules = self.kinds.first().map_or(0, |(_, covered)| covered.len());
        let mut text =
            format!("\nmean F1 of the best of each kind over {rules} rules of the text\n");
        let own = self.kinds.first().map_or(0.0, |(_, covered)| mean_f1(covered));
        for (kind, covered) in &self.kinds {
            let mean = mean_f1(covered);
            text += &format!("  {kind:<34}{mean:.4}");
            if mean != own {
                text += &format!("   ({:+.4})", mean - own);
            }
            text += "\n";
        }
        text
    }
}

/// The states over a range in the order of the text, `[N, d_in]`.
fn states(reading: &Reading<'_>, range: Range<usize>) -> Result<Vec<f32>> {
    let d_in = reading.site.dim;
    let mut states = vec![0.0; range.len() * d_in];
    reading.for_each(range.clone(), |place, state| {
        states[(place - range.start) * d_in..][..d_in].copy_from_slice(state);
    })?;
    Ok(states)
}
