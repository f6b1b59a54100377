//! What is counted of the samples of GPUs on their way from a source to where they are kept.

use prometheus::{Gauge, IntCounter};

use super::maker::Maker;

/// The counters of telemetry.
#[derive(Debug)]
#[expect(missing_docs, reason = "each says what it counts where it is made, for whoever reads /metrics")]
pub struct TelemetryCounters {
    pub streamed_samples: IntCounter,
    pub refused_rows: IntCounter,
    pub stored_samples: IntCounter,
    pub refused_messages: IntCounter,
    pub lag: Gauge,
}

impl TelemetryCounters {
    pub(super) fn new(make: &Maker) -> anyhow::Result<Self> {
        Ok(Self {
            streamed_samples: make
                .counter("streamer_samples_total", "Samples that the streamer has read and published.")?,
            refused_rows: make.counter(
                "streamer_refused_rows_total",
                "Rows and lines of the source that are no samples and were left out.",
            )?,
            stored_samples: make.counter("collector_samples_total", "Samples that the collector has stored.")?,
            refused_messages: make.counter(
                "collector_refused_messages_total",
                "Messages that the collector could not store and made dead letters.",
            )?,
            lag: make.seconds(
                "collector_lag_seconds",
                "For how long the oldest sample that is not stored yet has waited, looked at at most every 30 seconds.",
            )?,
        })
    }
}
