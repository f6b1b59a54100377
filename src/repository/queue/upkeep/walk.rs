//! The walk through a slot, a bounded piece after the other, along the primary key: however many messages lie in it, one
//! statement reads no more than it was told to.

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::{ACKED, GONE, LIVE, QueueRepository, is_dead, micros};
use super::LONG;
use crate::error::Result;

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

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is to be removed.
    Settled,
    /// Somebody works it, or may soon.
    Living,
    /// It is dead, or delayed for long.
    Resting,
}

/// A piece of a slot.
#[derive(Debug)]
pub(super) struct Walked {
    places: Vec<(Place, Kind)>,
    /// The last message that was looked at; nothing at the end of the slot.
    pub last: Option<Place>,
}

impl Walked {
    /// Where the messages of a kind lie.
    pub fn places_of(&self, kind: Kind) -> impl Iterator<Item = Place> {
        self.places.iter().filter(move |(_, of)| *of == kind).map(|(place, _)| *place)
    }
}

/// What a look at a piece of a slot found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Messages that stay where they are, since somebody works them or may soon.
    pub living: u64,
    /// The last message that was looked at; nothing at the end of the slot.
    pub last: Option<Place>,
}

impl QueueRepository {
    /// Looks at so many messages of a slot after a place in it, beside the writers.
    pub(super) async fn walk(&self, slot: i64, after: Place, limit: i64, now: DateTime<Utc>) -> Result<Walked> {
        let sql = format!(
            "SELECT topic_id, rank, msg_uuid, CASE WHEN state IN ({ACKED}, {GONE}) THEN 0 WHEN {rests} THEN 2 ELSE 1 END \
             AS kind FROM messages WHERE slot = $1 AND (topic_id, rank, msg_uuid) > ($2, $3, $4) \
             ORDER BY topic_id, rank, msg_uuid LIMIT {limit}",
            rests = rests("messages", "$5", "$6"),
        );
        let values = [
            slot.into(),
            after.topic_id.into(),
            after.rank.into(),
            after.msg_uuid.into(),
            micros(now).into(),
            micros(now + LONG).into(),
        ];
        let statement = self.database.statement(sql, values);
        let work = async {
            let mut places = Vec::new();
            for row in self.database.reader().query_all_raw(statement).await? {
                let (topic_id, rank) = (row.try_get("", "topic_id")?, row.try_get("", "rank")?);
                let place = Place { topic_id, rank, msg_uuid: row.try_get("", "msg_uuid")? };
                let kind = match row.try_get::<i32>("", "kind")? {
                    0 => Kind::Settled,
                    1 => Kind::Living,
                    _ => Kind::Resting,
                };
                places.push((place, kind));
            }
            let last = places.last().map(|(place, _)| *place);
            Ok(Walked { places, last })
        };
        self.database.bounded(work).await
    }
}

/// Whether a message that is not settled rests: it is dead, or nobody may have it for long.
pub(super) fn rests(messages: &str, now: &str, soon: &str) -> String {
    let max_attempts = format!("(SELECT max_attempts FROM topics WHERE topics.id = {messages}.topic_id)");
    format!(
        "({dead} OR ({messages}.state = {LIVE} AND {messages}.lease_id IS NULL AND {messages}.visible_at > {soon}))",
        dead = is_dead(messages, &max_attempts, now)
    )
}
