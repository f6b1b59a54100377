//! What the metrics say of the moment at which they are read: what stands in the stores, and what is going on.
//!
//! Whoever reads them does not wait for a store: what it says too late comes with the next answer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::health::Answer;
use super::telemetry::message::TOPIC;
use super::{AccountService, HealthService, time};
use crate::config::TelemetryConfig;
use crate::error::Result;
use crate::metrics::{Depth, Metrics};
use crate::repository::{QueueRepository, Stores, TaskRepository, TelemetryRepository, queue};

/// Least time between two counts of what is stored.
const COUNT_EVERY: Duration = Duration::from_secs(30);
/// A count that took long is not repeated for so many times as long.
const REST: u32 = 20;
/// Least time between two questions whether the stores answer.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How long an answer waits for the stores.
const PATIENCE: Duration = Duration::from_secs(3);

/// Answers those who read the metrics.
#[derive(Debug, Clone)]
pub struct ScrapeService {
    metrics: Metrics,
    stores: Stores,
    tasks: TaskRepository,
    queue: QueueRepository,
    telemetry: TelemetryRepository,
    /// The workspace of telemetry, when the configuration names one.
    workspace: Option<Uuid>,
    accounts: AccountService,
    health: HealthService,
    /// When what is stored may be counted again.
    count_at: watch::Sender<Option<Instant>>,
    /// When the stores may be asked again.
    ask_at: watch::Sender<Option<Instant>>,
}

impl ScrapeService {
    /// Of this server.
    pub fn new(
        metrics: Metrics,
        stores: Stores,
        config: &TelemetryConfig,
        accounts: AccountService,
        health: HealthService,
    ) -> Self {
        Self {
            metrics,
            tasks: TaskRepository::new(stores.database.clone()),
            queue: QueueRepository::new(stores.database.clone()),
            telemetry: TelemetryRepository::new(stores.database.clone()),
            stores,
            workspace: config.telemetry_workspace,
            accounts,
            health,
            count_at: watch::Sender::new(None),
            ask_at: watch::Sender::new(None),
        }
    }

    /// The metrics of this moment, in the text format of Prometheus. A store that does not answer leaves what it would
    /// have said as it was.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] when they cannot be written.
    pub async fn scrape(&self) -> Result<Vec<u8>> {
        self.metrics.set_cache(&self.stores.cache.counts());
        self.metrics.set_runtime(&Handle::current().metrics());
        self.metrics.password_hashes.set(self.accounts.password_hashes() as i64);
        for (pool, open, idle, limit) in self.stores.database.pools() {
            self.metrics.set_pool(pool, open, idle, limit);
        }
        let asking = is_due(&self.ask_at, ASK_EVERY).then(|| tokio::spawn(self.clone().ask()));
        let counting = is_due(&self.count_at, COUNT_EVERY).then(|| tokio::spawn(self.clone().count()));
        let both = async { tokio::join!(ended(asking), ended(counting)) };
        let _ = tokio::time::timeout(PATIENCE, both).await;
        self.metrics.text()
    }

    /// Asks the stores whether they are there.
    async fn ask(self) {
        let checks = self.health.readiness().await.checks;
        for (store, answer) in [("database", checks.database), ("blob", checks.blob), ("cache", checks.cache)] {
            self.metrics.set_ready(store, answer == Answer::Ok);
        }
    }

    /// Counts what is stored, and sees to it that this takes a small part of the time, whatever there is to count.
    async fn count(self) {
        let begun = Instant::now();
        if let Err(error) = self.try_count().await {
            tracing::warn!(error = %format!("{:#}", anyhow::Error::new(error)), "counting for the metrics failed");
        }
        let rest = begun + begun.elapsed() * REST;
        self.count_at.send_modify(|at| *at = (*at).max(Some(rest)));
    }

    async fn try_count(&self) -> Result<()> {
        self.metrics.tasks.set(self.tasks.count().await?.cast_signed());
        let now = time::now();
        let topics = self.queue.depths(now).await?;
        self.metrics.queue.set_depths(topics.iter().map(|topic| (topic.name.as_str(), depth(topic, now))));
        let workspace = match self.workspace {
            Some(workspace) => Some(workspace),
            None => self.telemetry.find_first_workspace().await?,
        };
        let telemetry = topics.iter().find(|topic| topic.name == TOPIC && Some(topic.workspace_id) == workspace);
        self.metrics.telemetry.lag.set(seconds(telemetry.and_then(|topic| topic.waiting_since), now));
        Ok(())
    }
}

/// Whether it is time again; then nobody else is told so for as long.
fn is_due(at: &watch::Sender<Option<Instant>>, every: Duration) -> bool {
    at.send_if_modified(|at| {
        let now = Instant::now();
        let due = at.is_none_or(|at| at <= now);
        if due {
            *at = Some(now + every);
        }
        due
    })
}

async fn ended(task: Option<JoinHandle<()>>) {
    if let Some(task) = task {
        let _ = task.await;
    }
}

fn depth(topic: &queue::Depth, now: DateTime<Utc>) -> Depth {
    let queue::Depth { ready, delayed, in_flight, dead, ready_since, .. } = *topic;
    Depth { ready, delayed, in_flight, dead, oldest_ready: seconds(ready_since, now) }
}

/// How long something has lasted; nothing does not.
fn seconds(since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> f64 {
    since.and_then(|since| (now - since).to_std().ok()).unwrap_or_default().as_secs_f64()
}
