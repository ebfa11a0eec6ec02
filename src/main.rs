//! The program: flags, files, terminal and exit codes. All computation is in `machado-core`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]
#![allow(unreachable_pub, reason = "nothing here is a library")]

mod cli;
mod cmd;
mod curves;
mod files;
mod interrupt;
mod known_text;
mod models;
mod number;
mod plot;
mod presets;
mod progress;
mod run_folder;
mod texts;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let outcome = cmd::run(cli::Cli::parse());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has enough, as in `machado generate | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("machado: {error:#}");
            let is_usage = error.downcast_ref::<cli::UsageError>().is_some();
            ExitCode::from(if is_usage { 2 } else { 1 })
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
