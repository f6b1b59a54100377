//! The queue: the operations, each one call to its service.

mod body;
mod reply;

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use uuid::Uuid;

use super::docs::Tag;
use super::json::{JsonBody, Reply};
use crate::error::Result;
use crate::service::QueueService;
use crate::service::accounts::Caller;
use crate::service::queue::{
    AckAnswer, AckRequest, DeadLetterList, ExtendAnswer, ExtendRequest, LeaseRequest, NackAnswer, NackRequest,
    PublishAnswer, PublishRequest, PurgeAnswer, RedriveAnswer, RedriveRequest, TopicAnswer, TopicList, TopicRequest,
};

use body::{Messages, OnlyDeclared, Optional};
use reply::LeaseReply;

/// The operations.
pub struct QueueApi {
    /// Their rules.
    pub queue: QueueService,
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Queue")]
impl QueueApi {
    /// List topics
    ///
    /// In the order in which they were made, each with what is in it.
    #[oai(path = "/topics", method = "get", operation_id = "list_topics")]
    async fn list(
        &self,
        caller: Caller,
        /// Topics in one answer, 1 to 1,000; 100 when missing
        limit: Query<Option<u64>>,
        /// The `next_cursor` of the answer before
        cursor: Query<Option<String>>,
        _only: OnlyDeclared,
    ) -> Result<Reply<200, TopicList>> {
        self.queue.list_topics(&caller, limit.0, cursor.0.as_deref()).await.map(Reply)
    }

    /// Read a topic
    ///
    /// Its settings, and how many messages are in which state.
    #[oai(path = "/topics/:topic", method = "get", operation_id = "get_topic")]
    async fn get(
        &self,
        caller: Caller,
        /// The topic's name
        topic: Path<String>,
    ) -> Result<Reply<200, TopicAnswer>> {
        self.queue.get_topic(&caller, &topic.0).await.map(Reply)
    }

    /// Change the settings of a topic
    ///
    /// What is missing stays as it is; a topic that is missing is made. Other replicas use the settings within two
    /// seconds.
    #[oai(path = "/topics/:topic", method = "put", operation_id = "put_topic")]
    async fn put(
        &self,
        caller: Caller,
        /// The topic's name
        topic: Path<String>,
        body: JsonBody<TopicRequest>,
    ) -> Result<Reply<200, TopicAnswer>> {
        self.queue.put_topic(&caller, &topic.0, body.0).await.map(Reply)
    }

    /// Publish messages
    ///
    /// All of them are stored, or none. A `msg_uuid` that was published within the topic's window before is a duplicate
    /// and changes nothing, whether it was acked or not. A topic that is missing is made.
    #[oai(path = "/topics/:topic/messages", method = "post", operation_id = "publish_messages")]
    async fn publish(
        &self,
        caller: Caller,
        /// The topic's name: letters, digits, `.`, `_` and `-`, 128 at most
        topic: Path<String>,
        body: Messages<PublishRequest>,
    ) -> Result<Reply<200, PublishAnswer>> {
        self.queue.publish(&caller, &topic.0, &body.bytes).await.map(Reply)
    }

    /// Purge a topic
    ///
    /// All messages that are not acked go, dead letters too. What somebody has is lost to them. Their ids are duplicates
    /// as long as before.
    #[oai(path = "/topics/:topic/messages", method = "delete", operation_id = "purge_messages")]
    async fn purge(
        &self,
        caller: Caller,
        /// The topic's name
        topic: Path<String>,
    ) -> Result<Reply<200, PurgeAnswer>> {
        self.queue.purge(&caller, &topic.0).await.map(Reply)
    }

    /// Lease messages
    ///
    /// The consumer has them alone until the lease ends; what it has not acked by then is delivered again. With
    /// `wait_seconds` an empty topic is answered as soon as something is published.
    #[oai(path = "/topics/:topic/leases", method = "post", operation_id = "lease_messages")]
    async fn lease(
        &self,
        caller: Caller,
        /// The topic's name
        topic: Path<String>,
        body: JsonBody<LeaseRequest>,
    ) -> Result<LeaseReply> {
        self.queue.lease(&caller, &topic.0, body.0).await.map(LeaseReply)
    }

    /// Ack messages
    ///
    /// They are done and never delivered again. A lease that is lost, or does not hold all that is named, is 409, and
    /// nothing has changed.
    #[oai(path = "/leases/:lease_id/ack", method = "post", operation_id = "ack_messages")]
    async fn ack(
        &self,
        caller: Caller,
        /// The lease
        lease_id: Path<Uuid>,
        body: Optional<AckRequest>,
    ) -> Result<Reply<200, AckAnswer>> {
        self.queue.ack(&caller, lease_id.0, body.0).await.map(Reply)
    }

    /// Give messages back
    ///
    /// They are delivered again after a time, or are dead letters when that was their last attempt. A lease that is
    /// lost, or does not hold all that is named, is 409, and nothing has changed.
    #[oai(path = "/leases/:lease_id/nack", method = "post", operation_id = "nack_messages")]
    async fn nack(
        &self,
        caller: Caller,
        /// The lease
        lease_id: Path<Uuid>,
        body: Optional<NackRequest>,
    ) -> Result<Reply<200, NackAnswer>> {
        self.queue.nack(&caller, lease_id.0, body.0).await.map(Reply)
    }

    /// Keep messages for longer
    ///
    /// The lease ends so long from now. A lease that is lost, or does not hold all that is named, is 409, and nothing
    /// has changed.
    #[oai(path = "/leases/:lease_id/extend", method = "post", operation_id = "extend_lease")]
    async fn extend(
        &self,
        caller: Caller,
        /// The lease
        lease_id: Path<Uuid>,
        body: JsonBody<ExtendRequest>,
    ) -> Result<Reply<200, ExtendAnswer>> {
        self.queue.extend(&caller, lease_id.0, body.0).await.map(Reply)
    }

    /// List dead letters
    ///
    /// Messages that were leased too often, or buried, in the order in which they would be delivered.
    #[oai(path = "/topics/:topic/dead-letters", method = "get", operation_id = "list_dead_letters")]
    async fn list_dead(
        &self,
        caller: Caller,
        /// The topic's name
        topic: Path<String>,
        /// Dead letters in one answer, 1 to 1,000; 100 when missing
        limit: Query<Option<u64>>,
        /// The `next_cursor` of the answer before
        cursor: Query<Option<String>>,
        _only: OnlyDeclared,
    ) -> Result<Reply<200, DeadLetterList>> {
        self.queue.list_dead(&caller, &topic.0, limit.0, cursor.0.as_deref()).await.map(Reply)
    }

    /// Redrive dead letters
    ///
    /// They are ready again at once, with fresh attempts. Ids that are not of dead letters do nothing.
    #[oai(path = "/topics/:topic/redrive", method = "post", operation_id = "redrive_dead_letters")]
    async fn redrive(
        &self,
        caller: Caller,
        /// The topic's name
        topic: Path<String>,
        body: Optional<RedriveRequest>,
    ) -> Result<Reply<200, RedriveAnswer>> {
        self.queue.redrive(&caller, &topic.0, body.0).await.map(Reply)
    }
}
