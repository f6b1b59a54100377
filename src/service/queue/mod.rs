//! The queue: messages that are delivered until they are acked, each for a while to one consumer alone.

mod claimer;

pub use claimer::{Claimer, Leased, Wish};

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::Result;
use crate::repository::QueueRepository;
use crate::repository::queue::{Published, Topic};
use crate::service::time;

/// How long a topic's settings are used that another replica may have changed.
const TOPIC_TTL: Duration = Duration::from_secs(2);
/// Topics whose settings are remembered at once.
const TOPICS: u64 = 10_000;

/// The rules of the queue.
#[derive(Debug, Clone)]
pub struct QueueService {
    queue: QueueRepository,
    claimer: Claimer,
    topics: Cache<(Uuid, String), Topic>,
    closing: CancellationToken,
}

impl QueueService {
    /// Over this repository, and the task that claims, which is to be run.
    pub fn new(queue: QueueRepository) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let closing = CancellationToken::new();
        let (claimer, claiming) = Claimer::new(queue.clone(), closing.clone());
        let topics = Cache::builder().max_capacity(TOPICS).time_to_live(TOPIC_TTL).build();
        (Self { queue, claimer, topics, closing }, claiming)
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
        self.claimer.lease(topic.clone(), wish).await
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
        if published.accepted > 0 {
            self.claimer.ready(topic.id, published.first_rank);
        }
    }
}
