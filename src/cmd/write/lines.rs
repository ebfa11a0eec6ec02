//! Each line of the standard input is a command: for pipes, tests and screen readers.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail};

use super::command::{Command, HELP, parse};
use super::desk::Desk;
use super::show::{clean, drawing_of, score, settings};
use crate::candidates::rows;
use crate::number;
use crate::say::say;

/// Characters of a bar that stands for certainty.
const BAR: usize = 30;
/// The columns at most that a token takes.
const TOKEN: usize = 30;
/// Columns of the text so far that are shown.
const COLUMNS: usize = 76;

/// Does what the lines say. A line that cannot be done is told of and changes nothing; where no
/// person is there to see it, the command fails at the end.
pub(super) fn run(desk: &mut Desk) -> Result<()> {
    let mut input = std::io::stdin().lock();
    let is_terminal = input.is_terminal();
    say(&state(desk));
    say("? tells what can be done, q ends");
    let (mut lines, mut failed) = (0, 0);
    loop {
        if is_terminal {
            // Nobody to read it is no reason to stop writing.
            let _ = write!(std::io::stderr(), "> ");
        }
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line).context("cannot read the standard input")? == 0 {
            break;
        }
        lines += 1;
        match obey(desk, &line) {
            Ok(Command::Quit) => break,
            Ok(_) => {}
            Err(error) => {
                failed += 1;
                say(&format!("line {lines}: {error}"));
            }
        }
    }
    if failed > 0 && !is_terminal {
        let of = number::counted(lines, "line", "lines");
        bail!("{failed} of {of} could not be done; the text is without them");
    }
    Ok(())
}

fn obey(desk: &mut Desk, line: &[u8]) -> Result<Command> {
    let line = std::str::from_utf8(line).context("expected UTF-8")?;
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let command = parse(line).map_err(anyhow::Error::msg)?;
    let message = desk.apply(command.clone(), |_| true)?;
    if !message.is_empty() {
        say(&message);
    }
    match command {
        Command::Quit | Command::Save(_) => {}
        Command::Show => say(&clean(&desk.session.text())),
        Command::Help => say(&help()),
        _ => say(&state(desk)),
    }
    Ok(command)
}

/// The end of the text, the candidates, how they are weighed, and the surprise.
fn state(desk: &Desk) -> String {
    let text = clean(&desk.session.text()).replace('\n', "⏎");
    let from = text.char_indices().rev().nth(COLUMNS - 1).map_or(0, |(place, _)| place);
    let more = if from > 0 { "…" } else { "" };
    let mut out = format!("{more}{}▏\n", &text[from..]);
    let candidates = desk.candidates();
    let sampler = desk.session.sampler();
    for (place, row) in rows(&candidates, TOKEN, drawing_of(sampler)).iter().enumerate() {
        let row = format!("{:>4}  {}  {}  {}", place + 1, row.token, row.number, row.bar(BAR));
        out.push_str(row.trim_end());
        out.push('\n');
    }
    format!("{out}{}; {}", settings(sampler), score(&desk.session))
}

fn help() -> String {
    let lines = HELP.iter().filter(|(_, line, _)| !line.is_empty());
    let lines: Vec<String> =
        lines.map(|(_, line, meaning)| format!("  {line:<9} {meaning}")).collect();
    lines.join("\n")
}
