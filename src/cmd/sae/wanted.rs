//! The concept that is looked for: from words, a pattern or two texts to positions.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};
use machado_core::ids::TokenIds;
use machado_core::interpret::{Concept, Forms, JUDGED_AT_LEAST, Kind, TokenText};
use machado_core::tokenizer::UnknownPolicy;
use regex::{Regex, RegexBuilder};

use super::inside::Inside;
use crate::cli::{LabelArg, SaeFindArgs, UsageError};
use crate::files;
use crate::known_text::KnownText;
use crate::say::say;

/// Characters after a match that count as those of what follows it.
const AFTER: usize = 40;

/// Fewer tokens of an example are none: a sentence or so to choose by, and another one to judge on.
const LEAST_OF_EXAMPLES: usize = 40;

/// A pattern, and the matches of it in a text.
pub(super) struct Matches {
    /// Where each match is, in bytes, and which of `texts` it is.
    places: Vec<(Range<usize>, usize)>,
    /// The different matches in lower case and how often each comes, the most frequent first.
    pub texts: Vec<(String, u64)>,
    /// How each of them is written.
    pub forms: Vec<Forms>,
}

/// The pattern that the flags name.
pub(super) fn pattern(args: &SaeFindArgs, inside: &Inside) -> Result<Option<(Regex, Vec<String>)>> {
    if let Some(regex) = &args.regex {
        return Ok(Some((compiled(regex)?, Vec::new())));
    }
    let words = match &args.words_file {
        Some(path) => words_of_file(path)?,
        None if args.words.is_empty() => return Ok(None),
        None => args.words.clone(),
    };
    let standardize = inside.loaded.standardize();
    let words: Vec<String> = words
        .iter()
        .map(|word| standardize.apply(word.trim()).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        bail!(UsageError("no word is given".into()));
    }
    let alternatives: Vec<String> = words.iter().map(|word| whole(word)).collect();
    let regex = Regex::new(&format!("(?i)(?:{})", alternatives.join("|")))
        .context("the words make no pattern")?;
    Ok(Some((regex, words)))
}

/// The pattern of `--regex`, which finds capitals and small letters alike unless it says `(?-i)`.
pub(super) fn compiled(regex: &str) -> Result<Regex> {
    let built = RegexBuilder::new(regex).case_insensitive(true).build();
    let built = built.map_err(|error| {
        // The library points at the place on lines of its own; the last one says what is wrong.
        let problem = error.to_string();
        let problem = problem.lines().last().unwrap_or_default().trim_start_matches("error: ");
        UsageError(format!("--regex {regex:?} is no regular expression: {problem}"))
    });
    Ok(built?)
}

fn words_of_file(path: &Path) -> Result<Vec<String>> {
    let text = files::read_text(path)?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// A pattern for a word that is no part of a longer one.
fn whole(word: &str) -> String {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let edge = |is_letter: bool| if is_letter { r"\b" } else { "" };
    let (first, last) = (is_letter(word.chars().next()), is_letter(word.chars().next_back()));
    format!("{}{}{}", edge(first), regex::escape(word), edge(last))
}

impl Matches {
    /// Those in a text.
    pub fn of(regex: &Regex, words: &[String], text: &str) -> Result<Self> {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let (mut found, mut all) = (Vec::new(), Vec::<Forms>::new());
        for place in regex.find_iter(text).filter(|place| !place.is_empty()) {
            let number = *numbers.entry(place.as_str().to_lowercase()).or_insert_with(|| {
                all.push(Forms::default());
                all.len() - 1
            });
            all[number].add(place.as_str(), 1);
            found.push((place.range(), number));
        }
        if found.is_empty() {
            bail!(
                "nothing of the concept occurs in the text ({regex})\n\
                 hint: give words that do; `machado sae find --regex` takes any pattern"
            );
        }
        let missing: Vec<&str> =
            words.iter().map(|w| &w[..]).filter(|&word| !numbers.contains_key(word)).collect();
        if !missing.is_empty() {
            say(&format!("warning: not in the text: {}", missing.join(", ")));
        }
        let mut order: Vec<(String, usize, u64)> =
            numbers.into_iter().map(|(text, number)| (text, number, all[number].count())).collect();
        order.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
        let mut rank = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, (_, number, _))| rank[*number] = place);
        let places = found.into_iter().map(|(range, number)| (range, rank[number])).collect();
        let forms = order.iter().map(|(_, number, _)| std::mem::take(&mut all[*number])).collect();
        let texts = order.into_iter().map(|(text, _, count)| (text, count)).collect();
        Ok(Self { places, texts, forms })
    }

    /// Every second of the different matches, the most frequent first, is held out of the choice.
    pub fn is_held_out(rank: usize) -> bool {
        rank % 2 == 1
    }

    /// What each token of the text is.
    pub fn kinds(&self, text: &TokenText, label: LabelArg) -> Vec<Kind> {
        let mut kinds = vec![Kind::Negative; text.len()];
        for (range, rank) in &self.places {
            let kind = if Self::is_held_out(*rank) { Kind::HeldOut } else { Kind::Chosen };
            let bytes = labelled(text.text(), range.clone(), label);
            kinds[text.tokens(bytes)].fill(kind);
        }
        kinds
    }
}

/// The bytes that count as those of a match.
fn labelled(text: &str, range: Range<usize>, label: LabelArg) -> Range<usize> {
    let after = |count: usize| {
        let rest = text[range.end..].char_indices().nth(count);
        rest.map_or(text.len(), |(place, _)| range.end + place)
    };
    match label {
        LabelArg::Inside => range.start..after(1),
        LabelArg::End => {
            let last = text[range.clone()].char_indices().next_back();
            range.start + last.map_or(0, |(place, _)| place)..after(1)
        }
        // Where nothing follows, its end.
        LabelArg::After => range.end.min(text.len() - 1)..after(AFTER).max(range.end),
        LabelArg::Sentence => {
            let is_end = |c: char| matches!(c, '.' | '!' | '?' | '\n');
            let start = text[..range.start].rfind(is_end).map_or(0, |place| place + 1);
            let end = text[range.end..].find(is_end).map_or(text.len(), |at| range.end + at + 1);
            start..end
        }
    }
}

/// Two texts as one, and which is which: the first half of each chooses, the rest judges.
pub(super) fn of_examples(inside: &Inside, pos: &Path, neg: &Path) -> Result<(TokenIds, Concept)> {
    let mut ids = TokenIds::for_vocabulary(inside.loaded.file.model.tokenizer.vocabulary_size());
    let (mut kinds, mut study, mut test) = (Vec::new(), Vec::new(), Vec::new());
    for (path, kind) in [(pos, Kind::Chosen), (neg, Kind::Negative)] {
        let text = KnownText::read(&inside.loaded, &[path.to_owned()], UnknownPolicy::Skip)?;
        let (name, tokens) = (path.display(), text.ids.len());
        if tokens < LEAST_OF_EXAMPLES {
            bail!(
                "{name} has only {tokens} tokens that the model knows, of which half choose and half \
                 judge\nhint: give at least {LEAST_OF_EXAMPLES}, better some thousands"
            );
        }
        if tokens < 2 * JUDGED_AT_LEAST {
            say(&format!(
                "warning: {name} has only {tokens} tokens; of fewer than {} one cannot tell what is \
                 found from chance",
                2 * JUDGED_AT_LEAST
            ));
        }
        let (from, size) = (ids.len(), text.ids.len());
        text.ids.for_each(0..size, |id| ids.push(id));
        kinds.resize(from + size, kind);
        study.push(from..from + size / 2);
        test.push(from + size / 2..from + size);
    }
    Ok((ids, Concept { kinds, study, test }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(label: LabelArg, expected: &str) {
        let text = "Ai. O mar é azul! Fim";
        let range = text.find("mar").map_or(0..0, |at| at..at + 3);
        assert_eq!(&text[labelled(text, range, label)], expected, "{label:?}");
    }

    #[test]
    fn labels_by_hand() {
        check(LabelArg::Inside, "mar ");
        check(LabelArg::End, "r ");
        check(LabelArg::After, " é azul! Fim");
        check(LabelArg::Sentence, " O mar é azul!");
    }

    #[test]
    fn words_are_whole_and_every_second_is_held_out() {
        let words = ["mar".to_owned(), "d'água".to_owned(), "sol".to_owned()];
        let all: Vec<String> = words.iter().map(|word| whole(word)).collect();
        let regex = Regex::new(&format!("(?i){}", all.join("|"))).expect("a pattern");
        let found = Matches::of(&regex, &words, "Mar, amar, mar d'água; sóis").expect("matches");
        assert_eq!(found.texts, [("mar".to_owned(), 2), ("d'água".to_owned(), 1)]);
        assert_eq!(found.places.iter().map(|(_, rank)| *rank).collect::<Vec<_>>(), [0, 0, 1]);
        assert!(Matches::of(&regex, &words, "nada").is_err());
    }
}
