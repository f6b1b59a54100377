//! What consumers do: they lease messages, and say what became of them.

use bytes::Bytes;
use chrono::TimeDelta;
use uuid::Uuid;

use super::forms::{AckRequest, ExtendRequest, LeaseRequest, NackRequest, check_name};
use super::vocabulary::{AckAnswer, ExtendAnswer, NackAnswer, lease_answer};
use super::{QueueService, Wish};
use crate::error::Result;
use crate::repository::queue::Settlement;
use crate::service::accounts::Caller;
use crate::service::time;

impl QueueService {
    /// Leases messages of a topic, which is made when it is missing.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] with every field that is wrong.
    pub async fn lease(&self, caller: &Caller, name: &str, request: LeaseRequest) -> Result<Bytes> {
        caller.may_write()?;
        check_name(name)?;
        let request = request.check()?;
        let topic = self.topic(caller.workspace_id, name).await?;
        let lease = request.lease.unwrap_or_else(|| std::time::Duration::from_secs(topic.lease_seconds.unsigned_abs()));
        let wish = Wish { consumer: request.consumer, max: request.max, lease, wait: request.wait };
        self.take(&topic, wish).await.map(|leased| lease_answer(&leased))
    }

    /// Acks messages of a lease.
    ///
    /// # Errors
    /// [`crate::error::Error::Conflict`] when the lease does not hold them, and then nothing has changed;
    /// [`crate::error::Error::NotFound`].
    pub async fn ack(&self, caller: &Caller, lease: Uuid, request: AckRequest) -> Result<AckAnswer> {
        caller.may_write()?;
        let named = request.check()?;
        let acked = if named.is_empty() {
            self.acks.ack(caller.workspace_id, lease).await?
        } else {
            self.settle(caller, lease, named, Settlement::Ack).await?
        };
        self.metrics.queue.acked(acked);
        Ok(AckAnswer { acked })
    }

    /// Gives messages of a lease back.
    ///
    /// # Errors
    /// As [`Self::ack`].
    pub async fn nack(&self, caller: &Caller, lease: Uuid, request: NackRequest) -> Result<NackAnswer> {
        caller.may_write()?;
        let (named, delay) = request.check()?;
        let nacked = self.settle(caller, lease, named, Settlement::Nack(delay)).await?;
        self.metrics.queue.nacked(nacked);
        Ok(NackAnswer { nacked })
    }

    /// Keeps messages of a lease for longer.
    ///
    /// # Errors
    /// As [`Self::ack`].
    pub async fn extend(&self, caller: &Caller, lease: Uuid, request: ExtendRequest) -> Result<ExtendAnswer> {
        caller.may_write()?;
        let (named, length) = request.check()?;
        let lease_until = time::now() + TimeDelta::from_std(length).unwrap_or(TimeDelta::zero());
        let extended = self.settle(caller, lease, named, Settlement::Extend(lease_until)).await?;
        Ok(ExtendAnswer { extended, lease_until })
    }

    async fn settle(&self, caller: &Caller, lease: Uuid, named: Vec<Uuid>, settlement: Settlement) -> Result<u64> {
        self.queue.settle(lease, caller.workspace_id, &named, settlement, time::now()).await
    }
}
