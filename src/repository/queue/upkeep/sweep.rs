//! What goes row by row: settled messages where no slot is emptied as a whole, leases that ended long ago, and keys that
//! are older than their topic's window. Each statement is bounded, and may be repeated.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, Value};

use super::super::{ACKED, QueueRepository, micros};
use super::walk::{Kind, Place};
use super::{CHUNK, KEY};
use crate::error::Result;

/// A lease is remembered so long after its end: until then it is lost, and unknown afterwards.
const LEASE_KEPT: TimeDelta = TimeDelta::minutes(15);

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
    pub async fn sweep(&self, slot: i64, after: Place, now: DateTime<Utc>) -> Result<Swept> {
        let walked = self.walk(slot, after, CHUNK, now).await?;
        let keys: Vec<_> = walked.places_of(Kind::Settled).collect();
        let last = walked.last;
        if keys.is_empty() {
            return Ok(Swept { count: 0, last });
        }
        let work = async {
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
