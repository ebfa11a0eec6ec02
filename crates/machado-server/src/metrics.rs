//! What is counted, for Prometheus.

use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::engine::Engine;

/// Seconds that requests are counted by.
const BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// What is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
    active: IntGauge,
    queued: IntGauge,
    /// Open connections.
    pub connections: IntGauge,
}

/// The format of what [`Metrics::text`] gives.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

impl Metrics {
    /// Nothing happened yet.
    ///
    /// # Panics
    /// If two counters here have one name.
    pub fn new(engine: &Engine) -> Self {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect("a well-formed name");
            register(&registry, gauge.clone());
            gauge
        };
        let in_flight = gauge("machado_inflight", "Requests whose answers have not begun.");
        let active = gauge("machado_active_texts", "Texts being written, and prompts being read.");
        let queued = gauge("machado_queue_depth", "Texts that wait for a place.");
        let connections = gauge("machado_connections", "Open connections.");
        let labels = &["route", "code"];
        let requests = Opts::new("machado_requests_total", "Requests answered.");
        let requests = IntCounterVec::new(requests, labels).expect("a well-formed name");
        let seconds = HistogramOpts::new(
            "machado_request_seconds",
            "Seconds from a request to its answer's first byte.",
        );
        let seconds = seconds.buckets(BUCKETS.to_vec());
        let seconds = HistogramVec::new(seconds, &["route"]).expect("a well-formed name");
        register(&registry, requests.clone());
        register(&registry, seconds.clone());
        engine.counters().into_iter().for_each(|counter| register(&registry, counter));
        Self { registry, requests, seconds, in_flight, active, queued, connections }
    }

    /// A request came.
    pub fn begin(&self) {
        self.in_flight.inc();
    }

    /// A request is answered.
    pub fn end(&self, route: &str, code: u16, seconds: f64) {
        self.in_flight.dec();
        self.requests.with_label_values(&[route, &code.to_string()]).inc();
        self.seconds.with_label_values(&[route]).observe(seconds);
    }

    /// All of it, in Prometheus' text format.
    pub fn text(&self, engine: &Engine) -> String {
        self.active.set(engine.active() as i64);
        self.queued.set(engine.queued() as i64);
        let encoded = TextEncoder::new().encode_to_string(&self.registry.gather());
        encoded.unwrap_or_default()
    }
}

fn register(registry: &Registry, collector: impl Collector + 'static) {
    registry.register(Box::new(collector)).expect("a name that no other counter has");
}
