//! The queue: messages that are delivered until they are acked, each for a while to one consumer alone.

mod acks;
mod announcer;
mod claimer;
mod examples;
mod forms;
mod leases;
mod topics;
mod upkeep;
mod vocabulary;

pub use claimer::{Claimer, Leased, Wish};
pub use forms::{AckRequest, ExtendRequest, LeaseRequest, NackRequest, PublishRequest, RedriveRequest, TopicRequest};
pub use upkeep::{Upkeep, UpkeepPlan};
pub use vocabulary::{
    AckAnswer, DeadLetterList, ExtendAnswer, LeaseAnswer, NackAnswer, PublishAnswer, PurgeAnswer, RedriveAnswer,
    TopicAnswer, TopicList,
};

use std::sync::Arc;
use std::time::Duration;

use acks::Acks;
use anyhow::Context;
use moka::future::Cache;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Limits;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::repository::QueueRepository;
use crate::repository::queue::{Published, Topic};
use crate::service::accounts::Caller;
use crate::service::time;
use crate::watch::Watch;

/// How long a topic's settings are used that another replica may have changed.
const TOPIC_TTL: Duration = Duration::from_secs(2);
/// Topics whose settings are remembered at once.
const TOPICS: u64 = 10_000;

/// The rules of the queue.
#[derive(Debug, Clone)]
pub struct QueueService {
    queue: QueueRepository,
    claimer: Claimer,
    acks: Acks,
    topics: Cache<(Uuid, String), Topic>,
    announcing: mpsc::UnboundedSender<(i64, i64)>,
    closing: CancellationToken,
    max_payload: u64,
    metrics: Metrics,
}

impl QueueService {
    /// Over this repository, and what it has to do in the background, which is to be run and ends after the last of
    /// the services is gone.
    pub fn new(
        queue: QueueRepository,
        limits: &Limits,
        metrics: Metrics,
        watch: Watch,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let closing = CancellationToken::new();
        let (claimer, claiming) = Claimer::new(queue.clone(), closing.clone());
        let (acks, acking) = Acks::new(queue.clone(), watch);
        let (announcing, announced) = mpsc::unbounded_channel();
        let myself = Uuid::new_v4();
        let announce = announcer::announce(queue.clone(), myself, announced);
        let hear = announcer::hear(queue.clone(), myself, claimer.hearsay());
        let background = async move {
            let claiming = async {
                tokio::select! {
                    () = claiming => {}
                    () = hear => {}
                }
            };
            tokio::join!(claiming, acking, announce);
        };
        let topics = Cache::builder().max_capacity(TOPICS).time_to_live(TOPIC_TTL).build();
        let max_payload = limits.max_message.as_u64();
        (Self { queue, claimer, acks, topics, announcing, closing, max_payload, metrics }, background)
    }

    /// Lets nobody wait any longer for a message: the server is about to stop.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// A topic of a workspace, which is made when it is missing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn topic(&self, workspace: Uuid, name: &str) -> Result<Topic> {
        let key = (workspace, name.to_owned());
        if let Some(topic) = self.topics.get(&key).await {
            return Ok(topic);
        }
        let topic = self.queue.topic(workspace, name, time::now()).await?;
        self.topics.insert(key, topic.clone()).await;
        Ok(topic)
    }

    /// Leases messages of a topic, waiting for the first one as long as is wished.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn take(&self, topic: &Topic, wish: Wish) -> Result<Leased> {
        let leased = self.claimer.lease(topic.clone(), wish).await?;
        let again = leased.messages.iter().filter(|message| message.attempts > 1).count();
        self.metrics.queue.delivered(&topic.name, leased.messages.len(), again);
        Ok(leased)
    }

    /// A bell that rings when messages of this topic may be ready, here or elsewhere.
    pub fn woken(&self, topic: &Topic) -> Arc<Notify> {
        self.claimer.watch(topic.id)
    }

    /// Rings this bell when messages of this topic may be ready, here or elsewhere, for as long as somebody has it.
    pub fn ring(&self, topic: &Topic, bell: &Arc<Notify>) {
        self.claimer.ring(topic.id, bell);
    }

    /// Says that something was published and committed in a transaction of its own.
    pub fn published(&self, topic: &Topic, published: Published) {
        self.metrics.queue.published(&topic.name, published.accepted, published.duplicates);
        if published.accepted > 0 {
            self.ready(topic.id, published.first_rank);
        }
    }

    /// Publishes messages on a topic, which is made when it is missing.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] with every field that is wrong; then nothing is published.
    pub async fn publish(&self, caller: &Caller, name: &str, body: &[u8]) -> Result<PublishAnswer> {
        caller.may_write()?;
        forms::check_name(name)?;
        let messages = forms::read_messages(body, self.max_payload)?;
        let topic = self.topic(caller.workspace_id, name).await?;
        let service = self.clone();
        // To the end, also when whoever published goes away: consumers are woken when it is committed.
        let published = tokio::spawn(async move {
            let published = service.queue.publish(&topic, &messages, time::now()).await?;
            service.published(&topic, published);
            Ok::<_, Error>(published)
        });
        let Published { accepted, duplicates, .. } = published.await.context("publishing messages")??;
        Ok(PublishAnswer { accepted, duplicates })
    }

    /// Says here and elsewhere that there may be messages ready from this rank on.
    fn ready(&self, topic: i64, rank: i64) {
        self.claimer.ready(topic, rank);
        let _ = self.announcing.send((topic, rank));
    }
}
