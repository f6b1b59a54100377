//! Makes what is counted and registers it, each name once.

use anyhow::Context;
use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// Makes counters and registers them.
pub struct Maker(pub Registry);

impl Maker {
    /// Registers what was made.
    pub fn add<C: Collector + Clone + 'static>(&self, collector: prometheus::Result<C>) -> anyhow::Result<C> {
        let collector = collector.context("making a metric")?;
        self.0.register(Box::new(collector.clone())).context("registering a metric")?;
        Ok(collector)
    }

    pub fn counter(&self, name: &str, help: &str) -> anyhow::Result<IntCounter> {
        self.add(IntCounter::new(name, help))
    }

    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> anyhow::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub fn gauge(&self, name: &str, help: &str) -> anyhow::Result<IntGauge> {
        self.add(IntGauge::new(name, help))
    }

    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> anyhow::Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// A gauge of seconds, which need not be whole.
    pub fn seconds(&self, name: &str, help: &str) -> anyhow::Result<Gauge> {
        self.add(Gauge::new(name, help))
    }

    pub fn many_seconds(&self, name: &str, help: &str, labels: &[&str]) -> anyhow::Result<GaugeVec> {
        self.add(GaugeVec::new(Opts::new(name, help), labels))
    }

    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> anyhow::Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }

    pub fn histograms(&self, name: &str, help: &str, buckets: &[f64], labels: &[&str]) -> anyhow::Result<HistogramVec> {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
    }
}
