//! Topics: listed with what is in them, set, purged, and their dead letters.

use std::collections::HashMap;

use anyhow::Context;
use chrono::DateTime;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::QueueService;
use super::forms::{RedriveRequest, TopicRequest, check_name};
use super::vocabulary::{DeadLetter, DeadLetterList, PurgeAnswer, RedriveAnswer, TopicAnswer, TopicList};
use crate::error::{Error, Result};
use crate::repository::queue::{Counts, DeadMessage, Expiry, Topic, TopicSettings};
use crate::service::accounts::Caller;
use crate::service::{cursor, time};

/// Items in one answer when the caller does not say.
const DEFAULT_LIMIT: u64 = 100;
/// Most items in one answer.
const MAX_LIMIT: u64 = 1_000;
/// Messages that one statement changes.
const CHUNK: u64 = 5_000;
/// What cursors are for.
const TOPICS: &str = "topics";
const DEAD_LETTERS: &str = "dead letters";
/// Why a message is dead that nobody buried.
const TOO_OFTEN: &str = "max_attempts";

impl QueueService {
    /// The topics of the caller's workspace, in the order in which they were made.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a limit or a cursor out of bounds.
    pub async fn list_topics(&self, caller: &Caller, limit: Option<u64>, cursor: Option<&str>) -> Result<TopicList> {
        let limit = checked(limit)?;
        let binding = caller.workspace_id.to_string();
        let after = cursor.map(|cursor| cursor::decode(TOPICS, &binding, cursor)).transpose()?;
        let after = after.map_or(0, |(_, number)| number.as_u64_pair().1.cast_signed());
        let mut topics = self.queue.list_topics(caller.workspace_id, after, limit + 1).await?;
        let more = topics.len() as u64 > limit;
        topics.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let last = topics.last().filter(|_| more);
        let next_cursor = last.map(|topic| {
            let number = Uuid::from_u64_pair(0, topic.id.unsigned_abs());
            cursor::encode(TOPICS, &binding, (topic.created_at, number))
        });
        let now = time::now();
        let mut counts = if topics.is_empty() { HashMap::new() } else { self.queue.count(&topics, now).await? };
        let counted = |topic: Topic| {
            let counts = counts.remove(&topic.id).unwrap_or_default();
            TopicAnswer::new(topic, counts, now)
        };
        Ok(TopicList { items: topics.into_iter().map(counted).collect(), next_cursor })
    }

    /// One topic.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get_topic(&self, caller: &Caller, name: &str) -> Result<TopicAnswer> {
        let topic = self.known(caller, name).await?;
        self.counted(topic).await
    }

    /// Changes the settings of a topic, which is made when it is missing.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that is wrong.
    pub async fn put_topic(&self, caller: &Caller, name: &str, request: TopicRequest) -> Result<TopicAnswer> {
        caller.may_write()?;
        check_name(name)?;
        let (workspace, now) = (caller.workspace_id, time::now());
        // Before anything is made: a request that is refused leaves nothing.
        let before = self.queue.find_topic(workspace, name).await?;
        let settings = request.check(before.as_ref().map_or_else(TopicSettings::default, TopicSettings::of))?;
        match &before {
            None => self.queue.make_topic(workspace, name, settings, now).await?,
            Some(topic) => self.queue.set_topic(topic, settings, now).await?,
        }
        self.topics.invalidate(&(workspace, name.to_owned())).await;
        let topic = self.known(caller, name).await?;
        // More attempts bring those back to life that had too many.
        self.ready(topic.id, i64::MIN);
        self.counted(topic).await
    }

    /// Dead letters of a topic.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] for a limit or a cursor out of bounds.
    pub async fn list_dead(
        &self,
        caller: &Caller,
        name: &str,
        limit: Option<u64>,
        cursor: Option<&str>,
    ) -> Result<DeadLetterList> {
        let limit = checked(limit)?;
        let topic = self.known(caller, name).await?;
        let binding = topic.id.to_string();
        let after = cursor.map(|cursor| cursor::decode(DEAD_LETTERS, &binding, cursor)).transpose()?;
        // A rank is no moment, but it fits in the place of one.
        let after = after.map(|(rank, msg_uuid)| (rank.timestamp_micros(), msg_uuid));
        let mut dead = self.queue.list_dead(&topic, after, limit + 1, time::now()).await?;
        let more = dead.len() as u64 > limit;
        dead.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let place = |dead: &DeadMessage| Some((DateTime::from_timestamp_micros(dead.rank)?, dead.msg_uuid));
        let last = dead.last().filter(|_| more).and_then(place);
        let next_cursor = last.map(|place| cursor::encode(DEAD_LETTERS, &binding, place));
        Ok(DeadLetterList { items: dead.into_iter().map(shown).collect::<Result<_>>()?, next_cursor })
    }

    /// Makes dead letters ready again, all or those that are named.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`].
    pub async fn redrive(&self, caller: &Caller, name: &str, request: RedriveRequest) -> Result<RedriveAnswer> {
        caller.may_write()?;
        let named = request.check()?;
        let topic = self.known(caller, name).await?;
        let (now, mut redriven) = (time::now(), 0);
        loop {
            let count = self.queue.redrive(&topic, &named, CHUNK, now).await?;
            redriven += count;
            if count > 0 {
                // They are where they were, which may be anywhere.
                self.ready(topic.id, i64::MIN);
            }
            if count < CHUNK {
                break;
            }
        }
        Ok(RedriveAnswer { redriven })
    }

    /// Removes all messages of a topic that are not acked; what somebody has of it is lost to them.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn purge(&self, caller: &Caller, name: &str) -> Result<PurgeAnswer> {
        caller.may_write()?;
        let topic = self.known(caller, name).await?;
        let (now, mut purged) = (time::now(), 0);
        loop {
            let (mut round, mut after) = (0, None);
            loop {
                let expired = self.queue.expire(&topic, Expiry::Purge, now, after, CHUNK, time::now()).await?;
                round += expired.count;
                after = expired.next;
                if after.is_none() {
                    break;
                }
            }
            purged += round;
            // What a claim was at work on was passed over, and is found by the next round.
            if round == 0 {
                return Ok(PurgeAnswer { purged });
            }
        }
    }

    async fn counted(&self, topic: Topic) -> Result<TopicAnswer> {
        let now = time::now();
        let counts = self.queue.count(std::slice::from_ref(&topic), now).await?;
        let counts = counts.into_values().next().unwrap_or_else(Counts::default);
        Ok(TopicAnswer::new(topic, counts, now))
    }

    /// A topic as it stands in the database.
    async fn known(&self, caller: &Caller, name: &str) -> Result<Topic> {
        check_name(name)?;
        self.queue.find_topic(caller.workspace_id, name).await?.ok_or(Error::NotFound("topic"))
    }
}

fn checked(limit: Option<u64>) -> Result<u64> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    Err(Error::invalid("limit", format!("must be 1 to {MAX_LIMIT}")))
}

fn shown(dead: DeadMessage) -> Result<DeadLetter> {
    Ok(DeadLetter {
        msg_uuid: dead.msg_uuid,
        raw: Some(RawValue::from_string(dead.payload).context("reading a payload")?),
        payload: Value::Null,
        attempts: dead.attempts,
        reason: dead.reason.unwrap_or_else(|| TOO_OFTEN.to_owned()),
        created_at: dead.created_at,
        dead_at: dead.dead_at,
    })
}
