//! What the features that know a concept do: exact, without drawing any text.

use std::collections::HashSet;

use anyhow::Result;
use machado_core::interpret::{Cause, Concept, ConceptScores, Handle, Kind, WordCounts};
use machado_core::tokenizer::{TokenizerKind, UnknownPolicy};

use super::super::inside::{Inside, InsideText};
use super::super::wanted::Matches;
use crate::cli::SaeFindArgs;
use crate::say::say;

/// Words of the concept whose probability is measured.
const WORDS: usize = 10;

/// Features whose effect is measured.
const CAUSES: usize = 20;

/// Tokens of a prompt: the longest that is free of the concept anywhere.
const PROMPTS: [usize; 4] = [64, 32, 16, 8];

/// Places looked at for each prompt.
const TRIES: usize = 2000;

/// How much more each of the best features, held at its strongest, lifts the words of the concept
/// than other words, in nats a word.
pub(super) fn effects(
    args: &SaeFindArgs,
    inside: &Inside,
    text: &InsideText,
    concept: &Concept,
    matches: &Matches,
    scores: &ConceptScores,
) -> Result<Vec<Option<f64>>> {
    let prompts = prompts(args.prompts, inside, text, concept);
    // As the text writes them: a model that knows capitals never says a name in small letters.
    let chosen: Vec<(&str, u64)> =
        matches.forms.iter().take(WORDS).flat_map(|forms| forms.usual()).collect();
    let controls = controls(text, matches, &chosen);
    let encode = |words: Vec<&str>| -> Result<Vec<Vec<u32>>> {
        words.into_iter().map(|word| encode(inside, word)).collect()
    };
    let words = encode(chosen.iter().map(|(word, _)| *word).collect())?;
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
fn controls(text: &InsideText, matches: &Matches, words: &[(&str, u64)]) -> Vec<String> {
    let all = WordCounts::of(text.text.text());
    let of_concept: HashSet<&str> = matches.texts.iter().map(|(word, _)| &word[..]).collect();
    let mut free = all.by_count();
    free.retain(|(word, _)| !of_concept.contains(&word.to_lowercase()[..]));
    let mut controls = Vec::new();
    for (word, count) in words {
        let length = word.chars().count();
        let far = |(other, other_count): &(&str, u64)| {
            let longer = other.chars().count().abs_diff(length) as f64;
            2.0 * longer + (*other_count as f64 / *count as f64).ln().abs()
        };
        let places = free.iter().enumerate().map(|(place, other)| (place, far(other)));
        if let Some((place, _)) = places.min_by(|a, b| a.1.total_cmp(&b.1)) {
            controls.push(free.remove(place).0.to_owned());
        }
    }
    controls
}
