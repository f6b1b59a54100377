//! Dead letters: listed, and sent back among the living.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use super::{LIVE, QueueRepository, Topic, is_dead, micros};
use crate::error::Result;

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadMessage {
    /// What tells it from every other one of the topic.
    pub msg_uuid: Uuid,
    /// The JSON text that it was published with.
    pub payload: String,
    /// How often it was leased.
    pub attempts: i32,
    /// Why it was buried; nothing when it was leased too often.
    pub reason: Option<String>,
    /// When it was published.
    pub created_at: Option<DateTime<Utc>>,
    /// When it died.
    pub dead_at: Option<DateTime<Utc>>,
    /// Its place in the order of delivery, which is that of the list.
    pub rank: i64,
}

impl QueueRepository {
    /// Dead letters of a topic after this place, in the order in which they would be delivered.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_dead(
        &self,
        topic: &Topic,
        after: Option<(i64, Uuid)>,
        limit: u64,
        now: DateTime<Utc>,
    ) -> Result<Vec<DeadMessage>> {
        let (rank, msg_uuid) = after.unwrap_or((i64::MIN, Uuid::nil()));
        let sql = format!(
            "SELECT m.rank, m.msg_uuid, m.attempts, m.reason, m.created_at, m.updated_at, m.visible_at, m.state, \
             (SELECT p.payload FROM message_payloads AS p WHERE p.topic_id = m.topic_id AND p.rank = m.rank \
             AND p.msg_uuid = m.msg_uuid AND p.slot = m.slot) AS payload FROM messages AS m \
             WHERE m.topic_id = $1 AND (m.rank, m.msg_uuid) > ($2, $3) AND {} ORDER BY m.rank, m.msg_uuid LIMIT $4",
            is_dead("m", "$5", "$6")
        );
        let values: [Value; 6] = [
            topic.id.into(),
            rank.into(),
            msg_uuid.into(),
            limit.min(i64::MAX as u64).cast_signed().into(),
            topic.max_attempts.into(),
            micros(now).into(),
        ];
        let statement = self.database.statement(sql, values);
        let rows = self.database.bounded(async { Ok(self.database.reader().query_all_raw(statement).await?) }).await?;
        rows.into_iter()
            .map(|row| {
                let state: i16 = row.try_get("", "state")?;
                let died: i64 = row.try_get("", if state == LIVE { "visible_at" } else { "updated_at" })?;
                Ok(DeadMessage {
                    msg_uuid: row.try_get("", "msg_uuid")?,
                    payload: row.try_get("", "payload")?,
                    attempts: row.try_get("", "attempts")?,
                    reason: row.try_get("", "reason")?,
                    created_at: DateTime::from_timestamp_micros(row.try_get("", "created_at")?),
                    dead_at: DateTime::from_timestamp_micros(died),
                    rank: row.try_get("", "rank")?,
                })
            })
            .collect()
    }

    /// Makes dead letters ready again, with fresh attempts and as if they were published now: some of them, or those
    /// that are named. How many; none when there are no more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn redrive(&self, topic: &Topic, named: &[Uuid], limit: u64, now: DateTime<Utc>) -> Result<u64> {
        let mut values: Vec<Value> = vec![
            topic.id.into(),
            topic.max_attempts.into(),
            micros(now).into(),
            limit.min(i64::MAX as u64).cast_signed().into(),
        ];
        let mut which = String::new();
        if !named.is_empty() {
            values.push(self.database.ids(named));
            which = format!("AND {}", self.database.is_one_of_ids("m.msg_uuid", "$5"));
        }
        let sql = format!(
            "WITH chosen AS MATERIALIZED (SELECT rank, msg_uuid, slot FROM messages AS m WHERE m.topic_id = $1 AND {dead} \
             {which} ORDER BY rank, msg_uuid LIMIT $4 {skip}) \
             UPDATE messages SET state = {LIVE}, attempts = 0, visible_at = $3, created_at = $3, updated_at = $3, \
             lease_id = NULL, leased_by = NULL, reason = NULL FROM chosen WHERE messages.topic_id = $1 \
             AND messages.rank = chosen.rank AND messages.msg_uuid = chosen.msg_uuid AND messages.slot = chosen.slot",
            dead = is_dead("m", "$2", "$3"),
            skip = self.database.skip_locked(),
        );
        let statement = self.database.statement(sql, values);
        let work = async { Ok(self.database.writer().execute_raw(statement).await?.rows_affected()) };
        self.database.bounded(work).await
    }
}
