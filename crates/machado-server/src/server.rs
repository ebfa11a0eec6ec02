//! Connections: taken, answered, and let go.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tower::util::{BoxCloneSyncService, option_layer};
use tower::{Layer, ServiceExt};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::normalize_path::NormalizePathLayer;

use crate::app::App;
use crate::config::ServerConfig;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::run::WatchedRun;
use crate::served::ServedModel;
use crate::{api, keys, observe, page};

/// How long a connection may take to say what it wants, and be kept with nothing to say.
const HEADERS: Duration = Duration::from_secs(30);

/// How long answers may take that say that the server stops.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How often a newer model of a run is looked for.
const RENEW: Duration = Duration::from_secs(2);

/// What answers a request of a connection.
type Service = BoxCloneSyncService<hyper::Request<Incoming>, Response, Infallible>;

/// A connection being answered.
type Connection =
    http1::Connection<TokioIo<Pin<Box<TimeoutStream<TcpStream>>>>, TowerToHyperService<Service>>;

/// A server that has its address and waits for [`run`](Server::run).
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else has the address, or it is none of this machine.
    #[error("cannot listen on {address}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The engine could not start.
    #[error(transparent)]
    Engine(#[from] machado_core::error::Error),
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All that ran came to its end in time.
    Quietly,
    /// Some requests were cut off.
    CutOff,
    /// It was told twice.
    AtOnce,
}

impl Server {
    /// Takes the address and gets everything ready.
    ///
    /// # Errors
    /// If the address or threads cannot be had.
    pub async fn bind(
        models: Vec<ServedModel>,
        run: Option<WatchedRun>,
        config: ServerConfig,
    ) -> Result<Self, StartError> {
        let address = config.address;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| StartError::Address { address, source })?;
        let engine = Engine::start(config.engine)?;
        let app = Arc::new(App::new(models, run, engine, config));
        Ok(Self { app, listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until `stop` is ready; then those that run may come to their ends for a while.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Ended {
        let Self { app, listener } = self;
        let limits = app.config.limits;
        let service = service(&app);
        let renewing = app.run.is_some().then(|| tokio::spawn(renew(app.clone())));
        let room = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        tokio::pin!(stop);
        loop {
            // Who comes when all places are taken waits in the system's queue.
            let accept = async {
                let room = room.clone().acquire_owned().await.expect("it is never closed");
                (room, listener.accept().await)
            };
            let (permit, stream) = tokio::select! {
                (permit, accepted) = accept => match accepted {
                    Ok((stream, _)) => (permit, stream),
                    Err(error) => {
                        tracing::warn!(%error, "could not take a connection");
                        // Too many open files, most likely: some of them will be closed.
                        sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
                () = &mut stop => break,
            };
            let connection = connection(stream, &service, &app);
            let connection = graceful.watch(connection);
            let app = app.clone();
            tokio::spawn(async move {
                app.metrics.connections.inc();
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended");
                }
                app.metrics.connections.dec();
                drop(permit);
            });
        }
        drop(listener);
        if let Some(renewing) = renewing {
            renewing.abort();
        }
        app.stopping.send_replace(true);
        let running = graceful.count();
        tracing::info!(connections = running, "stopping");
        let shutdown = graceful.shutdown();
        tokio::pin!(shutdown);
        if timeout(limits.shutdown, &mut shutdown).await.is_ok() {
            return Ended::Quietly;
        }
        // Whoever waits for the engine hears now that the server stops.
        app.engine.stop();
        let _ = timeout(LAST_WORDS, &mut shutdown).await;
        Ended::CutOff
    }
}

/// Looks for a newer model from time to time.
async fn renew(app: Arc<App>) {
    loop {
        sleep(RENEW).await;
        let app = app.clone();
        if spawn_blocking(move || app.renew()).await.is_err() {
            return;
        }
    }
}

/// All that is between a connection and a route.
fn service(app: &Arc<App>) -> Service {
    let router: Router<()> = api::with_fallbacks(api::routes().merge(page::routes()))
        .layer(from_fn_with_state(app.clone(), keys::check))
        .layer(from_fn_with_state(app.clone(), keys::check_site))
        .layer(option_layer(cors(&app.config.cors_origins)))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app.clone());
    // Around the router, since it chooses the route.
    let normalized = NormalizePathLayer::trim_trailing_slash().layer(router);
    let of_hyper = |request: hyper::Request<Incoming>| request.map(Body::new);
    Service::new(normalized.map_request(of_hyper))
}

/// Answers the requests of a connection.
fn connection(stream: TcpStream, service: &Service, app: &App) -> Connection {
    // Each token is to arrive when it is drawn.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(app.config.limits.stall));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(service.clone()))
}

/// Pages of which other sites may ask.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    let key = HeaderName::from_static("x-api-key");
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, key]);
    Some(layer)
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    let message = "the server made a mistake in this request; it goes on, and its log says more";
    ApiError::internal(message).into_response()
}
