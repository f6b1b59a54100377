//! The streamer: reads samples of GPUs from a file or from an exporter and publishes them on the topic of telemetry.
//!
//! Each step reads a piece, and publishes it in the transaction that also moves the place in the source on; whatever
//! kills a streamer, and however many of them share a source, nothing is lost and nothing is published twice.

mod bad;
mod columns;
mod complaints;
mod exposition;
mod file;
pub mod generator;
mod looks;
mod reading;
mod scrape;

use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::config::{StreamerSource, TelemetryConfig};
use crate::error::Result;
use crate::metrics::Metrics;
use crate::repository::entity::streamer_position::Model as Position;
use crate::repository::queue::{NewMessage, Topic};
use crate::repository::{StreamerRepository, TelemetryRepository};
use crate::service::QueueService;
use crate::service::roles::{Step, Worker};
use crate::service::telemetry::message::{self, MAX_SAMPLES, Sample, TOPIC};
use complaints::Complaints;

/// Before what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Before a full topic is looked at again, the first time and at most: each look waits twice as long as the one before.
const HELD_BACK: [Duration; 2] = [Duration::from_millis(25), Duration::from_secs(1)];

/// What a streamer is made of.
#[derive(Debug)]
pub struct Parts {
    /// Places in sources.
    pub positions: StreamerRepository,
    /// Workspaces.
    pub telemetry: TelemetryRepository,
    /// Topics, and who waits for what is published on them.
    pub queue: QueueService,
    /// Counts what is published and what is not.
    pub metrics: Metrics,
}

/// The streamer of one source.
#[derive(Debug)]
pub struct StreamerService {
    parts: Parts,
    source: StreamerSource,
    /// The source as the key of its place.
    name: String,
    workspace: Option<Uuid>,
    interval: Duration,
    timeout: Duration,
    max_ready: u64,
    max_scrape: u64,
    topic: Option<Topic>,
    /// The place that this streamer has moved on to itself; nothing when another one may have moved it.
    seen: Option<Position>,
    /// Messages that may be published before the topic is looked at again.
    room: u64,
    /// How long it waits for a full topic; nothing when the topic is not full.
    held_back: Option<Duration>,
    complaints: Complaints,
    pause: Duration,
}

impl Worker for StreamerService {
    const NAME: &'static str = "streamer";

    fn pause(&self) -> Duration {
        self.pause
    }

    async fn step(&mut self, now: DateTime<Utc>) -> Result<Step> {
        // Until something says otherwise, since what fails must not be tried again at once.
        self.pause = RETRY;
        if let Some(count) = self.complaints.unsaid(now) {
            tracing::warn!(source = self.name, count, "more was wrong with the source of samples");
        }
        let Some(topic) = self.topic().await? else { return Ok(Step::Idle) };
        if !self.has_room(&topic, now).await? {
            return Ok(Step::Idle);
        }
        let position = match self.seen.take() {
            Some(position) => position,
            None => self.parts.positions.position(topic.workspace_id, &self.name, now).await?,
        };
        match self.source.clone() {
            StreamerSource::File(path) => self.read(path, position, &topic, now).await,
            StreamerSource::Exporter(address) => self.scrape(&address, position, &topic, now).await,
        }
    }
}

impl StreamerService {
    /// For what the configuration says, where it names a source.
    ///
    /// # Errors
    /// Says why the source cannot be one.
    pub fn new(parts: Parts, config: &TelemetryConfig, timeout: Duration) -> Result<Option<Self>> {
        let Some(source) = config.streamer_source.clone() else { return Ok(None) };
        let name = match &source {
            // The same file by another name would be another source.
            StreamerSource::File(path) => {
                std::path::absolute(path).context("looking for the file")?.display().to_string()
            }
            StreamerSource::Exporter(address) => address.to_string(),
        };
        Ok(Some(Self {
            parts,
            source,
            name,
            workspace: config.telemetry_workspace,
            interval: config.streamer_interval.0,
            timeout,
            max_ready: config.streamer_max_ready,
            max_scrape: config.streamer_max_scrape.as_u64(),
            topic: None,
            seen: None,
            room: 0,
            held_back: None,
            complaints: Complaints::default(),
            pause: RETRY,
        }))
    }

    /// The topic of telemetry, as soon as there is a workspace that it can belong to.
    async fn topic(&mut self) -> Result<Option<Topic>> {
        if self.topic.is_none() {
            let workspace = match self.workspace {
                Some(workspace) => Some(workspace),
                None => self.parts.telemetry.find_first_workspace().await?,
            };
            let Some(workspace) = workspace else { return Ok(None) };
            self.topic = Some(self.parts.queue.topic(workspace, TOPIC).await?);
        }
        Ok(self.topic.clone())
    }

    /// Whether the topic takes more. It is looked at again when half of the room that there was is used up.
    async fn has_room(&mut self, topic: &Topic, now: DateTime<Utc>) -> Result<bool> {
        if self.room == 0 {
            let ready = self.parts.positions.count_ready(topic, self.max_ready, now).await?;
            self.room = self.max_ready.saturating_sub(ready).div_ceil(2);
        }
        let (source, max_ready) = (&self.name, self.max_ready);
        if self.room > 0 {
            if self.held_back.take().is_some() {
                tracing::info!(source, max_ready, "going on: there is room again");
            }
            return Ok(true);
        }
        if self.held_back.is_none() {
            tracing::info!(source, max_ready, "waiting: the topic is full");
        }
        self.pause = self.held_back.unwrap_or(HELD_BACK[0]);
        self.held_back = Some(HELD_BACK[1].min(2 * self.pause));
        Ok(false)
    }

    /// Publishes samples and moves on to `next`, if no other streamer was faster.
    async fn publish(
        &mut self,
        next: Position,
        topic: &Topic,
        samples: &[Sample<'_>],
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let messages: Vec<NewMessage> = samples.chunks(MAX_SAMPLES).map(new_message).collect();
        let advanced = self.parts.positions.advance(next.clone(), topic, &messages, now).await?;
        let Some(published) = advanced else { return Ok(false) };
        self.seen = Some(next);
        self.room = self.room.saturating_sub(messages.len() as u64);
        self.parts.queue.published(topic, published);
        self.parts.metrics.telemetry.streamed_samples.inc_by(samples.len() as u64);
        Ok(true)
    }
}

/// A message of its own; one sample alone travels as itself.
fn new_message(samples: &[Sample<'_>]) -> NewMessage {
    let payload = match samples {
        [sample] => serde_json::to_string(sample).unwrap_or_default(),
        samples => message::write(samples),
    };
    NewMessage { msg_uuid: Uuid::now_v7(), payload, delay: Duration::ZERO, priority: 0 }
}
