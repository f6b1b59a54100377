//! GPU telemetry: the operations, each one call to its service.

mod query;
mod reply;

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use uuid::Uuid;

use super::context::RequestId;
use super::docs::Tag;
use super::json::Reply;
use super::ndjson::{Ndjson, WantsLines};
use crate::error::Result;
use crate::service::TelemetryService;
use crate::service::accounts::Caller;
use crate::service::telemetry::{Aggregate, Gpu, GpuList, MetricList, RunGpus, TelemetryQuery};
use crate::service::time;

use query::{Known, moment};
use reply::EntriesReply;

/// The operations.
pub struct TelemetryApi {
    /// Their rules.
    pub telemetry: TelemetryService,
}

#[OpenApi(tag = "Tag::Telemetry")]
impl TelemetryApi {
    /// List GPUs
    ///
    /// By their ids, each as its latest sample describes it.
    #[oai(path = "/api/v1/gpus", method = "get", operation_id = "list_gpus")]
    async fn list(
        &self,
        caller: Caller,
        /// Those of this host
        hostname: Query<Option<String>>,
        /// Those of this model
        model_name: Query<Option<String>>,
        _known: Known<0>,
    ) -> Result<Reply<200, GpuList>> {
        self.telemetry.list_gpus(&caller, hostname.0.as_deref(), model_name.0.as_deref()).await.map(Reply)
    }

    /// Read a GPU
    ///
    /// As its latest sample describes it. A GPU of which nothing was stored is not found.
    #[oai(path = "/api/v1/gpus/:id", method = "get", operation_id = "get_gpu")]
    async fn get(
        &self,
        caller: Caller,
        /// The GPU's own id, `GPU-…`
        id: Path<String>,
    ) -> Result<Reply<200, Gpu>> {
        self.telemetry.get_gpu(&caller, &id.0).await.map(Reply)
    }

    /// Read what was measured of a GPU
    ///
    /// The oldest first. With a `step`, one entry for each step that has samples, which carries the step's beginning
    /// and tells of exactly those samples of it that lie within the bounds; steps are counted from 1970 on. With
    /// `Accept: application/x-ndjson` all of it in one stream, one entry a line; `limit` and `cursor` do not count
    /// then. Parameters that are not known are 422.
    #[oai(path = "/api/v1/gpus/:id/telemetry", method = "get", operation_id = "get_telemetry")]
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    async fn telemetry(
        &self,
        caller: Caller,
        /// The GPU's own id, `GPU-…`
        id: Path<String>,
        /// Of this metric; of all when missing
        metric_name: Query<Option<String>>,
        /// At this time or later (RFC 3339)
        start_time: Query<Option<String>>,
        /// At this time or earlier (RFC 3339)
        end_time: Query<Option<String>>,
        /// In steps of this length: `10s`, `1m`, `1h`
        step: Query<Option<String>>,
        /// What is told of the values in each step; `avg` when missing
        agg: Query<Option<Aggregate>>,
        /// Entries on the page, 1 to 100,000; 1,000 when missing
        limit: Query<Option<u64>>,
        /// The `next_cursor` of the page before
        cursor: Query<Option<String>>,
        _known: Known<1>,
        lines: WantsLines,
        request: RequestId,
    ) -> Result<EntriesReply> {
        let query = TelemetryQuery {
            metric_name: metric_name.0,
            start_time: moment("start_time", start_time.0)?,
            end_time: moment("end_time", end_time.0)?,
            step: step.0,
            agg: agg.0,
            limit: limit.0,
            cursor: cursor.0,
        };
        if lines.0 {
            let lines = self.telemetry.lines(&caller, &id.0, &query).await?;
            return Ok(EntriesReply::Lines(Ndjson::begin(&request, lines).await?));
        }
        self.telemetry.page(&caller, &id.0, &query).await.map(EntriesReply::Page)
    }

    /// List metrics
    ///
    /// By their names.
    #[oai(path = "/api/v1/metrics", method = "get", operation_id = "list_metrics")]
    async fn metrics(&self, caller: Caller) -> Result<Reply<200, MetricList>> {
        self.telemetry.list_metrics(&caller).await.map(Reply)
    }

    /// Read what the GPUs did during a run
    ///
    /// For each GPU and metric the values from the run's beginning to its end, or to now while it has none.
    #[oai(path = "/runs/:id/gpus", method = "get", operation_id = "get_run_gpus")]
    async fn run(
        &self,
        caller: Caller,
        /// The run's id, also as 32 hex digits
        id: Path<Uuid>,
        /// The GPUs of this host; of all when missing
        host: Query<Option<String>>,
        _known: Known<2>,
    ) -> Result<Reply<200, RunGpus>> {
        self.telemetry.during_run(&caller, id.0, host.0.as_deref(), time::now()).await.map(Reply)
    }
}
