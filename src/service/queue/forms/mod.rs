//! What is asked of the queue on the wire, and the bounds of it.

mod publish;

pub use publish::{MAX_MESSAGES, read_messages};

use std::time::Duration;

use poem_openapi::Object;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::error::{Error, FieldError, Result};
use crate::repository::queue::TopicSettings;

/// Longest that a message is held back, in seconds: a week.
const MAX_DELAY: i64 = 7 * 86_400;
/// Longest lease, in seconds: half a day.
const MAX_LEASE: i64 = 43_200;
/// Longest that a consumer waits for its first message, in seconds.
const MAX_WAIT: i64 = 20;
/// Most attempts that a topic may give a message.
const MAX_ATTEMPTS: i64 = 1_000;
/// Longest window in which repeats are told, in seconds: 30 days.
const MAX_DEDUP: i64 = 30 * 86_400;
/// Longest that a message is kept that nobody acks, in seconds: a year.
const MAX_RETENTION: i64 = 365 * 86_400;
/// Longest name of a topic, in characters.
const MAX_NAME: usize = 128;
/// Longest name of a consumer, in bytes.
const MAX_CONSUMER: usize = 128;
/// Messages to be published.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub struct PublishRequest {
    /// 1 to 1,000.
    pub messages: Vec<PublishedMessage>,
}

/// A message to be published.
#[derive(Debug, Clone, Object)]
pub struct PublishedMessage {
    /// What tells it from every other one of the topic; not the nil UUID.
    pub msg_uuid: Uuid,
    /// Any JSON value; consumers get it byte for byte.
    pub payload: Value,
    /// Nobody gets it for so long, 0 to 604,800; 0 when missing.
    pub delay_seconds: Option<i64>,
    /// The higher, the sooner it is delivered, -1,000 to 1,000; 0 when missing.
    pub priority: Option<i64>,
}

/// A wish for messages.
#[derive(Debug, Clone, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct LeaseRequest {
    /// What the consumer calls itself, 1 to 128 bytes.
    pub consumer_id: String,
    /// Most messages that it takes, 1 to 1,000; 1 when missing.
    pub max: Option<i64>,
    /// How long it has them, 1 to 43,200; the topic's setting when missing.
    pub lease_seconds: Option<i64>,
    /// How long it waits for the first one, 0 to 20; 0 when missing.
    pub wait_seconds: Option<i64>,
}

/// Which messages of a lease.
#[derive(Debug, Clone, Default, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct AckRequest {
    /// 1 to 1,000 of the lease's messages; all that it still holds when missing.
    pub msg_uuids: Option<Vec<Uuid>>,
}

/// Which messages of a lease are given back.
#[derive(Debug, Clone, Default, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct NackRequest {
    /// 1 to 1,000 of the lease's messages; all that it still holds when missing.
    pub msg_uuids: Option<Vec<Uuid>>,
    /// How long until they are delivered again, 0 to 604,800; when missing a second, doubled with each attempt, give
    /// or take a quarter, five minutes at most.
    pub delay_seconds: Option<i64>,
}

/// Which messages of a lease are kept for longer.
#[derive(Debug, Clone, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct ExtendRequest {
    /// 1 to 1,000 of the lease's messages; all that it still holds when missing.
    pub msg_uuids: Option<Vec<Uuid>>,
    /// How long from now, 1 to 43,200.
    pub lease_seconds: i64,
}

/// Which dead letters.
#[derive(Debug, Clone, Default, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct RedriveRequest {
    /// 1 to 1,000 of them; all when missing.
    pub msg_uuids: Option<Vec<Uuid>>,
}

/// Settings of a topic; what is missing stays as it is.
#[derive(Debug, Clone, Default, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct TopicRequest {
    /// How long a lease is that does not say, 1 to 43,200; 30 at first.
    pub lease_seconds: Option<i64>,
    /// How often a message is leased before it is a dead letter, 1 to 1,000; 5 at first.
    pub max_attempts: Option<i64>,
    /// How long a message is told from a repeat of it, 0 to 2,592,000; 86,400 at first.
    pub dedup_seconds: Option<i64>,
    /// How long a message is kept that nobody acks, dead letters too, 1 to 31,536,000; 604,800 at first.
    pub retention_seconds: Option<i64>,
}

/// A wish that can be fulfilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedLease {
    pub consumer: String,
    pub max: usize,
    pub lease: Option<Duration>,
    pub wait: Duration,
}

/// Everything that is wrong.
#[derive(Debug, Default)]
pub struct Problems(Vec<FieldError>);

impl Problems {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError::new(field, message));
    }

    fn within(&mut self, field: impl FnOnce() -> String, value: i64, least: i64, most: i64) {
        if !(least..=most).contains(&value) {
            self.add(field(), format!("must be {least} to {most}"));
        }
    }

    fn seconds(&mut self, field: &str, value: i64, least: i64, most: i64) -> Duration {
        self.within(|| field.to_owned(), value, least, most);
        Duration::from_secs(value.unsigned_abs())
    }

    fn ids(&mut self, ids: Option<Vec<Uuid>>) -> Vec<Uuid> {
        if ids.as_ref().is_some_and(|ids| !(1..=MAX_MESSAGES).contains(&ids.len())) {
            self.add("msg_uuids", format!("must have 1 to {MAX_MESSAGES} ids; leave it out for all"));
        }
        ids.unwrap_or_default()
    }

    fn none<T>(self, value: T) -> Result<T> {
        if self.0.is_empty() { Ok(value) } else { Err(Error::Invalid(self.0)) }
    }
}

/// Nothing when a topic may be called so.
///
/// # Errors
/// [`Error::Invalid`] for `topic`.
pub fn check_name(name: &str) -> Result<()> {
    let may = |place: usize, byte: u8| byte.is_ascii_alphanumeric() || (place > 0 && b"._-".contains(&byte));
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().enumerate().all(|(place, byte)| may(place, byte)) {
        return Ok(());
    }
    let right = format!("must have 1 to {MAX_NAME} letters, digits, `.`, `_` or `-`, a letter or digit first");
    Err(Error::invalid("topic", right))
}

impl LeaseRequest {
    /// Within every bound.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that is wrong.
    pub fn check(self) -> Result<CheckedLease> {
        let mut problems = Problems::default();
        let consumer = self.consumer_id;
        if !(1..=MAX_CONSUMER).contains(&consumer.len()) || consumer.contains('\0') {
            problems.add("consumer_id", format!("must have 1 to {MAX_CONSUMER} bytes without U+0000"));
        }
        let max = self.max.unwrap_or(1);
        problems.within(|| "max".to_owned(), max, 1, MAX_MESSAGES as i64);
        let lease = self.lease_seconds.map(|seconds| problems.seconds("lease_seconds", seconds, 1, MAX_LEASE));
        let wait = problems.seconds("wait_seconds", self.wait_seconds.unwrap_or(0), 0, MAX_WAIT);
        problems.none(CheckedLease { consumer, max: usize::try_from(max).unwrap_or(1), lease, wait })
    }
}

impl AckRequest {
    /// The messages that are named; none for all.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that is wrong.
    pub fn check(self) -> Result<Vec<Uuid>> {
        let mut problems = Problems::default();
        let ids = problems.ids(self.msg_uuids);
        problems.none(ids)
    }
}

impl RedriveRequest {
    /// The messages that are named; none for all.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that is wrong.
    pub fn check(self) -> Result<Vec<Uuid>> {
        AckRequest { msg_uuids: self.msg_uuids }.check()
    }
}

impl NackRequest {
    /// The messages that are named, none for all, and the time that was asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that is wrong.
    pub fn check(self) -> Result<(Vec<Uuid>, Option<Duration>)> {
        let mut problems = Problems::default();
        let ids = problems.ids(self.msg_uuids);
        let delay = self.delay_seconds.map(|seconds| problems.seconds("delay_seconds", seconds, 0, MAX_DELAY));
        problems.none((ids, delay))
    }
}

impl ExtendRequest {
    /// The messages that are named, none for all, and the time that was asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that is wrong.
    pub fn check(self) -> Result<(Vec<Uuid>, Duration)> {
        let mut problems = Problems::default();
        let ids = problems.ids(self.msg_uuids);
        let lease = problems.seconds("lease_seconds", self.lease_seconds, 1, MAX_LEASE);
        problems.none((ids, lease))
    }
}

impl TopicRequest {
    /// The settings, with those from before where nothing is said.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that is wrong.
    pub fn check(self, before: TopicSettings) -> Result<TopicSettings> {
        let mut problems = Problems::default();
        let mut set = |field: &str, value: Option<i64>, before: i64, least: i64, most: i64| {
            problems.within(|| field.to_owned(), value.unwrap_or(before), least, most);
            value.unwrap_or(before)
        };
        let settings = TopicSettings {
            lease_seconds: set("lease_seconds", self.lease_seconds, before.lease_seconds, 1, MAX_LEASE),
            max_attempts: set("max_attempts", self.max_attempts, before.max_attempts, 1, MAX_ATTEMPTS),
            dedup_seconds: set("dedup_seconds", self.dedup_seconds, before.dedup_seconds, 0, MAX_DEDUP),
            retention_seconds: set(
                "retention_seconds",
                self.retention_seconds,
                before.retention_seconds,
                1,
                MAX_RETENTION,
            ),
        };
        problems.none(settings)
    }
}
