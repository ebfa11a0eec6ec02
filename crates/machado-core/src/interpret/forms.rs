//! The ways in which one word is written: with a capital at the beginning of a sentence, say.

/// A form that is so much rarer than all together is none to ask a model for.
const RARE: u64 = 10;

/// The forms of a word, which differ in capitals alone, and how often each comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forms(Vec<(String, u64)>);

impl Forms {
    /// Counts a form that comes so many times.
    pub fn add(&mut self, form: &str, count: u64) {
        match self.0.iter_mut().find(|(known, _)| known == form) {
            Some((_, before)) => *before += count,
            None => self.0.push((form.to_owned(), count)),
        }
    }

    /// How often the word comes, in any form.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// The forms that are at least a tenth of all, with their numbers, the most frequent first.
    pub fn usual(&self) -> Vec<(&str, u64)> {
        let least = self.count().div_ceil(RARE);
        let mut usual: Vec<(&str, u64)> = self
            .0
            .iter()
            .filter(|(_, count)| *count >= least)
            .map(|(form, count)| (&form[..], *count))
            .collect();
        usual.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_forms_are_not_usual_and_a_name_has_its_capital() {
        let mut forms = Forms::default();
        for (form, count) in [("Amor", 3), ("AMOR", 1), ("amor", 20), ("Amor", 1)] {
            forms.add(form, count);
        }
        assert_eq!(forms.count(), 25);
        assert_eq!(forms.usual(), [("amor", 20), ("Amor", 4)]);
        let mut name = Forms::default();
        name.add("Capitu", 340);
        name.add("capitu", 1);
        assert_eq!(name.usual(), [("Capitu", 340)]);
        assert_eq!(Forms::default().usual(), []);
    }
}
