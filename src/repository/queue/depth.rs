//! How deep the queue is, for the metrics: of each topic its messages up to a bound, so that a look costs little more
//! however many there are.

use anyhow::Context;
use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::{DEAD, LIVE, QueueRepository, is_dead, micros};
use crate::error::Result;

/// Messages of one topic that are counted.
const MESSAGES: i64 = 100_000;
/// Topics that are looked at.
const TOPICS: i64 = 10_000;

/// What stands in one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// The workspace of the topic.
    pub workspace_id: Uuid,
    /// The topic's name.
    pub name: String,
    /// Messages that a consumer gets who asks now.
    pub ready: i64,
    /// Those that nobody gets yet.
    pub delayed: i64,
    /// Those that somebody has.
    pub in_flight: i64,
    /// Dead letters.
    pub dead: i64,
    /// Since when the oldest ready one could be had.
    pub ready_since: Option<DateTime<Utc>>,
    /// When the oldest one was published that is ready, or that somebody has.
    pub waiting_since: Option<DateTime<Utc>>,
}

impl QueueRepository {
    /// What stands in the topics, in the order in which they were made.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn depths(&self, now: DateTime<Utc>) -> Result<Vec<Depth>> {
        let is_ready = format!("m.state = {LIVE} AND m.visible_at <= $1 AND m.attempts < t.max_attempts");
        let is_delayed = format!("m.state = {LIVE} AND m.visible_at > $1 AND m.lease_id IS NULL");
        let is_held = format!("m.state = {LIVE} AND m.visible_at > $1 AND m.lease_id IS NOT NULL");
        let count = |what: &str| format!("count(CASE WHEN {what} THEN 1 END)");
        let least = |column: &str, what: &str| format!("COALESCE(min(CASE WHEN {what} THEN m.{column} END), 0)");
        // As one text: a subquery has one column, and with the bound inside of it each topic is read once, by its key.
        // In no order: to give one, PostgreSQL would read and sort all messages of the topic.
        let numbers = [
            count(&is_ready),
            count(&is_delayed),
            count(&is_held),
            count(&is_dead("m", "t.max_attempts", "$1")),
            least("visible_at", &is_ready),
            least("created_at", &format!("({is_ready}) OR ({is_held})")),
        ];
        let sql = format!(
            "SELECT t.workspace_id, t.name, (SELECT {numbers} FROM (SELECT state, visible_at, created_at, attempts, \
             lease_id FROM messages WHERE topic_id = t.id AND state IN ({LIVE}, {DEAD}) LIMIT $2) AS m) \
             AS numbers FROM topics AS t ORDER BY t.id LIMIT $3",
            numbers = numbers.join(" || ' ' || "),
        );
        let statement = self.database.statement(sql, [micros(now).into(), MESSAGES.into(), TOPICS.into()]);
        let rows = self.database.bounded(async { Ok(self.database.reader().query_all_raw(statement).await?) }).await?;
        rows.into_iter()
            .map(|row| {
                let numbers: String = row.try_get("", "numbers")?;
                let numbers: Vec<i64> =
                    numbers.split(' ').map(str::parse).collect::<Result<_, _>>().context("reading counts")?;
                let [ready, delayed, in_flight, dead, ready_since, waiting_since] =
                    numbers.try_into().ok().context("reading counts")?;
                let moment = |micros: i64| DateTime::from_timestamp_micros(micros).filter(|_| micros > 0);
                Ok(Depth {
                    workspace_id: row.try_get("", "workspace_id")?,
                    name: row.try_get("", "name")?,
                    ready,
                    delayed,
                    in_flight,
                    dead,
                    ready_since: moment(ready_since),
                    waiting_since: moment(waiting_since),
                })
            })
            .collect()
    }
}
