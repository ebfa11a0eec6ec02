//! The program: flags, files, terminal and exit codes. All computation is in `machado-core`.

#![allow(unreachable_pub, reason = "nothing here is a library")]

mod beginning;
mod candidates;
mod cli;
mod cmd;
mod columns;
mod curves;
mod drawing;
mod files;
mod html;
mod interrupt;
mod known_text;
mod memory;
mod models;
mod number;
mod plot;
mod presets;
mod progress;
mod prompt;
mod run_folder;
mod sae_folder;
mod say;
mod shell;
mod steering;
mod tensorboard;
mod texts;
mod visible;

use std::process::ExitCode;

use crate::say::say;

fn main() -> ExitCode {
    let outcome = cmd::run(cli::Cli::read());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has enough, as in `machado generate | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(&message(&error));
            let is_usage = error.downcast_ref::<cli::UsageError>().is_some();
            ExitCode::from(if is_usage { 2 } else { 1 })
        }
    }
}

/// The error and its causes in one line, and then the hints of all of them.
fn message(error: &anyhow::Error) -> String {
    let (mut causes, mut hints) = (Vec::new(), String::new());
    for cause in error.chain() {
        let text = cause.to_string();
        let (cause, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
        causes.push(cause.to_owned());
        if !hint.is_empty() {
            hints = format!("{hints}\nhint: {hint}");
        }
    }
    format!("machado: {}{hints}", causes.join(": "))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
