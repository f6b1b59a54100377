//! Writes of tasks: one statement for any number of them, which also counts their ids and remembers who did it.

use anyhow::Context;
use sea_orm::Value;
use uuid::Uuid;

use super::TaskRepository;
use super::search::searchable;
use crate::error::Result;
use crate::repository::entity::{task, task_change};

/// The columns of a task after its key.
pub(super) const FIELDS: &str =
    "title, description, status, assignee_id, run_id, version, search, created_at, updated_at";

impl TaskRepository {
    /// Stores new tasks of a workspace and gives them its next ids, in their order; what is returned is the first
    /// id. The ids in the rows are their places, counted from 1.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn insert(&self, workspace: Uuid, rows: Vec<task::Model>, changes: &[task_change::Model]) -> Result<i64> {
        let count = rows.len() as i64;
        let mut values = vec![workspace.into(), count.into()];
        let counted = "INSERT INTO task_counters (workspace_id, last_id) VALUES ($1, $2) \
            ON CONFLICT (workspace_id) DO UPDATE SET last_id = task_counters.last_id + $2 RETURNING last_id";
        let given = self.database.bind_rows::<task::Entity>(&with_search(rows), &mut values)?;
        let inserted = format!(
            "INSERT INTO tasks (workspace_id, id, {FIELDS}) \
             SELECT given.workspace_id, counted.id - $2 + given.id, {FIELDS} FROM {given}, counted RETURNING id"
        );
        let given = self.database.bind_rows::<task_change::Entity>(changes, &mut values)?;
        let remembered = format!(
            "INSERT INTO task_changes (workspace_id, task_id, at, id, user_id, key_id, action, fields) \
             SELECT given.workspace_id, counted.id - $2 + given.task_id, at, given.id, user_id, key_id, action, fields \
             FROM {given}, counted RETURNING task_id"
        );
        let steps = [("counted", counted.to_owned()), ("inserted", inserted), ("remembered", remembered)];
        let last = self.database.bounded(self.database.chain(&steps, &values)).await?;
        let last = last.first().context("a counter that did not count")?;
        Ok(last - count + 1)
    }

    /// Puts the rows in place of those of the version before, and remembers it; which of them it was done for.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn update(
        &self,
        workspace: Uuid,
        rows: Vec<task::Model>,
        changes: &[task_change::Model],
    ) -> Result<Vec<i64>> {
        let mut values = vec![workspace.into()];
        // Whoever changes several takes them in the same order, and nobody waits for each other in a ring.
        let several = rows.len() > 1;
        let given = self.database.bind_rows::<task::Entity>(&with_search(rows), &mut values)?;
        let lock = self.database.lock_clause();
        let in_order = if several {
            format!(
                "AND tasks.id IN (SELECT locked.id FROM tasks AS locked WHERE locked.workspace_id = $1 \
                 AND locked.id IN (SELECT given.id FROM {given}) ORDER BY locked.id {lock})"
            )
        } else {
            String::new()
        };
        let touched = format!(
            "UPDATE tasks SET title = given.title, description = given.description, status = given.status, \
             assignee_id = given.assignee_id, run_id = given.run_id, search = given.search, \
             version = given.version, updated_at = given.updated_at FROM {given} \
             WHERE tasks.workspace_id = $1 AND tasks.id = given.id AND tasks.version = given.version - 1 {in_order} \
             RETURNING tasks.id"
        );
        let steps = [("touched", touched), ("remembered", self.remembered(changes, &mut values)?)];
        self.database.bounded(self.database.chain(&steps, &values)).await
    }

    /// Deletes the task of this version and remembers it; whether it was there.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete(&self, row: &task::Model, change: &task_change::Model) -> Result<bool> {
        let touched = "DELETE FROM tasks WHERE workspace_id = $1 AND id = $2 AND version = $3 RETURNING id";
        let mut values = vec![row.workspace_id.into(), row.id.into(), row.version.into()];
        let remembered = self.remembered(std::slice::from_ref(change), &mut values)?;
        let steps = [("touched", touched.to_owned()), ("remembered", remembered)];
        Ok(!self.database.bounded(self.database.chain(&steps, &values)).await?.is_empty())
    }

    /// Stores the changes of the tasks that were touched.
    fn remembered(&self, changes: &[task_change::Model], values: &mut Vec<Value>) -> Result<String> {
        let given = self.database.bind_rows::<task_change::Entity>(changes, values)?;
        Ok(format!(
            "INSERT INTO task_changes (workspace_id, task_id, at, id, user_id, key_id, action, fields) \
             SELECT workspace_id, task_id, at, given.id, user_id, key_id, action, fields \
             FROM {given} WHERE task_id IN (SELECT id FROM touched) RETURNING task_id"
        ))
    }
}

/// The rows with what is searched in.
pub(super) fn with_search(mut rows: Vec<task::Model>) -> Vec<task::Model> {
    for row in &mut rows {
        row.search = searchable(row);
    }
    rows
}
