//! Whole characters from tokens that may be parts of them.

/// Puts characters together from bytes that come token by token. What can never become a character
/// is replaced by U+FFFD, as [`String::from_utf8_lossy`] does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CharacterJoiner {
    /// The beginning of a character whose other bytes have not come yet; 3 bytes at most.
    begun: Vec<u8>,
}

impl CharacterJoiner {
    /// Takes the bytes of one more token; appends to `text` the characters that are now whole.
    pub fn push(&mut self, token: &[u8], text: &mut String) {
        if self.begun.is_empty()
            && let Ok(token) = std::str::from_utf8(token)
        {
            text.push_str(token);
            return;
        }
        self.begun.extend_from_slice(token);
        let mut rest = &self.begun[..];
        while let Err(error) = std::str::from_utf8(rest) {
            let (valid, broken) = rest.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            rest = broken;
            let Some(length) = error.error_len() else { break };
            text.push(char::REPLACEMENT_CHARACTER);
            rest = &rest[length..];
        }
        if let Ok(valid) = std::str::from_utf8(rest) {
            text.push_str(valid);
            rest = &[];
        }
        self.begun = rest.to_vec();
    }

    /// Appends U+FFFD for a character that was begun and will not be ended.
    pub fn finish(&mut self, text: &mut String) {
        if !self.begun.is_empty() {
            self.begun.clear();
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text after each token, and at the end.
    fn check(tokens: &[&[u8]], expected: &[&str]) {
        let (mut joiner, mut text) = (CharacterJoiner::default(), String::new());
        for (token, expected) in tokens.iter().zip(expected) {
            joiner.push(token, &mut text);
            assert_eq!(text, *expected, "{tokens:?}");
        }
        joiner.finish(&mut text);
        assert_eq!(text, expected[tokens.len()], "{tokens:?}");
    }

    #[test]
    fn characters_come_when_they_are_whole() {
        check(&[b"c", b"\xc3", b"\xa9u"], &["c", "c", "céu", "céu"]);
        check(&[b"\xf0\x9f", b"\x8e", b"\xbb"], &["", "", "🎻", "🎻"]);
    }

    #[test]
    fn what_can_be_no_character_is_replaced() {
        check(&[b"\xc3", b"a"], &["", "\u{fffd}a", "\u{fffd}a"]);
        check(&[b"\xa9\xc3"], &["\u{fffd}", "\u{fffd}\u{fffd}"]);
        check(&[b"a\xff", b"\xf0\x9f\x8e"], &["a\u{fffd}", "a\u{fffd}", "a\u{fffd}\u{fffd}"]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_what_they_give_at_once(
            bytes in proptest::collection::vec(proptest::sample::select(
                b"ab\xc3\xa9\xf0\x9f\x8e\xbb\xff\xe2\x80\x94".to_vec()), 0..20),
            size in 1usize..5,
        ) {
            let (mut joiner, mut text) = (CharacterJoiner::default(), String::new());
            bytes.chunks(size).for_each(|token| joiner.push(token, &mut text));
            joiner.finish(&mut text);
            assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
