//! `machado sae steer`: what a feature does when it is turned up and down.

mod concept;
mod page;
mod report;

use std::io::Write;
use std::ops::Range;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use machado_core::interpret::{
    Contrast, DoseResponse, Handle, Place, Rank, Reading, SurveyConfig, TokenLabels, TokenText,
    Trial, TrialConfig, WordCounts, WordLift, controls, drawn,
};
use machado_core::model::Site;
use machado_core::tokenizer::UnknownPolicy;

use self::concept::Concept;
use self::report::{Compared, Report};
use super::inside::Inside;
use crate::cli::SaeSteerArgs;
use crate::known_text::KnownText;
use crate::models::LoadedModel;
use crate::sae_folder::LoadedSae;
use crate::say::say;
use crate::{files, steering};

/// Tokens of the text that show what the feature and the concept are: enough for words that come
/// once in ten thousand.
const LOOKED: usize = 1 << 19;

/// Words that those of the concept are compared with: so many for each, and so many in all at least.
const WORDS_ALIKE: usize = 2;
const CONTROL_WORDS: usize = 10;

/// Prompts taken out of the held-out text.
const PROMPTS: usize = 6;

pub(super) fn run(args: &SaeSteerArgs) -> Result<()> {
    let Inside { loaded, compute, site, sae, facts } =
        Inside::open(args.inside.run.as_deref(), &args.place)?;
    let model = &loaded.file.model;
    let sae = LoadedSae { sae, facts };
    let handle = steering::feature(&sae, args.feature)?;
    let place = place(args, site)?;
    args.html.iter().try_for_each(|path| files::check_folder_of(path))?;
    let text = KnownText::read(&loaded, &args.inside.text, UnknownPolicy::Skip)?;
    let [study, held_out] = text.parts_or_shares(&loaded);
    let looked = study.start..study.end.min(study.start + LOOKED);
    let tokens = TokenText::new(&model.tokenizer, &text.ids, looked.clone());
    let reading = Reading { model, compute: &compute, site: &place.site, ids: &text.ids };
    let whole = TokenText::new(&model.tokenizer, &text.ids, 0..text.ids.len());
    let counts = WordCounts::of(whole.text());
    let on = || words_of(&reading, &sae, args.feature, &whole, looked.clone());
    let concept = Concept::new(args, loaded.standardize(), &counts, on)?;
    let ranges = concept.find(tokens.text());
    let contrast = Contrast::of(&reading, looked, &tokens.labels(&ranges)).with_context(|| {
        format!("{} is nowhere in the text that the model learnt from, or everywhere\nhint: look for something else \
             with --words or --regex, or give a text that has it with --text", concept.describe())
    })?;
    let prompts = prompts(args, &loaded, &text, held_out.clone(), &concept);
    let words = concept.as_written();
    let each = WORDS_ALIKE.max(CONTROL_WORDS.div_ceil(words.len()));
    let control_words = counts.alike(&words, each, |word| concept.count(word) > 0);
    let count = |text: &str| concept.count(text);
    let trial = Trial::new(TrialConfig {
        model,
        compute: &compute,
        prompts: &prompts,
        words: &words,
        control_words: &control_words,
        count: &count,
        vocabulary: &counts,
        natural: (&text.ids, &held_out),
        samples: args.samples,
        tokens: args.tokens,
        seed: args.seed,
    })?;
    let what = (&handle, &place);
    let response = measure(args, &trial, what)?;
    let compared = match response.best() {
        None => None,
        Some(best) => {
            let score = best.effect.exact.output_score();
            let others = others(args, &sae)?;
            let rank = Rank::among(&trial, &compute, (&others, &place), (best.strength, score))?;
            let controls = controls(&trial, what, &contrast, (best.strength, args.seed))?;
            Some(Compared { strength: best.strength, controls, rank })
        }
    };
    let report = Report {
        args,
        sae: &sae,
        place: &place,
        concept: &concept,
        control_words: &control_words,
        positions: contrast.positions()[1],
        prompts: &prompts,
        response: &response,
        compared: compared.as_ref(),
    };
    if let Some(file) = &args.html {
        files::write(file, page::html(&report).as_bytes())?;
        say(&format!("saved {}", file.display()));
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", report.as_json())?;
    } else {
        write!(out, "{}", report.as_text())?;
    }
    Ok(())
}

fn place(args: &SaeSteerArgs, site: Site) -> Result<Place> {
    let reach = steering::reach(args.reach);
    if reach == machado_core::model::Reach::State && !site.is_recurrent() {
        bail!(
            "layer {} has no state that goes on, only an output\nhint: add --reach output",
            site.name
        );
    }
    Ok(Place { site, reach, in_box: args.in_box })
}

/// The words on which a feature is strongest in a range of the text.
fn words_of(
    reading: &Reading<'_>,
    loaded: &LoadedSae,
    feature: usize,
    whole: &TokenText,
    range: Range<usize>,
) -> Result<Vec<WordLift>> {
    let labels = TokenLabels::of(whole);
    let config = SurveyConfig { contexts: 0, samples: 0, seed: 0, all_words: false };
    let (sae, maxima) = (&loaded.sae, &loaded.facts.max_activations);
    let surveys = reading.survey(sae, maxima, &[feature], &labels, config, range)?;
    Ok(surveys.into_iter().flat_map(|survey| survey.words).collect())
}

/// The prompts that were given, or pieces of the held-out text that end before a word, as the
/// model's own text was standardized.
fn prompts(
    args: &SaeSteerArgs,
    loaded: &LoadedModel,
    text: &KnownText,
    held_out: Range<usize>,
    concept: &Concept,
) -> Vec<String> {
    if !args.prompt.is_empty() {
        let standardize = loaded.standardize();
        return args.prompt.iter().map(|prompt| standardize.apply(prompt).into_owned()).collect();
    }
    let held_out = TokenText::new(&loaded.file.model.tokenizer, &text.ids, held_out);
    let found = crate::prompt::pieces(held_out.text(), PROMPTS);
    // After its own words the concept is likely anyway.
    let neutral: Vec<String> =
        found.iter().filter(|prompt| concept.count(prompt) == 0).cloned().collect();
    match (neutral.is_empty(), found.is_empty()) {
        (false, _) => neutral,
        (true, false) => found,
        // Too short to be cut: the model begins by itself.
        (true, true) => vec![String::new()],
    }
}

fn measure(
    args: &SaeSteerArgs,
    trial: &Trial<'_>,
    what: (&Handle, &Place),
) -> Result<DoseResponse> {
    let strengths: Vec<f32> = args.strengths.iter().map(|&s| s as f32).collect();
    let style = ProgressStyle::with_template("{bar:30} strength {pos} of {len}, {eta} left");
    let bar = ProgressBar::new(strengths.len() as u64).with_style(style.expect("a fixed template"));
    let response =
        DoseResponse::measure(trial, what, &strengths, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    Ok(response)
}

/// Other features that are active somewhere, drawn at random.
fn others(args: &SaeSteerArgs, sae: &LoadedSae) -> Result<Vec<Handle>> {
    let mut live = steering::live(sae);
    live.retain(|&other| other != args.feature);
    let numbers = drawn(live, args.random_features, args.seed);
    numbers.into_iter().map(|number| steering::feature(sae, number)).collect()
}
