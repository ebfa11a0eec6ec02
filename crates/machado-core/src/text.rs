//! From the bytes of a file to clean text: encoding, line ends, letters.
//!
//! A file is read in blocks of any size: by a [`Detector`], and then by a [`Decoder`]. So a
//! text of a gigabyte never lies in memory as a whole.

use std::borrow::Cow;
use std::sync::LazyLock;

use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How many bytes are looked at where a sample is enough.
const SAMPLE_BYTES: usize = 64 * 1024;

/// A piece without any space is not kept together beyond so many bytes.
const MOST_KEPT: usize = 1 << 20;

/// Recognises the encoding of a text.
///
/// A byte order mark decides; without one, what is UTF-8 is taken as UTF-8, also when a few bytes
/// of it are broken; UTF-16 shows by its zero bytes; anything else is guessed from its letters.
pub struct Detector {
    /// The first bytes.
    sample: Vec<u8>,
    /// The beginning of a UTF-8 character that the block before ended with.
    cut: Vec<u8>,
    /// Characters of several bytes that are whole, and broken ones, read as UTF-8.
    whole: u64,
    broken: u64,
    /// Sees what is not UTF-8.
    legacy: chardetng::EncodingDetector,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            sample: Vec::new(),
            cut: Vec::new(),
            whole: 0,
            broken: 0,
            legacy: chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny),
        }
    }
}

impl Detector {
    /// Looks at the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let room = SAMPLE_BYTES - self.sample.len();
        self.sample.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.check_utf8(bytes);
        // Slow, so it sees the beginning, and more only if that is needed.
        if room > 0 || self.broken > 0 {
            self.legacy.feed(bytes, false);
        }
    }

    /// Counts whole and broken characters, read as UTF-8.
    fn check_utf8(&mut self, bytes: &[u8]) {
        if self.cut.is_empty() && bytes.is_ascii() {
            return;
        }
        let joined = [&self.cut, bytes].concat();
        self.cut.clear();
        let mut rest = &joined[..];
        while !rest.is_empty() {
            let (valid, invalid) = match std::str::from_utf8(rest) {
                Ok(_) => (rest.len(), 0),
                Err(error) => (error.valid_up_to(), error.error_len().unwrap_or(0)),
            };
            self.whole += rest[..valid].iter().filter(|&&byte| byte >= 0xc0).count() as u64;
            rest = &rest[valid..];
            if invalid == 0 {
                self.cut = rest.to_vec();
                break;
            }
            self.broken += 1;
            rest = &rest[invalid..];
        }
    }

    /// The encoding, after all bytes.
    ///
    /// # Errors
    /// If the bytes are no text.
    pub fn finish(mut self) -> Result<TextEncoding> {
        let broken = self.broken + u64::from(!self.cut.is_empty());
        if [&b"\xff\xfe\0\0"[..], b"\0\0\xfe\xff"].iter().any(|m| self.sample.starts_with(m)) {
            return Err(Error::Utf32Text);
        }
        let encoding = if let Some((encoding, _)) = Encoding::for_bom(&self.sample) {
            encoding
        } else if let Some(encoding) = utf16_without_mark(&self.sample) {
            encoding
        } else {
            check_not_binary(&self.sample)?;
            // A file cut in the middle of a character is still UTF-8: its whole characters of
            // several bytes outnumber the broken ones by far.
            if self.whole >= 10 * broken {
                encoding_rs::UTF_8
            } else {
                self.legacy.feed(&[], true);
                self.legacy.guess(None, chardetng::Utf8Detection::Deny)
            }
        };
        Ok(TextEncoding(encoding))
    }
}

/// An encoding that was recognised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextEncoding(&'static Encoding);

impl TextEncoding {
    /// Its standard name, such as `UTF-8` or `windows-1252`.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// A decoder from it.
    pub fn decoder(self) -> Decoder {
        Decoder { inner: self.0.new_decoder_with_bom_removal(), kept: String::new(), malformed: 0 }
    }
}

/// Decodes a text block by block, in pieces that [`Standardize`] and a
/// [`Tokenizer`](crate::tokenizer::Tokenizer) may treat one by one: cut before a space where there is
/// one, else before a line end.
pub struct Decoder {
    inner: encoding_rs::Decoder,
    /// What follows the last cut.
    kept: String,
    malformed: u64,
}

impl Decoder {
    /// Decodes the next bytes; returns the text up to the last safe cut.
    pub fn feed(&mut self, bytes: &[u8]) -> String {
        self.decode(bytes, Block::More);
        // Within a run of white space there is no cut. A space is better than a line end, which not
        // all standardizing leaves there.
        let last = |signs: &[char]| {
            let mut places = self.kept.rmatch_indices(signs).map(|(place, _)| place);
            let follows = |&place: &usize| {
                self.kept[..place].ends_with(|before: char| !before.is_whitespace())
            };
            places.find(follows)
        };
        let cut = match last(&[' ']).or_else(|| last(&['\n', '\r'])) {
            Some(place) => place,
            // A text without spaces is cut anywhere, but not within "\r\n".
            None if self.kept.len() > MOST_KEPT => self.kept.trim_end_matches('\r').len(),
            None => 0,
        };
        let rest = self.kept.split_off(cut);
        std::mem::replace(&mut self.kept, rest)
    }

    /// The rest of the text.
    pub fn finish(&mut self) -> String {
        self.decode(&[], Block::Last);
        std::mem::take(&mut self.kept)
    }

    /// Bytes (or groups of bytes) so far that mean nothing in the encoding; U+FFFD stands for them.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    fn decode(&mut self, bytes: &[u8], block: Block) {
        let most = self.inner.max_utf8_buffer_length(bytes.len());
        self.kept.reserve(most.expect("a block in memory has fewer bytes than the address space"));
        let before = self.kept.len();
        let (_, _, malformed) =
            self.inner.decode_to_string(bytes, &mut self.kept, block == Block::Last);
        if malformed {
            self.malformed += self.kept[before..].matches('\u{fffd}').count() as u64;
        }
    }
}

/// Whether more bytes follow.
#[derive(PartialEq)]
enum Block {
    More,
    Last,
}

/// UTF-16 that has no byte order mark: Western text has a zero in every second byte.
fn utf16_without_mark(sample: &[u8]) -> Option<&'static Encoding> {
    let (pairs, _) = sample.as_chunks::<2>();
    let zeros_first = pairs.iter().filter(|pair| pair[0] == 0).count();
    let zeros_second = pairs.iter().filter(|pair| pair[1] == 0).count();
    let most = pairs.len() * 7 / 10;
    if pairs.len() < 2 {
        None
    } else if zeros_second > most && zeros_first == 0 {
        Some(encoding_rs::UTF_16LE)
    } else if zeros_first > most && zeros_second == 0 {
        Some(encoding_rs::UTF_16BE)
    } else {
        None
    }
}

/// Texts have no zero bytes and hardly any control characters.
fn check_not_binary(sample: &[u8]) -> Result<()> {
    let is_control = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    let controls = sample.iter().filter(|&&byte| is_control(byte)).count();
    if sample.contains(&0) || controls * 50 > sample.len() {
        return Err(Error::BinaryText);
    }
    Ok(())
}

/// What is done to a text before it becomes tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standardize {
    /// Nothing but line ends: `\r\n` and `\r` become `\n`, here and in the other two.
    None,
    /// Lower case, as Python's `str.lower`.
    #[default]
    Lower,
    /// Lower case, then only `a` to `z`, `0` to `9` and the space are kept.
    Letters,
}

impl Standardize {
    /// The text with this done to it.
    ///
    /// A long text can be given in pieces, if they are cut as a [`Decoder`] cuts them.
    pub fn apply(self, text: &str) -> Cow<'_, str> {
        let text = line_ends(text);
        match self {
            Self::None => text,
            Self::Lower => Cow::Owned(lower(&text)),
            Self::Letters => {
                let mut letters = lower(&text);
                letters.retain(|c| matches!(c, 'a'..='z' | '0'..='9' | ' '));
                Cow::Owned(letters)
            }
        }
    }

    /// Its name, as in `--standardize lower`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lower => "lower",
            Self::Letters => "letters",
        }
    }
}

fn line_ends(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&b'\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

/// As `str::to_lowercase`, several times faster on text that is mostly ASCII.
fn lower(text: &str) -> String {
    // A capital sigma is the one letter whose lower case depends on its place in the word.
    if text.contains('Σ') {
        return text.to_lowercase();
    }
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for (place, c) in text.char_indices().filter(|(_, c)| !c.is_ascii()) {
        if changes_in_lower_case(c) {
            out.push_str(&text[copied..place]);
            out.extend(c.to_lowercase());
            copied = place + c.len_utf8();
        }
    }
    out.push_str(&text[copied..]);
    out.make_ascii_lowercase();
    out
}

/// Whether the lower case of a character is another one. Looked up where European languages have
/// their letters, since searching Unicode's tables for each é takes longer than all the rest.
fn changes_in_lower_case(c: char) -> bool {
    const LOOKED_UP: usize = 0x600;
    static CHANGES: LazyLock<[bool; LOOKED_UP]> =
        LazyLock::new(|| std::array::from_fn(|c| search(c as u32)));
    fn search(c: u32) -> bool {
        char::from_u32(c).is_some_and(|c| !c.to_lowercase().eq([c]))
    }
    CHANGES.get(c as usize).copied().unwrap_or_else(|| search(c.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Detects and decodes in blocks of `size` bytes.
    fn decoded(bytes: &[u8], size: usize) -> Result<(String, &'static str, u64)> {
        let mut detector = Detector::default();
        bytes.chunks(size).for_each(|block| detector.feed(block));
        let encoding = detector.finish()?;
        let mut decoder = encoding.decoder();
        let mut text: String = bytes.chunks(size).map(|block| decoder.feed(block)).collect();
        text.push_str(&decoder.finish());
        Ok((text, encoding.name(), decoder.malformed()))
    }

    fn check_decoded(bytes: &[u8], text: &str, encoding: &str, malformed: u64) {
        for size in [1, 2, 3, 5, 1000] {
            let found = decoded(bytes, size).expect("text");
            assert_eq!(found, (text.to_owned(), encoding, malformed), "blocks of {size}");
        }
    }

    #[test]
    fn encodings_are_recognised() {
        check_decoded("céu azul".as_bytes(), "céu azul", "UTF-8", 0);
        check_decoded(b"plain", "plain", "UTF-8", 0);
        check_decoded(b"", "", "UTF-8", 0);
        check_decoded(b"\xef\xbb\xbfc\xc3\xa9u", "céu", "UTF-8", 0);
        check_decoded(b"\xff\xfec\0\xe9\0u\0", "céu", "UTF-16LE", 0);
        check_decoded(b"\0c\0o\0r\0 \0d\0o", "cor do", "UTF-16BE", 0);
        check_decoded("日本 🎻\n中文".as_bytes(), "日本 🎻\n中文", "UTF-8", 0);
        let latin = b"A cor do c\xe9u \xe9 azul, e a menina n\xe3o est\xe1 l\xe1 fora.";
        let text = "A cor do céu é azul, e a menina não está lá fora.";
        check_decoded(latin, text, "windows-1252", 0);
    }

    #[test]
    fn a_utf8_file_cut_in_a_character_stays_utf8() {
        let text = "é à ã õ ç ü ê í ó ú á";
        let cut = &text.as_bytes()[..text.len() - 1];
        check_decoded(cut, "é à ã õ ç ü ê í ó ú \u{fffd}", "UTF-8", 1);
    }

    #[test]
    fn binary_bytes_are_an_error() {
        assert!(matches!(decoded(b"\x7fELF\x02\x01\x01\0\0\0\0", 4), Err(Error::BinaryText)));
        assert!(matches!(decoded(&[1, 2, 3, 4, 5, 6], 6), Err(Error::BinaryText)));
    }

    #[test]
    fn pieces_end_before_a_space_or_a_line_end() {
        let mut decoder = TextEncoding(encoding_rs::UTF_8).decoder();
        assert_eq!(decoder.feed("uma\r\n\r\noutra".as_bytes()), "uma");
        assert_eq!(decoder.feed("  linha\r\n".as_bytes()), "\r\n\r\noutra");
        assert_eq!(decoder.feed("-sem-fim".as_bytes()), "  linha");
        assert_eq!(decoder.finish(), "\r\n-sem-fim");
    }

    proptest::proptest! {
        #[test]
        fn lower_case_is_that_of_the_standard_library(text in "\\PC{0,40}") {
            assert_eq!(lower(&text), text.to_lowercase());
        }
    }

    #[test]
    fn standardizing() {
        let text = "A Menina\r\nÉ 1 só:\rΣΑΣ";
        assert_eq!(Standardize::None.apply(text), "A Menina\nÉ 1 só:\nΣΑΣ");
        assert_eq!(Standardize::Lower.apply(text), "a menina\né 1 só:\nσας");
        assert_eq!(Standardize::Letters.apply(text), "a menina 1 s");
    }
}
