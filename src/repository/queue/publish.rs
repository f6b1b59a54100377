//! Publishing: the keys that are new, their messages and the payloads of these, in one step.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use sea_orm::sea_query::ColumnType;
use serde::Serialize;
use uuid::Uuid;

use super::{LIVE, QueueRepository, Topic, micros};
use crate::error::Result;
use crate::repository::database::{Chain, Column};

/// The highest priority; the lowest is its negative.
pub const MAX_PRIORITY: i16 = 1_000;

/// 2020-01-01 in microseconds since 1970, from which ranks count.
const EPOCH: i64 = 1_577_836_800_000_000;
/// The bits of a rank that are a moment: enough until 2091.
const MOMENT_BITS: u32 = 51;

/// A message as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// What tells it from every other one of the topic.
    pub msg_uuid: Uuid,
    /// Any JSON value, as the text that it came as.
    pub payload: String,
    /// How long nobody may have it.
    pub delay: Duration,
    /// The higher, the sooner it is delivered; up to [`MAX_PRIORITY`], and as much below zero.
    pub priority: i16,
}

/// What became of some messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Those that are new.
    pub accepted: u64,
    /// Those that were there already.
    pub duplicates: u64,
    /// A rank before which nothing of it is.
    pub first_rank: i64,
}

#[derive(Serialize)]
struct Row<'a> {
    msg_uuid: Uuid,
    rank: i64,
    visible_at: i64,
    payload: &'a str,
}

const COLUMNS: [Column; 4] = [
    ("msg_uuid", ColumnType::Uuid),
    ("rank", ColumnType::BigInteger),
    ("visible_at", ColumnType::BigInteger),
    ("payload", ColumnType::Text),
];

/// The place of a message in the order of delivery: by priority, then by the moment from which on it may be had. Not
/// by that of its publication, for what is delayed would lie in the way of what is not.
fn rank(priority: i16, moment: i64) -> i64 {
    let moment = (moment - EPOCH).clamp(0, (1 << MOMENT_BITS) - 1);
    (i64::from(MAX_PRIORITY - priority.clamp(-MAX_PRIORITY, MAX_PRIORITY)) << MOMENT_BITS) | moment
}

fn row(message: &NewMessage, place: usize, now: i64) -> Row<'_> {
    let delay = i64::try_from(message.delay.as_micros()).unwrap_or(i64::MAX);
    let visible_at = now.saturating_add(delay);
    // A microsecond for each place keeps a batch in its order.
    let rank = rank(message.priority, visible_at.saturating_add(place as i64));
    Row { msg_uuid: message.msg_uuid, rank, visible_at, payload: &message.payload }
}

impl QueueRepository {
    /// Publishes messages; those that were published within the topic's window are left out.
    ///
    /// # Errors
    /// Those of the database; then nothing is published.
    pub async fn publish(&self, topic: &Topic, messages: &[NewMessage], now: DateTime<Utc>) -> Result<Published> {
        let fresh = self.insert(None, topic, messages, now).await?;
        Ok(published(messages, fresh.len(), now))
    }

    /// The same within a transaction: what is published is there when it is committed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn publish_in(
        &self,
        transaction: &DatabaseTransaction,
        topic: &Topic,
        messages: &[NewMessage],
        now: DateTime<Utc>,
    ) -> Result<Published> {
        let fresh = self.insert(Some(transaction), topic, messages, now).await?;
        Ok(published(messages, fresh.len(), now))
    }

    /// Publishes messages, of which some may repeat one another, and says which are new.
    ///
    /// # Errors
    /// Those of the database; then nothing is published.
    pub async fn insert(
        &self,
        transaction: Option<&DatabaseTransaction>,
        topic: &Topic,
        messages: &[NewMessage],
        now: DateTime<Utc>,
    ) -> Result<HashSet<Uuid>> {
        let now = micros(now);
        let mut seen = HashSet::with_capacity(messages.len());
        // One statement must not meet a key twice.
        let first = messages.iter().enumerate().filter(|(_, message)| seen.insert(message.msg_uuid));
        let rows: Vec<Row> = first.map(|(place, message)| row(message, place, now)).collect();
        let rows = serde_json::to_string(&rows).context("writing messages as JSON")?;
        // The slot that is open is read in the statement that inserts; see `upkeep` for why it may be closed by then.
        let slot = "(SELECT open_slot FROM queue_slots)";
        let chain = Chain {
            with: vec![("given", format!("SELECT * FROM {}", self.database.given(4, &COLUMNS)))],
            name: "fresh",
            // In the order of the keys: publishers who repeat each other then never wait for each other in a ring.
            first: "INSERT INTO message_keys (topic_id, msg_uuid, seen_at) \
                    SELECT $1, msg_uuid, $2 FROM given WHERE TRUE ORDER BY msg_uuid \
                    ON CONFLICT (topic_id, msg_uuid) DO UPDATE SET seen_at = excluded.seen_at \
                    WHERE message_keys.seen_at <= $3 RETURNING msg_uuid"
                .to_owned(),
            columns: &COLUMNS[..1],
            then: vec![
                format!(
                    "INSERT INTO messages (topic_id, rank, visible_at, created_at, updated_at, msg_uuid, attempts, \
                     slot, state) SELECT $1, given.rank, given.visible_at, $2, $2, given.msg_uuid, 0, {slot}, {LIVE} \
                     FROM given JOIN fresh ON fresh.msg_uuid = given.msg_uuid"
                ),
                format!(
                    "INSERT INTO message_payloads (topic_id, rank, msg_uuid, slot, payload) \
                     SELECT $1, given.rank, given.msg_uuid, {slot}, given.payload \
                     FROM given JOIN fresh ON fresh.msg_uuid = given.msg_uuid"
                ),
            ],
            values: vec![
                topic.id.into(),
                now.into(),
                now.saturating_sub(topic.dedup_seconds.saturating_mul(1_000_000)).into(),
                rows.into(),
            ],
        };
        let rows = self.database.bounded(self.database.follow(transaction, chain)).await?;
        rows.iter().map(|row| Ok(row.try_get("", "msg_uuid")?)).collect()
    }
}

fn published(messages: &[NewMessage], fresh: usize, now: DateTime<Utc>) -> Published {
    Published {
        accepted: fresh as u64,
        duplicates: (messages.len() - fresh) as u64,
        first_rank: first_rank(messages, now),
    }
}

/// The least rank that any of these has that are published at this moment.
pub fn first_rank(messages: &[NewMessage], now: DateTime<Utc>) -> i64 {
    let now = micros(now);
    let ranks = messages.iter().enumerate().map(|(place, message)| row(message, place, now).rank);
    ranks.min().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_follow_priority_and_then_time() {
        let now = 1_795_000_000_000_000;
        let order =
            [rank(1_000, now), rank(1, now + 5), rank(0, now), rank(0, now + 1), rank(-1, 0), rank(-1_000, now)];
        assert!(order.is_sorted(), "{order:?}");
        assert!(order.iter().all(|rank| *rank > 0));
    }
}
