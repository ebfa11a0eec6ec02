//! `machado sae find`: the features that know a concept, and what pushing them does.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Result, bail};
use machado_core::ids::TokenIds;
use machado_core::interpret::{
    Active, Cause, Concept, ConceptScores, FeatureSurvey, Handle, Kind, Reading, Scored,
    SurveyConfig,
};
use machado_core::tokenizer::{TokenizerKind, UnknownPolicy};
use serde_json::{Value, json};

use super::inside::{Inside, InsideText};
use super::wanted::{Matches, of_examples, pattern};
use crate::cli::{SaeFindArgs, UsageError};
use crate::number::grouped;
use crate::say::say;

/// Fewer tokens of a concept than these judge nothing.
const FEW: u64 = 30;

/// Words of the concept whose probability is measured.
const WORDS: usize = 10;

/// Features whose effect is measured.
const CAUSES: usize = 20;

/// Tokens of a prompt: the longest that is free of the concept anywhere.
const PROMPTS: [usize; 4] = [64, 32, 16, 8];

/// Places looked at for each prompt.
const TRIES: usize = 2000;

pub(super) fn run(args: &SaeFindArgs) -> Result<()> {
    let inside = Inside::open(args.inside.run.as_deref(), &args.place)?;
    if let Some(like) = &args.like {
        return like_text(args, &inside, like);
    }
    if let (Some(pos), Some(neg)) = (&args.pos, &args.neg) {
        let (ids, concept) = of_examples(&inside, pos, neg)?;
        let scores = scores(args, &inside, &ids, &concept)?;
        let found = Found { scores, names: HashMap::new(), effects: Vec::new(), matches: None };
        return found.print(args);
    }
    let Some((regex, words)) = pattern(args, &inside)? else {
        bail!(UsageError(
            "say what to find: --words, --words-file, --regex, --pos with --neg, or --like".into()
        ));
    };
    let text = inside.read(&args.inside.text)?;
    let matches = Matches::of(&regex, &words, text.text.text())?;
    let [study, test] = text.known.parts_or_shares(&inside.loaded);
    let kinds = matches.kinds(&text.text, args.label);
    let concept = Concept { kinds, study: vec![study], test: vec![test] };
    let scores = scores(args, &inside, &text.known.ids, &concept)?;
    let effects = effects(args, &inside, &text, &concept, &matches, &scores)?;
    let numbers: Vec<usize> = scores.features.iter().map(|scored| scored.number).collect();
    let names = names(&inside, &text, &numbers)?;
    Found { scores, names, effects, matches: Some(matches) }.print(args)
}

fn scores(
    args: &SaeFindArgs,
    inside: &Inside,
    ids: &TokenIds,
    concept: &Concept,
) -> Result<ConceptScores> {
    let reading = Reading {
        model: &inside.loaded.file.model,
        compute: &inside.compute,
        site: &inside.site,
        ids,
    };
    Ok(reading.find(&inside.sae, &inside.facts.max_activations, concept, args.top)?)
}

/// What features are called by what was measured of them.
fn names(inside: &Inside, text: &InsideText, features: &[usize]) -> Result<HashMap<usize, String>> {
    let config = SurveyConfig { contexts: 0, samples: 0, seed: 0 };
    let surveys = inside.survey(text, features, config)?;
    Ok(surveys.iter().map(|survey| (survey.feature, FeatureSurvey::label(survey))).collect())
}

/// How much more each of the best features, held at its strongest, lifts the words of the concept
/// than other words, in nats a word.
fn effects(
    args: &SaeFindArgs,
    inside: &Inside,
    text: &InsideText,
    concept: &Concept,
    matches: &Matches,
    scores: &ConceptScores,
) -> Result<Vec<Option<f64>>> {
    let prompts = prompts(args.prompts, inside, text, concept);
    let chosen: Vec<&(String, u64)> = matches.texts.iter().take(WORDS).collect();
    let controls = controls(text, matches, &chosen);
    let encode = |words: Vec<&str>| -> Result<Vec<Vec<u32>>> {
        words.into_iter().map(|word| encode(inside, word)).collect()
    };
    let words = encode(chosen.iter().map(|(word, _)| &word[..]).collect())?;
    let controls = encode(controls.iter().map(|word| &word[..]).collect())?;
    if prompts.is_empty() || words.is_empty() || controls.is_empty() {
        if args.prompts > 0 {
            say(
                "note: no piece of the text is free of the concept, so what features do is not measured",
            );
        }
        return Ok(Vec::new());
    }
    let cause = Cause {
        model: &inside.loaded.file.model,
        unit: inside.compute.unit(),
        site: &inside.site,
        prompts: &prompts,
        words: &words,
        controls: &controls,
    };
    let before = cause.log_probabilities(None)?;
    let mut effects: Vec<(usize, Option<f64>)> =
        scores.features.iter().take(CAUSES).map(|scored| (scored.number, None)).collect();
    inside.compute.for_each(&mut effects, |(feature, effect)| {
        let max = inside.facts.max_activations[*feature];
        let handle = Handle::feature(&inside.sae, *feature, max);
        *effect = handle.and_then(|handle| cause.effect(&handle, 1.0, before)).ok();
    });
    Ok(effects.into_iter().map(|(_, effect)| effect).collect())
}

/// Whether the space before a word belongs to its token.
fn has_space_inside(inside: &Inside) -> bool {
    inside.loaded.file.model.tokenizer.kind() != TokenizerKind::Char
}

/// The tokens of a word as it stands after others.
fn encode(inside: &Inside, word: &str) -> Result<Vec<u32>> {
    let tokenizer = &inside.loaded.file.model.tokenizer;
    let mut encoding = tokenizer.encoding(UnknownPolicy::Skip, "text");
    let word = if has_space_inside(inside) { format!(" {word}") } else { word.to_owned() };
    tokenizer.encode_piece(&word, &mut encoding)?;
    Ok(encoding.ids.to_vec())
}

/// Pieces of the part to judge on that end before a word and have nothing of the concept; none, if
/// the concept is everywhere.
fn prompts(count: usize, inside: &Inside, text: &InsideText, concept: &Concept) -> Vec<Vec<u32>> {
    let all = PROMPTS.iter().map(|&length| prompts_of(length, count, inside, text, concept));
    all.into_iter().find(|prompts| !prompts.is_empty()).unwrap_or_default()
}

fn prompts_of(
    length: usize,
    count: usize,
    inside: &Inside,
    text: &InsideText,
    concept: &Concept,
) -> Vec<Vec<u32>> {
    let Some(range) = concept.test.first() else { return Vec::new() };
    let before_word = |place: usize| {
        if has_space_inside(inside) {
            text.text.piece(place..place + 1).starts_with(' ')
        } else {
            text.text.piece(place - 1..place) == " "
        }
    };
    let fits = |&place: &usize| {
        place >= length
            && before_word(place)
            && concept.kinds[place - length..place].iter().all(|kind| *kind == Kind::Negative)
    };
    let from = |i: usize| range.start + range.len() * i / count.max(1);
    let mut places: Vec<usize> =
        (0..count).filter_map(|i| (from(i)..(from(i) + TRIES).min(range.end)).find(fits)).collect();
    places.dedup();
    let prompt = |place: usize| {
        let mut ids = Vec::with_capacity(length);
        text.known.ids.for_each(place - length..place, |id| ids.push(id));
        ids
    };
    places.into_iter().map(prompt).collect()
}

/// For each word another one of the text, as long and as frequent as can be.
fn controls(text: &InsideText, matches: &Matches, words: &[&(String, u64)]) -> Vec<String> {
    let all = &text.labels.words;
    let mut taken: Vec<&str> = matches.texts.iter().map(|(word, _)| &word[..]).collect();
    let mut controls = Vec::new();
    for (word, count) in words {
        let length = word.chars().count();
        let far = |i: usize| {
            let longer = all.names[i].chars().count().abs_diff(length) as f64;
            2.0 * longer + (all.counts[i] as f64 / *count as f64).ln().abs()
        };
        let free = (0..all.names.len()).filter(|&i| !taken.contains(&&all.names[i][..]));
        let best = free.map(|i| (i, far(i))).min_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((best, _)) = best {
            taken.push(&all.names[best]);
            controls.push(all.names[best].clone());
        }
    }
    controls
}

/// What was found.
struct Found {
    scores: ConceptScores,
    names: HashMap<usize, String>,
    /// Of the first features.
    effects: Vec<Option<f64>>,
    matches: Option<Matches>,
}

impl Found {
    fn print(&self, args: &SaeFindArgs) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if args.json {
            writeln!(out, "{}", self.json())?;
        } else {
            write!(out, "{}", self.text(args))?;
        }
        Ok(())
    }

    /// The feature to go on with: of those that know the concept nearly as well as the best one, the
    /// one that does most for its words. What detects a concept need not cause it.
    fn best(&self) -> Option<usize> {
        let auroc = |scored: &Scored| scored.test.unwrap_or(scored.study).auroc;
        let features = &self.scores.features;
        let highest = features.iter().map(auroc).fold(0.0, f64::max);
        let near = features.iter().enumerate().filter(|(_, s)| auroc(s) >= highest - 0.1);
        let effect = |place: usize| self.effects.get(place).copied().flatten().unwrap_or(0.0);
        let best =
            near.max_by(|a, b| effect(a.0).total_cmp(&effect(b.0)).then_with(|| b.0.cmp(&a.0)));
        best.map(|(_, scored)| scored.number)
    }

    fn text(&self, args: &SaeFindArgs) -> String {
        let mut out = String::new();
        if let Some(matches) = &self.matches {
            let half = |held_out: bool| {
                let texts = matches.texts.iter().enumerate();
                let texts = texts.filter(|(rank, _)| Matches::is_held_out(*rank) == held_out);
                let shown: Vec<String> =
                    texts.take(8).map(|(_, (text, n))| format!("{text:?} ×{n}")).collect();
                if shown.is_empty() { "nothing".into() } else { shown.join(", ") }
            };
            let _ = writeln!(out, "chosen by   {}\nheld out    {}", half(false), half(true));
        }
        let [positives, all] = self.scores.tested;
        let _ = writeln!(
            out,
            "judged on   {} tokens of the concept among {} that did not choose\n",
            grouped(positives),
            grouped(all)
        );
        if positives < FEW {
            let _ = writeln!(
                out,
                "warning: {positives} tokens tell little; what stands below is chance for the most part{}\n",
                if positives == 0 { ", and of the text that chose" } else { "" }
            );
        }
        let _ = writeln!(
            out,
            "{:<16} AUROC   precision  recall   F1     lift  other words  causes  fires at",
            "feature"
        );
        // The order is that of the text that chose, so these figures need not fall.
        for (place, scored) in self.scores.features.iter().enumerate() {
            let effect = self.effects.get(place).copied().flatten();
            let name = self.names.get(&scored.number).map_or("", |name| name);
            out.push_str(&self.row(&scored.number.to_string(), scored, effect, name));
        }
        if let Some(unit) = &self.scores.unit {
            let name = format!("unit {}{}", unit.number, if unit.is_below { " (low)" } else { "" });
            out.push_str(&self.row(&name, unit, None, "the best single unit"));
        }
        if let Some(difference) = &self.scores.difference {
            let what = "the difference between the mean states";
            out.push_str(&self.row("mean difference", difference, None, what));
        }
        out.push_str(self.next_steps(args).as_str());
        out
    }

    fn row(&self, name: &str, scored: &Scored, effect: Option<f64>, what: &str) -> String {
        let separation = scored.test.unwrap_or(scored.study);
        let lift = self.lift(scored).map_or("–".into(), |lift| format!("{lift:.1}"));
        let other = scored.held_out_auroc.map_or("–".into(), |auroc| format!("{auroc:.3}"));
        let effect = effect.map_or("–".into(), |effect| format!("{effect:+.2}"));
        format!(
            "{name:<16} {:.3}   {:>9.3}  {:>6.3}  {:.3} {lift:>7}  {other:>11}  {effect:>6}  {what}\n",
            separation.auroc, separation.precision, separation.recall, separation.f1
        )
    }

    /// How many times more often the concept is where the score says so than elsewhere.
    fn lift(&self, scored: &Scored) -> Option<f64> {
        let [positives, all] = self.scores.tested;
        let share = positives as f64 / all as f64;
        scored.test.map(|test| test.precision / share)
    }

    fn next_steps(&self, args: &SaeFindArgs) -> String {
        let Some(best) = self.best() else { return String::new() };
        let run = args.inside.run.as_ref();
        let run_of_show = run.map_or(String::new(), |run| format!(" {}", run.display()));
        let run = run.map_or(String::new(), |run| format!(" --model {}", run.display()));
        format!(
            "\nnext: machado sae show {best}{run_of_show}\n      machado generate{run} --steer {best}:0.5\n"
        )
    }

    fn json(&self) -> Value {
        let separation = |s: &machado_core::interpret::Separation| {
            json!({
                "auroc": s.auroc, "f1": s.f1, "precision": s.precision, "recall": s.recall,
                "threshold": s.threshold,
            })
        };
        let scored = |s: &Scored| {
            json!({
                "study": separation(&s.study),
                "test": s.test.as_ref().map(separation),
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
                feature["effect_nats"] = self.effects.get(place).copied().flatten().into();
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
        json!({
            "best": self.best(),
            "matches": matches,
            "tested": {"positives": self.scores.tested[0], "tokens": self.scores.tested[1]},
            "features": features,
            "unit": unit,
            "mean_difference": self.scores.difference.as_ref().map(scored),
        })
    }
}

/// `--like`: what fires in a piece of text, and rarely elsewhere.
fn like_text(args: &SaeFindArgs, inside: &Inside, like: &str) -> Result<()> {
    let prompt = inside.loaded.encode_prompt(like, UnknownPolicy::Skip)?;
    if prompt.ids.is_empty() {
        bail!("--like has no text that the model knows: {like:?}");
    }
    let mut ids = TokenIds::for_vocabulary(inside.loaded.file.model.tokenizer.vocabulary_size());
    prompt.ids.iter().for_each(|&id| ids.push(id));
    let reading = Reading {
        model: &inside.loaded.file.model,
        compute: &inside.compute,
        site: &inside.site,
        ids: &ids,
    };
    let mut encoder = inside.sae.encoder(inside.compute.unit());
    let mut sums = vec![0.0; inside.sae.d_sae()];
    reading.for_each(0..ids.len(), |_, state| {
        encoder.encode(state, |_, active| {
            for &Active { feature, value } in active {
                sums[feature as usize] += f64::from(value);
            }
        });
    })?;
    let facts = &inside.facts;
    let score = |feature: usize| {
        let density = facts.active_positions[feature].max(1) as f64 / facts.positions.max(1) as f64;
        // What fires everywhere says nothing about this text.
        -sums[feature] / ids.len() as f64 * density.min(1.0).ln()
    };
    let mut ranked: Vec<(usize, f64)> = (0..sums.len()).map(|i| (i, score(i))).collect();
    ranked.retain(|(_, score)| *score > 0.0);
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked.truncate(args.top);
    if ranked.is_empty() {
        bail!("no feature fires in that text\nhint: give a longer piece");
    }
    let numbers: Vec<usize> = ranked.iter().map(|(feature, _)| *feature).collect();
    let names = names(inside, &inside.read(&args.inside.text)?, &numbers)?;
    let mut out = std::io::stdout().lock();
    let name = |feature: &usize| names.get(feature).map_or("", |name| name);
    let mean = |feature: usize| sums[feature] / ids.len() as f64;
    if args.json {
        let features: Vec<Value> = ranked.iter().map(|(feature, score)| json!({
            "feature": feature, "score": score, "mean": mean(*feature), "label": name(feature),
        })).collect();
        writeln!(out, "{}", json!({"best": numbers[0], "features": features}))?;
        return Ok(());
    }
    writeln!(out, "feature     score      mean  fires at")?;
    for (feature, score) in &ranked {
        writeln!(out, "{feature:>7}  {score:>8.3}  {:>8.3}  {}", mean(*feature), name(feature))?;
    }
    Ok(())
}
