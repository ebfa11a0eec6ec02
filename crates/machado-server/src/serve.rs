//! A server in a program: its threads, its signals, its end.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::config::ServerConfig;
use crate::run::WatchedRun;
use crate::served::ServedModel;
use crate::server::{Ended, Server, StartError};

/// Threads that speak with clients, at most; those of the engine compute.
const MOST_THREADS: usize = 4;

/// Signals within this time are one.
const ONE_SIGNAL: Duration = Duration::from_millis(300);

/// Why models were not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system refused threads or signals.
    #[error("the system does not let a server run")]
    System(#[from] io::Error),
}

/// Serves models until the program is told to stop (Ctrl-C, SIGTERM). Calls `listening` with the
/// address when the server is ready. Told twice, it stops at once.
///
/// # Errors
/// If the server cannot start.
pub fn serve(
    models: Vec<ServedModel>,
    run: Option<WatchedRun>,
    config: ServerConfig,
    listening: impl FnOnce(SocketAddr),
) -> Result<Ended, ServeError> {
    let threads = config.engine.threads.clamp(1, MOST_THREADS);
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("server")
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let server = Server::bind(models, run, config).await?;
        let address = server.address()?;
        let mut signals = Signals::new()?;
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            // Whoever could tell it to stop is gone: so it stops.
            let _ = stopped.await;
        }));
        listening(address);
        signals.next().await;
        let _ = stop.send(());
        let again = async {
            // Some send one signal to the process and to its group.
            sleep(ONE_SIGNAL).await;
            signals.forget().await;
            signals.next().await;
        };
        tokio::select! {
            ended = running => Ok(ended.unwrap_or(Ended::CutOff)),
            () = again => Ok(Ended::AtOnce),
        }
    });
    // Requests that were cut off do not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// What tells a program to stop.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Forgets the signals that came already.
    async fn forget(&mut self) {
        let _ = timeout(Duration::ZERO, self.next()).await;
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn forget(&mut self) {}

    async fn next(&mut self) {
        // Without it nobody could stop the server but by ending the process.
        let _ = tokio::signal::ctrl_c().await;
    }
}
