//! GPU telemetry: samples that come over the queue, kept in blocks, and read as entries or as buckets of time.

mod blocks;
mod bucket;
mod collect;
mod entries;
mod gather;
pub mod message;
mod points;
mod read;
mod render;
mod runs;
mod steps;
mod upkeep;
mod vocabulary;

pub use bucket::Aggregate;
pub use collect::Collector;
pub use vocabulary::{
    Gpu, GpuList, Metric, MetricList, RunGpu, RunGpus, RunMetric, TelemetryEntry, TelemetryPage, TelemetryQuery,
};

use crate::error::{Error, Result};
use crate::repository::{RunRepository, Stores, TelemetryRepository};
use crate::service::accounts::Caller;

/// What is told of telemetry.
#[derive(Debug, Clone)]
pub struct TelemetryService {
    telemetry: TelemetryRepository,
    runs: RunRepository,
}

impl TelemetryService {
    /// Over these stores.
    pub fn new(stores: &Stores) -> Self {
        Self {
            telemetry: TelemetryRepository::new(stores.database.clone()),
            runs: RunRepository::new(stores.database.clone()),
        }
    }

    /// The GPUs by their ids; those of one host or model alone when it is named.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_gpus(
        &self,
        caller: &Caller,
        hostname: Option<&str>,
        model_name: Option<&str>,
    ) -> Result<GpuList> {
        let rows = self.telemetry.list_gpus(caller.workspace_id, hostname, model_name).await?;
        Ok(GpuList { gpus: rows.into_iter().map(Gpu::new).collect() })
    }

    /// One GPU.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get_gpu(&self, caller: &Caller, id: &str) -> Result<Gpu> {
        let row = self.telemetry.find_gpu(caller.workspace_id, id).await?;
        row.map(Gpu::new).ok_or(Error::NotFound("GPU"))
    }

    /// The metrics by their names.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_metrics(&self, caller: &Caller) -> Result<MetricList> {
        let rows = self.telemetry.list_metrics(caller.workspace_id).await?;
        let metric = |row: crate::repository::telemetry::MetricCount| Metric {
            metric_name: row.metric_name,
            series: row.series,
        };
        Ok(MetricList { metrics: rows.into_iter().map(metric).collect() })
    }
}
