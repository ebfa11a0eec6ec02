//! What can be said of a character by rule: a fixed list, for any language.
//!
//! The list is what features are compared with: a feature that fires where a rule holds is named by
//! it, and an autoencoder is judged by how many of the rules its features find. Rules that never
//! hold in a text play no part. What a rule says of a token, it says of the token's last character; where
//! tokens are words or parts of them, rules about single letters say nothing and never hold.

use super::token_text::TokenText;

/// A rule that holds at some characters of a text.
#[derive(Debug)]
pub struct Property {
    /// In words that follow "fires at".
    pub name: &'static str,
    rule: Rule,
    /// Whether it says something only where a token is a character.
    of_letters: bool,
}

impl Property {
    const fn of_letters(mut self) -> Self {
        self.of_letters = true;
        self
    }
}

/// How it is decided.
#[derive(Debug)]
enum Rule {
    /// By the character itself.
    Character(fn(char) -> bool),
    /// By what is around it.
    Place(fn(&Place) -> bool),
    /// The last letter of one of these words.
    LastOf(&'static [&'static str]),
    /// The character right after one of these words.
    After(&'static [&'static str]),
    /// The last letter of a word with one of these endings; short words have none.
    Ending(&'static [&'static str]),
}

/// A character and what is around it.
#[derive(Debug, Default)]
struct Place {
    c: char,
    before: char,
    /// Its place in the word, from 1; 0 outside words.
    in_word: usize,
    /// The length of the word.
    word_length: usize,
    /// The word begins with a capital and no sentence does there.
    is_name: bool,
    /// The word has capitals only, and more than one.
    is_capitals: bool,
    /// The word comes right after a hyphen.
    after_hyphen: bool,
    /// The number of the word in its sentence, from 1.
    word_of_sentence: usize,
    /// The number of the character in its line, from 1.
    column: usize,
    is_dialogue: bool,
    is_quoted: bool,
    is_bracketed: bool,
}

const fn character(name: &'static str, rule: fn(char) -> bool) -> Property {
    Property { name, rule: Rule::Character(rule), of_letters: false }
}

const fn place(name: &'static str, rule: fn(&Place) -> bool) -> Property {
    Property { name, rule: Rule::Place(rule), of_letters: false }
}

const fn last_of(name: &'static str, words: &'static [&'static str]) -> Property {
    Property { name, rule: Rule::LastOf(words), of_letters: false }
}

const fn after(name: &'static str, words: &'static [&'static str]) -> Property {
    Property { name, rule: Rule::After(words), of_letters: false }
}

const fn ending(name: &'static str, endings: &'static [&'static str]) -> Property {
    Property { name, rule: Rule::Ending(endings), of_letters: false }
}

/// The list. Masks have a bit for each, in this order.
static PROPERTIES: [Property; 58] = [
    character("a space", |c| c == ' ').of_letters(),
    character("a line end", |c| c == '\n'),
    character("a vowel", is_vowel).of_letters(),
    character("a consonant", |c| c.is_alphabetic() && !is_vowel(c)).of_letters(),
    character("a capital", char::is_uppercase).of_letters(),
    character("a letter with an accent", |c| c.is_alphabetic() && !c.is_ascii()).of_letters(),
    character("a digit", char::is_numeric),
    character("a full stop, ! or ?", ends_sentence),
    character("a ! or ?", |c| c == '!' || c == '?'),
    character("a comma", |c| c == ','),
    character("a semicolon or colon", |c| c == ';' || c == ':'),
    character("a dash or hyphen", is_dash),
    character("a quotation mark", |c| "\"“”«»„".contains(c)),
    character("an apostrophe", |c| c == '\'' || c == '’'),
    place("the first letter of a word", |p| p.in_word == 1).of_letters(),
    place("the second letter of a word", |p| p.in_word == 2).of_letters(),
    place("the third letter of a word", |p| p.in_word == 3).of_letters(),
    place("the fourth letter of a word", |p| p.in_word == 4).of_letters(),
    place("the seventh letter of a word or a later one", |p| p.in_word >= 7).of_letters(),
    place("the last letter of a word", |p| p.in_word > 0 && p.in_word == p.word_length)
        .of_letters(),
    place("a word of one letter", |p| p.word_length == 1),
    place("a letter twice in a row", |p| p.in_word > 1 && p.c == p.before).of_letters(),
    place("the space after a comma", |p| p.c == ' ' && p.before == ',').of_letters(),
    place("the space after a sentence", |p| p.c == ' ' && ends_sentence(p.before)).of_letters(),
    place("the first letter of a sentence", |p| p.word_of_sentence == 1 && p.in_word == 1)
        .of_letters(),
    place("the first word of a sentence", |p| p.word_of_sentence == 1 && p.in_word > 0),
    place("the second word of a sentence", |p| p.word_of_sentence == 2 && p.in_word > 0),
    place("far in a sentence (after 20 words)", |p| p.word_of_sentence > 20 && p.in_word > 0),
    place("the first character of a line", |p| p.column == 1 && p.c != '\n').of_letters(),
    place("the first ten characters of a line", |p| p.column <= 10),
    place("beyond the fiftieth character of a line", |p| p.column > 50),
    place("the line after a line end twice", |p| p.c == '\n' && p.before == '\n'),
    place("a line that begins with a dash (dialogue)", |p| p.is_dialogue),
    place("inside quotation marks", |p| p.is_quoted),
    place("inside brackets", |p| p.is_bracketed),
    place("a name (a capital inside a sentence)", |p| p.is_name),
    place("a word in capitals", |p| p.is_capitals),
    place("a word after a hyphen", |p| p.after_hyphen && p.in_word > 0),
    ending("the end of -mente", &["mente"]),
    ending("the end of -ção or -são", &["ção", "são", "ções", "sões"]),
    ending("the end of -ndo", &["ndo"]),
    ending("the end of -ava or -ia", &["ava", "avam", "ia", "iam"]),
    ending("the end of -ar, -er or -ir", &["ar", "er", "ir"]),
    ending("the end of -ou", &["ou"]),
    ending("the end of -ed", &["ed"]),
    ending("the end of -ing", &["ing"]),
    ending("the end of -ly", &["ly"]),
    ending("the end of -tion", &["tion", "sion"]),
    ending("the end of a word in -s (plural)", &["as", "es", "os", "s"]),
    last_of("the end of \"que\"", &["que"]),
    last_of("the end of \"não\" or \"not\"", &["não", "not"]),
    last_of("the end of \"de\", \"do\", \"da\"", &["de", "do", "da", "dos", "das"]),
    last_of("the end of \"the\"", &["the"]),
    last_of("the end of \"and\"", &["and"]),
    after("right after \"que\"", &["que"]).of_letters(),
    after("right after \"não\" or \"not\"", &["não", "not"]).of_letters(),
    after("right after \"de\", \"do\", \"da\"", &["de", "do", "da", "dos", "das"]).of_letters(),
    after("right after \"the\", \"a\", \"an\"", &["the", "a", "an"]).of_letters(),
];

/// The list of rules. A mask has a bit for each, the first rule the lowest.
pub fn properties() -> &'static [Property] {
    &PROPERTIES
}

/// Which rules hold at each token of a text.
#[derive(Clone, Debug)]
pub struct Properties {
    /// For each token a bit for each of [`properties`]. `[T]`
    pub masks: Vec<u64>,
}

impl Properties {
    /// Those of a text's tokens.
    pub fn of(text: &TokenText) -> Self {
        let mut masks = text.at_last_characters(&masks(text.text()));
        if !text.is_of_characters() {
            let says = |bit: &usize| !PROPERTIES[*bit].of_letters;
            let of_tokens = (0..PROPERTIES.len()).filter(says).fold(0, |mask, bit| mask | 1 << bit);
            masks.iter_mut().for_each(|mask| *mask &= of_tokens);
        }
        Self { masks }
    }

    /// At how many tokens of a range each rule holds.
    ///
    /// # Panics
    /// If the range goes beyond the end.
    pub fn counts(&self, range: std::ops::Range<usize>) -> Vec<u64> {
        let mut counts = vec![0; PROPERTIES.len()];
        self.masks[range].iter().for_each(|&mask| bits(mask, |bit| counts[bit] += 1));
        counts
    }
}

/// Calls `visit` with the number of each bit that is set.
pub(super) fn bits(mut mask: u64, mut visit: impl FnMut(usize)) {
    while mask != 0 {
        visit(mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
}

/// A mask for each character of a text.
fn masks(text: &str) -> Vec<u64> {
    let characters: Vec<char> = text.chars().collect();
    let mut masks = vec![0; characters.len()];
    let mut around = Around::default();
    let mut at = 0;
    while at < characters.len() {
        let length = characters[at..].iter().take_while(|c| c.is_alphabetic()).count();
        if length > 0 {
            let word = &characters[at..at + length];
            around.begin_word(word);
            mark_word(word, &mut masks[at..(at + length + 1).min(characters.len())]);
        }
        // A word, or one character that is in none.
        for in_word in 1..=length.max(1) {
            around.see(characters[at], if length > 0 { in_word } else { 0 });
            masks[at] |= mask_of(&around.place);
            at += 1;
        }
    }
    masks
}

/// The rules about a single place that hold there.
fn mask_of(place: &Place) -> u64 {
    let holds = |property: &Property| match property.rule {
        Rule::Character(rule) => rule(place.c),
        Rule::Place(rule) => rule(place),
        Rule::LastOf(_) | Rule::After(_) | Rule::Ending(_) => false,
    };
    (0..PROPERTIES.len()).fold(0, |mask, bit| mask | u64::from(holds(&PROPERTIES[bit])) << bit)
}

/// Sets the bits of the rules about words, in the masks of a word and of the character after it, if
/// there is one.
fn mark_word(word: &[char], masks: &mut [u64]) {
    let lower: String = word.iter().flat_map(|c| c.to_lowercase()).collect();
    let last = word.len() - 1;
    for (bit, property) in PROPERTIES.iter().enumerate() {
        let at = match &property.rule {
            Rule::LastOf(words) if words.contains(&&lower[..]) => last,
            Rule::After(words) if words.contains(&&lower[..]) => last + 1,
            Rule::Ending(endings) if endings.iter().any(|end| has_ending(&lower, end)) => last,
            _ => continue,
        };
        if let Some(mask) = masks.get_mut(at) {
            *mask |= 1 << bit;
        }
    }
}

/// Whether a word ends so, has two letters before and four in all: "mas" is no plural, and "sing" is
/// no form of "s".
fn has_ending(word: &str, ending: &str) -> bool {
    let stem = word.strip_suffix(ending).map(|stem| stem.chars().count());
    stem.is_some_and(|stem| stem >= 2 && stem + ending.chars().count() >= 4)
}

/// What is known of the text so far.
#[derive(Debug)]
struct Around {
    place: Place,
    /// No word of the sentence has come yet.
    at_sentence: bool,
    open_brackets: usize,
}

impl Default for Around {
    fn default() -> Self {
        let place = Place { before: '\n', c: '\n', ..Place::default() };
        Self { place, at_sentence: true, open_brackets: 0 }
    }
}

impl Around {
    /// A word begins at the next character.
    fn begin_word(&mut self, word: &[char]) {
        let place = &mut self.place;
        place.word_of_sentence = if self.at_sentence { 1 } else { place.word_of_sentence + 1 };
        place.word_length = word.len();
        let capitals = word.iter().filter(|c| c.is_uppercase()).count();
        place.is_capitals = word.len() > 1 && capitals == word.len();
        place.is_name = !self.at_sentence && word[0].is_uppercase() && word.len() > 1;
        place.after_hyphen = place.c == '-';
        self.at_sentence = false;
    }

    /// The next character, and its place in the word, or 0.
    fn see(&mut self, c: char, in_word: usize) {
        let place = &mut self.place;
        (place.before, place.c, place.in_word) = (place.c, c, in_word);
        if in_word == 0 {
            (place.word_length, place.is_name) = (0, false);
            (place.is_capitals, place.after_hyphen) = (false, false);
        }
        place.column = if place.before == '\n' { 1 } else { place.column + 1 };
        if place.column == 1 {
            place.is_dialogue = is_dash(c);
            // What a line opened and never closed: quotation marks go wrong in many texts.
            place.is_quoted = false;
            self.open_brackets = 0;
        }
        match c {
            '(' | '[' => self.open_brackets += 1,
            ')' | ']' => self.open_brackets = self.open_brackets.saturating_sub(1),
            '"' => place.is_quoted = !place.is_quoted,
            '“' | '«' | '„' => place.is_quoted = true,
            '”' | '»' => place.is_quoted = false,
            _ => {}
        }
        place.is_bracketed = self.open_brackets > 0;
        if ends_sentence(c) || c == '\n' && place.before == '\n' {
            self.at_sentence = true;
        }
    }
}

fn ends_sentence(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…')
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '–' | '—' | '―')
}

fn is_vowel(c: char) -> bool {
    "aeiouáàâãäåæéèêëíìîïóòôõöøœúùûüAEIOUÁÀÂÃÄÅÆÉÈÊËÍÌÎÏÓÒÔÕÖØŒÚÙÛÜ".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with `^` below each character where a rule holds.
    fn where_holds(name: &str, text: &str) -> String {
        let bit = PROPERTIES.iter().position(|property| property.name == name).expect(name);
        let mark = |mask: u64| if mask >> bit & 1 == 1 { '^' } else { '.' };
        masks(text).into_iter().map(mark).collect()
    }

    fn check(name: &str, text: &str, expected: &str) {
        assert_eq!(where_holds(name, text), expected, "{name}\n{text}");
    }

    #[test]
    fn single_characters() {
        check("a vowel", "Céu é", ".^^.^");
        check("a consonant", "Céu é", "^....");
        check("a letter with an accent", "Céu é", ".^..^");
        check("a digit", "em 1881", "...^^^^");
    }

    #[test]
    fn places_in_words_and_lines() {
        check("the first letter of a word", "o céu-mar", "^.^...^..");
        check("the last letter of a word", "o céu-mar", "^...^...^");
        check("a word after a hyphen", "vi-te a", "...^^..");
        check("the first character of a line", "ab\nc\n\nd", "^..^..^");
        check("a line that begins with a dash (dialogue)", "a\n—b\nc", "..^^^.");
        check("a letter twice in a row", "passo", "...^.");
    }

    #[test]
    fn sentences_and_names() {
        check("the first word of a sentence", "Um dia. Ai, sim", "^^......^^.....");
        check("a name (a capital inside a sentence)", "Vi Ana. Ela", "...^^^.....");
        check("the space after a sentence", "a. b", "..^.");
        check("a word in capitals", "o SOL A", "..^^^..");
    }

    #[test]
    fn what_is_open() {
        check("inside quotation marks", "a “b” c", "..^^...");
        check("inside brackets", "a (b) c", "..^^...");
        // A mark that nobody closes ends with its line.
        check("inside quotation marks", "\"a\nb", "^^^.");
    }

    #[test]
    fn words_and_endings() {
        check("the end of \"que\"", "que quem Que", "..^........^");
        check("right after \"que\"", "que quem Que", "...^........");
        check("the end of -mente", "mente lentamente", "...............^");
        check("the end of a word in -s (plural)", "mas casas", "........^");
        check("the end of -ing", "king sing singing", "................^");
    }

    #[test]
    fn of_words_rules_about_letters_say_nothing() {
        let text = crate::interpret::token_text::of_words("Que mar, que cor. ");
        let masks = Properties::of(&text).masks;
        let holds = |name: &str| -> Vec<bool> {
            let bit = PROPERTIES.iter().position(|property| property.name == name).expect(name);
            masks.iter().map(|mask| mask >> bit & 1 == 1).collect()
        };
        assert!(
            holds("a consonant").iter().chain(&holds("the last letter of a word")).all(|is| !is)
        );
        let tokens: Vec<&str> = (0..text.len()).map(|at| text.piece(at..at + 1)).collect();
        for (token, (comma, que)) in
            tokens.iter().zip(holds("a comma").into_iter().zip(holds("the end of \"que\"")))
        {
            assert_eq!(
                (comma, que),
                (*token == ",", token.trim().to_lowercase() == "que"),
                "{token:?}"
            );
        }
    }

    #[test]
    fn each_rule_holds_somewhere_and_has_a_name_of_its_own() {
        let text = "Fim. Um dia, em 1881; \"Ai!\" - disse-lhe (SOL) o' Ana.\nO sossegadamente nação lendo \
                    amava amar amou\n\n—Loved loving lovely nation casas que não de the and the dog; \
                    que a b c d e f g h i j k l m n o p q r s t u v w x y z não x de y";
        let union = masks(text).into_iter().fold(0, |all, mask| all | mask);
        for (bit, property) in PROPERTIES.iter().enumerate() {
            assert!(union >> bit & 1 == 1, "{} never holds", property.name);
            let others = PROPERTIES.iter().filter(|other| other.name == property.name);
            assert_eq!(others.count(), 1, "{}", property.name);
        }
    }
}
