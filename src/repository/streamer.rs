//! How far each source of samples was read: a place moves on together with what was published from it, or not at all.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, OnConflict, Order, Query};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use super::entity::streamer_position::{self, Model};
use super::queue::{LIVE, NewMessage, Published, Topic};
use super::{Database, QueueRepository};
use crate::error::{Error, Result};

/// The places in the database.
#[derive(Debug, Clone)]
pub struct StreamerRepository {
    database: Database,
    queue: QueueRepository,
}

impl StreamerRepository {
    /// Over this database.
    pub fn new(database: Database) -> Self {
        let queue = QueueRepository::new(database.clone());
        Self { database, queue }
    }

    /// How far a source was read; one that is new is at its beginning.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn position(&self, workspace: Uuid, source: &str, now: DateTime<Utc>) -> Result<Model> {
        let key = (workspace, source.to_owned());
        let find = || streamer_position::Entity::find_by_id(key.clone());
        // Not by the reader: what another streamer has just committed must be seen.
        let found = self.database.bounded(async { Ok(find().one(self.database.writer()).await?) }).await?;
        if let Some(position) = found {
            return Ok(position);
        }
        let fresh = Model {
            workspace_id: workspace,
            source: source.to_owned(),
            version: 0,
            round: 0,
            round_rows: 0,
            line: 0,
            byte: 0,
            mark: 0,
            published: 0,
            bad: 0,
            last_at: None,
            updated_at: now,
        };
        let taken = [streamer_position::Column::WorkspaceId, streamer_position::Column::Source];
        let insert = streamer_position::Entity::insert(fresh.into_active_model())
            .on_conflict(OnConflict::columns(taken).do_nothing().to_owned())
            .try_insert();
        self.database
            .bounded(async {
                insert.exec_without_returning(self.database.writer()).await?;
                find().one(self.database.writer()).await?.ok_or(Error::NotFound("source"))
            })
            .await
    }

    /// Moves on to `next` and publishes what was read on the way; neither of it, and nothing to say, when another
    /// streamer was faster, which is when the place is not of the version before any more.
    ///
    /// # Errors
    /// Those of the database; then the place is where it was, and nothing is published, unless it is the answer to the
    /// commit that was lost.
    pub async fn advance(
        &self,
        next: Model,
        topic: &Topic,
        messages: &[NewMessage],
        now: DateTime<Utc>,
    ) -> Result<Option<Published>> {
        let update = streamer_position::Entity::update_many()
            .filter(streamer_position::Column::WorkspaceId.eq(next.workspace_id))
            .filter(streamer_position::Column::Source.eq(next.source.clone()))
            .filter(streamer_position::Column::Version.eq(next.version - 1))
            .set(next.into_active_model().reset_all());
        self.database
            .bounded(async {
                let transaction = self.database.begin().await?;
                // The row stays locked until the commit, so the others wait here and then see that it has moved.
                if update.exec(&transaction).await?.rows_affected == 0 {
                    transaction.rollback().await?;
                    return Ok(None);
                }
                let published = match messages {
                    [] => Published { accepted: 0, duplicates: 0, first_rank: i64::MAX },
                    messages => self.queue.publish_in(&transaction, topic, messages, now).await?,
                };
                transaction.commit().await?;
                Ok(Some(published))
            })
            .await
    }

    /// How many messages of a topic are ready, counted up to `most`: from the newest one back, for those that are done
    /// are mostly old.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_ready(&self, topic: &Topic, most: u64, now: DateTime<Utc>) -> Result<u64> {
        let column = |name: &str| Expr::col(Alias::new(name));
        let ready = Query::select()
            .column(Alias::new("rank"))
            .from(Alias::new("messages"))
            .and_where(column("topic_id").eq(topic.id))
            .and_where(column("state").eq(LIVE))
            .and_where(column("visible_at").lte(now.timestamp_micros()))
            .order_by(Alias::new("rank"), Order::Desc)
            .limit(most)
            .to_owned();
        let count =
            Query::select().expr(Expr::col(Asterisk).count()).from_subquery(ready, Alias::new("ready")).to_owned();
        self.database
            .bounded(async {
                let row = self.database.reader().query_one(&count).await?;
                let count: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
                Ok(count.unsigned_abs())
            })
            .await
    }
}
