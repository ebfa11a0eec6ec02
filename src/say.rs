//! Talk on stderr.

use std::io::Write;

/// Says a line. If nobody listens any more, the work goes on.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
