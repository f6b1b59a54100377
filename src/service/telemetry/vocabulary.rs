//! What telemetry speaks of on the wire.

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use super::bucket::Aggregate;
use crate::repository::entity::gpu;
use crate::service::time;

/// A GPU, as its latest sample describes it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize)]
pub struct Gpu {
    /// Its own id, `GPU-…`
    pub id: String,
    /// Its number on its host
    pub gpu_id: Option<String>,
    /// Its device on its host
    pub device: Option<String>,
    /// Its model
    pub model_name: Option<String>,
    /// Its host
    pub hostname: Option<String>,
    /// The time of its first sample
    #[serde(serialize_with = "time::serialize")]
    pub first_seen: DateTime<Utc>,
    /// The time of its latest sample
    #[serde(serialize_with = "time::serialize")]
    pub last_seen: DateTime<Utc>,
}

impl Gpu {
    /// Of its row.
    pub fn new(row: gpu::Model) -> Self {
        Self {
            id: row.id,
            gpu_id: known(row.gpu_id),
            device: known(row.device),
            model_name: known(row.model_name),
            hostname: known(row.hostname),
            first_seen: row.first_seen,
            last_seen: row.last_seen,
        }
    }
}

/// All GPUs.
#[derive(Debug, Clone, Object, Serialize)]
pub struct GpuList {
    /// By their ids
    pub gpus: Vec<Gpu>,
}

/// A metric.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Metric {
    /// Its name
    pub metric_name: String,
    /// How many series have it: one for each GPU, and one more where a GPU's labels changed
    pub series: i64,
}

/// All metrics.
#[derive(Debug, Clone, Object, Serialize)]
pub struct MetricList {
    /// By their names
    pub metrics: Vec<Metric>,
}

/// A sample, or what is told of a step.
#[derive(Debug, Clone, Object, Serialize)]
pub struct TelemetryEntry {
    /// The GPU's own id
    pub uuid: String,
    /// The GPU's number on its host
    pub gpu_id: Option<String>,
    /// What was measured
    pub metric_name: String,
    /// When, or when the step begins
    pub timestamp: DateTime<Utc>,
    /// The GPU's device on its host
    pub device: Option<String>,
    /// The GPU's model
    pub model_name: Option<String>,
    /// The host
    pub hostname: Option<String>,
    /// The container that had the GPU
    pub container: Option<String>,
    /// The pod that had the GPU
    pub pod: Option<String>,
    /// The pod's namespace
    pub namespace: Option<String>,
    /// What it was; null when DCGM did not know, and for a step without values
    pub value: Option<f64>,
    /// Every label as the exporter gave it
    pub labels_raw: Option<String>,
    /// When it was stored; null for a step
    pub ingested_at: Option<DateTime<Utc>>,
}

/// A page of what was measured.
#[derive(Debug, Clone, Object, Serialize)]
pub struct TelemetryPage {
    /// The GPU's own id
    pub gpu_id: String,
    /// The oldest first; of one moment, by their series
    pub entries: Vec<TelemetryEntry>,
    /// For the next page; null on the last one
    pub next_cursor: Option<String>,
}

/// What was measured of the GPUs while a run was under way.
#[derive(Debug, Clone, Object, Serialize)]
pub struct RunGpus {
    /// The run
    pub run_id: Uuid,
    /// When it began
    #[serde(serialize_with = "time::serialize")]
    pub start_time: DateTime<Utc>,
    /// When it ended; now, while it has not
    #[serde(serialize_with = "time::serialize")]
    pub end_time: DateTime<Utc>,
    /// The GPUs that have samples of that time, by their ids
    pub gpus: Vec<RunGpu>,
}

/// A GPU while a run was under way.
#[derive(Debug, Clone, Object, Serialize)]
pub struct RunGpu {
    /// Its own id
    pub id: String,
    /// Its number on its host
    pub gpu_id: Option<String>,
    /// Its model
    pub model_name: Option<String>,
    /// Its host
    pub hostname: Option<String>,
    /// What was measured, by the names of the metrics
    pub metrics: Vec<RunMetric>,
}

/// A metric of a GPU while a run was under way.
#[derive(Debug, Clone, PartialEq, Object, Serialize)]
pub struct RunMetric {
    /// Its name
    pub metric_name: String,
    /// The least value
    pub min: Option<f64>,
    /// The largest value
    pub max: Option<f64>,
    /// The mean of the values
    pub avg: Option<f64>,
    /// The last value
    pub last: Option<f64>,
    /// How many values there are
    pub count: i64,
}

/// What of a GPU's telemetry is asked for.
#[derive(Debug, Clone, Default)]
pub struct TelemetryQuery {
    /// Of this metric.
    pub metric_name: Option<String>,
    /// At this time or later.
    pub start_time: Option<DateTime<Utc>>,
    /// At this time or earlier.
    pub end_time: Option<DateTime<Utc>>,
    /// In steps of this length, such as `1m`.
    pub step: Option<String>,
    /// What is told of each step.
    pub agg: Option<Aggregate>,
    /// Entries on the page.
    pub limit: Option<u64>,
    /// Where the page begins.
    pub cursor: Option<String>,
}

/// A text, unless it is not known.
pub fn known(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
