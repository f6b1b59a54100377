//! Claims messages for whoever waits: one task owns the waiting of every topic, so that while one claim is under way
//! the consumers who arrive gather for the next, and 256 of them cost what one does.
//!
//! What it knows of each topic, so that a claim does not step over all that is taken and done, is in [`line`].

mod line;
mod owner;

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::repository::QueueRepository;
use crate::repository::queue::{LeasedMessage, Topic};
use crate::service::gather::shared;
use line::Waiting;
use owner::Owner;

/// What a consumer wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What it calls itself.
    pub consumer: String,
    /// Messages that it takes at most.
    pub max: usize,
    /// How long it wants to have them.
    pub lease: Duration,
    /// How long it waits for the first one.
    pub wait: Duration,
}

/// What a consumer gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The lease.
    pub lease_id: Uuid,
    /// When it ends.
    pub lease_until: DateTime<Utc>,
    /// Its messages; none when none came in time.
    pub messages: Vec<LeasedMessage>,
}

/// The way to the task that claims.
#[derive(Debug, Clone)]
pub struct Claimer {
    // Without a bound: what is in it are requests, which are bounded, and notices, which are taken out at once.
    door: mpsc::UnboundedSender<Call>,
}

/// A way in for those who only know of something.
#[derive(Debug)]
pub struct Hearsay(mpsc::WeakUnboundedSender<Call>);

impl Hearsay {
    /// Says that there may be messages ready from this rank on.
    pub fn ready(&self, topic: i64, rank: i64) {
        if let Some(door) = self.0.upgrade() {
            let _ = door.send(Call::Ready { topic, rank });
        }
    }
}

#[derive(Debug)]
enum Call {
    Lease(Box<Waiting>),
    Ready { topic: i64, rank: i64 },
    Watch { topic: i64, bell: Arc<Notify> },
}

impl Claimer {
    /// The way in, and the task to be run, which ends after the last way in is gone. When `closing` is cancelled,
    /// nobody waits any longer.
    pub fn new(
        queue: QueueRepository,
        closing: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (door, arrivals) = mpsc::unbounded_channel();
        (Self { door }, Owner::new(queue, closing).run(arrivals))
    }

    /// Leases messages of a topic, waiting for the first one as long as is wished.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database does not answer.
    pub async fn lease(&self, topic: Topic, wish: Wish) -> Result<Leased> {
        let (reply, answer) = oneshot::channel();
        let closed = || Error::unavailable(anyhow!("the server is stopping"));
        let waiting = Waiting { topic, wish, since: Instant::now(), reply };
        self.door.send(Call::Lease(Box::new(waiting))).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?.map_err(|error| shared(&error, "claiming messages"))
    }

    /// Says that there may be messages ready from this rank on.
    pub fn ready(&self, topic: i64, rank: i64) {
        let _ = self.door.send(Call::Ready { topic, rank });
    }

    /// The same, without keeping the task from its end; nothing is left of it afterwards.
    pub fn hearsay(&self) -> Hearsay {
        Hearsay(self.door.downgrade())
    }

    /// A bell that rings whenever there may be messages ready.
    pub fn watch(&self, topic: i64) -> Arc<Notify> {
        let bell = Arc::new(Notify::new());
        self.ring(topic, &bell);
        bell
    }

    /// Rings this bell whenever there may be messages ready, for as long as somebody else has it.
    pub fn ring(&self, topic: i64, bell: &Arc<Notify>) {
        let _ = self.door.send(Call::Watch { topic, bell: Arc::clone(bell) });
    }
}
