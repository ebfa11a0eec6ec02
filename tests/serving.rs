//! `machado serve` as a process, for the tests of the command line and of the page.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use crate::harness::{Place, program};

/// A server in a place; it ends when this is dropped.
pub(crate) struct Serving {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    /// What it said before it listened.
    pub(crate) said: String,
    /// What it says afterwards.
    rest: Option<JoinHandle<String>>,
}

impl Serving {
    /// Serves on any free port.
    pub(crate) fn start(place: &Place, args: &[&str]) -> Self {
        Self::start_at(place, 0, args)
    }

    /// Serves on this port.
    pub(crate) fn start_at(place: &Place, port: u16, args: &[&str]) -> Self {
        let mut command = Command::new(program());
        for name in ["MODEL", "API_KEY", "HOST", "PORT", "LOG", "THREADS", "VECTOR_UNIT"] {
            command.env_remove(format!("MACHADO_{name}"));
        }
        command.current_dir(place.path(".")).arg("serve").args(args);
        command.args(["--port", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut serving = Self {
            child: command.spawn().unwrap(),
            address: String::new(),
            said: String::new(),
            rest: None,
        };
        let stderr = serving.child.stderr.take().unwrap();
        let (address, said, rest) = find_line(stderr, |line| {
            let url = line.strip_prefix("listening   http://")?;
            url.split_whitespace().next().map(String::from)
        });
        serving.address = address.unwrap_or_else(|| panic!("the server did not start: {said}"));
        serving.said = said;
        serving.rest = Some(rest);
        serving
    }

    /// Where its page is.
    pub(crate) fn page(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The end of its address.
    pub(crate) fn port(&self) -> u16 {
        self.address.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Ends the server in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal, `INT` or `TERM`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// The exit code, and all that it said since it listened.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let said = self.rest.take().unwrap().join().unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines until `find` has found what it wants, and the others on a thread, so that whoever writes
/// them never waits. Returns the lines before and that thread too.
pub(crate) fn find_line<T>(
    output: impl Read + Send + 'static,
    find: impl Fn(&str) -> Option<T>,
) -> (Option<T>, String, JoinHandle<String>) {
    let mut output = BufReader::new(output);
    let (mut found, mut said) = (None, String::new());
    let mut line = String::new();
    while found.is_none() && output.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        found = find(line.trim_end());
        said.push_str(&line);
        line.clear();
    }
    let rest = thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = output.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    });
    (found, said, rest)
}
