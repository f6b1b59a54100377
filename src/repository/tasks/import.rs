//! An import: any number of tasks in one transaction, which is stored whole or not at all.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use super::TaskRepository;
use super::write::with_search;
use crate::error::Result;
use crate::repository::Database;
use crate::repository::entity::{task, task_change, task_counter};

/// An import that is under way; dropped, it leaves nothing.
#[derive(Debug)]
pub struct TaskImport {
    database: Database,
    transaction: DatabaseTransaction,
    workspace: Uuid,
}

/// What became of some tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// All are there now; these were not there before.
    New(Vec<i64>),
    /// The one at this place has the id of another one.
    Conflict(usize),
}

impl TaskRepository {
    /// Begins an import into a workspace of ids up to `last`; new tasks get larger ones, and wait until it ends. On
    /// SQLite nobody else writes until then.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_import(&self, workspace: Uuid, last: i64) -> Result<TaskImport> {
        let row = task_counter::Model { workspace_id: workspace, last_id: last };
        let counted = Expr::col((task_counter::Entity, task_counter::Column::LastId));
        let larger = Expr::case(counted.clone().lt(last), last).finally(counted);
        let conflict = OnConflict::column(task_counter::Column::WorkspaceId)
            .value(task_counter::Column::LastId, larger)
            .to_owned();
        let count = task_counter::Entity::insert(row.into_active_model()).on_conflict(conflict);
        self.database
            .bounded(async {
                let transaction = self.database.begin().await?;
                count.exec_without_returning(&transaction).await?;
                Ok(TaskImport { database: self.database.clone(), transaction, workspace })
            })
            .await
    }
}

impl TaskImport {
    /// Adds some tasks. One that is there already, equal in everything, is fine.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn add(&mut self, rows: Vec<task::Model>) -> Result<Stored> {
        let rows = with_search(rows);
        let ids = || rows.iter().map(|row| row.id);
        let known = task::Entity::find()
            .filter(task::Column::WorkspaceId.eq(self.workspace))
            .filter(task::Column::Id.is_in(ids()));
        let known = self.database.bounded(async { Ok(known.all(&self.transaction).await?) }).await?;
        let mut there: HashMap<i64, task::Model> = known.into_iter().map(|row| (row.id, row)).collect();
        let mut new = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            match there.get(&row.id) {
                Some(other) if !same(other, row) => return Ok(Stored::Conflict(place)),
                Some(_) => {}
                None => {
                    there.insert(row.id, row.clone());
                    new.push(row.clone());
                }
            }
        }
        let inserting = self.database.insert_rows::<task::Entity>(&self.transaction, &new);
        let inserted = self.database.bounded(inserting).await?;
        if inserted != new.len() as u64 {
            // Another import that is not counted here stored one of them since.
            return Err(crate::error::Error::unavailable(anyhow::anyhow!("another import took the same ids")));
        }
        Ok(Stored::New(new.iter().map(|row| row.id).collect()))
    }

    /// Remembers who did it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn remember(&mut self, changes: &[task_change::Model]) -> Result<()> {
        let inserting = self.database.insert_rows::<task_change::Entity>(&self.transaction, changes);
        self.database.bounded(inserting).await.map(drop)
    }

    /// Stores all of it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn finish(self) -> Result<()> {
        let Self { database, transaction, .. } = self;
        database.bounded(async { Ok(transaction.commit().await?) }).await
    }

    /// Leaves everything as it was.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn abandon(self) -> Result<()> {
        let Self { database, transaction, .. } = self;
        database.bounded(async { Ok(transaction.rollback().await?) }).await
    }
}

/// Whether an import would find what it brings; the version counts the changes made here, and is nobody else's.
fn same(there: &task::Model, given: &task::Model) -> bool {
    let seen = task::Model { version: given.version, ..there.clone() };
    seen == *given
}
