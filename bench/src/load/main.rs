//! Load for `machado serve`, from a second process on the same machine.
//!
//! ```text
//! machado serve --port 8080 &
//! cd bench && cargo build --release --bin load
//! target/release/load throughput --url http://127.0.0.1:8080
//! target/release/load latency --url http://127.0.0.1:8080
//! target/release/load soak --url http://127.0.0.1:8080 --pid $! --minutes 30
//! ```
//!
//! * `throughput`: many streams at once on connections that are kept, tokens per second in all.
//! * `latency`: one stream after the other, the time to the first token.
//! * `soak`: all kinds of requests for a while, good and bad ones, from clients some of which leave,
//!   stop half-way or read slowly. Each answer is checked, and whether the server's memory stays
//!   where it was. It opens a thousand connections at once: `ulimit -n 4096`, here and where the
//!   server is started.
//!
//! The server has to share the processor with its load, so this reads bytes where a client would
//! read JSON, and looks at its sockets from time to time rather than waking for each. It says how
//! much processor time it took itself. It goes to addresses of this machine only.

mod connection;
mod figures;
mod http;
mod latency;
mod random;
mod requests;
mod soak;
mod throughput;

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Load for `machado serve`, from a second process on the same machine")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Many streams at once: tokens per second in all
    Throughput(throughput::Settings),
    /// One stream after the other: the time to the first token
    Latency(latency::Settings),
    /// All kinds of requests and faults for a while: is each answer right, does memory stay flat
    Soak(soak::Settings),
}

fn main() -> Result<ExitCode> {
    let all_well = match Arguments::parse().command {
        Command::Throughput(settings) => throughput::run(&settings)?,
        Command::Latency(settings) => latency::run(&settings)?,
        Command::Soak(settings) => soak::run(&settings)?,
    };
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The address in a URL such as `http://127.0.0.1:8080`.
///
/// # Errors
///
/// If it is none, or of another machine.
fn address(url: &str) -> Result<SocketAddr> {
    let host = url
        .strip_prefix("http://")
        .with_context(|| format!("expected http://HOST:PORT, got {url:?}"))?
        .trim_end_matches('/');
    let mut addresses = host.to_socket_addrs().with_context(|| format!("no address {host:?}"))?;
    let address = addresses.next().with_context(|| format!("no address of {host:?}"))?;
    if !address.ip().is_loopback() {
        bail!("{address} is not an address of this machine, and nothing else is put under load");
    }
    Ok(address)
}
