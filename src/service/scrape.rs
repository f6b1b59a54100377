//! What the metrics say of the moment at which they are read: what stands in the stores, and what is going on.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::AccountService;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::repository::{Stores, TaskRepository};

/// Least time between two counts of what is stored.
const COUNT_EVERY: Duration = Duration::from_secs(30);

/// Answers those who read the metrics.
#[derive(Debug, Clone)]
pub struct ScrapeService {
    metrics: Metrics,
    stores: Stores,
    tasks: TaskRepository,
    accounts: AccountService,
    /// When what is stored was counted last.
    counted: watch::Sender<Option<Instant>>,
}

impl ScrapeService {
    /// Of this server.
    pub fn new(metrics: Metrics, stores: Stores, accounts: AccountService) -> Self {
        let tasks = TaskRepository::new(stores.database.clone());
        Self { metrics, stores, tasks, accounts, counted: watch::Sender::new(None) }
    }

    /// The metrics of this moment, in the text format of Prometheus. A database that does not answer leaves what it
    /// would have said as it was.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] when they cannot be written.
    pub async fn scrape(&self) -> Result<Vec<u8>> {
        self.metrics.set_cache(&self.stores.cache.counts());
        self.metrics.set_runtime(&Handle::current().metrics());
        self.metrics.password_hashes.set(self.accounts.password_hashes() as i64);
        for (pool, open, idle) in self.stores.database.pools() {
            let set = |state, connections| {
                self.metrics.connections.with_label_values(&[pool, state]).set(connections as i64);
            };
            set("idle", idle);
            set("in_use", open.saturating_sub(idle));
        }
        if self.may_count() {
            match self.tasks.count().await {
                Ok(tasks) => self.metrics.tasks.set(tasks.cast_signed()),
                Err(error) => {
                    tracing::warn!(error = %format!("{:#}", anyhow::Error::new(error)), "counting for the metrics failed");
                }
            }
        }
        self.metrics.text()
    }

    /// Whether it is time to count again; then nobody else is told so.
    fn may_count(&self) -> bool {
        self.counted.send_if_modified(|counted| {
            let due = counted.is_none_or(|counted| counted.elapsed() >= COUNT_EVERY);
            if due {
                *counted = Some(Instant::now());
            }
            due
        })
    }
}
