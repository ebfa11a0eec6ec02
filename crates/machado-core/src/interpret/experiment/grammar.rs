//! A seeded grammar that writes bilingual documents about topics, and knows how likely each is.
//!
//! ```text
//! document   only a question (.2), or sentences about one topic, then a question in half of them
//! sentence   a template in the language of now, which may change from one to the next (.3)
//! slot       a word of the topic (.8) or one of any topic
//! answer     the topic (.85), else what is answered without context
//! ```
//!
//! Since languages change within documents, who predicts well carries the topic over from one
//! language to the other. A sentence is a line, a blank line ends a document.

use std::ops::RangeInclusive;

use crate::error::{Error, Result};
use crate::rng::Rng;

/// What documents can be about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Topic {
    /// Its name, in English.
    pub name: &'static str,
    /// The share of the documents about it.
    pub share: f64,
    /// How likely it is the answer without context.
    pub answer: f64,
}

/// A question and what stands before the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub asked: &'static str,
    /// What the answer begins with.
    pub answered: &'static str,
}

/// The words of one language. Lists of topics are in the order of [`Grammar::topics`].
#[derive(Clone, Debug, PartialEq)]
pub struct Language {
    /// Its name.
    pub name: &'static str,
    /// The names of the topics.
    pub answers: Vec<&'static str>,
    /// The words of each topic.
    pub words: Vec<Vec<&'static str>>,
    /// Words that come in documents about any topic.
    pub any_topic: Vec<&'static str>,
    /// Sentences, with a `*` for each slot, which is never the first word.
    pub templates: Vec<&'static str>,
    /// The questions.
    pub questions: Vec<Question>,
}

/// All that decides how documents are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Grammar {
    /// The topics.
    pub topics: Vec<Topic>,
    /// The two languages.
    pub languages: [Language; 2],
    /// Sentences of a document, each number equally likely.
    pub sentences: RangeInclusive<usize>,
    /// How likely the next sentence is in the other language.
    pub switch_share: f64,
    /// How likely a slot has a word of the topic.
    pub content_share: f64,
    /// The share of documents that are only a question and its answer.
    pub only_asked_share: f64,
    /// The share of the other documents that end with a question.
    pub asked_share: f64,
    /// How likely the answer after a document is its topic for that reason.
    pub answer_follows: f64,
}

/// A document and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its lines, with a blank one at the end.
    pub text: String,
    /// What it is about; nothing where it is only a question.
    pub topic: Option<usize>,
    /// The language of each sentence; none where it is only a question.
    pub languages: Vec<usize>,
    /// −ln of its probability, with all topics that could have led to it.
    pub nats: f64,
}

/// Which words of a topic are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// All.
    All,
    /// The first, third, …: those with which a concept is looked for.
    Studied,
    /// The second, fourth, …: those with which what was found is tested.
    HeldOut,
}

impl Words {
    /// Whether the word at a place of the list is one of these.
    fn has(self, place: usize) -> bool {
        match self {
            Self::All => true,
            Self::Studied => place.is_multiple_of(2),
            Self::HeldOut => !place.is_multiple_of(2),
        }
    }
}

/// A document being written.
struct Draft {
    text: String,
    /// −ln of all choices that do not depend on the topic.
    nats: f64,
    /// −ln of the others under each topic.
    nats_of_topics: Vec<f64>,
}

impl Grammar {
    /// Checks that lists have the same lengths and shares are shares.
    ///
    /// # Errors
    /// If they do not, or are not.
    pub fn check(&self) -> Result<()> {
        let fail = |expected: String, found: String| {
            Err(Error::OutOfRange { what: "the grammar".into(), expected, found })
        };
        let topics = self.topics.len();
        for language in &self.languages {
            let lengths = [language.answers.len(), language.words.len()];
            if lengths != [topics; 2] {
                return fail(format!("with words for {topics} topics"), format!("{lengths:?}"));
            }
            let mut lists = language.words.iter().map(Vec::len);
            let empty = lists.any(|len| len < 2) || language.any_topic.is_empty();
            if empty || language.templates.is_empty() || language.questions.is_empty() {
                return fail(
                    "with no list empty".into(),
                    format!("an empty one ({})", language.name),
                );
            }
        }
        for sum in [|topic: &Topic| topic.share, |topic: &Topic| topic.answer] {
            let sum: f64 = self.topics.iter().map(sum).sum();
            if (sum - 1.0).abs() > 1e-9 {
                return fail("with probabilities that add up to 1".into(), sum.to_string());
            }
        }
        Ok(())
    }

    /// The next document of this generator.
    pub fn document(&self, rng: &mut Rng) -> Document {
        let mut draft = Draft::new(self.topics.len());
        if draft.choose(rng, self.only_asked_share) {
            let language = draft.below(rng, 2);
            let (question, answer) = draft.ask(rng, &self.languages[language]);
            let chosen = weighted(rng, self.topics.iter().map(|topic| topic.answer));
            draft.nats -= self.topics[chosen].answer.ln();
            draft.answer(&self.languages[language], question, answer, chosen);
            return draft.finish(None, Vec::new(), &[]);
        }
        let topic = weighted(rng, self.topics.iter().map(|topic| topic.share));
        let count = self.sentences.end() - self.sentences.start() + 1;
        let count = self.sentences.start() + draft.below(rng, count);
        let mut languages = vec![draft.below(rng, 2)];
        while languages.len() < count {
            let last = languages[languages.len() - 1];
            let switch = draft.choose(rng, self.switch_share);
            languages.push(if switch { 1 - last } else { last });
        }
        for &language in &languages {
            self.sentence(&mut draft, rng, language, topic, Words::All);
        }
        if draft.choose(rng, self.asked_share) {
            let language = &self.languages[languages[count - 1]];
            let (question, lead) = draft.ask(rng, language);
            let answer = if rng.uniform() < self.answer_follows {
                topic
            } else {
                weighted(rng, self.topics.iter().map(|topic| topic.answer))
            };
            for (about, nats) in draft.nats_of_topics.iter_mut().enumerate() {
                let follows = if about == answer { self.answer_follows } else { 0.0 };
                let else_prior = (1.0 - self.answer_follows) * self.topics[answer].answer;
                *nats -= (follows + else_prior).ln();
            }
            draft.answer(language, question, lead, answer);
        }
        let shares: Vec<f64> = self.topics.iter().map(|topic| topic.share).collect();
        draft.finish(Some(topic), languages, &shares)
    }

    /// A document about a topic, all in one language and with some of its words only, without a
    /// question: for tests of what was found. Its probability is not the grammar's.
    pub fn in_one_language(
        &self,
        rng: &mut Rng,
        topic: usize,
        language: usize,
        words: Words,
    ) -> Document {
        let mut draft = Draft::new(self.topics.len());
        let count = self.sentences.end() - self.sentences.start() + 1;
        let count = self.sentences.start() + draft.below(rng, count);
        for _ in 0..count {
            self.sentence(&mut draft, rng, language, topic, words);
        }
        let shares: Vec<f64> = self.topics.iter().map(|topic| topic.share).collect();
        draft.finish(Some(topic), vec![language; count], &shares)
    }

    fn sentence(
        &self,
        draft: &mut Draft,
        rng: &mut Rng,
        language: usize,
        topic: usize,
        words: Words,
    ) {
        let language = &self.languages[language];
        let template = language.templates[draft.below(rng, language.templates.len())];
        for (place, word) in template.split(' ').enumerate() {
            if place > 0 {
                draft.text.push(' ');
            }
            let word =
                if word == "*" { self.slot(draft, rng, language, topic, words) } else { word };
            draft.text.push_str(word);
        }
        draft.text.push('\n');
    }

    /// The word of a slot.
    fn slot(
        &self,
        draft: &mut Draft,
        rng: &mut Rng,
        language: &Language,
        topic: usize,
        words: Words,
    ) -> &'static str {
        if rng.uniform() < self.content_share {
            let list = &language.words[topic];
            let usable: Vec<usize> = (0..list.len()).filter(|&place| words.has(place)).collect();
            for (about, nats) in draft.nats_of_topics.iter_mut().enumerate() {
                let share = if about == topic { self.content_share } else { 0.0 };
                *nats -= (share / usable.len() as f64).ln();
            }
            return list[usable[rng.below(usable.len() as u64) as usize]];
        }
        draft.nats -= (1.0 - self.content_share).ln();
        language.any_topic[draft.below(rng, language.any_topic.len())]
    }
}

impl Draft {
    fn new(topics: usize) -> Self {
        Self { text: String::new(), nats: 0.0, nats_of_topics: vec![0.0; topics] }
    }

    /// One of equally likely numbers.
    fn below(&mut self, rng: &mut Rng, bound: usize) -> usize {
        self.nats += (bound as f64).ln();
        rng.below(bound as u64) as usize
    }

    /// Whether something of this probability happens.
    fn choose(&mut self, rng: &mut Rng, probability: f64) -> bool {
        let happens = rng.uniform() < probability;
        self.nats -= if happens { probability } else { 1.0 - probability }.ln();
        happens
    }

    fn ask(&mut self, rng: &mut Rng, language: &Language) -> (&'static str, &'static str) {
        let question = language.questions[self.below(rng, language.questions.len())];
        (question.asked, question.answered)
    }

    fn answer(&mut self, language: &Language, asked: &str, lead: &str, answer: usize) {
        let answer = language.answers[answer];
        self.text.push_str(&format!("{asked} {lead} {answer} .\n"));
    }

    /// Ends a document; without shares its probability does not depend on a topic.
    fn finish(mut self, topic: Option<usize>, languages: Vec<usize>, shares: &[f64]) -> Document {
        self.text.push('\n');
        let under = shares.iter().zip(&self.nats_of_topics);
        let nats = if shares.is_empty() {
            self.nats
        } else {
            self.nats - log_sum(under.map(|(share, nats)| share.ln() - nats))
        };
        Document { text: self.text, topic, languages, nats }
    }
}

/// ln Σ exp of some numbers, of which not all are −∞.
fn log_sum(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let highest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    highest + values.map(|value| (value - highest).exp()).sum::<f64>().ln()
}

/// A place drawn with these probabilities, which add up to 1.
fn weighted(rng: &mut Rng, probabilities: impl Iterator<Item = f64>) -> usize {
    let mut left = rng.uniform();
    let mut last = 0;
    for (place, probability) in probabilities.enumerate() {
        last = place;
        left -= probability;
        if left < 0.0 {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::interpret::experiment::science_words::{NEUROSCIENCE, PHYSICS, science_grammar};
    use crate::rng::Purpose;

    fn documents(grammar: &Grammar, seed: u64, count: u64) -> Vec<Document> {
        let document = |i| grammar.document(&mut Rng::new(seed, Purpose::Grammar, i));
        (0..count).map(document).collect()
    }

    #[test]
    fn the_same_seed_writes_the_same_documents_and_another_seed_others() {
        let grammar = science_grammar();
        grammar.check().expect("sound");
        assert_eq!(documents(&grammar, 1, 20), documents(&grammar, 1, 20));
        assert_ne!(documents(&grammar, 1, 20), documents(&grammar, 2, 20));
    }

    /// All words of a language, each slot and sign left out.
    fn vocabulary(language: &Language) -> HashSet<&'static str> {
        let sentences = language.templates.iter().copied();
        let questions = language.questions.iter().flat_map(|q| [q.asked, q.answered]);
        let mut words: HashSet<&str> =
            sentences.chain(questions).flat_map(|text| text.split(' ')).collect();
        words.extend(&language.any_topic);
        words.extend(&language.answers);
        words.extend(language.words.iter().flatten());
        for sign in ["*", ".", "?", ":", ","] {
            words.remove(sign);
        }
        words
    }

    #[test]
    fn no_word_stands_in_both_languages_or_in_two_lists() {
        let grammar = science_grammar();
        let [a, b] = [0, 1].map(|i| vocabulary(&grammar.languages[i]));
        assert_eq!(a.intersection(&b).collect::<Vec<_>>(), Vec::<&&str>::new());
        assert!(a.len() + b.len() < 450, "{} and {} words", a.len(), b.len());
        for language in &grammar.languages {
            assert_eq!(language.templates.len(), 25);
            assert!(language.templates.iter().all(|template| !template.starts_with('*')));
            let mut seen = HashSet::new();
            let lists = language.words.iter().chain([&language.any_topic, &language.answers]);
            for word in lists.flatten() {
                assert!(seen.insert(word), "{word} stands in two lists");
                assert!(word.chars().all(char::is_alphabetic), "{word}");
            }
            assert!(language.words.iter().all(|list| list.len() == 12));
            let fixed = language.templates.iter().flat_map(|template| template.split(' '));
            for word in fixed {
                assert!(!seen.contains(&word), "{word} stands in a list and in a template");
            }
        }
    }

    #[test]
    fn topics_languages_and_answers_come_as_often_as_their_probabilities_say() {
        let grammar = science_grammar();
        let documents = documents(&grammar, 3, 20_000);
        let share = |is: &dyn Fn(&Document) -> bool, of: &dyn Fn(&Document) -> bool| {
            let all = documents.iter().filter(|document| of(document));
            let count = all.clone().filter(|document| is(document)).count();
            (count as f64, all.count() as f64)
        };
        // Within four standard errors.
        let near = |(count, all): (f64, f64), expected: f64| {
            let (found, error) = (count / all, (expected * (1.0 - expected) / all).sqrt());
            assert!((found - expected).abs() < 4.0 * error, "{found} instead of {expected}");
        };
        let text = |document: &Document| document.topic.is_some();
        let only_asked = |document: &Document| document.topic.is_none();
        near(share(&only_asked, &|_| true), 0.2);
        for (place, topic) in grammar.topics.iter().enumerate() {
            near(share(&|d| d.topic == Some(place), &text), topic.share);
            let names = grammar.languages.each_ref().map(|language| language.answers[place]);
            let says =
                |d: &Document| names.iter().any(|n| d.text.ends_with(&format!(" {n} .\n\n")));
            near(share(&says, &only_asked), topic.answer);
        }
        near(share(&|d| d.text.contains(" : "), &text), 0.5);
        let [switches, stays] = [true, false].map(|switched| {
            let pairs = documents.iter().flat_map(|document| document.languages.windows(2));
            pairs.filter(|pair| (pair[0] != pair[1]) == switched).count() as f64
        });
        near((switches, switches + stays), 0.3);
        let names = |document: &Document, place: usize| {
            grammar
                .languages
                .iter()
                .any(|l| document.text.contains(&format!(" {} .", l.answers[place])))
        };
        let asked = |d: &Document| d.topic == Some(NEUROSCIENCE) && d.text.contains(" : ");
        // .85 because the document is about it, and .15 · .05 by chance.
        near(share(&|d| names(d, NEUROSCIENCE), &asked), 0.8575);
        near(share(&|d| names(d, PHYSICS), &asked), 0.15 * 0.55);
    }

    #[test]
    fn a_document_in_one_language_has_only_the_words_that_are_allowed() {
        let grammar = science_grammar();
        let mut rng = Rng::new(5, Purpose::Grammar, 0);
        for (language, words) in [(0, Words::Studied), (1, Words::HeldOut)] {
            let text = grammar.in_one_language(&mut rng, NEUROSCIENCE, language, words).text;
            let list = &grammar.languages[language].words[NEUROSCIENCE];
            let others = grammar.languages[1 - language].words.iter().flatten();
            let banned = list.iter().enumerate().filter(|&(place, _)| !words.has(place));
            let banned = banned.map(|(_, word)| word).chain(others);
            let found: HashSet<&str> = text.split_whitespace().collect();
            banned.for_each(|word| assert!(!found.contains(word), "{word} in {text}"));
            assert!(list.iter().any(|word| found.contains(word)), "{text}");
            assert!(text.ends_with("\n\n") && !text.contains(" : "));
        }
    }

    /// Two topics of two words each, one word of any topic, one template with one slot, one sentence.
    fn tiny() -> Grammar {
        let language = |name, words: [&'static str; 5], asked| Language {
            name,
            answers: vec![words[0], words[2]],
            words: vec![vec![words[0], words[1]], vec![words[2], words[3]]],
            any_topic: vec![words[4]],
            templates: vec!["see * ."],
            questions: vec![Question { asked, answered: "a :" }],
        };
        let topic = |name, share, answer| Topic { name, share, answer };
        Grammar {
            topics: vec![topic("one", 0.75, 0.5), topic("two", 0.25, 0.5)],
            languages: [
                language("A", ["a0", "a1", "a2", "a3", "a4"], "q"),
                language("B", ["b0", "b1", "b2", "b3", "b4"], "p"),
            ],
            sentences: 1..=1,
            switch_share: 0.5,
            content_share: 0.5,
            only_asked_share: 0.0,
            asked_share: 0.0,
            answer_follows: 1.0,
        }
    }

    /// A document says one of two languages, and then a4 (½), or with ½ · ¾ one of two words of the
    /// first topic, or with ½ · ¼ one of two of the second. So its entropy is
    /// ln 2 + ½ ln 2 + 2 · 3/16 · ln (16/3) + 2 · 1/16 · ln 16.
    #[test]
    fn entropy_by_hand() {
        let grammar = tiny();
        let nats: Vec<f64> = documents(&grammar, 7, 40_000).iter().map(|d| d.nats).collect();
        let mean = nats.iter().sum::<f64>() / nats.len() as f64;
        let expected = 1.5 * 2f64.ln() + 0.375 * (16f64 / 3.0).ln() + 0.125 * 16f64.ln();
        assert!((mean - expected).abs() < 0.01, "{mean} instead of {expected}");
        // The probabilities of the ten documents that there are.
        let mut found: Vec<(String, f64)> =
            documents(&grammar, 7, 1000).into_iter().map(|d| (d.text, (-d.nats).exp())).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found.dedup_by(|a, b| a.0 == b.0);
        assert_eq!(found.len(), 10);
        let sum: f64 = found.iter().map(|(_, probability)| probability).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{found:?}");
        // What could be about either topic counts under both.
        let any = found.iter().find(|(text, _)| text == "see a4 .\n\n").expect("sound");
        assert!((any.1 - 0.25).abs() < 1e-9, "{found:?}");
    }
}
