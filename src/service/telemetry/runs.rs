//! What the GPUs did while a run was under way.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::TelemetryService;
use super::bucket::{Aggregate, Bucket};
use super::read::{Buckets, SeriesReader, Span};
use super::vocabulary::{RunGpu, RunGpus, RunMetric, known};
use crate::error::{Error, Result};
use crate::repository::entity::series;
use crate::service::accounts::Caller;

/// Series that are read at once.
const AT_ONCE: usize = 4;

impl TelemetryService {
    /// The GPUs of one host, or of all, during a run.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such run.
    pub async fn during_run(
        &self,
        caller: &Caller,
        run: Uuid,
        host: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<RunGpus> {
        let workspace = caller.workspace_id;
        let row = self.runs.find(workspace, run).await?.ok_or(Error::NotFound("run"))?;
        let end_time = row.end_time.unwrap_or(now);
        let span = Span { from: row.start_time.timestamp_micros().max(0), to: end_time.timestamp_micros() };
        let found = self.telemetry.list_series_between(workspace, host, span.from, span.to).await?;
        let read = stream::iter(found).map(|series| self.during(series, span));
        let read: Vec<(series::Model, Option<Bucket>)> = read.buffered(AT_ONCE).try_collect().await?;
        let mut gpus: BTreeMap<String, (series::Model, BTreeMap<String, Bucket>)> = BTreeMap::new();
        for (series, bucket) in read {
            let Some(bucket) = bucket else { continue };
            let metric = series.metric_name.clone();
            let (_, metrics) = gpus.entry(series.gpu.clone()).or_insert_with(|| (series, BTreeMap::new()));
            metrics.entry(metric).or_insert_with(|| Bucket::empty(0)).join(&bucket);
        }
        let gpus = gpus.into_iter().map(|(id, (series, metrics))| RunGpu {
            id,
            gpu_id: known(series.gpu_id),
            model_name: known(series.model_name),
            hostname: known(series.hostname),
            metrics: metrics.into_iter().map(|(name, bucket)| told(name, &bucket)).collect(),
        });
        Ok(RunGpus { run_id: run, start_time: row.start_time, end_time, gpus: gpus.collect() })
    }

    /// A series with all of its samples of a span of time, if it has any.
    async fn during(&self, series: series::Model, span: Span) -> Result<(series::Model, Option<Bucket>)> {
        let mut reader = SeriesReader::new(self.telemetry.clone(), series.id, span, u64::MAX);
        let bucket = Buckets::whole(span).next(&mut reader).await?.pop();
        Ok((series, bucket))
    }
}

fn told(metric_name: String, bucket: &Bucket) -> RunMetric {
    RunMetric {
        metric_name,
        min: bucket.value(Aggregate::Min),
        max: bucket.value(Aggregate::Max),
        avg: bucket.value(Aggregate::Avg),
        last: bucket.value(Aggregate::Last),
        count: bucket.count,
    }
}
