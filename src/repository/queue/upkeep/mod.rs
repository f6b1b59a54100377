//! Upkeep: what is settled is removed in bulk, and what nobody needs any more is forgotten.
//!
//! Where a table can be emptied part by part, messages lie in slots: publishers fill the open one, and a closed one is
//! emptied as a whole, which leaves no dead rows and does not mind old snapshots. What still lives in it is moved to
//! the open slot first, in the same transaction and under a lock that keeps everybody else out of it:
//!
//! - A publisher who read which slot is open before it was closed may come late. Either it has the lock of that slot
//!   already, and the emptying waits for its commit and then finds its rows; or it gets the lock afterwards, and its
//!   rows lie in a closed slot, where consumers find them as anywhere and the next emptying too.
//! - A claim or an ack that waits for the lock takes its snapshot after it has it, and finds what was moved where it
//!   is now: nothing refers to a message by its slot.
//! - A kill, or a lock that does not come soon, undoes all of it.
//!
//! Dead letters and what is delayed for long would be moved again and again: they go to a slot of their own, without
//! that lock, for nobody holds them. Settled rows in there, and everywhere if there are no slots, are deleted one by
//! one.

mod sweep;
mod walk;

pub use sweep::Swept;
use walk::{Kind, rests};
pub use walk::{Looked, Place};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::ColumnType;

use super::{ACKED, DEAD, GONE, LIVE, QueueRepository, micros};
use crate::error::Result;
use crate::repository::database::Column;

/// The slot for what rests.
pub const REST: i64 = 4;
/// The columns of a message but for its slot.
const MESSAGE: &str = "topic_id, rank, visible_at, created_at, updated_at, msg_uuid, lease_id, attempts, state, \
    leased_by, reason";
/// The columns of its payload but for its slot.
const PAYLOAD: &str = "topic_id, rank, msg_uuid, payload";
/// What tells messages apart, wherever they are.
const KEY: [Column; 3] =
    [("topic_id", ColumnType::BigInteger), ("rank", ColumnType::BigInteger), ("msg_uuid", ColumnType::Uuid)];
/// What is delayed for longer rests.
const LONG: TimeDelta = TimeDelta::seconds(60);
/// Rows that one statement deletes.
const CHUNK: i64 = 2_000;
/// Rows that one look for what lives goes through.
pub const LOOK: i64 = 5_000;

/// Which rows are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// All.
    All,
    /// Those that are to be removed.
    Settled,
}

impl QueueRepository {
    /// How many slots there are that are emptied as a whole; none when rows are deleted one by one.
    pub fn slots(&self) -> i64 {
        if self.database.parts() > 1 { self.database.parts() } else { 0 }
    }

    /// The slot that is open, and since when.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_slot(&self) -> Result<(i64, Option<DateTime<Utc>>)> {
        let statement = self.database.statement("SELECT open_slot, opened_at FROM queue_slots", []);
        let work = async {
            let row = self.database.reader().query_one_raw(statement).await?;
            let row = row.ok_or_else(|| anyhow::anyhow!("no slot is open"))?;
            Ok((row.try_get("", "open_slot")?, DateTime::from_timestamp_micros(row.try_get("", "opened_at")?)))
        };
        self.database.bounded(work).await
    }

    /// Rows in a slot, counted up to a limit: all of them, or those that are settled.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_slot(&self, slot: i64, which: Rows, limit: i64) -> Result<i64> {
        let which = match which {
            Rows::All => String::new(),
            Rows::Settled => format!("AND state IN ({ACKED}, {GONE})"),
        };
        let sql = format!(
            "SELECT count(*) AS count FROM (SELECT 1 FROM messages WHERE slot = $1 {which} LIMIT $2) AS counted"
        );
        let statement = self.database.statement(sql, [slot.into(), limit.into()]);
        let work = async {
            let row = self.database.reader().query_one_raw(statement).await?;
            Ok(row.map(|row| row.try_get("", "count")).transpose()?.unwrap_or(0))
        };
        self.database.bounded(work).await
    }

    /// Opens another slot in place of the one that is open, unless somebody else did; whether it was done.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn rotate(&self, open: i64, next: i64, now: DateTime<Utc>) -> Result<bool> {
        let sql = "UPDATE queue_slots SET open_slot = $2, opened_at = $3 WHERE open_slot = $1";
        let statement = self.database.statement(sql, [open.into(), next.into(), micros(now).into()]);
        let work = async { Ok(self.database.writer().execute_raw(statement).await?.rows_affected() == 1) };
        self.database.bounded(work).await
    }

    /// Looks at some messages of a slot after a place in it, and moves those out of it that rest: dead letters, and
    /// what is delayed for long. Nobody holds them, so that whoever meets the move of one finds nothing that it could
    /// lose.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn lay_to_rest(&self, slot: i64, after: Place, now: DateTime<Utc>) -> Result<Looked> {
        let walked = self.walk(slot, after, LOOK, now).await?;
        let resting: Vec<_> = walked.places_of(Kind::Resting).collect();
        let living = walked.places_of(Kind::Living).count() as u64;
        if !resting.is_empty() {
            self.move_to_rest(slot, &resting, now).await?;
        }
        Ok(Looked { living, last: walked.last })
    }

    async fn move_to_rest(&self, slot: i64, places: &[Place], now: DateTime<Utc>) -> Result<()> {
        let chosen = format!(
            "SELECT m.topic_id, m.rank, m.msg_uuid FROM messages AS m WHERE m.slot = $1 \
             AND (m.topic_id, m.rank, m.msg_uuid) IN (SELECT topic_id, rank, msg_uuid FROM {given}) \
             AND {rests} {skip}",
            given = self.database.given(4, &KEY),
            rests = rests("m", "$2", "$3"),
            skip = self.database.skip_locked(),
        );
        let same = |table: &str| {
            format!(
                "{table}.topic_id = chosen.topic_id AND {table}.rank = chosen.rank AND {table}.msg_uuid = chosen.msg_uuid"
            )
        };
        // What was leased too often is marked on the way: it died when its last lease ended.
        let columns =
            MESSAGE.replace("state", &format!("CASE WHEN visible_at <= $2 THEN {DEAD} ELSE state END")).replace(
                "updated_at",
                &format!("CASE WHEN state = {LIVE} AND visible_at <= $2 THEN visible_at ELSE updated_at END"),
            );
        let sql = format!(
            "WITH chosen AS MATERIALIZED ({chosen}), \
             gone AS (DELETE FROM messages USING chosen WHERE messages.slot = $1 AND {of_message} RETURNING messages.*), \
             bare AS (DELETE FROM message_payloads AS body USING chosen WHERE body.slot = $1 AND {of_payload} \
             RETURNING body.*), \
             laid AS (INSERT INTO messages ({MESSAGE}, slot) SELECT {columns}, {REST} FROM gone RETURNING 1), \
             bodies AS (INSERT INTO message_payloads (topic_id, rank, msg_uuid, slot, payload) \
             SELECT topic_id, rank, msg_uuid, {REST}, payload FROM bare RETURNING 1) \
             SELECT (SELECT count(*) FROM laid) AS count, (SELECT count(*) FROM bodies) AS bodies",
            of_message = same("messages"),
            of_payload = same("body"),
        );
        let places = serde_json::to_string(places).context("writing places")?;
        let values = [slot.into(), micros(now).into(), micros(now + LONG).into(), places.into()];
        let statement = self.database.statement(sql, values);
        self.database.bounded(async { Ok(self.database.writer().query_one_raw(statement).await.map(drop)?) }).await
    }

    /// Empties a closed slot: what is acked in it is added to its topic's count, and what lives goes to the open slot.
    /// Whether it was done, or somebody was in it for too long, or more lives in it than was said.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn empty_slot(&self, slot: i64, live: u64) -> Result<bool> {
        self.database.bounded(self.try_empty_slot(slot, live)).await
    }

    async fn try_empty_slot(&self, slot: i64, live: u64) -> Result<bool> {
        let transaction = self.database.begin().await?;
        if !self.database.lock_parts(&transaction, &["messages", "message_payloads"], slot).await? {
            transaction.rollback().await?;
            return Ok(false);
        }
        // Read once: a message and its payload go to the same slot, also when that is closed meanwhile.
        let row = transaction.query_one_raw(self.database.statement("SELECT open_slot FROM queue_slots", [])).await?;
        let open: i64 = row.map(|row| row.try_get("", "open_slot")).transpose()?.unwrap_or(slot);
        if open == slot {
            // Somebody opened it again since it was looked at.
            transaction.rollback().await?;
            return Ok(false);
        }
        // Everybody waits meanwhile, so that all of it is read once, however much is settled in it.
        let sql = format!(
            "SELECT topic_id, count(*) FILTER (WHERE state = {ACKED}) AS acked, CAST(json_agg(json_build_object( \
             'topic_id', topic_id, 'rank', rank, 'msg_uuid', msg_uuid)) FILTER (WHERE state IN ({LIVE}, {DEAD})) \
             AS text) AS living FROM messages WHERE slot = $1 GROUP BY topic_id"
        );
        let (mut acked, mut living) = (Vec::new(), Vec::<Place>::new());
        self.database.allow_whole_reads(&transaction, true).await?;
        let rows = transaction.query_all_raw(self.database.statement(sql, [slot.into()])).await?;
        self.database.allow_whole_reads(&transaction, false).await?;
        for row in rows {
            acked.push((row.try_get::<i64>("", "topic_id")?, row.try_get::<i64>("", "acked")?));
            if let Some(places) = row.try_get::<Option<String>>("", "living")? {
                let places: Vec<Place> = serde_json::from_str(&places).context("reading places")?;
                living.extend(places);
            }
        }
        if living.len() as u64 > live {
            transaction.rollback().await?;
            return Ok(false);
        }
        if !living.is_empty() {
            let living = serde_json::to_string(&living).context("writing places")?;
            let chosen = format!(
                "WHERE slot = $1 AND (topic_id, rank, msg_uuid) IN (SELECT topic_id, rank, msg_uuid FROM {})",
                self.database.given(3, &KEY)
            );
            for (table, columns) in [("messages", MESSAGE), ("message_payloads", PAYLOAD)] {
                let sql = format!("INSERT INTO {table} ({columns}, slot) SELECT {columns}, $2 FROM {table} {chosen}");
                let values = [slot.into(), open.into(), living.clone().into()];
                transaction.execute_raw(self.database.statement(sql, values)).await?;
            }
        }
        for (topic, count) in acked.into_iter().filter(|(_, count)| *count > 0) {
            let sql = "UPDATE topics SET acked_before = acked_before + $2 WHERE id = $1";
            transaction.execute_raw(self.database.statement(sql, [topic.into(), count.into()])).await?;
        }
        self.database.empty_parts(&transaction, &["messages", "message_payloads"], slot).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
