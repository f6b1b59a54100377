//! Rows of runs: inserted with their segment in one transaction, so that no row refers to bytes that are not there.

mod insert;
mod list;

pub use insert::{NewSegment, Verdict};
pub use list::{RunFilter, RunPosition, TraceNode};

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::entity::{run, segment};
use super::{Database, text};
use crate::error::Result;

/// The runs in the database.
#[derive(Debug, Clone)]
pub struct RunRepository {
    database: Database,
}

impl RunRepository {
    /// Over this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// One run of a workspace.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find(&self, workspace: Uuid, id: Uuid) -> Result<Option<run::Model>> {
        let query = run::Entity::find_by_id((workspace, id));
        self.database.bounded(async { Ok(query.one(self.database.reader()).await?.map(decoded)) }).await
    }

    /// Those of these ids that are runs of a workspace.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_known(&self, workspace: Uuid, ids: Vec<Uuid>) -> Result<Vec<Uuid>> {
        let query = run::Entity::find()
            .select_only()
            .column(run::Column::Id)
            .filter(run::Column::WorkspaceId.eq(workspace))
            .filter(run::Column::Id.is_in(ids))
            .into_tuple::<Uuid>();
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// Deletes a run and its references into segments; a segment that loses its last one is dead from `now` on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete(&self, now: DateTime<Utc>, workspace: Uuid, id: Uuid) -> Result<bool> {
        self.database
            .bounded(async {
                let transaction = self.database.begin().await?;
                // Locked, or what is deleted next may be another run, which has come under this id meanwhile.
                let Some(run) = run::Entity::find_by_id((workspace, id)).lock_exclusive().one(&transaction).await?
                else {
                    return Ok(false);
                };
                if run::Entity::delete_by_id((workspace, id)).exec(&transaction).await?.rows_affected == 0 {
                    return Ok(false);
                }
                for id in run.payload.0.values().map(|part| part.0).collect::<BTreeSet<_>>() {
                    segment::Entity::update_many()
                        .col_expr(segment::Column::LiveRuns, Expr::col(segment::Column::LiveRuns).sub(1))
                        .filter(segment::Column::Id.eq(id))
                        .exec(&transaction)
                        .await?;
                    segment::Entity::update_many()
                        .col_expr(segment::Column::DeadAt, Expr::value(now))
                        .filter(segment::Column::Id.eq(id))
                        .filter(segment::Column::LiveRuns.lte(0))
                        .exec(&transaction)
                        .await?;
                }
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }
}

/// The run with its texts as they were given.
fn decoded(run: run::Model) -> run::Model {
    run::Model {
        name: text::decode(run.name),
        run_type: text::decode(run.run_type),
        dotted_order: run.dotted_order.map(text::decode),
        error_preview: run.error_preview.map(text::decode),
        tags: text::map_json(run.tags, text::decode),
        metadata: text::map_json(run.metadata, text::decode),
        ..run
    }
}

/// The run with its texts as they stand in columns.
fn encoded(run: run::Model) -> run::Model {
    let encode = |text: String| text::encode(&text).into_owned();
    run::Model {
        name: encode(run.name),
        run_type: encode(run.run_type),
        dotted_order: run.dotted_order.map(encode),
        error_preview: run.error_preview.map(encode),
        tags: text::map_json(run.tags, encode),
        metadata: text::map_json(run.metadata, encode),
        ..run
    }
}
