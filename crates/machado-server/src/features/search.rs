//! Features in an order: that of a figure, or of how well they tell where some words are.

use machado_core::text::Standardize;

use super::{FeatureOrder, Surveyed};

/// Words that features are looked for by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// The numbers of those that the text has.
    numbers: Vec<u32>,
    /// How many times they come together.
    times: u64,
    /// Those that it has not.
    pub unknown: Vec<String>,
}

/// The words of a query: between commas and spaces, as the model would read them, in lower case, each
/// once. What is no letter or digit parts words, as it does in the text; where it stands alone it is a
/// word of its own.
pub fn words_of(query: &str, standardize: Standardize) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for typed in query.split(|c: char| c == ',' || c.is_whitespace()) {
        let typed = standardize.apply(typed).trim().to_lowercase();
        let mut parts: Vec<&str> =
            typed.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
        if parts.is_empty() && !typed.is_empty() {
            parts.push(&typed);
        }
        for part in parts {
            if !words.iter().any(|word| word == part) {
                words.push(part.to_owned());
            }
        }
    }
    words
}

impl Surveyed {
    /// Some words as the text has them.
    pub fn seek(&self, words: Vec<String>) -> Sought {
        let mut sought = Sought::default();
        for word in words {
            match self.words.get(&word) {
                Some(&number) => {
                    sought.numbers.push(number);
                    sought.times += self.times[number as usize];
                }
                None => sought.unknown.push(word),
            }
        }
        sought
    }

    /// All features in an order, the highest first; or those that fire at the words that are sought, with
    /// how well they fit, the best first.
    pub fn ordered(
        &self,
        order: FeatureOrder,
        sought: Option<&Sought>,
    ) -> Vec<(usize, Option<f64>)> {
        let figure = |feature: usize| {
            let survey = &self.features[feature];
            match order {
                FeatureOrder::Density => survey.active as f64,
                FeatureOrder::Strongest => f64::from(survey.max),
                FeatureOrder::Rule => survey.property.map_or(0.0, |rule| rule.f1),
            }
        };
        let mut all: Vec<(usize, Option<f64>)> =
            (0..self.features.len()).map(|feature| (feature, None)).collect();
        all.sort_by(|a, b| figure(b.0).total_cmp(&figure(a.0)));
        let Some(sought) = sought else { return all };
        for (feature, score) in &mut all {
            *score = Some(self.features[*feature].f1_of_words(&sought.numbers, sought.times));
        }
        all.retain(|(_, score)| *score > Some(0.0));
        // Where two fit as well, the order stays.
        all.sort_by(|a, b| b.1.unwrap_or(0.0).total_cmp(&a.1.unwrap_or(0.0)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_query_by_hand() {
        let check = |query: &str, expected: &[&str]| {
            assert_eq!(words_of(query, Standardize::None), expected, "{query:?}");
        };
        check("rio,mar", &["rio", "mar"]);
        check("  Rio , MAR\trio,,", &["rio", "mar"]);
        check("d'água", &["d", "água"]);
        check("– ! mar!", &["–", "!", "mar"]);
        check(" , ", &[]);
        assert_eq!(words_of("Céu, mar", Standardize::Letters), ["cu", "mar"]);
    }
}
