//! Rows of tasks: each write is one atomic step together with what is remembered of it.

mod import;
mod list;
mod search;
mod write;

pub use import::{Stored, TaskImport};
pub use list::{Sort, SortColumn, TaskFilter};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::Database;
use super::entity::{task, task_change};
use crate::error::Result;

/// The tasks in the database.
#[derive(Debug, Clone)]
pub struct TaskRepository {
    database: Database,
}

impl TaskRepository {
    /// Over this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// One task of a workspace.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find(&self, workspace: Uuid, id: i64) -> Result<Option<task::Model>> {
        let query = task::Entity::find_by_id((workspace, id));
        self.database.bounded(async { Ok(query.one(self.database.reader()).await?) }).await
    }

    /// The tasks of these ids in a workspace, in no order; what is gone is left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_many(&self, workspace: Uuid, ids: Vec<i64>) -> Result<Vec<task::Model>> {
        let query =
            task::Entity::find().filter(task::Column::WorkspaceId.eq(workspace)).filter(task::Column::Id.is_in(ids));
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// How many tasks there are, of all workspaces.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count(&self) -> Result<u64> {
        self.database.bounded(async { Ok(task::Entity::find().count(self.database.reader()).await?) }).await
    }

    /// How many tasks are about a run.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_about(&self, workspace: Uuid, run: Uuid) -> Result<u64> {
        let query =
            task::Entity::find().filter(task::Column::WorkspaceId.eq(workspace)).filter(task::Column::RunId.eq(run));
        self.database.bounded(async { Ok(query.count(self.database.reader()).await?) }).await
    }

    /// What became of a task, the newest first, also when it is gone.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_changes(
        &self,
        workspace: Uuid,
        id: i64,
        after: Option<(DateTime<Utc>, Uuid)>,
        limit: u64,
    ) -> Result<Vec<task_change::Model>> {
        let mut query = task_change::Entity::find()
            .filter(task_change::Column::WorkspaceId.eq(workspace))
            .filter(task_change::Column::TaskId.eq(id));
        if let Some((at, change)) = after {
            let key = Expr::tuple([Expr::col(task_change::Column::At), Expr::col(task_change::Column::Id)]);
            query = query.filter(key.lt(Expr::tuple([Expr::val(at), Expr::val(change)])));
        }
        let query = query.order_by_desc(task_change::Column::At).order_by_desc(task_change::Column::Id).limit(limit);
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }
}
