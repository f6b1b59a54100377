//! Topics: each made by the first who names it.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::{QueueRepository, Topic};
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

    /// The topics of a workspace after this name, in the order of their names.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_topics(&self, workspace: Uuid) -> Result<Vec<Topic>> {
        let query = topic::Entity::find()
            .filter(topic::Column::WorkspaceId.eq(workspace))
            .order_by_asc(self.database.by_code_points(topic::Column::Name));
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
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
