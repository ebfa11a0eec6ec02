//! From the words of concepts to where they are in a text.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use machado_core::interpret::experiment::Wanted;
use machado_core::interpret::{Concept, Kind, TokenText, WordCounts, word_ranges, words};

use machado_core::text::Standardize;

use crate::cli::{ConceptsArgs, NamedConcept, UsageError};
use crate::say::say;
use crate::texts::{self, Texts};

/// The concepts of the essay's author that are frequent enough.
const DEFAULT: [(&str, &str); 6] = [
    (
        "amor",
        "amor amores amar amava amada amado amante* paixão paixões namor* beijo* coração corações",
    ),
    ("olhos", "olho olhos olhar olhares olhou olhava olhando vista lágrima*"),
    (
        "deus",
        "deus igreja* padre* missa* santo santa santos céu oração orações rez* altar alma almas",
    ),
    (
        "morte",
        "morte mortes morto morta mortos morr* enterr* cemitério* defunt* cadáver* sepultura*",
    ),
    ("loucura", "louc* doid* delírio* insan* hospício* razão juízo demente*"),
    ("mar", "mar mares onda ondas praia* navio* vapor vapores nau barco* água águas"),
];

/// Words of a concept must come so often in the part that chooses, and so often in the other.
const LEAST: [u64; 2] = [20, 3];

/// Words whose probability is measured.
const MEASURED: usize = 10;

/// Words that each of them is compared with.
const ALIKE: usize = 2;

/// A concept as it is in the text.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// What it is called.
    pub(super) name: String,
    /// Its words and how often each comes, the most frequent first.
    pub(super) words: Vec<(String, u64)>,
    concept: Concept,
    measured: Vec<String>,
    control_words: Vec<String>,
    all: Arc<HashSet<String>>,
    /// How often its words come in the part that chooses, and in the other.
    come: [u64; 2],
}

impl Found {
    /// How often it comes in a text.
    pub(super) fn count(&self, text: &str) -> u64 {
        count(&self.all, text)
    }

    /// The words that choose: every second one, the most frequent first.
    pub(super) fn chosen(&self) -> Vec<(String, u64)> {
        self.words.iter().step_by(2).cloned().collect()
    }

    /// The words that are held out of the choice.
    pub(super) fn held_out(&self) -> Vec<(String, u64)> {
        self.words.iter().skip(1).step_by(2).cloned().collect()
    }

    /// As it is measured.
    pub(super) fn to_measure(&self) -> Wanted {
        let all = self.all.clone();
        Wanted {
            name: self.name.clone(),
            concept: self.concept.clone(),
            words: self.measured.clone(),
            control_words: self.control_words.clone(),
            count: Box::new(move |text| count(&all, text)),
        }
    }
}

fn count(all: &HashSet<String>, text: &str) -> u64 {
    words(text).filter(|word| all.contains(&word.to_lowercase())).count() as u64
}

/// Looks whether the text of a model that is to be trained has the concepts at all, so that nobody
/// waits in vain.
pub(super) fn check(args: &ConceptsArgs) -> Result<()> {
    if args.text.iter().any(|path| path.as_os_str() == texts::STANDARD_INPUT) {
        bail!(UsageError(
            "the text is read more than once, so it cannot come from the standard input\n\
             hint: save it in a file"
                .into()
        ));
    }
    let mut whole = String::new();
    Texts::open(&args.text)?.for_each_piece(Standardize::None, |piece| {
        whole.push_str(piece);
        Ok(())
    })?;
    if whole.trim().is_empty() {
        bail!("the text is empty\nhint: give one with --text");
    }
    let vocabulary = WordCounts::of(&whole);
    let comes = |concept: &NamedConcept| {
        let patterns = folded(concept);
        let words = vocabulary.by_count().into_iter();
        let own = words.filter(|(word, _)| is_of(&patterns, &word.to_lowercase()));
        own.map(|(_, n)| n).sum::<u64>()
    };
    if args.concepts.is_empty() {
        return match default().iter().any(|concept| comes(concept) >= LEAST[0]) {
            true => Ok(()),
            false => Err(none()),
        };
    }
    match args.concepts.iter().find(|concept| comes(concept) == 0) {
        Some(concept) => bail!(
            "no word of {:?} comes in the text\nhint: give it words that do, with --concept",
            concept.name
        ),
        None => Ok(()),
    }
}

fn none() -> anyhow::Error {
    anyhow!(
        "the text has none of the usual concepts often enough\n\
         hint: name those that it has, as in --concept sea=sea,ship*,wave*"
    )
}

fn folded(concept: &NamedConcept) -> Vec<String> {
    concept.words.iter().map(|word| word.to_lowercase()).collect()
}

/// The concepts that the flags name, or the default ones that the text has.
pub(super) fn wanted(
    args: &ConceptsArgs,
    text: &TokenText,
    vocabulary: &WordCounts,
    parts: [Range<usize>; 2],
) -> Result<Vec<Found>> {
    let is_default = args.concepts.is_empty();
    for (place, concept) in args.concepts.iter().enumerate() {
        if args.concepts[..place].iter().any(|other| other.name == concept.name) {
            bail!(UsageError(format!("--concept {:?} is given twice", concept.name)));
        }
    }
    let named = if is_default { default() } else { args.concepts.clone() };
    let mut found = Vec::new();
    for concept in &named {
        let one = find(concept, text, vocabulary, &parts);
        let come = one.come;
        if come.iter().zip(LEAST).all(|(has, least)| *has >= least) {
            found.push(one);
            continue;
        }
        let problem = format!(
            "words of {:?} come {} times in the part of the text that chooses and {} times in the one \
             that judges; at least {} and {} are needed",
            concept.name, come[0], come[1], LEAST[0], LEAST[1]
        );
        if !is_default {
            bail!("{problem}\nhint: give it more words with --concept, or a longer text");
        }
        say(&format!("note: left out: {problem}"));
    }
    if found.is_empty() {
        return Err(none());
    }
    Ok(found)
}

fn default() -> Vec<NamedConcept> {
    let concept = |&(name, words): &(&str, &str)| NamedConcept {
        name: name.into(),
        words: words.split(' ').map(str::to_owned).collect(),
    };
    DEFAULT.iter().map(concept).collect()
}

/// Whether a word is one of those named.
fn is_of(patterns: &[String], word: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(stem) => word.starts_with(stem),
        None => word == pattern,
    })
}

fn find(
    named: &NamedConcept,
    text: &TokenText,
    vocabulary: &WordCounts,
    parts: &[Range<usize>; 2],
) -> Found {
    let patterns = folded(named);
    let mut counts: HashMap<String, u64> = HashMap::new();
    // As they are written in the text, for what the model reads.
    let mut written = Vec::new();
    for (word, n) in vocabulary.by_count() {
        let folded = word.to_lowercase();
        if is_of(&patterns, &folded) {
            *counts.entry(folded).or_default() += n;
            written.push(word.to_owned());
        }
    }
    let mut all: Vec<(String, u64)> = counts.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let rank: HashMap<&str, usize> =
        all.iter().enumerate().map(|(rank, (word, _))| (&word[..], rank)).collect();
    let (mut kinds, mut come) = (vec![Kind::Negative; text.len()], [0; 2]);
    for range in word_ranges(text.text()) {
        if let Some(rank) = rank.get(&text.text()[range.clone()].to_lowercase()[..]) {
            let kind = if rank % 2 == 0 { Kind::Chosen } else { Kind::HeldOut };
            let tokens = text.tokens(range);
            for (come, part) in come.iter_mut().zip(parts) {
                *come += u64::from(part.contains(&tokens.start));
            }
            kinds[tokens].fill(kind);
        }
    }
    written.truncate(MEASURED);
    let set: HashSet<String> = all.iter().map(|(word, _)| word.clone()).collect();
    let is_own = |word: &str| set.contains(&word.to_lowercase());
    let control_words = vocabulary.alike(&written, ALIKE, is_own);
    let [study, test] = parts.clone().map(|part| vec![part]);
    Found {
        name: named.name.clone(),
        concept: Concept { kinds, study, test },
        measured: written,
        control_words,
        all: Arc::new(set),
        come,
        words: all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use machado_core::tokenizer::{CharTokenizer, Tokenizer, UnknownPolicy};

    #[test]
    fn a_star_stands_for_any_letters() {
        let patterns = ["mar".to_owned(), "onda*".to_owned()];
        let words = ["mar", "onda", "ondas", "mares", "amar"];
        assert_eq!(words.map(|word| is_of(&patterns, word)), [true, true, true, false, false]);
    }

    #[test]
    fn every_second_word_is_held_out() {
        let written = "Mar mar, onda! sol";
        let tokenizer = Tokenizer::Char(CharTokenizer::from_text(written));
        let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
        tokenizer.encode_piece(written, &mut encoding).expect("its own characters");
        let text = TokenText::new(&tokenizer, &encoding.ids, 0..written.len());
        let named = NamedConcept { name: "mar".into(), words: vec!["mar".into(), "onda*".into()] };
        let vocabulary = WordCounts::of(written);
        let found = find(&named, &text, &vocabulary, &[0..14, 14..18]);
        assert_eq!(found.chosen(), [("mar".to_owned(), 2)]);
        assert_eq!(found.held_out(), [("onda".to_owned(), 1)]);
        assert_eq!(found.measured, ["Mar", "mar", "onda"]);
        let kinds = |kind| found.concept.kinds.iter().filter(|&&k| k == kind).count();
        assert_eq!([kinds(Kind::Chosen), kinds(Kind::HeldOut)], [6, 4]);
        assert_eq!(found.come, [3, 0]);
        assert_eq!(found.count("no mar, MAR e nas ondas"), 2, "a word that the text does not have");
    }
}
