//! The subcommands, one file each.

mod bench;
mod completions;
mod convert;
mod decode;
mod evaluate;
mod experiment;
mod generate;
mod info;
mod plot;
mod predict;
mod sae;
#[cfg(feature = "serve")]
mod serve;
mod train;
mod write;

use anyhow::Result;
use machado_core::math::simd::VectorUnit;
use machado_core::math::threads::Compute;

use crate::cli::{Cli, Command, ComputeArgs, UsageError};

/// Does what the command line says.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Train(args) => train::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Write(args) => write::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Plot(args) => plot::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Sae(command) => sae::run(&command),
        Command::Experiment(command) => experiment::run(&command),
        Command::Bench(args) => bench::run(&args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

/// The threads and vector unit that the flags name, or the best of this machine.
fn compute(args: &ComputeArgs) -> Result<Compute> {
    let unit = match &args.vector_unit {
        Some(name) => VectorUnit::by_name(name)
            .map_err(|error| UsageError(format!("--vector-unit: {error}")))?,
        None => VectorUnit::detect(),
    };
    let cores = || std::thread::available_parallelism().map_or(1, |n| n.get());
    Ok(Compute::new(args.threads.unwrap_or_else(cores), unit)?)
}
