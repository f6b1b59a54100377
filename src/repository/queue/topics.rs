//! Topics: each made by the first who names it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QueryResult,
    QuerySelect,
};
use uuid::Uuid;

use super::{ACKED, DEAD, LIVE, QueueRepository, Topic, is_dead, micros};
use crate::error::{Error, Result};
use crate::repository::entity::topic;

/// What can be set of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSettings {
    /// How long a lease is that does not say.
    pub lease_seconds: i64,
    /// How often a message is leased before it is a dead letter.
    pub max_attempts: i64,
    /// How long a message is told from a repeat of it.
    pub dedup_seconds: i64,
    /// How long a message is kept that nobody acks.
    pub retention_seconds: i64,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self { lease_seconds: 30, max_attempts: 5, dedup_seconds: 86_400, retention_seconds: 7 * 86_400 }
    }
}

impl TopicSettings {
    /// Those of this topic.
    pub fn of(topic: &Topic) -> Self {
        Self {
            lease_seconds: topic.lease_seconds,
            max_attempts: topic.max_attempts,
            dedup_seconds: topic.dedup_seconds,
            retention_seconds: topic.retention_seconds,
        }
    }
}

/// How many messages of a topic are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that a consumer gets who asks now.
    pub ready: i64,
    /// Those that nobody gets yet.
    pub delayed: i64,
    /// Those that somebody has.
    pub in_flight: i64,
    /// Those that are acked, removed or not.
    pub acked: i64,
    /// Dead letters.
    pub dead: i64,
    /// Since when the oldest of the first kind could be had.
    pub ready_since: Option<DateTime<Utc>>,
}

impl QueueRepository {
    /// A topic, if there is one of this name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_topic(&self, workspace: Uuid, name: &str) -> Result<Option<Topic>> {
        let query =
            topic::Entity::find().filter(topic::Column::WorkspaceId.eq(workspace)).filter(topic::Column::Name.eq(name));
        self.database.bounded(async { Ok(query.one(self.database.reader()).await?) }).await
    }

    /// The topics of a workspace after the one of this number, in the order in which they were made.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_topics(&self, workspace: Uuid, after: i64, limit: u64) -> Result<Vec<Topic>> {
        let query = topic::Entity::find()
            .filter(topic::Column::WorkspaceId.eq(workspace))
            .filter(topic::Column::Id.gt(after))
            .order_by_asc(topic::Column::Id)
            .limit(limit);
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// How many messages of these topics are in which state, at one moment: what is removed meanwhile is counted once.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count(&self, topics: &[Topic], now: DateTime<Utc>) -> Result<HashMap<i64, Counts>> {
        let sum = |what: &str| format!("CAST(sum(CASE WHEN {what} THEN 1 ELSE 0 END) AS bigint)");
        let is_ready = format!("m.state = {LIVE} AND m.visible_at <= $1 AND m.attempts < t.max_attempts");
        let sql = format!(
            "SELECT t.id AS topic_id, {ready} AS ready, {delayed} AS delayed, {in_flight} AS in_flight, \
             t.acked_before + {acked} AS acked, {dead} AS dead, \
             min(CASE WHEN {is_ready} THEN m.visible_at END) AS ready_since \
             FROM topics AS t LEFT JOIN messages AS m ON m.topic_id = t.id AND {theirs} \
             WHERE {among} GROUP BY t.id, t.acked_before",
            ready = sum(&is_ready),
            delayed = sum(&format!("m.state = {LIVE} AND m.visible_at > $1 AND m.lease_id IS NULL")),
            in_flight = sum(&format!("m.state = {LIVE} AND m.visible_at > $1 AND m.lease_id IS NOT NULL")),
            acked = sum(&format!("m.state = {ACKED}")),
            dead = sum(&is_dead("m", "t.max_attempts", "$1")),
            // Said of both, or the messages of all other topics might be read as well.
            theirs = self.database.is_one_of("m.topic_id", "$2"),
            among = self.database.is_one_of("t.id", "$2"),
        );
        let values = [micros(now).into(), self.database.integers(topics.iter().map(|topic| topic.id))];
        let statement = self.database.statement(sql, values);
        let rows = self.database.bounded(async { Ok(self.database.reader().query_all_raw(statement).await?) }).await?;
        let counts = |row: QueryResult| {
            let count = |name| Ok::<_, Error>(row.try_get::<i64>("", name)?);
            let ready_since: Option<i64> = row.try_get("", "ready_since")?;
            let counts = Counts {
                ready: count("ready")?,
                delayed: count("delayed")?,
                in_flight: count("in_flight")?,
                acked: count("acked")?,
                dead: count("dead")?,
                ready_since: ready_since.and_then(DateTime::from_timestamp_micros),
            };
            Ok((count("topic_id")?, counts))
        };
        rows.into_iter().map(counts).collect()
    }

    /// Topics that have messages which they do not keep any longer.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_overdue(&self, now: DateTime<Utc>) -> Result<Vec<Topic>> {
        let sql = format!(
            "SELECT t.* FROM topics AS t WHERE EXISTS (SELECT 1 FROM messages AS m WHERE m.topic_id = t.id \
             AND m.state IN ({LIVE}, {DEAD}) AND m.created_at <= $1 - t.retention_seconds * 1000000 \
             AND (m.lease_id IS NULL OR m.visible_at <= $1))"
        );
        let statement = self.database.statement(sql, [micros(now).into()]);
        let query = topic::Entity::find().from_raw_sql(statement);
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// Sets what can be set of a topic.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_topic(&self, topic: &Topic, settings: TopicSettings, now: DateTime<Utc>) -> Result<()> {
        let update = topic::Entity::update_many()
            .col_expr(topic::Column::LeaseSeconds, settings.lease_seconds.into())
            .col_expr(topic::Column::MaxAttempts, settings.max_attempts.into())
            .col_expr(topic::Column::DedupSeconds, settings.dedup_seconds.into())
            .col_expr(topic::Column::RetentionSeconds, settings.retention_seconds.into())
            .col_expr(topic::Column::UpdatedAt, now.into())
            .filter(topic::Column::Id.eq(topic.id));
        self.database.bounded(async { Ok(update.exec(self.database.writer()).await.map(drop)?) }).await
    }

    /// A topic, which is made with the usual settings when it is missing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn topic(&self, workspace: Uuid, name: &str, now: DateTime<Utc>) -> Result<Topic> {
        if let Some(topic) = self.find_topic(workspace, name).await? {
            return Ok(topic);
        }
        self.make_topic(workspace, name, TopicSettings::default(), now).await?;
        self.find_topic(workspace, name).await?.ok_or(Error::NotFound("topic"))
    }

    /// Makes a topic unless there is one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn make_topic(
        &self,
        workspace: Uuid,
        name: &str,
        settings: TopicSettings,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let row = Topic {
            id: 0,
            workspace_id: workspace,
            name: name.to_owned(),
            lease_seconds: settings.lease_seconds,
            max_attempts: settings.max_attempts,
            dedup_seconds: settings.dedup_seconds,
            retention_seconds: settings.retention_seconds,
            acked_before: 0,
            created_at: now,
            updated_at: now,
        };
        let row = topic::ActiveModel { id: ActiveValue::NotSet, ..row.into_active_model() };
        let taken = OnConflict::columns([topic::Column::WorkspaceId, topic::Column::Name]).do_nothing().to_owned();
        let insert = topic::Entity::insert(row).on_conflict(taken).try_insert();
        self.database
            .bounded(async {
                insert.exec_without_returning(self.database.writer()).await?;
                Ok(())
            })
            .await
    }
}
