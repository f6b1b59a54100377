//! What the GPUs did while a run was under way.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::TelemetryService;
use super::bucket::{Aggregate, Bucket};
use super::read::{SeriesReader, Span};
use super::steps::Buckets;
use super::vocabulary::{RunGpu, RunGpus, RunMetric, known};
use crate::error::{Error, Result};
use crate::repository::entity::series;
use crate::service::accounts::Caller;

/// Series that are read at once.
const AT_ONCE: usize = 64;

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
        let mut buckets: HashMap<i64, Bucket> = HashMap::new();
        for some in found.chunks(AT_ONCE) {
            let ids: Vec<i64> = some.iter().map(|series| series.id).collect();
            match Buckets::whole_of_many(&self.telemetry, &ids, span).await? {
                Some(found) => buckets.extend(found),
                None => {
                    for series in ids {
                        buckets.extend(self.during(series, span).await?.map(|bucket| (series, bucket)));
                    }
                }
            }
        }
        let mut gpus: BTreeMap<String, (series::Model, BTreeMap<String, Bucket>)> = BTreeMap::new();
        for series in found {
            let Some(bucket) = buckets.remove(&series.id) else { continue };
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

    /// All of a series' samples of a span of time, if it has any.
    async fn during(&self, series: i64, span: Span) -> Result<Option<Bucket>> {
        let mut reader = SeriesReader::new(self.telemetry.clone(), series, span, u64::MAX);
        Ok(Buckets::whole(span).next(&mut reader).await?.pop())
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
