//! Cutting a text into words, numbers, runs of signs: the pieces that words and parts of words are
//! made from.
//!
//! The rules, the first that fits:
//!
//! 1. a hyphen or apostrophe after a letter, with the letters that follow: `disse|-lhe`, `it|'s`
//! 2. letters, with the single space before them: `a| cor| do`
//! 3. digits, likewise
//! 4. a run of one and the same sign, likewise: ` —`, `...`, and `."` in two
//! 5. a run of one and the same white space; of several spaces the last goes with what follows
//!
//! Nothing is lost: the pieces one after the other are the text. [`pattern`] says the same as a
//! regular expression, for other programs.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// What words are made of: letters, the marks on them, and the joiners of Indic and Persian script.
const LETTERS: &str = r"\p{L}\p{M}\x{200C}\x{200D}";
const DIGITS: &str = r"\p{N}";

/// Signs that join letters into one word: hyphens and apostrophes.
const JOINERS: [char; 5] = ['-', '\'', '\u{2019}', '\u{2010}', '\u{2011}'];

/// The rules as a regular expression that finds one piece after the other, in the syntax that
/// Hugging Face's `tokenizers` reads.
pub(super) fn pattern() -> String {
    let joiners: String = JOINERS.iter().collect();
    // A hyphen at the beginning of a class stands for itself.
    [
        format!("(?<=[{LETTERS}])[{joiners}][{LETTERS}]+"),
        format!(" ?[{LETTERS}]+"),
        format!(" ?{DIGITS}+"),
        format!(r" ?([^\s{LETTERS}{DIGITS}])\1*"),
        r" +(?!\S)".into(),
        r"([^\S ])\2*".into(),
    ]
    .join("|")
}

/// What kind of character it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Kind {
    #[default]
    Sign,
    Letter,
    Digit,
    Space,
}

/// The kind of each code point. A look-up is several times faster than a search in Unicode's tables.
static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let mut kinds = vec![Kind::Sign; char::MAX as usize + 1];
    let mut fill = |class: String, kind: Kind| {
        let class = regex_syntax::parse(&class).expect("a fixed class of characters");
        let HirKind::Class(Class::Unicode(class)) = class.kind() else {
            unreachable!("a class of several characters is parsed to one")
        };
        for range in class.ranges() {
            kinds[range.start() as usize..=range.end() as usize].fill(kind);
        }
    };
    fill(format!("[{LETTERS}]"), Kind::Letter);
    fill(format!("[{DIGITS}]"), Kind::Digit);
    for c in ('\0'..='\u{3000}').filter(|c| c.is_whitespace()) {
        kinds[c as usize] = Kind::Space;
    }
    kinds
});

/// The pieces of a text, in order.
pub(super) struct Pieces<'t> {
    rest: &'t str,
    /// Whether a letter stands before the rest.
    after_letter: bool,
    kinds: &'static [Kind],
}

impl<'t> Pieces<'t> {
    /// The pieces of a whole text, or of a part of one that a
    /// [`Decoder`](crate::text::Decoder) has cut.
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text, after_letter: false, kinds: &KINDS }
    }

    fn kind(&self, c: char) -> Kind {
        self.kinds[c as usize]
    }

    /// Bytes of the piece that begins with `first`.
    fn length(&mut self, first: char) -> usize {
        let after_letter = std::mem::take(&mut self.after_letter);
        if first == ' ' {
            let spaces = self.rest.bytes().take_while(|&byte| byte == b' ').count();
            return match self.rest[spaces..].chars().next() {
                Some(next) if self.kind(next) != Kind::Space => match spaces {
                    1 => 1 + self.run(next, &self.rest[1..]),
                    several => several - 1,
                },
                _ => spaces,
            };
        }
        if after_letter && JOINERS.contains(&first) {
            let rest = &self.rest[first.len_utf8()..];
            if let Some(next) = rest.chars().next()
                && self.kind(next) == Kind::Letter
            {
                return first.len_utf8() + self.run(next, rest);
            }
        }
        self.run(first, self.rest)
    }

    /// Bytes of the letters, the digits or the repeated sign that `text` begins with.
    fn run(&mut self, first: char, text: &str) -> usize {
        let kind = self.kind(first);
        self.after_letter = kind == Kind::Letter;
        let kinds = self.kinds;
        let rest = match kind {
            Kind::Letter | Kind::Digit => {
                text.trim_start_matches(|c: char| kinds[c as usize] == kind)
            }
            Kind::Sign | Kind::Space => text.trim_start_matches(first),
        };
        text.len() - rest.len()
    }
}

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let first = self.rest.chars().next()?;
        let length = self.length(first);
        let (piece, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, pieces: &[&str]) {
        assert_eq!(Pieces::new(text).collect::<Vec<_>>(), pieces, "{text:?}");
    }

    #[test]
    fn words_take_the_space_before_them() {
        check("a cor do céu é", &["a", " cor", " do", " céu", " é"]);
        check("azul, e o mar", &["azul", ",", " e", " o", " mar"]);
        check("em 1899.", &["em", " 1899", "."]);
        check("2a", &["2", "a"]);
        // Written in two code points each, and in other scripts.
        check("ce\u{301}u a\u{303}", &["ce\u{301}u", " a\u{303}"]);
        check("हिन्दी भाषा", &["हिन्दी", " भाषा"]);
        check("", &[]);
    }

    #[test]
    fn hyphens_and_apostrophes_within_words_begin_a_piece() {
        check("disse-lhe: dê-mo-lo", &["disse", "-lhe", ":", " dê", "-mo", "-lo"]);
        check("it's d’água", &["it", "'s", " d", "’água"]);
        check(
            "-Sim -disse 'ele' a- b",
            &["-", "Sim", " -", "disse", " '", "ele", "'", " a", "-", " b"],
        );
        check("1-a", &["1", "-", "a"]);
    }

    #[test]
    fn signs_and_spaces_are_runs_of_the_same() {
        check("sim...\" — não?!", &["sim", "...", "\"", " —", " não", "?", "!"]);
        check("a  b   ", &["a", " ", " b", "   "]);
        check("a \n\n  b\t\tc", &["a", " ", "\n\n", " ", " b", "\t\t", "c"]);
    }

    proptest::proptest! {
        #[test]
        fn the_pieces_are_the_text(text in "[ \n\ta-cé\u{301}'’.?!0-9—日-]{0,30}|\\PC{0,30}") {
            assert_eq!(Pieces::new(&text).collect::<String>(), text);
            assert!(Pieces::new(&text).all(|piece| !piece.is_empty()));
        }

        /// A text may be cut before a space or a line end that follows something else.
        #[test]
        fn cuts_before_white_space_change_nothing(
            before in "[ \na-c'.-]{0,10}[a-c'.-]", after in "([ \n][ \na-c'.-]{0,10})?",
        ) {
            let whole = before.clone() + &after;
            let pieces = Pieces::new(&before).chain(Pieces::new(&after));
            assert!(pieces.eq(Pieces::new(&whole)), "{before:?} {after:?}");
        }
    }
}
