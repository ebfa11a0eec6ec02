//! From the bytes of a file to clean text: encoding, line ends, letters.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Text decoded from a file's bytes.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The text, without a byte order mark; borrowed from the bytes if they were UTF-8.
    pub text: Cow<'a, str>,
    /// The encoding's standard name, such as `UTF-8` or `windows-1252`.
    pub encoding: &'static str,
    /// Bytes (or groups of bytes) that mean nothing in that encoding; U+FFFD stands for them.
    pub malformed: usize,
}

/// Recognises the encoding of `bytes` and decodes them.
///
/// A byte order mark decides; without one, what is UTF-8 is taken as UTF-8, also when a few bytes
/// of it are broken; UTF-16 shows by its zero bytes; anything else is guessed from its letters.
///
/// # Errors
/// If the bytes are no text.
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>> {
    let (encoding, bytes) = match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, length)) => (Some(encoding), &bytes[length..]),
        None => (utf16_without_mark(bytes), bytes),
    };
    let encoding = match encoding {
        Some(encoding) => encoding,
        None => {
            check_not_binary(bytes)?;
            match std::str::from_utf8(bytes) {
                Ok(text) => {
                    return Ok(Decoded {
                        text: Cow::Borrowed(text),
                        encoding: "UTF-8",
                        malformed: 0,
                    });
                }
                Err(_) if is_mostly_utf8(bytes) => encoding_rs::UTF_8,
                Err(_) => guess(bytes),
            }
        }
    };
    let (text, malformed) = encoding.decode_without_bom_handling(bytes);
    let malformed = if malformed { text.matches('\u{fffd}').count().max(1) } else { 0 };
    Ok(Decoded { text, encoding: encoding.name(), malformed })
}

/// How many bytes are looked at where a sample is enough.
const SAMPLE_BYTES: usize = 64 * 1024;

/// UTF-16 that has no byte order mark: Western text has a zero in every second byte.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
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
fn check_not_binary(bytes: &[u8]) -> Result<()> {
    let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
    let is_control = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    let controls = sample.iter().filter(|&&byte| is_control(byte)).count();
    if sample.contains(&0) || controls * 50 > sample.len() {
        return Err(Error::BinaryText);
    }
    Ok(())
}

/// A text in UTF-8 with a broken byte here and there (a file cut in the middle of a character) is
/// still UTF-8: its whole characters of several bytes outnumber the broken ones by far.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut whole, mut broken) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        whole += chunk.valid().bytes().filter(|&byte| byte >= 0xc0).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    whole >= 10 * broken
}

fn guess(bytes: &[u8]) -> &'static encoding_rs::Encoding {
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    detector.feed(&bytes[..bytes.len().min(16 * SAMPLE_BYTES)], true);
    detector.guess(None, chardetng::Utf8Detection::Deny)
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
    /// A long text can be given in pieces, if they are cut as [`pieces`] cuts them.
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
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c.to_ascii_lowercase());
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out
}

/// Cuts a text into pieces of about `size` bytes, after a line end where there is one, else after a
/// space, else between two characters.
pub fn pieces(text: &str, size: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let limit = rest.floor_char_boundary(size.max(4));
        let cut = if limit == rest.len() {
            limit
        } else {
            let head = &rest[..limit];
            head.rfind('\n').or_else(|| head.rfind(' ')).map_or(limit, |end| end + 1)
        };
        let (piece, tail) = rest.split_at(cut);
        rest = tail;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_decoded(bytes: &[u8], text: &str, encoding: &str) {
        let decoded = decode(bytes).expect("text");
        assert_eq!((decoded.text.as_ref(), decoded.encoding), (text, encoding));
    }

    #[test]
    fn encodings_are_recognised() {
        check_decoded("céu azul".as_bytes(), "céu azul", "UTF-8");
        check_decoded(b"\xef\xbb\xbfc\xc3\xa9u", "céu", "UTF-8");
        check_decoded(b"\xff\xfec\0\xe9\0u\0", "céu", "UTF-16LE");
        check_decoded(b"\0c\0o\0r\0 \0d\0o", "cor do", "UTF-16BE");
        let latin = b"A cor do c\xe9u \xe9 azul, e a menina n\xe3o est\xe1 l\xe1 fora.";
        check_decoded(latin, "A cor do céu é azul, e a menina não está lá fora.", "windows-1252");
    }

    #[test]
    fn a_utf8_file_cut_in_a_character_stays_utf8() {
        let text = "é à ã õ ç ü ê í ó ú á";
        let decoded = decode(&text.as_bytes()[..text.len() - 1]).expect("text");
        assert_eq!((decoded.encoding, decoded.malformed), ("UTF-8", 1));
        assert!(decoded.text.starts_with("é à ã õ"));
    }

    #[test]
    fn binary_bytes_are_an_error() {
        assert!(matches!(decode(b"\x7fELF\x02\x01\x01\0\0\0\0"), Err(Error::BinaryText)));
        assert!(matches!(decode(&[1, 2, 3, 4, 5, 6]), Err(Error::BinaryText)));
    }

    #[test]
    fn standardizing() {
        let text = "A Menina\r\nÉ 1 só:\rΣΑΣ";
        assert_eq!(Standardize::None.apply(text), "A Menina\nÉ 1 só:\nΣΑΣ");
        assert_eq!(Standardize::Lower.apply(text), "a menina\né 1 só:\nσας");
        assert_eq!(Standardize::Letters.apply(text), "a menina 1 s");
    }

    #[test]
    fn pieces_join_to_the_text_and_end_at_lines() {
        let text = "uma linha\noutra linha\nsem-espaço-nenhum-até-o-fim";
        for size in 4..60 {
            assert_eq!(pieces(text, size).collect::<String>(), text, "size {size}");
        }
        assert_eq!(pieces(text, 15).next(), Some("uma linha\n"));
    }
}
