//! Answers in HTTP/1.1, taken apart as their bytes come in.

use anyhow::{Context, Result, bail};

/// Headers are no longer than this.
const HEAD_BYTES: usize = 64 * 1024;
const HEADERS: usize = 64;

/// What comes before the body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header, whose name is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Whether the server closes the connection after this answer.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// How a body ends.
#[derive(Debug)]
enum Body {
    Length(usize),
    Chunks(Chunk),
    UntilClosed,
    Over,
}

/// The place in a body of chunks.
#[derive(Debug)]
enum Chunk {
    /// Within the hexadecimal size, whose value up to here this is, and whether it is over.
    Size(usize, bool),
    Data(usize),
    /// At the line end after the data.
    End,
    /// In a line after the last chunk, with the number of its characters.
    Trailer(usize),
}

/// One answer that is coming in.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    before_body: Vec<u8>,
    head: Option<(Head, Body)>,
}

impl Incoming {
    pub(crate) fn head(&self) -> Option<&Head> {
        self.head.as_ref().map(|(head, _)| head)
    }

    /// Whether any byte of it came.
    pub(crate) fn has_begun(&self) -> bool {
        self.head.is_some() || !self.before_body.is_empty()
    }

    /// Whether all of it came.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.head, Some((_, Body::Over)))
    }

    /// Takes bytes and gives on those that belong to the body. Says how many it took; the others
    /// belong to the next answer.
    ///
    /// # Errors
    ///
    /// If it is no HTTP.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        on_body: &mut impl FnMut(&[u8]),
    ) -> Result<usize> {
        let all = bytes.len();
        if self.head.is_none() {
            let earlier = self.before_body.len();
            self.before_body.extend_from_slice(bytes);
            let Some((taken, head, body)) = parse_head(&self.before_body)? else {
                return Ok(all);
            };
            self.before_body.truncate(taken);
            bytes = &bytes[taken - earlier..];
            // 100 Continue is no answer yet.
            if head.status == 100 {
                *self = Self::default();
                return Ok(all - bytes.len() + self.push(bytes, on_body)?);
            }
            self.head = Some((head, body));
        }
        let Some((_, body)) = &mut self.head else { return Ok(all) };
        while !bytes.is_empty() && !matches!(body, Body::Over) {
            bytes = body.take(bytes, on_body)?;
        }
        Ok(all - bytes.len())
    }

    /// Says that the connection was closed.
    ///
    /// # Errors
    ///
    /// If there should have been more.
    pub(crate) fn closed(&mut self) -> Result<()> {
        match &mut self.head {
            Some((_, body @ Body::UntilClosed)) => *body = Body::Over,
            Some((_, Body::Over)) => {}
            Some((head, body)) => bail!("closed within an answer {}, at {body:?}", head.status),
            None => bail!("closed before an answer"),
        }
        Ok(())
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<(usize, Head, Body)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let start = || String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
    let httparse::Status::Complete(taken) =
        parsed.parse(bytes).with_context(|| format!("no HTTP: {:?}", start()))?
    else {
        if bytes.len() > HEAD_BYTES {
            bail!("headers of more than {HEAD_BYTES} bytes");
        }
        return Ok(None);
    };
    let head = Head {
        status: parsed.code.unwrap_or(0),
        headers: parsed
            .headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value).into_owned();
                (header.name.to_ascii_lowercase(), value)
            })
            .collect(),
    };
    let body = if let Some(length) = head.header("content-length") {
        match length.parse().with_context(|| format!("content-length {length:?}"))? {
            0 => Body::Over,
            length => Body::Length(length),
        }
    } else if head.header("transfer-encoding") == Some("chunked") {
        Body::Chunks(Chunk::Size(0, false))
    } else if matches!(head.status, 100 | 204 | 304) {
        Body::Over
    } else {
        Body::UntilClosed
    };
    Ok(Some((taken, head, body)))
}

impl Body {
    /// Takes some of the bytes, at least one, and returns the others.
    fn take<'a>(&mut self, bytes: &'a [u8], on_body: &mut impl FnMut(&[u8])) -> Result<&'a [u8]> {
        let (next, rest) = match self {
            Body::Length(left) => {
                let (now, rest) = bytes.split_at(bytes.len().min(*left));
                on_body(now);
                let left = *left - now.len();
                (if left == 0 { Body::Over } else { Body::Length(left) }, rest)
            }
            Body::UntilClosed => {
                on_body(bytes);
                (Body::UntilClosed, &bytes[bytes.len()..])
            }
            Body::Over => (Body::Over, bytes),
            Body::Chunks(Chunk::Data(left)) => {
                let (now, rest) = bytes.split_at(bytes.len().min(*left));
                on_body(now);
                let left = *left - now.len();
                (Body::Chunks(if left == 0 { Chunk::End } else { Chunk::Data(left) }), rest)
            }
            Body::Chunks(chunk) => (chunk.line_byte(bytes[0])?, &bytes[1..]),
        };
        *self = next;
        Ok(rest)
    }
}

impl Chunk {
    /// What comes after one more byte of the lines around the data.
    fn line_byte(&self, byte: u8) -> Result<Body> {
        Ok(Body::Chunks(match (self, byte) {
            (Chunk::Size(0, _), b'\n') => Chunk::Trailer(0),
            (Chunk::Size(size, _), b'\n') => Chunk::Data(*size),
            (Chunk::Size(size, false), digit) if digit.is_ascii_hexdigit() => {
                let digit = char::from(digit).to_digit(16).unwrap_or(0) as usize;
                Chunk::Size(size * 16 + digit, false)
            }
            (Chunk::Size(size, _), b'\r' | b';') => Chunk::Size(*size, true),
            (Chunk::Size(size, true), _) => Chunk::Size(*size, true),
            (Chunk::Size(..), other) => bail!("a chunk's size with the byte {other:#x}"),
            (Chunk::End, b'\r') => Chunk::End,
            (Chunk::End, b'\n') => Chunk::Size(0, false),
            (Chunk::End, other) => bail!("the byte {other:#x} after a chunk"),
            (Chunk::Trailer(0), b'\n') => return Ok(Body::Over),
            (Chunk::Trailer(_), b'\n') => Chunk::Trailer(0),
            (Chunk::Trailer(length), b'\r') => Chunk::Trailer(*length),
            (Chunk::Trailer(length), _) => Chunk::Trailer(length + 1),
            (Chunk::Data(left), _) => Chunk::Data(*left),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status, the body, and how many bytes were left for the next answer.
    fn check(answer: &str, expected: (u16, &str, usize)) {
        for size in 1..=answer.len() {
            let (mut incoming, mut body, mut left) = (Incoming::default(), Vec::new(), 0);
            for bytes in answer.as_bytes().chunks(size) {
                let taken = incoming.push(bytes, &mut |part| body.extend_from_slice(part));
                left += bytes.len() - taken.expect("it is HTTP");
            }
            incoming.closed().expect("it is whole");
            let status = incoming.head().map(|head| head.status);
            let body = String::from_utf8(body).expect("text");
            assert_eq!((status, body.as_str(), left), (Some(expected.0), expected.1, expected.2));
        }
    }

    #[test]
    fn bodies_end_as_their_headers_say() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", (200, "hello", 0));
        check("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nnoHTTP", (404, "no", 4));
        check("HTTP/1.1 200 OK\r\n\r\nuntil the end", (200, "until the end", 0));
        check("HTTP/1.1 204 No Content\r\n\r\n", (204, "", 0));
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                      3\r\nabc\r\n0a;x=y\r\n0123456789\r\n0\r\nA: b\r\n\r\n";
        check(chunks, (200, "abc0123456789", 0));
        let twice = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
        check(twice, (200, "x", 0));
    }

    #[test]
    fn half_an_answer_is_an_error() {
        for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 200"] {
            let mut incoming = Incoming::default();
            incoming.push(answer.as_bytes(), &mut |_| {}).expect("it is HTTP so far");
            assert!(incoming.closed().is_err(), "{answer:?}");
        }
    }
}
