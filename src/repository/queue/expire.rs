//! Messages that go without being acked: purged by somebody, or kept for as long as their topic says.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use super::{DEAD, GONE, LIVE, QueueRepository, Topic, micros};
use crate::error::Result;

/// Which messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// All that were published until then, also what somebody has: that lease is lost.
    Purge,
    /// Those that were published until then and that nobody has.
    Retention,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// How many went.
    pub count: u64,
    /// Where to go on, unless that was all.
    pub next: Option<(i64, Uuid)>,
}

impl QueueRepository {
    /// Lets some messages go that were published until `before`, from a place in the order of delivery on. What another
    /// statement is at work on is passed over; it is acked by it, or is found by another look from the start.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn expire(
        &self,
        topic: &Topic,
        expiry: Expiry,
        before: DateTime<Utc>,
        after: Option<(i64, Uuid)>,
        limit: u64,
        now: DateTime<Utc>,
    ) -> Result<Expired> {
        let free = match expiry {
            Expiry::Purge => "",
            Expiry::Retention => "AND (lease_id IS NULL OR visible_at <= $2)",
        };
        let (rank, msg_uuid) = after.unwrap_or((i64::MIN, Uuid::nil()));
        let sql = format!(
            "WITH chosen AS MATERIALIZED (SELECT rank, msg_uuid, slot FROM messages WHERE topic_id = $1 \
             AND (rank, msg_uuid) >= ($4, $5) AND state IN ({LIVE}, {DEAD}) AND created_at <= $3 {free} \
             ORDER BY rank, msg_uuid LIMIT $6 {skip}) \
             UPDATE messages SET state = {GONE}, updated_at = $2 FROM chosen WHERE messages.topic_id = $1 \
             AND messages.rank = chosen.rank AND messages.msg_uuid = chosen.msg_uuid AND messages.slot = chosen.slot \
             RETURNING messages.rank, messages.msg_uuid",
            skip = self.database.skip_locked(),
        );
        let values: [Value; 6] = [
            topic.id.into(),
            micros(now).into(),
            micros(before).into(),
            rank.into(),
            msg_uuid.into(),
            limit.min(i64::MAX as u64).cast_signed().into(),
        ];
        let statement = self.database.statement(sql, values);
        let rows = self.database.bounded(async { Ok(self.database.writer().query_all_raw(statement).await?) }).await?;
        let mut next = None;
        for row in &rows {
            next = next.max(Some((row.try_get("", "rank")?, row.try_get("", "msg_uuid")?)));
        }
        let count = rows.len() as u64;
        Ok(Expired { count, next: next.filter(|_| count == limit) })
    }
}
