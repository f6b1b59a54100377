//! Rows of segments, as far as collecting them goes: what is dead stays dead, and a key is condemned before its blob.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::segment;
use super::{BlobKey, Database};
use crate::error::Result;

/// The segments in the database.
#[derive(Debug, Clone)]
pub struct SegmentRepository {
    database: Database,
}

impl SegmentRepository {
    /// Over this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Keys of segments that have been dead since before `before`, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_dead(&self, before: DateTime<Utc>, limit: u64) -> Result<Vec<BlobKey>> {
        let query = segment::Entity::find()
            .filter(segment::Column::DeadAt.lt(before))
            .order_by_asc(segment::Column::DeadAt)
            .limit(limit);
        self.database
            .bounded(async {
                let rows = query.all(self.database.reader()).await?;
                Ok(rows.into_iter().map(|row| BlobKey { workspace: row.workspace_id, segment: row.id }).collect())
            })
            .await
    }

    /// Forgets segments whose blobs are gone.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_dead(&self, ids: Vec<Uuid>) -> Result<u64> {
        let delete = segment::Entity::delete_many()
            .filter(segment::Column::Id.is_in(ids))
            .filter(segment::Column::DeadAt.is_not_null());
        self.database.bounded(async { Ok(delete.exec(self.database.writer()).await?.rows_affected) }).await
    }

    /// Those of the ids that have a row.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn known(&self, ids: Vec<Uuid>) -> Result<HashSet<Uuid>> {
        let query = segment::Entity::find()
            .select_only()
            .column(segment::Column::Id)
            .filter(segment::Column::Id.is_in(ids))
            .into_tuple::<Uuid>();
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?.into_iter().collect()) }).await
    }

    /// Gives a blob without a row a dead one. A writer that comes late with that segment then fails on the key
    /// instead of leaving rows that refer to a blob which is about to go.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn condemn(&self, now: DateTime<Utc>, key: BlobKey) -> Result<()> {
        let row = segment::Model {
            id: key.segment,
            workspace_id: key.workspace,
            size: 0,
            encoding: "identity".to_owned(),
            live_runs: 0,
            created_at: now,
            dead_at: Some(now),
        };
        let insert = segment::Entity::insert(row.into_active_model())
            .on_conflict(OnConflict::column(segment::Column::Id).do_nothing().to_owned())
            .try_insert();
        self.database
            .bounded(async {
                insert.exec_without_returning(self.database.writer()).await?;
                Ok(())
            })
            .await
    }
}
