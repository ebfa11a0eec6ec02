//! `machado sae list`: all features, with names by what was measured.

use std::io::Write;

use anyhow::Result;
use machado_core::interpret::{FeatureSurvey, SurveyConfig, properties};
use serde_json::{Value, json};

use super::inside::Inside;
use super::piece::Piece;
use crate::cli::{OrderArg, SaeListArgs};
use crate::files;
use crate::html::{SEARCH, escaped, page};
use crate::number::grouped;
use crate::say::say;

/// Features that are listed if nothing else is said.
const LISTED: usize = 30;

/// Strongest contexts of each feature on the page.
const CONTEXTS: usize = 5;

pub(super) fn run(args: &SaeListArgs) -> Result<()> {
    let inside = Inside::open(args.inside.run.as_deref(), &args.place)?;
    args.html.iter().try_for_each(|path| files::check_folder_of(path))?;
    let text = inside.read(&args.inside.text)?;
    let all: Vec<usize> = (0..inside.sae.d_sae()).collect();
    let contexts = if args.html.is_some() { CONTEXTS } else { 0 };
    let config = SurveyConfig { contexts, samples: 0, seed: 0, all_words: false };
    let mut features = inside.survey(&text, &all, config)?;
    sort(&mut features, args.by);
    let everything = args.json || args.html.is_some();
    features.truncate(args.top.unwrap_or(if everything { usize::MAX } else { LISTED }));
    if let Some(path) = &args.html {
        let firing: Vec<_> = features
            .iter()
            .flat_map(|feature| feature.contexts.iter().map(|&firing| (feature.feature, firing)))
            .collect();
        let pieces = inside.pieces(&text, &firing)?;
        files::write(path, html(&inside, &features, &pieces).as_bytes())?;
        say(&format!("saved       {}", path.display()));
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        let features: Vec<Value> = features.iter().map(json).collect();
        let positions = text.known.ids.len();
        let whole = json!({
            "site": inside.site.name,
            "d_sae": inside.sae.d_sae(),
            "positions": positions,
            "features": features,
        });
        writeln!(out, "{whole}")?;
    } else if args.html.is_none() {
        writeln!(out, "feature    fires       max  fires at")?;
        for feature in &features {
            writeln!(out, "{}", row(feature))?;
        }
        if features.len() < inside.sae.d_sae() {
            let all = grouped(inside.sae.d_sae() as u64);
            say(&format!("{} of {all} features; --top N shows more", features.len()));
        }
    }
    Ok(())
}

/// A line of the list.
fn row(feature: &FeatureSurvey) -> String {
    format!(
        "{:>7}  {:>6.3}%  {:>8.3}  {}",
        feature.feature,
        100.0 * feature.density(),
        feature.max,
        feature.label()
    )
}

fn sort(features: &mut [FeatureSurvey], order: OrderArg) {
    match order {
        OrderArg::Index => {}
        OrderArg::Density => features.sort_by_key(|feature| std::cmp::Reverse(feature.active)),
        OrderArg::Max => features.sort_by(|a, b| b.max.total_cmp(&a.max)),
        OrderArg::Label => features.sort_by_cached_key(FeatureSurvey::label),
    }
}

/// What was measured of a feature.
pub(super) fn json(feature: &FeatureSurvey) -> Value {
    let words: Vec<Value> = feature
        .words
        .iter()
        .map(|word| {
            json!({
                "word": word.word, "lift": word.lift, "tokens": word.tokens, "share": word.share, "all": word.all,
            })
        })
        .collect();
    json!({
        "feature": feature.feature,
        "label": feature.label(),
        "active": feature.active,
        "density": feature.density(),
        "max": feature.max,
        "mean": feature.mean,
        "bands": feature.bands,
        "words": words,
        "rule": feature.property.map(|rule| json!({
            "name": properties()[rule.property].name,
            "f1": rule.f1,
            "precision": rule.precision,
            "recall": rule.recall,
            "threshold": rule.threshold,
        })),
        "unit": feature.unit.map(|(unit, correlation)| json!({
            "unit": unit, "correlation": correlation,
        })),
    })
}

fn html(inside: &Inside, features: &[FeatureSurvey], pieces: &[Piece]) -> String {
    let mut body = format!(
        "<p class=\"soft\">{}: what an autoencoder with {} features found in the values of the layer {}. \
         Each line: number, share of the text at which it fires, strongest activation, what it fires at. \
         Open one to see its strongest contexts.</p>\n{SEARCH}\
         <div class=\"row head soft\"><span>no.</span><span>fires</span><span>max</span>\
         <span>at</span></div>\n",
        escaped(&inside.loaded.name),
        grouped(inside.sae.d_sae() as u64),
        escaped(&inside.site.name),
    );
    let mut pieces = pieces.iter();
    for feature in features {
        body.push_str(&format!(
            "<details><summary class=\"row\"><span>{}</span><span>{:.3}%</span><span>{:.2}</span>\
             <span>{}</span></summary>\n<div class=\"texts\" lang=\"\">\n",
            feature.feature,
            100.0 * feature.density(),
            feature.max,
            escaped(&feature.label())
        ));
        for piece in pieces.by_ref().take(feature.contexts.len()) {
            body.push_str(&piece.html(feature.max));
        }
        body.push_str("</div></details>\n");
    }
    page("Features", &body)
}
