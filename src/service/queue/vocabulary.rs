//! What the queue answers on the wire.

use std::fmt::Write;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use poem_openapi::Object;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::Leased;
use crate::repository::queue::{Counts, Topic, TopicSettings};
use crate::service::time;

/// What became of messages that were published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize)]
pub struct PublishAnswer {
    /// Those that are new, and stored.
    pub accepted: u64,
    /// Those that were published within the topic's window before.
    pub duplicates: u64,
}

/// Messages that a consumer has for a while.
#[derive(Debug, Clone, Object)]
pub struct LeaseAnswer {
    /// The lease, by which they are acked; null without messages.
    #[oai(nullable)]
    pub lease_id: Option<Uuid>,
    /// When it ends; null without messages.
    #[oai(nullable)]
    pub lease_until: Option<DateTime<Utc>>,
    /// The highest priority first, then the oldest.
    pub messages: Vec<DeliveredMessage>,
}

/// A message that a consumer has for a while.
#[derive(Debug, Clone, Object)]
pub struct DeliveredMessage {
    /// What tells it from every other one of the topic.
    pub msg_uuid: Uuid,
    /// The JSON value, byte for byte as it was published.
    pub payload: Value,
    /// How often it was leased, this time included.
    pub attempts: i32,
}

/// The bytes of a [`LeaseAnswer`]: payloads go in as they are.
pub fn lease_answer(leased: &Leased) -> Bytes {
    let size = leased.messages.iter().map(|message| message.payload.len() + 100).sum::<usize>();
    let mut json = String::with_capacity(size + 120);
    if leased.messages.is_empty() {
        json.push_str("{\"lease_id\":null,\"lease_until\":null,\"messages\":[");
    } else {
        let until = time::text(leased.lease_until);
        let _ = write!(json, "{{\"lease_id\":\"{}\",\"lease_until\":\"{until}\",\"messages\":[", leased.lease_id);
    }
    for (place, message) in leased.messages.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(json, "{comma}{{\"msg_uuid\":\"{}\",\"payload\":", message.msg_uuid);
        json.push_str(&message.payload);
        let _ = write!(json, ",\"attempts\":{}}}", message.attempts);
    }
    json.push_str("]}");
    json.into()
}

/// How many messages were acked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize)]
pub struct AckAnswer {
    /// How many.
    pub acked: u64,
}

/// How many messages were given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize)]
pub struct NackAnswer {
    /// How many.
    pub nacked: u64,
}

/// How many messages are kept for longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize)]
pub struct ExtendAnswer {
    /// How many.
    pub extended: u64,
    /// Until when.
    #[serde(serialize_with = "time::serialize")]
    pub lease_until: DateTime<Utc>,
}

/// How many dead letters are ready again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize)]
pub struct RedriveAnswer {
    /// How many.
    pub redriven: u64,
}

/// How many messages were purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize)]
pub struct PurgeAnswer {
    /// How many.
    pub purged: u64,
}

/// A topic, with how many messages are in which state.
#[derive(Debug, Clone, PartialEq, Object, Serialize)]
pub struct TopicAnswer {
    /// What it is called.
    pub topic: String,
    /// Messages that a consumer gets who asks now.
    pub ready: i64,
    /// Those that nobody gets yet.
    pub delayed: i64,
    /// Those that somebody has.
    pub in_flight: i64,
    /// Those that were acked, ever.
    pub acked: i64,
    /// Dead letters.
    pub dead: i64,
    /// For how long the oldest ready one could have been had; null when none is ready.
    #[oai(nullable)]
    pub oldest_ready_seconds: Option<f64>,
    /// What can be set of it.
    pub settings: TopicSettingsAnswer,
    /// When it was made.
    #[serde(serialize_with = "time::serialize")]
    pub created_at: DateTime<Utc>,
    /// When its settings were changed last.
    #[serde(serialize_with = "time::serialize")]
    pub updated_at: DateTime<Utc>,
}

/// Settings of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize)]
pub struct TopicSettingsAnswer {
    /// How long a lease is that does not say.
    pub lease_seconds: i64,
    /// How often a message is leased before it is a dead letter.
    pub max_attempts: i64,
    /// How long a message is told from a repeat of it.
    pub dedup_seconds: i64,
    /// How long a message is kept that nobody acks.
    pub retention_seconds: i64,
}

impl From<TopicSettings> for TopicSettingsAnswer {
    fn from(settings: TopicSettings) -> Self {
        let TopicSettings { lease_seconds, max_attempts, dedup_seconds, retention_seconds } = settings;
        Self { lease_seconds, max_attempts, dedup_seconds, retention_seconds }
    }
}

impl TopicAnswer {
    /// Of this topic, whose messages were counted at this moment.
    pub fn new(topic: Topic, counts: Counts, now: DateTime<Utc>) -> Self {
        let waited = |since: DateTime<Utc>| (now - since).num_milliseconds().max(0) as f64 / 1_000.0;
        Self {
            settings: TopicSettings::of(&topic).into(),
            topic: topic.name,
            ready: counts.ready,
            delayed: counts.delayed,
            in_flight: counts.in_flight,
            acked: counts.acked,
            dead: counts.dead,
            oldest_ready_seconds: counts.ready_since.map(waited),
            created_at: topic.created_at,
            updated_at: topic.updated_at,
        }
    }
}

/// Some topics.
#[derive(Debug, Clone, PartialEq, Object, Serialize)]
pub struct TopicList {
    /// In the order in which they were made.
    pub items: Vec<TopicAnswer>,
    /// For the next ones; null at the end.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// Some dead letters.
#[derive(Debug, Object, Serialize)]
pub struct DeadLetterList {
    /// In the order in which they would be delivered.
    pub items: Vec<DeadLetter>,
    /// For the next ones; null at the end.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// A message that is not delivered any more.
#[derive(Debug, Object, Serialize)]
pub struct DeadLetter {
    /// What tells it from every other one of the topic.
    pub msg_uuid: Uuid,
    /// The JSON value, byte for byte as it was published.
    #[oai(skip)]
    #[serde(rename = "payload")]
    pub raw: Option<Box<RawValue>>,
    /// The JSON value, byte for byte as it was published.
    #[serde(skip)]
    pub payload: Value,
    /// How often it was leased.
    pub attempts: i32,
    /// Why it is dead.
    pub reason: String,
    /// When it was published.
    #[serde(serialize_with = "time::serialize_option")]
    #[oai(nullable)]
    pub created_at: Option<DateTime<Utc>>,
    /// When it died.
    #[serde(serialize_with = "time::serialize_option")]
    #[oai(nullable)]
    pub dead_at: Option<DateTime<Utc>>,
}
