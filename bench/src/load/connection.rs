//! Connections that wait for their answers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::http::{Head, Incoming};

/// Nothing that is asked takes so long.
const TIMEOUT: Duration = Duration::from_secs(60);
const BUFFER_BYTES: usize = 64 * 1024;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("{} with no JSON: {}", self.status(), self.start()))
    }

    /// The first part of the body, for people.
    pub(crate) fn start(&self) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(300)]).into_owned()
    }
}

/// A connection to the server, which may be used for one request after the other.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    incoming: Incoming,
    /// Whether it was used before, so that the server may just have closed it.
    pub(crate) used: bool,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)
            .with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let buffer = vec![0; BUFFER_BYTES];
        Ok(Self { stream, incoming: Incoming::default(), used: false, buffer })
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> Result<()> {
        self.incoming = Incoming::default();
        self.stream.write_all(request).context("sending")
    }

    /// Says that nothing more will be sent.
    pub(crate) fn send_no_more(&mut self) -> Result<()> {
        self.stream.shutdown(Shutdown::Write).context("closing one side")
    }

    /// Limits how long a read may take.
    pub(crate) fn set_patience(&mut self, time: Duration) -> Result<()> {
        self.stream.set_read_timeout(Some(time)).context("setting a time-out")
    }

    /// Reads once, at most so many bytes, and gives on what belongs to the body. False once all of
    /// the answer is here.
    ///
    /// # Errors
    ///
    /// If the connection breaks, or what comes is no HTTP.
    pub(crate) fn read(&mut self, most: usize, on_body: &mut impl FnMut(&[u8])) -> Result<bool> {
        let most = most.min(BUFFER_BYTES);
        let count = loop {
            match self.stream.read(&mut self.buffer[..most]) {
                Err(problem) if problem.kind() == ErrorKind::Interrupted => {}
                Err(problem) => return Err(problem).context("reading"),
                Ok(count) => break count,
            }
        };
        if count == 0 {
            self.incoming.closed()?;
            return Ok(false);
        }
        let taken = self.incoming.push(&self.buffer[..count], on_body)?;
        if taken < count {
            bail!("{} bytes after the answer", count - taken);
        }
        if self.incoming.is_over() {
            self.used = true;
        }
        Ok(!self.incoming.is_over())
    }

    /// Reads all of an answer.
    ///
    /// # Errors
    ///
    /// If the connection breaks, or what comes is no HTTP.
    pub(crate) fn answer(&mut self) -> Result<Answer> {
        let mut body = Vec::new();
        while self.read(BUFFER_BYTES, &mut |part| body.extend_from_slice(part))? {}
        let head = self.incoming.head().cloned().unwrap_or_default();
        Ok(Answer { head, body })
    }

    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.send(request)?;
        self.answer()
    }

    pub(crate) fn head(&self) -> Option<&Head> {
        self.incoming.head()
    }

    /// Whether any byte of the answer came.
    pub(crate) fn has_begun(&self) -> bool {
        self.incoming.has_begun()
    }
}
