//! `machado sae map`: features on a plane, like near like.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Result, bail};
use machado_core::interpret::{Agreement, FeatureSurvey, Groups, GroupsConfig, SurveyConfig};
use serde_json::{Value, json};

use super::inside::Inside;
use crate::cli::SaeMapArgs;
use crate::files;
use crate::html::escaped;
use crate::number::grouped;
use crate::say::say;

/// Times that labels are dealt out anew.
const PERMUTATIONS: usize = 999;

/// The size of the drawing, and its edge.
const SIZE: f64 = 1000.0;
const EDGE: f64 = 40.0;

/// The width of the list of groups, the height of one of them, and characters of its name.
const LIST: f64 = 340.0;
const ROW: f64 = 26.0;
const LONGEST: usize = 36;

pub(super) fn run(args: &SaeMapArgs) -> Result<()> {
    let inside = Inside::open(args.inside.run.as_deref(), &args.place)?;
    let text = inside.read(&args.inside.text)?;
    let config = SurveyConfig { contexts: 0, samples: 0, seed: 0, all_words: false };
    let mut surveys = inside.survey(&text, &inside.alive(), config)?;
    surveys.retain(|survey| survey.active > 0);
    if surveys.len() < 3 {
        bail!(
            "only {} features fire in this text, too few for a map\n\
             hint: give more text with --text, or train an autoencoder with more features",
            surveys.len()
        );
    }
    let features: Vec<usize> = surveys.iter().map(|survey| survey.feature).collect();
    let by_size = GroupsConfig::usual_groups(features.len());
    let config = GroupsConfig {
        neighbours: args.neighbours.min(features.len() - 1),
        groups: args.groups.unwrap_or(by_size).min(features.len()),
        permutations: PERMUTATIONS,
        seed: args.seed,
    };
    let groups = Groups::of(&inside.sae, &features, &config);
    let rules: Vec<Option<usize>> =
        surveys.iter().map(|survey| survey.property.map(|rule| rule.property)).collect();
    let agreement = groups.agreement(&rules, &config);
    let labels: Vec<String> = surveys.iter().map(FeatureSurvey::label).collect();
    let names = groups.names(&labels);
    files::write(&args.out, svg(&surveys, &groups, &names).as_bytes())?;
    say(&format!("saved       {}", args.out.display()));
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", as_json(&surveys, &groups, &names, &agreement))?;
    } else {
        write!(out, "{}", as_text(&surveys, &groups, &names, &agreement))?;
    }
    Ok(())
}

fn as_text(
    surveys: &[FeatureSurvey],
    groups: &Groups,
    names: &[String],
    agreement: &Agreement,
) -> String {
    let mut out =
        format!("{} features in {} groups\n\n", grouped(surveys.len() as u64), names.len());
    for (group, (name, size)) in names.iter().zip(groups.sizes()).enumerate() {
        let own = surveys.iter().zip(&groups.group).filter(|(_, own)| **own == group);
        let some: Vec<String> = own.take(6).map(|(survey, _)| survey.feature.to_string()).collect();
        let _ = writeln!(
            out,
            "{group:>5}  {size:>5} features  {name}  ({}{})",
            some.join(", "),
            if size > 6 { ", …" } else { "" }
        );
    }
    let _ = writeln!(
        out,
        "\nneighbours  {:.1}% share the rule that fits them best; by chance {:.1}% (p = {:.4}, {PERMUTATIONS} deals)",
        100.0 * agreement.share,
        100.0 * agreement.by_chance,
        agreement.p_value
    );
    out
}

fn as_json(
    surveys: &[FeatureSurvey],
    groups: &Groups,
    names: &[String],
    agreement: &Agreement,
) -> Value {
    let features: Vec<Value> = surveys
        .iter()
        .enumerate()
        .map(|(i, survey)| {
            let near: Vec<Value> = groups.neighbours[i]
                .iter()
                .map(
                    |&(other, cosine)| json!({"feature": surveys[other].feature, "cosine": cosine}),
                )
                .collect();
            json!({
                "feature": survey.feature,
                "label": survey.label(),
                "group": groups.group[i],
                "place": groups.places[i],
                "alike": near,
            })
        })
        .collect();
    let groups: Vec<Value> = names
        .iter()
        .zip(groups.sizes())
        .map(|(label, size)| json!({"label": label, "features": size}))
        .collect();
    json!({
        "groups": groups,
        "neighbours": {
            "share_with_same_rule": agreement.share,
            "by_chance": agreement.by_chance,
            "p_value": agreement.p_value,
            "permutations": PERMUTATIONS,
        },
        "features": features,
    })
}

/// The drawing, with a list of the groups beside it; its colours follow what the reader likes, light or
/// dark. Who points at a group in the list, or goes there by keys, sees it alone.
fn svg(surveys: &[FeatureSurvey], groups: &Groups, names: &[String]) -> String {
    let at = |x: f64| SIZE / 2.0 + x * (SIZE / 2.0 - EDGE);
    let width = SIZE + LIST;
    let height = SIZE.max(ROW * (names.len() as f64 + 2.0));
    let label = format!("a map of {} features in {} groups", surveys.len(), names.len());
    let alone: String = (0..names.len())
        .map(|group| {
            format!("svg:has(#k{group}:is(:hover, :focus)) .g:not(#g{group}) {{ opacity: .08 }}\n")
        })
        .collect();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"15\" role=\"group\" aria-label=\"{label}\">\n\
         <style>svg {{ background: #fdfcfa }} text {{ fill: #1d2229 }} \
         .number {{ font-size: 19px; font-weight: 600; stroke: #fdfcfa; stroke-width: 5px; paint-order: stroke }} \
         circle {{ fill-opacity: .8; stroke: #1d2229; stroke-opacity: .4; stroke-width: .7px }} \
         .k {{ cursor: default }} .k:focus {{ outline: 2px solid #1769aa }}\n\
         @media (prefers-color-scheme: dark) {{ svg {{ background: #14171c }} text {{ fill: #e4e7eb }} \
         .number {{ stroke: #14171c }} circle {{ stroke: #e4e7eb }} .k:focus {{ outline-color: #6cb8ff }} }}\n\
         {alone}</style>\n"
    );
    let (mut numbers, mut list) = (String::new(), String::new());
    let mut taken: Vec<[f64; 2]> = Vec::new();
    let sized = names.iter().zip(groups.sizes()).zip(groups.middles());
    for (group, ((name, size), middle)) in sized.enumerate() {
        let colour = colour(group, names.len());
        let own = surveys.iter().zip(&groups.places).zip(&groups.group);
        let own = own.filter(|(_, own)| **own == group).map(|(dot, _)| dot);
        let _ = writeln!(svg, "<g class=\"g\" id=\"g{group}\" fill=\"{colour}\">");
        for (survey, &[x, y]) in own {
            // Larger where it fires more often; by logarithm, as densities differ a thousandfold.
            let radius = (7.0 + 1.2 * survey.density().max(1e-6).log10()).clamp(2.0, 7.0);
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\"><title>{}: {}</title></circle>",
                at(x),
                at(y),
                survey.feature,
                escaped(&survey.label())
            );
        }
        svg.push_str("</g>\n");
        let row = ROW * (group as f64 + 1.5);
        let shown: String = name.chars().take(LONGEST).collect();
        let _ = writeln!(
            list,
            "<g class=\"k\" id=\"k{group}\" tabindex=\"0\"><circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"7\" \
             fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{row:.1}\">{group} {} ({size})</text></g>",
            SIZE + 12.0,
            row - 5.0,
            SIZE + 28.0,
            escaped(&shown)
        );
        if let Some(middle) = middle {
            let [x, mut y] = middle.map(at);
            // A number steps down until it covers no other.
            let covers = |other: &[f64; 2], y: f64| {
                (other[1] - y).abs() < 20.0 && (other[0] - x).abs() < 28.0
            };
            while taken.iter().any(|other| covers(other, y)) {
                y += 20.0;
            }
            taken.push([x, y]);
            let _ = writeln!(
                numbers,
                "<text class=\"number\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{group}</text>"
            );
        }
    }
    svg + &numbers + &list + "</svg>\n"
}

/// A colour for each group, as different as can be.
fn colour(group: usize, groups: usize) -> String {
    let hue = 360.0 * group as f64 / groups.max(1) as f64;
    format!("hsl({hue:.0} 65% {}%)", if group.is_multiple_of(2) { 45 } else { 60 })
}
