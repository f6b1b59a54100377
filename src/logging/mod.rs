//! Builds the log's subscriber, and nothing else; what is logged is said where it happens.
//!
//! Two layers look at what happens, each at its own: the log at events and at the span of the request, the exporter at
//! the spans of [`SPANS`], which are there for it alone and cost nothing without it.

mod export;
mod level;

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::config::{Config, LogFormat};
use level::LogFilter;

pub use level::{Level, LogControl};

/// The target of the spans that are exported; only literals can stand in their declarations.
pub const SPANS: &str = "otel";
/// Longest that the last spans may take to go out when the process ends.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// The log of this process, and the way out for its traces.
#[derive(Debug)]
pub struct Log {
    /// Changes the level.
    pub control: LogControl,
    traces: Option<SdkTracerProvider>,
}

/// Starts the log on standard error, for the whole process, and the export of traces if there is somebody to take them.
///
/// # Errors
/// Says that the level or the collector's address cannot be read, or that there is a log already.
pub fn init(config: &Config) -> anyhow::Result<Log> {
    let filter = EnvFilter::try_new(&config.log_level).context("reading LOG_LEVEL")?;
    let (filter, handle) = reload::Layer::new(LogFilter(filter));
    let terminal = std::io::stderr().is_terminal();
    let format = config.log_format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    let lines = tracing_subscriber::fmt::layer::<Registry>().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(terminal).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let traces = export::provider(config)?;
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
    // A layer that is not there would still be asked, and make every span a maybe.
    let started = match &traces {
        Some(traces) => subscriber.with(export::layer(traces)).try_init(),
        None => subscriber.try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("starting the log: {error}"))?;
    Ok(Log { control: LogControl::new(handle), traces })
}

impl Log {
    /// Sends what has not been sent yet.
    pub async fn finish(self) {
        let Some(traces) = self.traces else { return };
        // The exporter waits on a thread of its own, and whoever waits for it must not be one that serves.
        let ended = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(LAST_SPANS)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}
