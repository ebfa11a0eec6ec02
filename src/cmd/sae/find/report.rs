//! What was found, as a table and as JSON.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;
use machado_core::interpret::{ConceptScores, Interval, LEAST_AUROC, Scored, Separation};
use serde_json::{Value, json};

use super::super::wanted::Matches;
use crate::cli::SaeFindArgs;
use crate::columns::clip;
use crate::number::{counted, grouped};
use crate::shell;

/// Fewer tokens of a concept than these judge nothing.
const FEW: u64 = 30;

/// Columns of a match that are shown.
const MATCH: usize = 40;

/// Features nearly as good as the best one: their AUROC is lower by no more than this.
const NEAR: f64 = 0.1;

/// What was found.
pub(super) struct Found {
    pub scores: ConceptScores,
    pub names: HashMap<usize, String>,
    /// Of the first features.
    pub effects: Vec<Option<f64>>,
    pub matches: Option<Matches>,
}

impl Found {
    pub(super) fn print(&self, args: &SaeFindArgs) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if args.json {
            writeln!(out, "{}", self.json())?;
        } else {
            write!(out, "{}", self.text(args))?;
        }
        Ok(())
    }

    /// The place among the features of the one to go on with: of those that know the concept, and
    /// nearly as well as the best of them, the one that does most for its words. What detects a
    /// concept need not cause it. `None` where none knows it.
    fn best(&self) -> Option<usize> {
        let auroc = |scored: &Scored| scored.test.map_or(0.0, |test| test.auroc);
        let features = self.scores.features.iter().enumerate();
        let found: Vec<(usize, &Scored)> = features.filter(|(_, s)| s.is_found()).collect();
        let highest = found.iter().map(|(_, scored)| auroc(scored)).fold(0.0, f64::max);
        let near = found.into_iter().filter(|(_, scored)| auroc(scored) >= highest - NEAR);
        let effect = |place: usize| self.effect(place).unwrap_or(0.0);
        near.map(|(place, _)| place)
            .max_by(|&a, &b| effect(a).total_cmp(&effect(b)).then_with(|| b.cmp(&a)))
    }

    fn effect(&self, place: usize) -> Option<f64> {
        self.effects.get(place).copied().flatten()
    }

    fn text(&self, args: &SaeFindArgs) -> String {
        let mut out = String::new();
        if let Some(matches) = &self.matches {
            let half = |held_out: bool| {
                let texts = matches.texts.iter().enumerate();
                let texts = texts.filter(|(rank, _)| Matches::is_held_out(*rank) == held_out);
                let shown = texts
                    .take(8)
                    .map(|(_, (text, n))| format!("{} ×{n}", clip(&format!("{text:?}"), MATCH)));
                let shown: Vec<String> = shown.collect();
                if shown.is_empty() { "nothing".into() } else { shown.join(", ") }
            };
            let _ = writeln!(out, "chosen by   {}\nheld out    {}", half(false), half(true));
        }
        let [positives, all] = self.scores.tested;
        let [with, blocks] = self.scores.blocks;
        let _ = writeln!(
            out,
            "judged on   {} tokens of the concept among {} that did not choose, in {with} of {blocks} \
             blocks of text\n",
            grouped(positives),
            grouped(all)
        );
        for (count, what) in [(self.scores.chosen, "chose"), (positives, "judge")] {
            if (1..FEW).contains(&count) {
                let _ = writeln!(
                    out,
                    "warning: only {} of the concept {what}; what stands below is chance for the most \
                     part\n",
                    counted(count as usize, "token", "tokens")
                );
            }
        }
        if self.matches.as_ref().is_some_and(|matches| matches.texts.len() == 1) {
            out.push_str(
                "note: of a single word one cannot tell whether a feature knows the concept or only \
                 that word\n\n",
            );
        }
        out.push_str(&self.table());
        out.push_str(
            "\nin the order of \"chose\", the AUROC on the text that chose; the other figures are of the \
             text that did not.\nin brackets: where 95 of 100 figures lie if the text is drawn anew, \
             block by block\n",
        );
        out.push_str(&match self.best() {
            Some(best) => self.next_steps(args, best),
            None => self.nothing(),
        });
        out
    }

    fn table(&self) -> String {
        let head = ["chose", "AUROC", "F1", "precision", "recall", "lift", "other words", "causes"];
        let mut out = line("feature", &head.map(String::from), "fires at");
        for (place, scored) in self.scores.features.iter().enumerate() {
            let name = self.names.get(&scored.number).map_or("", |name| name);
            let number = scored.number.to_string();
            let chose = Some(scored.study.auroc);
            out.push_str(&self.row(&number, chose, scored, self.effect(place), name));
        }
        if let Some(unit) = &self.scores.unit {
            let name = format!("unit {}{}", unit.number, if unit.is_below { " (low)" } else { "" });
            let chose = Some(unit.study.auroc);
            out.push_str(&self.row(&name, chose, unit, None, "the best single unit"));
        }
        if let Some(difference) = &self.scores.difference {
            let what = "the difference between the mean states";
            out.push_str(&self.row("mean difference", None, difference, None, what));
        }
        out
    }

    fn row(
        &self,
        name: &str,
        chose: Option<f64>,
        scored: &Scored,
        effect: Option<f64>,
        what: &str,
    ) -> String {
        let around = |figure: Option<f64>, interval: Option<Interval>| {
            let ends = interval.map(|Interval { low, high }| format!(" ({low:.3}–{high:.3})"));
            self::figure(figure) + &ends.unwrap_or_default()
        };
        let test = scored.test;
        let auroc = around(test.map(|test| test.auroc), scored.intervals.map(|i| i.auroc));
        let f1 = around(test.map(|test| test.f1), scored.intervals.map(|i| i.f1));
        let lift = self.lift(scored).map_or("–".into(), |lift| format!("{lift:.1}"));
        let effect = effect.map_or("–".into(), |effect| format!("{effect:+.2}"));
        let cells = [
            figure(chose),
            auroc,
            f1,
            figure(test.map(|test| test.precision)),
            figure(test.map(|test| test.recall)),
            lift,
            figure(scored.held_out_auroc),
            effect,
        ];
        line(name, &cells, what)
    }

    /// How many times more often the concept is where the score says so than elsewhere.
    fn lift(&self, scored: &Scored) -> Option<f64> {
        let [positives, all] = self.scores.tested;
        let share = positives as f64 / all as f64;
        scored.test.map(|test| test.precision / share)
    }

    fn next_steps(&self, args: &SaeFindArgs, best: usize) -> String {
        let scored = &self.scores.features[best];
        let feature = scored.number;
        let mut out = String::new();
        if scored.held_out_auroc.is_some_and(|auroc| auroc < LEAST_AUROC) {
            let _ = writeln!(
                out,
                "\nnote: of the other words feature {feature} knows little; it knows the words that \
                 chose it rather than the concept"
            );
        }
        if self.effect(best).is_some_and(|effect| effect <= 0.0) {
            let _ = writeln!(
                out,
                "\nnote: held up, feature {feature} makes the words no likelier than others, and no \
                 feature that knows the concept does better"
            );
        }
        let program = shell::program();
        let path = |path: &std::path::Path| shell::quoted_path(&path.display().to_string());
        let sae =
            args.place.sae.as_ref().map_or(String::new(), |sae| format!(" --sae {}", path(sae)));
        let run = args.inside.run.as_deref().map(path);
        let [to_show, to_generate] = ["", "--model "]
            .map(|flag| run.as_ref().map_or(String::new(), |run| format!(" {flag}{run}")));
        let texts: Vec<String> = args.inside.text.iter().map(|text| path(text)).collect();
        let text =
            if texts.is_empty() { String::new() } else { format!(" --text {}", texts.join(" ")) };
        let _ = writeln!(
            out,
            "\nnext:\n  {program} sae show {feature}{to_show}{text}{sae}\n  {program} \
             generate{to_generate} --steer {feature}:0.5{sae}"
        );
        out
    }

    /// Why no feature is proposed.
    fn nothing(&self) -> String {
        let auroc = |scored: &&Scored| scored.test.map_or(0.0, |test| test.auroc);
        let best = self.scores.features.iter().max_by(|a, b| auroc(a).total_cmp(&auroc(b)));
        let Some((best, test)) = best.and_then(|best| Some((best, best.test?))) else {
            return "\nnothing can be judged: the text that did not choose has nothing of the concept\n\
                    hint: give a longer text with --text, or more words\n"
                .into();
        };
        let why = match best.intervals {
            None => "the concept is in too few blocks of text to tell it from chance".into(),
            Some(intervals) if test.auroc >= LEAST_AUROC => format!(
                "the best AUROC is {:.3}, but it may as well be {:.3} in other text, no more than chance",
                test.auroc, intervals.auroc.low
            ),
            Some(_) => format!(
                "the best AUROC is {:.3}, and below {LEAST_AUROC} most of what a feature says is \
                 something else",
                test.auroc
            ),
        };
        let mut out = format!("\nnothing found: {why}\n");
        if self.scores.difference.is_some_and(|difference| difference.is_found()) {
            out.push_str(
                "the difference between the mean states knows it, though: `generate --steer-toward` \
                 pushes along such a one\n",
            );
        }
        out
    }

    fn json(&self) -> Value {
        let scored = |s: &Scored| {
            let intervals = s.intervals.map(|intervals| {
                let ends = |interval: Interval| [interval.low, interval.high];
                json!({ "auroc": ends(intervals.auroc), "f1": ends(intervals.f1) })
            });
            json!({
                "study": separation(&s.study),
                "test": s.test.as_ref().map(separation),
                "test_intervals": intervals,
                "found": s.is_found(),
                "lift": self.lift(s),
                "held_out_words_auroc": s.held_out_auroc,
            })
        };
        let features: Vec<Value> = self
            .scores
            .features
            .iter()
            .enumerate()
            .map(|(place, s)| {
                let mut feature = scored(s);
                feature["feature"] = s.number.into();
                feature["label"] = self.names.get(&s.number).cloned().into();
                feature["effect_nats"] = self.effect(place).into();
                feature
            })
            .collect();
        let unit = self.scores.unit.as_ref().map(|s| {
            let mut unit = scored(s);
            unit["unit"] = s.number.into();
            unit["is_low"] = s.is_below.into();
            unit
        });
        let matches = self.matches.as_ref().map(|matches| -> Vec<Value> {
            let texts = matches.texts.iter().enumerate();
            texts
                .map(|(rank, (text, count))| {
                    json!({
                        "text": text, "count": count, "held_out": Matches::is_held_out(rank),
                    })
                })
                .collect()
        });
        let ([positives, tokens], [with, blocks]) = (self.scores.tested, self.scores.blocks);
        json!({
            "best": self.best().map(|place| self.scores.features[place].number),
            "matches": matches,
            "tested": {
                "positives": positives,
                "tokens": tokens,
                "blocks": blocks,
                "blocks_with_concept": with,
            },
            "features": features,
            "unit": unit,
            "mean_difference": self.scores.difference.as_ref().map(scored),
        })
    }
}

/// A line of the table.
fn line(name: &str, cells: &[String; 8], what: &str) -> String {
    let [chose, auroc, f1, precision, recall, lift, other, effect] = cells;
    let line = format!(
        "{name:<16}  {chose:>5}  {auroc:<19}  {f1:<19}  {precision:>9}  {recall:>6}  {lift:>6}  {other:>11}  \
         {effect:>6}  {what}"
    );
    format!("{}\n", line.trim_end())
}

fn separation(s: &Separation) -> Value {
    json!({
        "auroc": s.auroc, "f1": s.f1, "precision": s.precision, "recall": s.recall,
        "threshold": s.threshold,
    })
}

/// A share, or a dash where there is none.
fn figure(figure: Option<f64>) -> String {
    figure.map_or("–".into(), |figure| format!("{figure:.3}"))
}
