//! Acks whole leases: those of a workspace that come while some statements are under way are acked together by the
//! next.

use std::sync::Arc;

use anyhow::anyhow;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::repository::QueueRepository;
use crate::service::gather::{Together, gather, shared};
use crate::service::time;
use crate::watch::Watch;

/// Acks that may wait for their owner to look at them; more wait at the door.
const DOOR: usize = 256;
/// Leases that one statement acks.
const LEASES: usize = 64;

/// The way to the task that acks.
#[derive(Debug, Clone)]
pub struct Acks {
    door: mpsc::Sender<(Uuid, Ack)>,
}

/// A lease whose messages are done.
#[derive(Debug)]
struct Ack {
    lease: Uuid,
    reply: oneshot::Sender<Result<u64, Arc<Error>>>,
}

impl Acks {
    /// The way in, and the task to be run, which ends after the last way in is gone.
    pub fn new(queue: QueueRepository, watch: Watch) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (door, arrivals) = mpsc::channel(DOOR);
        (Self { door }, gather(Statements(queue), watch, arrivals))
    }

    /// Acks all messages that a lease of this workspace still holds; how many.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a lease that is not of this workspace; [`Error::Conflict`] when it holds nothing any
    /// longer.
    pub async fn ack(&self, workspace: Uuid, lease: Uuid) -> Result<u64> {
        let (reply, answer) = oneshot::channel();
        let closed = || Error::unavailable(anyhow!("the server is stopping"));
        self.door.send((workspace, Ack { lease, reply })).await.map_err(|_| closed())?;
        let outcome = answer.await.map_err(|_| closed())?;
        outcome.map_err(|error| Arc::try_unwrap(error).unwrap_or_else(|error| shared(&error, "acking messages")))
    }
}

struct Statements(QueueRepository);

impl Together for Statements {
    const NAME: &'static str = "ack";
    // One alone would get the share of one publisher among many; more of them share less.
    const AT_ONCE: usize = 2;
    /// The workspace.
    type Key = Uuid;
    type Item = Ack;

    fn fitting(waiting: &[Ack]) -> usize {
        waiting.len().min(LEASES)
    }

    fn work(&self, workspace: Uuid, acks: Vec<Ack>) -> impl Future<Output = ()> + Send + 'static {
        let queue = self.0.clone();
        async move {
            let leases: Vec<Uuid> = acks.iter().map(|ack| ack.lease).collect();
            match queue.ack_leases(workspace, &leases, time::now()).await {
                Ok(outcomes) => {
                    for (ack, outcome) in acks.into_iter().zip(outcomes) {
                        let _ = ack.reply.send(outcome.map_err(Arc::new));
                    }
                }
                Err(error) => {
                    let error = Arc::new(error);
                    for ack in acks {
                        let _ = ack.reply.send(Err(Arc::clone(&error)));
                    }
                }
            }
        }
    }
}
