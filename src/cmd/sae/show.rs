//! `machado sae show`: what some features fire at, and what they do.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use machado_core::interpret::{
    BANDS, FeatureSurvey, Firing, Promoted, ReadOut, SurveyConfig, neighbours, properties,
};
use serde_json::{Value, json};

use super::inside::{Inside, InsideText};
use super::piece::{Piece, has_colour};
use super::{list, piece};
use crate::cli::{SaeShowArgs, UsageError};
use crate::files;
use crate::html::{escaped, page};
use crate::number::{bar, grouped};
use crate::say::say;

/// Tokens promoted and suppressed, and features alike.
const TOKENS: usize = 10;
const NEAR: usize = 6;

/// All that is shown of a feature.
struct Shown {
    survey: FeatureSurvey,
    contexts: Vec<Piece>,
    /// With the number of the band.
    samples: Vec<(usize, Piece)>,
    promoted: [Vec<Promoted>; 2],
    /// Number, cosine and name.
    near: Vec<(usize, f32, String)>,
}

pub(super) fn run(args: &SaeShowArgs) -> Result<()> {
    let (features, run) = named(&args.features)?;
    let inside = Inside::open(run.as_deref(), &args.place)?;
    // Also says if there is no such feature, before anything is read.
    inside.sae.encoder_of(&features, inside.compute.unit())?;
    args.html.iter().try_for_each(|path| files::check_folder_of(path))?;
    let text = inside.read(&args.text)?;
    let shown = look(&inside, &text, &features, args)?;
    let direct = ReadOut::after(&inside.site, &inside.loaded.file.model)?.is_some();
    if let Some(path) = &args.html {
        files::write(path, html(&inside, &shown, direct).as_bytes())?;
        say(&format!("saved       {}", path.display()));
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        let shown: Vec<Value> = shown.iter().map(|one| one.json(&inside, direct)).collect();
        writeln!(out, "{}", Value::Array(shown))?;
    } else if args.html.is_none() {
        let texts: Vec<String> =
            shown.iter().map(|one| one.text(&inside, direct, has_colour())).collect();
        write!(out, "{}", texts.join("\n"))?;
    }
    Ok(())
}

/// The numbers, and the run if there is one at the end.
fn named(words: &[String]) -> Result<(Vec<usize>, Option<PathBuf>)> {
    let (mut features, mut run) = (Vec::new(), None);
    for (place, word) in words.iter().enumerate() {
        match word.parse() {
            Ok(feature) if !features.contains(&feature) => features.push(feature),
            Ok(_) => {}
            Err(_) if word.parse::<i64>().is_ok() => {
                bail!(UsageError(format!("there is no feature {word}: they are numbered from 0")));
            }
            Err(_) if place + 1 == words.len() => run = Some(PathBuf::from(word)),
            Err(_) => {
                bail!(UsageError(format!(
                    "expected numbers of features and then a run, not \"{word}\""
                )))
            }
        }
    }
    if features.is_empty() {
        bail!(UsageError("no feature is named; `machado sae list` lists them".into()));
    }
    let run = run.or_else(|| std::env::var_os("MACHADO_MODEL").map(PathBuf::from));
    Ok((features, run))
}

fn look(
    inside: &Inside,
    text: &InsideText,
    features: &[usize],
    args: &SaeShowArgs,
) -> Result<Vec<Shown>> {
    let near = neighbours(&inside.sae, features, &inside.alive(), NEAR);
    let config = SurveyConfig {
        contexts: args.contexts,
        samples: args.samples,
        seed: args.seed,
        all_words: false,
    };
    // The neighbours are read too, for their names.
    let mut asked = features.to_vec();
    for &(other, _) in near.iter().flatten() {
        if !asked.contains(&other) {
            asked.push(other);
        }
    }
    let surveys = inside.survey(text, &asked, config)?;
    let name_of = |feature: usize| {
        let survey = surveys.iter().find(|survey| survey.feature == feature);
        survey.map_or_else(String::new, FeatureSurvey::label)
    };
    let mut firing: Vec<(usize, Firing)> = Vec::new();
    for survey in &surveys[..features.len()] {
        let all = survey.contexts.iter().chain(survey.samples.iter().flatten());
        firing.extend(all.map(|&firing| (survey.feature, firing)));
    }
    let mut pieces = inside.pieces(text, &firing)?.into_iter();
    let mut shown = Vec::new();
    for (survey, near) in surveys[..features.len()].iter().zip(near) {
        let contexts = pieces.by_ref().take(survey.contexts.len()).collect();
        let bands = survey.samples.iter().enumerate();
        let bands: Vec<usize> = bands.flat_map(|(band, of)| of.iter().map(move |_| band)).collect();
        let samples = bands.into_iter().zip(pieces.by_ref()).collect();
        shown.push(Shown {
            promoted: inside.reading(&text.known).promoted(
                &inside.sae,
                survey.feature,
                survey.max,
                TOKENS,
            )?,
            near: near.into_iter().map(|(i, cosine)| (i, cosine, name_of(i))).collect(),
            survey: survey.clone(),
            contexts,
            samples,
        });
    }
    Ok(shown)
}

/// How the tokens were found, in words.
fn how(direct: bool) -> &'static str {
    if direct {
        "what its strongest activation adds to the logits, exact: the last layer reads this one"
    } else {
        "what its strongest activation would add to the logits, by a small push at 64 places: other \
         layers lie between"
    }
}

impl Shown {
    fn text(&self, inside: &Inside, direct: bool, colour: bool) -> String {
        let Self { survey, near, .. } = self;
        let mut out =
            format!("feature {}  {}\n\n", survey.feature, piece::visible(&survey.label()));
        let mut line = |name: &str, what: String| {
            let _ = writeln!(out, "{name:<12}{what}");
        };
        line(
            "fires",
            format!(
                "at {} of {} tokens ({:.3}%); strongest {:.3}, mean {:.3} where it fires",
                grouped(survey.active),
                grouped(survey.positions),
                100.0 * survey.density(),
                survey.max,
                survey.mean
            ),
        );
        for (what, shown) in self.figures() {
            line(what, shown);
        }
        for (name, tokens) in ["promotes", "suppresses"].iter().zip(&self.promoted) {
            line(name, tokens_of(inside, tokens));
        }
        line("", format!("({})", how(direct)));
        for (place, (feature, cosine, label)) in near.iter().enumerate() {
            line(
                if place == 0 { "alike" } else { "" },
                format!("{feature:>6}  {cosine:.3}  {label}"),
            );
        }
        for (band, count) in survey.bands.iter().enumerate() {
            let most = *survey.bands.iter().max().unwrap_or(&1);
            let share = *count as f64 / most.max(1) as f64;
            let name = if band == 0 { "strength" } else { "" };
            line(
                name,
                format!(
                    "{:>6.2}  {:>9}  {}",
                    self.edge(band),
                    grouped(*count).to_string(),
                    bar(share, 30.0)
                ),
            );
        }
        self.append_texts(&mut out, colour);
        out
    }

    /// Words, rule and unit.
    fn figures(&self) -> Vec<(&'static str, String)> {
        let mut figures = Vec::new();
        let words: Vec<String> = self
            .survey
            .words
            .iter()
            .take(6)
            .map(|word| {
                format!("{} (lift {:.1}, {:.0}%)", word.word, word.lift, 100.0 * word.share)
            })
            .collect();
        if !words.is_empty() {
            figures.push(("words", words.join(", ")));
        }
        if let Some(rule) = self.survey.property {
            let name = properties()[rule.property].name;
            figures.push((
                "rule",
                format!(
                    "{name}: F1 {:.3}, precision {:.3}, recall {:.3}, from {:.2} on",
                    rule.f1, rule.precision, rule.recall, rule.threshold
                ),
            ));
        }
        if let Some((unit, correlation)) = self.survey.unit {
            figures.push((
                "single unit",
                format!("{unit} goes most with it: correlation {correlation:.3}"),
            ));
        }
        figures
    }

    /// The lowest activation of a band.
    fn edge(&self, band: usize) -> f32 {
        band as f32 / BANDS as f32 * self.survey.max
    }

    fn append_texts(&self, out: &mut String, colour: bool) {
        let strongest: Vec<&Piece> = self.contexts.iter().collect();
        let drawn: Vec<&Piece> = self.samples.iter().rev().map(|(_, piece)| piece).collect();
        let max = self.survey.max;
        for (title, pieces) in [
            ("strongest contexts, one a line of the text", strongest),
            ("drawn from each tenth of the strongest activation", drawn),
        ] {
            if !pieces.is_empty() {
                let _ = writeln!(out, "\n{title}");
            }
            for piece in pieces {
                let value = piece.firing.value;
                if colour {
                    let _ = writeln!(out, "{value:>8.2}  {}", piece.coloured(max));
                } else {
                    let [text, digits] = piece.plain(max);
                    let _ = writeln!(out, "{value:>8.2}  {text}\n          {digits}");
                }
            }
        }
    }

    fn json(&self, inside: &Inside, direct: bool) -> Value {
        let mut json = list::json(&self.survey);
        let tokens = |tokens: &[Promoted]| -> Vec<Value> {
            let token = |p: &Promoted| json!({"token": token(inside, p.id), "logit": p.logit});
            tokens.iter().map(token).collect()
        };
        let near = self.near.iter();
        let near: Vec<Value> = near
            .map(|(feature, cosine, label)| json!({"feature": feature, "cosine": cosine, "label": label}))
            .collect();
        let contexts: Vec<Value> = self.contexts.iter().map(Piece::json).collect();
        let samples: Vec<Value> = self
            .samples
            .iter()
            .map(|(band, piece)| json!({"band": band, "context": piece.json()}))
            .collect();
        json["positions"] = self.survey.positions.into();
        json["read_out"] = if direct { "exact" } else { "measured" }.into();
        json["promoted"] = tokens(&self.promoted[0]).into();
        json["suppressed"] = tokens(&self.promoted[1]).into();
        json["alike"] = near.into();
        json["contexts"] = contexts.into();
        json["samples"] = samples.into();
        json
    }

    fn html(&self, inside: &Inside, direct: bool) -> String {
        let survey = &self.survey;
        let mut html = format!(
            "<h2>Feature {}: {}</h2>\n<p>Fires at {} of {} tokens ({:.3}%). Strongest {:.3}, mean {:.3} \
             where it fires.</p>\n",
            survey.feature,
            escaped(&survey.label()),
            grouped(survey.active),
            grouped(survey.positions),
            100.0 * survey.density(),
            survey.max,
            survey.mean
        );
        let most = survey.bands.iter().copied().max().unwrap_or(1).max(1) as f64;
        let counts: Vec<String> = survey.bands.iter().map(u64::to_string).collect();
        let _ = write!(
            html,
            "<h3>How often in each tenth of its strongest activation</h3>\n\
             <div class=\"bars\" role=\"img\" aria-label=\"tokens in each tenth: {}\">",
            counts.join(", ")
        );
        for (band, &count) in survey.bands.iter().enumerate() {
            let (from, height) = (self.edge(band), 100.0 * count as f64 / most);
            let _ = write!(
                html,
                "<span style=\"height:{height:.1}%\" title=\"from {from:.2}: {count}\"></span>"
            );
        }
        let _ = write!(
            html,
            "</div>\n<p class=\"ends soft\"><small>0</small><small>{:.2}</small></p>\n<h3>What it \
             knows and does</h3>\n<table>\n",
            survey.max
        );
        let mut row = |name: &str, lines: &[String]| {
            let lines: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
            let lines = lines.join("<br>");
            let _ = writeln!(html, "<tr><th scope=\"row\">{name}</th><td>{lines}</td></tr>");
        };
        for (name, what) in self.figures() {
            row(name, &[what]);
        }
        row("promotes", &[tokens_of(inside, &self.promoted[0])]);
        row("suppresses", &[tokens_of(inside, &self.promoted[1])]);
        let near = self.near.iter();
        let near: Vec<String> = near
            .map(|(feature, cosine, label)| format!("{feature} ({cosine:.3}) {label}"))
            .collect();
        row("alike", &near);
        let _ = writeln!(
            html,
            "</table>\n<p><small>Promotes and suppresses: {}. Alike: by the cosine of the \
             directions.</small></p>",
            how(direct)
        );
        let drawn: Vec<&Piece> = self.samples.iter().rev().map(|(_, piece)| piece).collect();
        for (title, pieces) in [
            ("Strongest contexts", self.contexts.iter().collect()),
            ("Drawn from each tenth of the strongest activation", drawn),
        ] {
            let _ = writeln!(html, "<h3>{title}</h3>\n<div class=\"texts\" lang=\"\">");
            pieces.iter().for_each(|piece| html.push_str(&piece.html(survey.max)));
            html.push_str("</div>\n");
        }
        html
    }
}

fn token(inside: &Inside, id: u32) -> String {
    inside.loaded.file.model.tokenizer.token(id)
}

fn tokens_of(inside: &Inside, tokens: &[Promoted]) -> String {
    let shown = tokens
        .iter()
        .map(|p| format!("\"{}\" {:+.2}", piece::visible(&token(inside, p.id)), p.logit));
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "nothing".into() } else { shown.join("  ") }
}

fn html(inside: &Inside, shown: &[Shown], direct: bool) -> String {
    let mut body = format!(
        "<p class=\"soft\">{}, layer {}: {} features</p>\n",
        escaped(&inside.loaded.name),
        escaped(&inside.site.name),
        grouped(inside.sae.d_sae() as u64)
    );
    shown.iter().for_each(|one| body.push_str(&one.html(inside, direct)));
    page("Features", &body)
}
