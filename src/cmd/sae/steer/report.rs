//! The figures of a steered feature, as a table and as JSON.

use std::fmt::Write;

use machado_core::interpret::{
    Control, ControlKind, DoseResponse, Effect, Exact, Forms, Place, Rank, Sampled,
};
use serde_json::{Value, json};

use super::concept::Concept;
use crate::cli::SaeSteerArgs;
use crate::number::{counted, grouped};
use crate::sae_folder::LoadedSae;
use crate::steering::reach_name;

/// Characters of an example that are shown.
const SHOWN: usize = 200;

/// Fewer words to compare with than these may be likelier or less likely by themselves.
const FEW_CONTROLS: usize = 5;

/// What else does at the strength that is best before text breaks.
#[derive(Debug)]
pub(super) struct Compared {
    pub strength: f32,
    pub controls: Vec<Control>,
    pub rank: Rank,
}

/// All that was measured.
pub(super) struct Report<'a> {
    pub args: &'a SaeSteerArgs,
    pub sae: &'a LoadedSae,
    pub place: &'a Place,
    pub concept: &'a Concept,
    pub control_words: &'a [String],
    /// Tokens at which the concept is.
    pub positions: u64,
    pub prompts: &'a [String],
    pub response: &'a DoseResponse,
    pub compared: Option<&'a Compared>,
}

/// The columns of the table; each row is a strength or a control.
pub(super) const COLUMNS: [&str; 10] = [
    "score",
    "words",
    "others",
    "per 1,000",
    "nats/token",
    "known",
    "distinct-2",
    "repeat",
    "KL",
    "cut",
];

/// The first of them, which say nothing where the text is broken.
const SCORES: usize = 3;

impl Report<'_> {
    pub(super) fn as_text(&self) -> String {
        let mut out = String::new();
        for line in self.head() {
            let _ = writeln!(out, "{line}");
        }
        let _ = writeln!(out);
        let rows = self.rows();
        let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(8);
        let _ = write!(out, "{:<width$}", "strength");
        COLUMNS.iter().for_each(|column| out.push_str(&format!("  {column:>10}")));
        out.push('\n');
        for (name, cells) in &rows {
            let _ = write!(out, "{name:<width$}");
            cells.iter().for_each(|cell| out.push_str(&format!("  {cell:>10}")));
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
        out.push('\n');
        for line in self.findings() {
            let _ = writeln!(out, "{line}");
        }
        for (name, [prompt, text]) in self.examples() {
            let text: String = text.chars().take(SHOWN).collect();
            let _ = writeln!(out, "\n== {name} ==\n{prompt}{text}");
        }
        out
    }

    /// What was steered and how it was measured.
    pub(super) fn head(&self) -> Vec<String> {
        let facts = &self.sae.facts;
        let feature = self.args.feature;
        let share = facts.active_positions[feature] as f64 / facts.positions.max(1) as f64;
        let words = self.concept.words.iter().zip(&self.concept.forms);
        let words: Vec<String> =
            words.map(|(word, forms)| format!("{word} ×{}", grouped(forms.count()))).collect();
        let beside = match self.control_words {
            [] => "no words are like them".to_owned(),
            words => format!("beside {}", words.join(", ")),
        };
        let cut = if self.place.in_box { ", kept within ±1" } else { "" };
        let regex = self.concept.regex.as_ref().map(|_| format!("{}: ", self.concept.describe()));
        let mut head = vec![
            format!(
                "feature   {feature} of {}, at {} ({}{cut}); its strongest activation is {:.3}, and it is \
                 active at {:.2}% of the text",
                self.sae.sae.d_sae(),
                self.place.site.name,
                reach_name(self.place.reach),
                facts.max_activations[feature],
                100.0 * share,
            ),
            format!("concept   {}{}; {beside}", regex.unwrap_or_default(), words.join(", ")),
            format!(
                "measured  {}, {} of {} tokens for each strength, seed {}",
                counted(self.prompts.len(), "prompt", "prompts"),
                counted(self.args.samples, "text", "texts"),
                self.args.tokens,
                self.args.seed,
            ),
        ];
        if self.control_words.len() < FEW_CONTROLS {
            head.push(format!(
                "warning   only {} like those of the concept, so that the score depends on which they \
                 are; give more --words, or others",
                counted(self.control_words.len(), "word is", "words are"),
            ));
        }
        head
    }

    /// The rows of the table, each with its name and cells.
    pub(super) fn rows(&self) -> Vec<(String, Vec<String>)> {
        let mut rows = vec![("none".to_owned(), cells(None, &self.response.unsteered, None))];
        let mut row = |name: String, effect: &Effect| {
            let is_broken = self.is_broken(effect);
            let name = format!("{name}{}", if is_broken { " broken" } else { "" });
            rows.push((name, cells_of(effect, is_broken)));
        };
        self.response.doses.iter().for_each(|dose| row(dose.strength.to_string(), &dose.effect));
        let controls = self.compared.iter().flat_map(|compared| &compared.controls);
        controls.for_each(|control| row(name_of(&control.kind), &control.effect));
        rows
    }

    /// Whether what is written with an effect is broken.
    pub(super) fn is_broken(&self, effect: &Effect) -> bool {
        effect.sampled.is_broken(&self.response.unsteered)
    }

    /// What follows from the figures.
    pub(super) fn findings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let side = |side: &str, strength: Option<f32>| match strength {
            Some(strength) => format!("{side} 0 the text breaks at {strength}"),
            None => format!("{side} 0 the text does not break at any of the strengths"),
        };
        lines.push(side("above", self.response.breaks_at()));
        lines.push(side("below", self.response.breaks_below()));
        lines.push(format!(
            "more strength, more score: rank correlation {:.2} up to there",
            self.response.correlation()
        ));
        if let Some(Compared { strength, rank, .. }) = self.compared {
            lines.push(match self.response.breaks_at() {
                Some(breaks_at) if breaks_at <= *strength => format!(
                    "it breaks at the weakest of them: {strength}, where no score says much; the controls \
                     have that strength too"
                ),
                _ => format!(
                    "best before that: {strength}, score {:.3} nats; the controls have that strength too",
                    rank.output_score
                ),
            });
            if !rank.others.is_empty() {
                lines.push(format!(
                    "of {} drawn at random, at the same strength: mean score {:.3}, p = {:.4} by rank",
                    counted(rank.others.len(), "other feature", "other features"),
                    rank.mean_of_others(),
                    rank.p_value()
                ));
            }
        }
        lines
    }

    /// What is written without steering and at the best strength.
    pub(super) fn examples(&self) -> Vec<(String, &[String; 2])> {
        let mut examples = vec![("unsteered".to_owned(), &self.response.unsteered.example)];
        if let Some(best) = self.response.best() {
            let name = format!("at {}", best.strength);
            examples.push((name, &best.effect.sampled.example));
        }
        examples
    }

    pub(super) fn as_json(&self) -> Value {
        let facts = &self.sae.facts;
        let lift_of = |(word, forms): (&String, &Forms)| {
            let lift = self.concept.lifts.iter().find(|lift| lift.word == *word);
            let usual: Vec<&str> = forms.usual().into_iter().map(|(form, _)| form).collect();
            let (count, lift) = (forms.count(), lift.map(|lift| lift.lift));
            json!({ "word": word, "count": count, "forms": usual, "lift": lift })
        };
        let doses = self.response.doses.iter().map(|dose| {
            let mut figures = self.effect_json(&dose.effect);
            figures["strength"] = json!(dose.strength);
            figures["broken"] = json!(dose.is_broken);
            figures
        });
        let controls =
            self.compared.iter().flat_map(|compared| &compared.controls).map(|control| {
                let mut figures = self.effect_json(&control.effect);
                figures["control"] = control.kind.name().into();
                figures["broken"] = self.is_broken(&control.effect).into();
                if let ControlKind::BestUnit { unit, auroc } = control.kind {
                    figures["unit"] = json!(unit);
                    figures["auroc"] = json!(auroc);
                }
                figures
            });
        json!({
            "feature": self.args.feature,
            "layer": self.place.site.name,
            "reach": reach_name(self.place.reach),
            "box": self.place.in_box,
            "strongest": facts.max_activations[self.args.feature],
            "active_positions": facts.active_positions[self.args.feature],
            "words": self.concept.words.iter().zip(&self.concept.forms).map(lift_of).collect::<Vec<_>>(),
            "regex": self.concept.regex.as_ref().map(|regex| regex.as_str()),
            "control_words": self.control_words,
            "concept_positions": self.positions,
            "prompts": self.prompts,
            "samples": self.args.samples,
            "tokens": self.args.tokens,
            "seed": self.args.seed,
            "unsteered": sampled_json(&self.response.unsteered),
            "doses": doses.collect::<Vec<_>>(),
            "breaks_at": self.response.breaks_at(),
            "breaks_below": self.response.breaks_below(),
            "rank_correlation": self.response.correlation(),
            "best_strength": self.compared.map(|compared| compared.strength),
            "controls": controls.collect::<Vec<_>>(),
            "random_features": self.compared.map(|compared| json!({
                "count": compared.rank.others.len(),
                "mean_output_score": compared.rank.mean_of_others(),
                "p_value": compared.rank.p_value(),
                "output_scores": compared.rank.others,
            })),
        })
    }

    fn effect_json(&self, effect: &Effect) -> Value {
        let mut figures = sampled_json(&effect.sampled);
        let Exact { words_nats, control_words_nats, kl_nats, loss_nats } = effect.exact;
        let unsteered = &self.response.unsteered;
        let more = json!({
            "output_score": effect.exact.output_score(),
            "words_nats": words_nats,
            "control_words_nats": control_words_nats,
            "surprise_nats": effect.sampled.nats_per_token - unsteered.nats_per_token,
            "kl_nats": kl_nats,
            "loss_nats": loss_nats,
            "clipped_share": effect.clipped_share,
        });
        if let (Value::Object(figures), Value::Object(more)) = (&mut figures, more) {
            figures.extend(more);
        }
        figures
    }
}

fn sampled_json(sampled: &Sampled) -> Value {
    json!({
        "concept": sampled.concept,
        "words_written": sampled.words,
        "concept_per_thousand_words": sampled.concept_per_thousand_words(),
        "nats_per_token": sampled.nats_per_token,
        "known_words": sampled.known_words,
        "distinct_2": sampled.distinct_2,
        "longest_repeat": sampled.longest_repeat,
        "example": sampled.example.concat(),
    })
}

fn cells_of(effect: &Effect, is_broken: bool) -> Vec<String> {
    let mut cells = cells(Some(&effect.exact), &effect.sampled, effect.clipped_share);
    if is_broken {
        // Of text that is no text it only says which words became less impossible than others.
        cells[..SCORES].fill("–".into());
    }
    cells
}

/// The cells of a row, in the order of [`COLUMNS`].
fn cells(exact: Option<&Exact>, sampled: &Sampled, clipped: Option<f64>) -> Vec<String> {
    let nats = |nats: Option<f64>| nats.map_or(String::new(), |nats| format!("{nats:+.3}"));
    vec![
        nats(exact.map(Exact::output_score)),
        nats(exact.map(|exact| exact.words_nats)),
        nats(exact.map(|exact| exact.control_words_nats)),
        format!("{:.2}", sampled.concept_per_thousand_words()),
        format!("{:.3}", sampled.nats_per_token),
        format!("{:.1}%", 100.0 * sampled.known_words),
        format!("{:.3}", sampled.distinct_2),
        format!("{:.1}", sampled.longest_repeat),
        exact.map_or(String::new(), |exact| format!("{:.3}", exact.kl_nats)),
        clipped.map_or(String::new(), |share| format!("{:.2}%", 100.0 * share)),
    ]
}

/// A control in words.
pub(super) fn name_of(kind: &ControlKind) -> String {
    match kind {
        ControlKind::ReadOutOnly => "read-out only".into(),
        ControlKind::RandomDirection => "random direction".into(),
        ControlKind::BestUnit { unit, auroc } => format!("best unit {unit} (AUROC {auroc:.2})"),
        ControlKind::DifferenceOfMeans => "difference of means".into(),
    }
}
