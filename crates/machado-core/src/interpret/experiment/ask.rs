//! What a model answers: exact probabilities, nothing sampled.

use super::grammar::Grammar;
use crate::error::{Error, Result};
use crate::math::simd::VectorUnit;
use crate::model::{Intervention, Model, Streams};
use crate::tokenizer::{Tokenizer, UnknownPolicy};

/// A question, and the language that it is asked in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prompt {
    /// Its tokens, up to the place of the answer.
    pub(super) ids: Vec<u32>,
    /// The language.
    pub(super) language: usize,
}

/// Which of the questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Questions {
    /// The first half: with these features and strengths are chosen.
    Validation,
    /// The others: with these they are tested.
    Test,
}

impl Questions {
    /// Their places among all of a language.
    fn places(self, all: usize) -> std::ops::Range<usize> {
        match self {
            Self::Validation => 0..all / 2,
            Self::Test => all / 2..all,
        }
    }
}

/// The tokens of a text.
///
/// # Errors
/// If the tokenizer does not know a character of it.
pub(super) fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
    tokenizer.encode_piece(text, &mut encoding)?;
    Ok(encoding.ids.to_vec())
}

/// The questions in both languages, after the end of another document and what `before` gives for a
/// language.
///
/// # Errors
/// If the tokenizer does not know a character.
pub(super) fn prompts(
    grammar: &Grammar,
    tokenizer: &Tokenizer,
    which: Questions,
    mut before: impl FnMut(usize) -> String,
) -> Result<Vec<Prompt>> {
    let mut prompts = Vec::new();
    for (number, language) in grammar.languages.iter().enumerate() {
        for question in &language.questions[which.places(language.questions.len())] {
            let text = format!("\n\n{}{} {}", before(number), question.asked, question.answered);
            prompts.push(Prompt { ids: encode(tokenizer, &text)?, language: number });
        }
    }
    Ok(prompts)
}

/// What is answered to one prompt.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// The probability of each topic among those named in the prompt's language; they add up to 1.
    pub(super) topics: Vec<f64>,
    /// The share of the prompt's language among the topics' names in both.
    pub(super) in_language: f64,
    /// The probability that a topic is named at all.
    pub(super) named: f64,
}

/// Asks a model.
#[derive(Debug)]
pub(super) struct Asker<'m> {
    model: &'m Model,
    streams: Streams,
    /// The token of each topic's name in each language.
    names: [Vec<u32>; 2],
}

impl<'m> Asker<'m> {
    /// For the topics of a grammar.
    ///
    /// # Errors
    /// If a topic's name is more than one token.
    pub(super) fn new(model: &'m Model, grammar: &Grammar, unit: VectorUnit) -> Result<Self> {
        let mut names = [Vec::new(), Vec::new()];
        for (names, language) in names.iter_mut().zip(&grammar.languages) {
            for answer in &language.answers {
                let ids = encode(&model.tokenizer, &format!(" {answer}"))?;
                let [id] = ids[..] else {
                    return Err(Error::OutOfRange {
                        what: format!("the answer \"{answer}\""),
                        expected: "one token".into(),
                        found: format!("{} tokens", ids.len()),
                    });
                };
                names.push(id);
            }
        }
        Ok(Self { model, streams: Streams::new(model, unit)?, names })
    }

    /// The answers to some prompts, each read from an empty state.
    ///
    /// # Errors
    /// If an intervention does not fit the model.
    pub(super) fn ask(
        &mut self,
        prompts: &[Prompt],
        interventions: &[Intervention],
    ) -> Result<Vec<Answer>> {
        self.streams.intervene(interventions, self.model)?;
        Ok(prompts.iter().map(|prompt| self.answer(prompt)).collect())
    }

    fn answer(&mut self, prompt: &Prompt) -> Answer {
        self.streams.clear();
        self.streams.read(&prompt.ids);
        let logits = self.streams.logits(0);
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |logit: f32| f64::from(logit - highest).exp();
        let all: f64 = logits.iter().map(|&logit| weight(logit)).sum();
        let of_language = |language: usize| -> Vec<f64> {
            self.names[language].iter().map(|&id| weight(logits[id as usize])).collect()
        };
        let own = of_language(prompt.language);
        let own_sum = own.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let other_sum: f64 = of_language(1 - prompt.language).iter().sum();
        Answer {
            topics: own.iter().map(|weight| weight / own_sum).collect(),
            in_language: own_sum / (own_sum + other_sum),
            named: (own_sum + other_sum) / all,
        }
    }
}

/// The mean answer.
pub(super) fn mean(answers: &[Answer]) -> Answer {
    let count = answers.len().max(1) as f64;
    let topics = answers.first().map_or(0, |answer| answer.topics.len());
    let mean = |value: &dyn Fn(&Answer) -> f64| answers.iter().map(value).sum::<f64>() / count;
    Answer {
        topics: (0..topics).map(|topic| mean(&|answer| answer.topics[topic])).collect(),
        in_language: mean(&|answer| answer.in_language),
        named: mean(&|answer| answer.named),
    }
}

/// The place of the highest probability.
pub(super) fn likeliest(topics: &[f64]) -> usize {
    let highest = topics.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    highest.map_or(0, |(place, _)| place)
}
