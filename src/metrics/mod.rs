//! What is counted for Prometheus: one registry for each server, and no label that grows with what is stored or asked.
//!
//! Names and units follow Prometheus: seconds, bytes, `_total` for what only grows.

mod maker;
mod queue;
mod telemetry;

pub use queue::{Depth, QueueCounters};
pub use telemetry::TelemetryCounters;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use crate::error::Result;
use crate::repository::cache::CacheCounts;
use maker::Maker;

/// Seconds, from what a cache answers to what nobody should wait for.
const LATENCIES: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Requests that share a flush.
const GATHERED: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// The counters of one server; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Counters>);

/// Each of them.
#[expect(missing_docs, reason = "each says what it counts where it is made, for whoever reads /metrics")]
pub struct Counters {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    latency: Histogram,
    in_flight: IntGauge,
    pub ingest_bytes: IntCounter,
    segments: IntCounter,
    segment_bytes: IntCounter,
    segment_runs: IntCounter,
    pub flush_requests: Histogram,
    pub flush_seconds: Histogram,
    steps: IntCounterVec,
    cache_reads: IntCounterVec,
    cache_errors: IntCounter,
    cache_lost_invalidations: IntCounter,
    connections: IntGaugeVec,
    connections_limit: IntGaugeVec,
    stores_ready: IntGaugeVec,
    pub password_hashes: IntGauge,
    pub tasks: IntGauge,
    runtime: IntGaugeVec,
    pub queue: QueueCounters,
    pub telemetry: TelemetryCounters,
}

impl Metrics {
    /// Counters of a server that has just started.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] when two have the same name.
    pub fn new() -> Result<Self> {
        let make = Maker(Registry::new());
        let build = make.gauges("runyard_build_info", "Always 1; the labels say what runs.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let counters = Counters {
            requests: make.counters(
                "http_requests_total",
                "Requests that were answered.",
                &["method", "route", "status"],
            )?,
            durations: make.histograms(
                "http_request_duration_seconds",
                "Time until the head of an answer.",
                &LATENCIES,
                &["method", "route", "status"],
            )?,
            latency: make.histogram(
                "request_latency_histogram",
                "Time until the head of an answer in seconds, all requests together.",
                &LATENCIES,
            )?,
            in_flight: make.gauge("http_requests_in_flight", "Requests whose answer has not begun.")?,
            ingest_bytes: make.counter("ingest_bytes_total", "Decoded bytes of runs that were taken in.")?,
            segments: make.counter("segments_written_total", "Blobs of runs that were written.")?,
            segment_bytes: make.counter("segment_bytes_total", "Bytes in the blobs that were written.")?,
            segment_runs: make.counter("segment_runs_total", "Runs in the blobs that were written.")?,
            flush_requests: make.histogram(
                "segment_flush_requests",
                "Requests that shared one blob and one commit.",
                &GATHERED,
            )?,
            flush_seconds: make.histogram(
                "segment_flush_seconds",
                "Time from the first byte of a shared blob to the commit of its rows.",
                &LATENCIES,
            )?,
            steps: make.counters(
                "worker_steps_total",
                "Steps of what works in the background, by how they ended.",
                &["worker", "outcome"],
            )?,
            cache_reads: make.counters(
                "cache_reads_total",
                "Reads of the cache, by what was read and how it ended.",
                &["kind", "outcome"],
            )?,
            cache_errors: make.counter("cache_errors_total", "Questions to the cache that failed.")?,
            cache_lost_invalidations: make.counter(
                "cache_lost_invalidations_total",
                "Invalidations that did not land at once and are repeated.",
            )?,
            connections: make.gauges(
                "database_connections",
                "Connections to the database; SQLite has one pool for readers and one for the writer.",
                &["pool", "state"],
            )?,
            connections_limit: make.gauges(
                "database_connections_limit",
                "Most connections to the database at once.",
                &["pool"],
            )?,
            stores_ready: make.gauges(
                "store_ready",
                "1 when the store answers, 0 when it does not, asked at most every 5 seconds.",
                &["store"],
            )?,
            password_hashes: make.gauge("password_hashes", "Password hashes that are computed or wait.")?,
            tasks: make.gauge("tasks_count", "Tasks that are stored, counted at most every 30 seconds.")?,
            runtime: make.gauges("runtime", "What the async runtime has at hand.", &["what"])?,
            queue: QueueCounters::new(&make)?,
            telemetry: TelemetryCounters::new(&make)?,
            registry: make.0,
        };
        let process = ProcessCollector::for_self();
        counters.registry.register(Box::new(process)).context("registering the process")?;
        Ok(Self(Arc::new(counters)))
    }

    /// Counts one more request until what is returned is dropped.
    pub fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts a request that was answered. `route` is the pattern of the path, never the path.
    pub fn answered(&self, method: &str, route: &str, status: &str, took: Duration) {
        let labels = [method, route, status];
        self.requests.with_label_values(&labels).inc();
        self.durations.with_label_values(&labels).observe(took.as_secs_f64());
        self.latency.observe(took.as_secs_f64());
    }

    /// Counts a step of a worker.
    pub fn stepped(&self, worker: &str, outcome: &str) {
        self.steps.with_label_values(&[worker, outcome]).inc();
    }

    /// Counts a blob of runs that was written and whose rows are committed.
    pub fn wrote_segment(&self, bytes: u64, runs: usize) {
        self.segments.inc();
        self.segment_bytes.inc_by(bytes);
        self.segment_runs.inc_by(runs as u64);
    }

    /// Takes over what the cache has counted since the server started.
    pub fn set_cache(&self, counts: &CacheCounts) {
        for (kind, outcome, reads) in &counts.reads {
            advance(&self.cache_reads.with_label_values(&[kind.name(), outcome.name()]), *reads);
        }
        advance(&self.cache_errors, counts.errors);
        advance(&self.cache_lost_invalidations, counts.lost_invalidations);
    }

    /// Says how many connections a pool has, how many of them are idle, and how many it may have.
    pub fn set_pool(&self, pool: &str, open: usize, idle: usize, limit: u32) {
        let set =
            |state, connections: usize| self.connections.with_label_values(&[pool, state]).set(connections as i64);
        set("idle", idle);
        set("in_use", open.saturating_sub(idle));
        self.connections_limit.with_label_values(&[pool]).set(i64::from(limit));
    }

    /// Says whether a store answers.
    pub fn set_ready(&self, store: &str, ready: bool) {
        self.stores_ready.with_label_values(&[store]).set(i64::from(ready));
    }

    /// Says what the runtime has at hand.
    pub fn set_runtime(&self, runtime: &tokio::runtime::RuntimeMetrics) {
        let set = |what, value: usize| self.runtime.with_label_values(&[what]).set(value as i64);
        set("workers", runtime.num_workers());
        set("alive_tasks", runtime.num_alive_tasks());
        set("queued_tasks", runtime.global_queue_depth());
    }

    /// All of it, in the text format of Prometheus.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] when it cannot be written.
    pub fn text(&self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).context("writing the metrics")?;
        Ok(text)
    }
}

/// A counter that is kept elsewhere only grows, so what is missing here is its growth.
fn advance(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

/// A request that is being answered.
#[derive(Debug)]
pub struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl std::ops::Deref for Metrics {
    type Target = Counters;

    fn deref(&self) -> &Counters {
        &self.0
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").finish_non_exhaustive()
    }
}
