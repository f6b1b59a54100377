//! Claiming: the first messages that are ready, handed to any number of consumers by one statement.

use anyhow::Context;
use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::ColumnType;
use serde::Serialize;
use uuid::Uuid;

use super::{LIVE, QueueRepository, Topic, micros};
use crate::error::Result;
use crate::repository::database::{Chain, Column};

/// A consumer who wants messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taker {
    /// The id of the lease that it gets.
    pub lease: Uuid,
    /// What it calls itself.
    pub consumer: String,
    /// Messages that it takes at most.
    pub max: usize,
    /// When its lease ends.
    pub until: DateTime<Utc>,
}

/// A message that a consumer has for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedMessage {
    /// What tells it from every other one of the topic.
    pub msg_uuid: Uuid,
    /// The JSON text that it was published with.
    pub payload: String,
    /// How often it was leased, this time included.
    pub attempts: i32,
    /// Its place in the order of delivery.
    rank: i64,
}

/// What one claim brought.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The messages in their order, each with the lease that it is in.
    pub messages: Vec<(Uuid, LeasedMessage)>,
    /// The rank of the last one, before which nothing is left that was ready.
    pub last: Option<i64>,
}

#[derive(Serialize)]
struct Place<'a> {
    place: i64,
    lease_id: Uuid,
    consumer_id: &'a str,
    until: i64,
}

const PLACES: [Column; 4] = [
    ("place", ColumnType::BigInteger),
    ("lease_id", ColumnType::Uuid),
    ("consumer_id", ColumnType::Text),
    ("until", ColumnType::BigInteger),
];

const CLAIMED: [Column; 4] = [
    ("lease_id", ColumnType::Uuid),
    ("leased_by", ColumnType::Text),
    ("visible_at", ColumnType::BigInteger),
    ("rank", ColumnType::BigInteger),
];

impl QueueRepository {
    /// The rank of the first message from a rank on that lives, leased or not; one that was leased too often is dead.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn first_living(&self, topic: &Topic, from: i64, now: DateTime<Utc>) -> Result<Option<i64>> {
        let sql = format!(
            "SELECT rank FROM messages WHERE topic_id = $1 AND rank >= $2 AND state = {LIVE} \
             AND NOT (visible_at <= $3 AND attempts >= $4) ORDER BY rank LIMIT 1"
        );
        let values = [topic.id.into(), from.into(), micros(now).into(), topic.max_attempts.into()];
        let statement = self.database.statement(sql, values);
        let work = async { Ok(self.database.reader().query_one_raw(statement).await?) };
        let row = self.database.bounded(work).await?;
        row.map(|row| Ok(row.try_get("", "rank")?)).transpose()
    }

    /// Leases the first ready messages from a rank on, to these consumers in their order.
    ///
    /// # Errors
    /// Those of the database; then nothing is leased.
    pub async fn claim(&self, topic: &Topic, takers: &[Taker], from: i64, now: DateTime<Utc>) -> Result<Claimed> {
        let places = takers.iter().flat_map(|taker| std::iter::repeat_n(taker, taker.max)).zip(1..);
        let places: Vec<Place> = places
            .map(|(taker, place)| Place {
                place,
                lease_id: taker.lease,
                consumer_id: &taker.consumer,
                until: micros(taker.until),
            })
            .collect();
        let count = places.len() as i64;
        let given = serde_json::to_string(&places).context("writing consumers as JSON")?;
        let skip_locked = self.database.skip_locked();
        let ready = format!(
            "SELECT rank, msg_uuid, slot FROM messages WHERE topic_id = $1 AND rank >= $2 AND state = {LIVE} \
             AND visible_at <= $3 AND attempts < $4 ORDER BY rank, msg_uuid LIMIT $5 {skip_locked}"
        );
        let chain = Chain {
            with: vec![
                // Each a table of its own: locked once, whatever the plan.
                ("ready", ready),
                ("placed", "SELECT *, row_number() OVER (ORDER BY rank, msg_uuid) AS place FROM ready".to_owned()),
                ("given", format!("SELECT * FROM {}", self.database.given(6, &PLACES))),
                (
                    "taken",
                    "SELECT placed.rank, placed.msg_uuid, placed.slot, given.lease_id, given.consumer_id, given.until \
                     FROM placed JOIN given ON given.place = placed.place"
                        .to_owned(),
                ),
            ],
            name: "claimed",
            // What another claim leased meanwhile was locked, and what was acked meanwhile is no longer as it was read:
            // the database reads a row anew once it has its lock.
            first: "UPDATE messages SET lease_id = taken.lease_id, leased_by = taken.consumer_id, \
                    visible_at = taken.until, attempts = messages.attempts + 1, updated_at = $3 FROM taken \
                    WHERE messages.topic_id = $1 AND messages.rank = taken.rank \
                    AND messages.msg_uuid = taken.msg_uuid AND messages.slot = taken.slot \
                    RETURNING messages.rank, messages.msg_uuid, messages.attempts, messages.lease_id, \
                    messages.leased_by, messages.visible_at, \
                    (SELECT payload FROM message_payloads AS body WHERE body.topic_id = messages.topic_id \
                    AND body.rank = messages.rank AND body.msg_uuid = messages.msg_uuid \
                    AND body.slot = messages.slot) AS payload"
                .to_owned(),
            columns: &CLAIMED,
            then: vec![format!(
                "INSERT INTO leases (id, workspace_id, topic_id, consumer_id, until, ranks) \
                 SELECT lease_id, $7, $1, leased_by, visible_at, {} FROM claimed \
                 GROUP BY lease_id, leased_by, visible_at",
                self.database.listed("rank")
            )],
            values: vec![
                topic.id.into(),
                from.into(),
                micros(now).into(),
                topic.max_attempts.into(),
                count.into(),
                given.into(),
                topic.workspace_id.into(),
            ],
        };
        let rows = self.database.bounded(self.database.follow(None, chain)).await?;
        let mut messages = Vec::with_capacity(rows.len());
        for row in rows {
            let message = LeasedMessage {
                msg_uuid: row.try_get("", "msg_uuid")?,
                payload: row.try_get("", "payload")?,
                attempts: row.try_get("", "attempts")?,
                rank: row.try_get("", "rank")?,
            };
            messages.push((row.try_get("", "lease_id")?, message));
        }
        messages.sort_by_key(|(_, message): &(Uuid, LeasedMessage)| (message.rank, message.msg_uuid));
        let last = messages.last().map(|(_, message)| message.rank);
        Ok(Claimed { messages, last })
    }
}
