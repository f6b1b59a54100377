//! The collector: leases messages, and stores what they hold in one transaction with being done with them.
//!
//! A message that cannot be read goes to the dead letters, and the others are stored. Whatever fails leaves everything
//! as it was: the lease ends, and the messages come again, to this collector or to another one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use uuid::Uuid;

use super::gather::{Known, blocks, gather};
use super::message::TOPIC;
use super::upkeep;
use crate::config::TelemetryConfig;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::repository::entity::series;
use crate::repository::queue::{LeasedMessage, Topic};
use crate::repository::telemetry::Batch;
use crate::repository::{QueueRepository, Stores, TelemetryRepository};
use crate::service::QueueService;
use crate::service::queue::Wish;
use crate::service::roles::{Step, Worker};
use crate::service::time;

/// Bytes of messages that are good to hold at once.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Messages that are leased at once at most.
const BATCH: usize = 1_000;
/// Messages that are leased first, when nothing is known of their size.
const FIRST_BATCH: usize = 32;
/// A message that was leased more often is stored by itself, so that it holds up no other if it is to blame.
const SUSPECT: i32 = 2;
/// Batches after which blocks are merged, however much there is to collect.
const BATCHES: u32 = 4;
/// Series that are remembered.
const MOST_KNOWN: usize = 500_000;
/// Wait between two looks for a workspace and its topic while there is none.
const UNKNOWN: Duration = Duration::from_millis(500);
/// Longest wait between two looks for samples that have expired.
const EXPIRY: Duration = Duration::from_secs(60);

/// The collector.
#[derive(Debug)]
pub struct Collector {
    telemetry: TelemetryRepository,
    rows: QueueRepository,
    queue: QueueService,
    config: TelemetryConfig,
    metrics: Metrics,
    /// What it is called as a consumer.
    name: String,
    bell: Arc<Notify>,
    /// The workspace whose messages are collected.
    workspace: Option<Uuid>,
    known: Known,
    /// Messages that it leases next.
    batch: usize,
    /// Batches since blocks were merged.
    batches: u32,
    looked_for_expired: Option<DateTime<Utc>>,
}

/// Where a lease belongs.
#[derive(Debug, Clone, Copy)]
struct Place {
    workspace: Uuid,
    lease: Uuid,
    now: DateTime<Utc>,
}

impl Place {
    /// A batch with nothing in it.
    fn batch(self) -> Batch {
        let Self { workspace, lease, .. } = self;
        Batch { workspace, lease, done: Vec::new(), dead: Vec::new(), gpus: Vec::new(), blocks: Vec::new() }
    }
}

impl Collector {
    /// Over these stores; the bell is rung when there is something to collect.
    pub fn new(
        stores: &Stores,
        queue: QueueService,
        config: &TelemetryConfig,
        metrics: Metrics,
        bell: Arc<Notify>,
    ) -> Self {
        Self {
            telemetry: TelemetryRepository::new(stores.database.clone()),
            rows: QueueRepository::new(stores.database.clone()),
            queue,
            config: config.clone(),
            metrics,
            name: format!("collector-{}", Uuid::new_v4().simple()),
            bell,
            workspace: None,
            known: Known::new(),
            batch: FIRST_BATCH,
            batches: 0,
            looked_for_expired: None,
        }
    }

    /// Where the messages are, once somebody has signed up and published.
    async fn topic(&mut self) -> Result<Option<(Uuid, Topic)>> {
        if let Some(workspace) = self.workspace {
            return Ok(Some((workspace, self.queue.topic(workspace, TOPIC).await?)));
        }
        let workspace = match self.config.telemetry_workspace {
            Some(workspace) => workspace,
            None => match self.telemetry.find_first_workspace().await? {
                Some(workspace) => workspace,
                None => return Ok(None),
            },
        };
        // The first who publishes makes the topic: somebody who never does should not find one.
        let Some(topic) = self.rows.find_topic(workspace, TOPIC).await? else { return Ok(None) };
        self.queue.ring(&topic, &self.bell);
        self.workspace = Some(workspace);
        Ok(Some((workspace, topic)))
    }

    /// Stores what one lease brings.
    async fn collect(&mut self, workspace: Uuid, topic: &Topic, now: DateTime<Utc>) -> Result<Step> {
        let lease = Duration::from_secs(topic.lease_seconds.unsigned_abs());
        let wish = Wish { consumer: self.name.clone(), max: self.batch, lease, wait: Duration::ZERO };
        let leased = self.queue.take(topic, wish).await?;
        if leased.messages.is_empty() {
            return Ok(Step::Idle);
        }
        let bytes: usize = leased.messages.iter().map(|message| message.payload.len()).sum();
        let each = bytes.div_ceil(leased.messages.len()).max(1);
        self.batch = (BATCH_BYTES / each).clamp(1, BATCH);
        let (suspect, others): (Vec<_>, Vec<_>) =
            leased.messages.into_iter().partition(|message| message.attempts > SUSPECT);
        let place = Place { workspace, lease: leased.lease_id, now };
        for message in suspect {
            let id = message.msg_uuid;
            match self.keep(place, vec![message]).await {
                Err(Error::Internal(error)) => {
                    tracing::error!(message.id = %id, error = %format!("{error:#}"), "a message cannot be stored");
                    let dead = vec![(id, "cannot be stored; the log says why".to_owned())];
                    self.store(&Batch { dead, ..place.batch() }).await?;
                }
                kept => kept?,
            }
        }
        if !others.is_empty() {
            self.keep(place, others).await?;
        }
        Ok(Step::Busy)
    }

    /// Stores messages together.
    async fn keep(&mut self, place: Place, messages: Vec<LeasedMessage>) -> Result<()> {
        if self.known.len() > MOST_KNOWN {
            self.known.clear();
        }
        let known = std::mem::take(&mut self.known);
        let gathering = tokio::task::spawn_blocking(move || {
            let messages = messages.iter().map(|message| (message.msg_uuid, message.payload.as_str()));
            (gather(messages, place.workspace, &known, place.now), known)
        });
        let (gathered, known) = gathering.await.context("reading messages")?;
        self.known = known;
        self.name_series(gathered.unknown).await?;
        for (id, reason) in &gathered.dead {
            tracing::warn!(message.id = %id, reason, "a message of telemetry is no sample");
        }
        let batch = Batch {
            done: gathered.done,
            dead: gathered.dead,
            gpus: gathered.gpus.into_values().collect(),
            blocks: blocks(gathered.series, &self.known)?,
            ..place.batch()
        };
        self.store(&batch).await
    }

    async fn store(&self, batch: &Batch) -> Result<()> {
        match self.telemetry.store(&self.rows, time::now(), batch).await {
            // Somebody else has the messages by now, or will have.
            Err(Error::Conflict(_) | Error::NotFound(_)) => {
                tracing::info!("a lease was lost before its samples were stored");
                Ok(())
            }
            Ok(()) => {
                let samples: i64 = batch.blocks.iter().map(|block| block.count).sum();
                self.metrics.telemetry.stored_samples.inc_by(samples.unsigned_abs());
                self.metrics.telemetry.refused_messages.inc_by(batch.dead.len() as u64);
                self.metrics.queue.acked(batch.done.len() as u64);
                Ok(())
            }
            failed => failed,
        }
    }

    async fn name_series(&mut self, unknown: HashMap<u128, series::Model>) -> Result<()> {
        if unknown.is_empty() {
            return Ok(());
        }
        let named = self.telemetry.name_series(unknown.values().cloned().collect()).await?;
        for (digest, series) in unknown {
            let key = (series.gpu, series.metric_name, series.labels_key);
            let number = named.get(&key).context("a series that was just made is not there")?;
            self.known.insert(digest, *number);
        }
        Ok(())
    }

    async fn expire(&mut self, now: DateTime<Utc>) -> Result<Step> {
        let wait = EXPIRY.min(self.pause());
        if self.looked_for_expired.is_some_and(|looked| now < looked + wait) {
            return Ok(Step::Idle);
        }
        let samples = now - self.config.telemetry_retention.0;
        let rollups = now - self.config.telemetry_rollup_retention.0;
        let step = upkeep::expire(&self.telemetry, samples, rollups).await?;
        if step == Step::Idle {
            self.looked_for_expired = Some(now);
        }
        Ok(step)
    }
}

impl Worker for Collector {
    const NAME: &'static str = "collector";

    fn pause(&self) -> Duration {
        let interval = self.config.collect_interval.0;
        // Nobody rings before there is a topic.
        if self.workspace.is_none() { interval.min(UNKNOWN) } else { interval }
    }

    async fn step(&mut self, now: DateTime<Utc>) -> Result<Step> {
        let Some((workspace, topic)) = self.topic().await? else { return Ok(Step::Idle) };
        if self.batches < BATCHES && self.collect(workspace, &topic, now).await? == Step::Busy {
            self.batches += 1;
            return Ok(Step::Busy);
        }
        let full = std::mem::take(&mut self.batches) == BATCHES;
        if upkeep::merge(&self.telemetry).await? == Step::Busy || self.expire(now).await? == Step::Busy || full {
            return Ok(Step::Busy);
        }
        Ok(Step::Idle)
    }
}
