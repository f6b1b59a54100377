//! What goes row by row: settled messages where no slot is emptied as a whole, leases that ended long ago, and keys that
//! are older than their topic's window. Each statement is bounded, and may be repeated.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::{ACKED, GONE, QueueRepository, micros};
use super::{CHUNK, KEY};
use crate::error::Result;

/// A lease is remembered so long after its end: until then it is lost, and unknown afterwards.
const LEASE_KEPT: TimeDelta = TimeDelta::minutes(15);

/// Where a message lies in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    topic_id: i64,
    rank: i64,
    msg_uuid: Uuid,
}

impl Place {
    /// Before everything.
    pub const START: Self = Self { topic_id: i64::MIN, rank: i64::MIN, msg_uuid: Uuid::nil() };
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Messages that were deleted.
    pub count: u64,
    /// The last one that was looked at; nothing at the end of the slot.
    pub last: Option<Place>,
}

impl QueueRepository {
    /// Looks at some messages of a slot after a place in it, deletes those that are settled, and adds those that are
    /// acked to their topics' counts.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sweep(&self, slot: i64, after: Place) -> Result<Swept> {
        let some = format!(
            "SELECT topic_id, rank, msg_uuid, state FROM messages WHERE slot = $1 \
             AND (topic_id, rank, msg_uuid) > ($2, $3, $4) ORDER BY topic_id, rank, msg_uuid LIMIT {CHUNK}"
        );
        let settled = format!(
            "WITH walked AS MATERIALIZED ({some}) SELECT topic_id, rank, msg_uuid, state FROM walked \
             WHERE state IN ({ACKED}, {GONE}) OR (topic_id, rank, msg_uuid) = (SELECT topic_id, rank, msg_uuid \
             FROM walked ORDER BY topic_id DESC, rank DESC, msg_uuid DESC LIMIT 1)"
        );
        let values = [slot.into(), after.topic_id.into(), after.rank.into(), after.msg_uuid.into()];
        let settled = self.database.statement(settled, values);
        let work = async {
            // Looked for beside the writers: what is settled stays so.
            let rows = self.database.reader().query_all_raw(settled).await?;
            let (mut keys, mut last) = (Vec::with_capacity(rows.len()), None);
            for row in &rows {
                let place = Place {
                    topic_id: row.try_get("", "topic_id")?,
                    rank: row.try_get("", "rank")?,
                    msg_uuid: row.try_get("", "msg_uuid")?,
                };
                if matches!(row.try_get::<i16>("", "state")?, ACKED | GONE) {
                    keys.push(place);
                }
                last = last.max(Some(place));
            }
            if keys.is_empty() {
                return Ok(Swept { count: 0, last });
            }
            let mut acked = BTreeMap::<i64, i64>::new();
            let count = keys.len() as u64;
            let keys = serde_json::to_string(&keys).context("writing keys as JSON")?;
            let given = self.database.given(2, &KEY);
            let transaction = self.database.begin().await?;
            let delete = |table: &str| {
                format!(
                    "DELETE FROM {table} WHERE slot = $1 AND (topic_id, rank, msg_uuid) IN \
                     (SELECT topic_id, rank, msg_uuid FROM {given})"
                )
            };
            let values: [Value; 2] = [slot.into(), keys.into()];
            let messages = format!("{} RETURNING topic_id, state", delete("messages"));
            let deleted = transaction.query_all_raw(self.database.statement(messages, values.clone())).await?;
            transaction.execute_raw(self.database.statement(delete("message_payloads"), values)).await?;
            // Counted by who deletes them: another process may be at the same rows.
            for row in &deleted {
                if row.try_get::<i16>("", "state")? == ACKED {
                    *acked.entry(row.try_get("", "topic_id")?).or_default() += 1;
                }
            }
            for (topic, count) in acked {
                let sql = "UPDATE topics SET acked_before = acked_before + $2 WHERE id = $1";
                transaction.execute_raw(self.database.statement(sql, [topic.into(), count.into()])).await?;
            }
            transaction.commit().await?;
            Ok(Swept { count, last })
        };
        self.database.bounded(work).await
    }

    /// Forgets some leases that ended long ago. How many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget_leases(&self, now: DateTime<Utc>) -> Result<u64> {
        let sql = format!(
            "DELETE FROM leases WHERE id IN (SELECT id FROM leases WHERE until < $1 ORDER BY until LIMIT {CHUNK})"
        );
        self.delete(sql, vec![micros(now - LEASE_KEPT).into()]).await
    }

    /// Forgets some keys that are older than their topic's window. How many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget_keys(&self, now: DateTime<Utc>) -> Result<u64> {
        // The first condition is what an index can use on every database.
        let sql = format!(
            "DELETE FROM message_keys WHERE (topic_id, msg_uuid) IN (SELECT k.topic_id, k.msg_uuid \
             FROM message_keys AS k JOIN topics AS t ON t.id = k.topic_id \
             WHERE k.seen_at <= $1 - (SELECT min(dedup_seconds) FROM topics) * 1000000 \
             AND k.seen_at <= $1 - t.dedup_seconds * 1000000 LIMIT {CHUNK}) \
             AND seen_at <= $1 - (SELECT dedup_seconds FROM topics WHERE topics.id = topic_id) * 1000000"
        );
        self.delete(sql, vec![micros(now).into()]).await
    }

    async fn delete(&self, sql: String, values: Vec<Value>) -> Result<u64> {
        let statement = self.database.statement(sql, values);
        let work = async { Ok(self.database.writer().execute_raw(statement).await?.rows_affected()) };
        self.database.bounded(work).await
    }
}
