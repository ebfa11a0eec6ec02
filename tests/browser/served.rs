use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::harness::{Place, program};

/// `machado serve` in a place; it ends when this is dropped.
pub(crate) struct Served {
    child: Child,
    /// Where the page is, with the slash at its end.
    pub(crate) address: String,
}

impl Served {
    /// Serves on any free port.
    pub(crate) fn start(place: &Place, args: &[&str]) -> Self {
        Self::start_at(place, 0, args)
    }

    pub(crate) fn start_at(place: &Place, port: u16, args: &[&str]) -> Self {
        let mut child = Command::new(program())
            .current_dir(place.path("."))
            .args(["serve", "--port", &port.to_string()])
            .args(args)
            .env_remove("MACHADO_MODEL")
            .env_remove("MACHADO_API_KEY")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (address, said) = find_line(stderr, |line| {
            line.strip_prefix("listening   ")?.split_whitespace().next().map(String::from)
        });
        let Some(address) = address else { panic!("the server did not start: {said}") };
        Self { child, address: format!("{address}/") }
    }

    pub(crate) fn port(&self) -> u16 {
        let digits = self.address.rsplit(':').next().unwrap();
        digits.trim_end_matches('/').parse().unwrap()
    }

    /// Ends the server in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads lines until `find` has found what it wants, and lets the rest go by, so that whoever writes it
/// never waits. Without success also gives what was said.
pub(crate) fn find_line<T>(
    output: impl std::io::Read + Send + 'static,
    find: impl Fn(&str) -> Option<T>,
) -> (Option<T>, String) {
    let mut lines = BufReader::new(output).lines();
    let mut said = String::new();
    while let Some(Ok(line)) = lines.next() {
        if let Some(found) = find(&line) {
            thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            return (Some(found), said);
        }
        said.push_str(&line);
        said.push('\n');
    }
    (None, said)
}
