//! What became of a task: written with each change, and readable when the task is gone.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::TaskService;
use super::vocabulary::{FieldChange, TaskChange, TaskChanges, TaskHistory};
use crate::error::{Error, Result};
use crate::repository::entity::{task, task_change};
use crate::service::accounts::Caller;
use crate::service::cursor;

/// Changes in one answer when the caller does not say.
const DEFAULT_LIMIT: u64 = 100;
/// Most changes in one answer.
const MAX_LIMIT: u64 = 1_000;

/// What a cursor is for.
const LIST: &str = "task history";

impl TaskService {
    /// What became of a task, the newest first, also of one that was deleted.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there never was such a task, [`Error::Invalid`] for a limit or a cursor out of bounds.
    #[tracing::instrument(target = "otel", name = "tasks.history", skip_all)]
    pub async fn history(
        &self,
        caller: &Caller,
        id: i64,
        limit: Option<u64>,
        cursor: Option<&str>,
    ) -> Result<TaskHistory> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", format!("must be 1 to {MAX_LIMIT}")));
        }
        let binding = format!("{} {id}", caller.workspace_id);
        let after = cursor.map(|cursor| cursor::decode(LIST, &binding, cursor)).transpose()?;
        let mut rows = self.tasks.list_changes(caller.workspace_id, id, after, limit + 1).await?;
        if rows.is_empty() && after.is_none() {
            return Err(Error::NotFound("task"));
        }
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let last = rows.last().filter(|_| more);
        let next_cursor = last.map(|row| cursor::encode(LIST, &binding, (row.at, row.id)));
        Ok(TaskHistory::new(TaskChanges { items: rows.iter().map(shown).collect(), next_cursor }))
    }
}

/// A change by this caller, from what the task was to what it is; one of them may be nothing.
pub fn change(
    caller: &Caller,
    at: DateTime<Utc>,
    action: &'static str,
    before: Option<&task::Model>,
    after: Option<&task::Model>,
) -> task_change::Model {
    let (from, to) = (before.map(fields), after.map(fields));
    let mut changed = Map::new();
    for (place, name) in FIELDS.into_iter().enumerate() {
        let value = |fields: &Option<[Value; 5]>| fields.as_ref().map_or(Value::Null, |fields| fields[place].clone());
        let (from, to) = (value(&from), value(&to));
        if from != to {
            changed.insert(name.to_owned(), json!([from, to]));
        }
    }
    task_change::Model {
        workspace_id: caller.workspace_id,
        task_id: after.or(before).map_or(0, |task| task.id),
        at,
        id: Uuid::now_v7(),
        user_id: caller.user_id,
        key_id: caller.by_key.then_some(caller.credential_id),
        action: action.to_owned(),
        fields: Value::Object(changed),
    }
}

const FIELDS: [&str; 5] = ["title", "description", "status", "assigneeID", "run_id"];

fn fields(task: &task::Model) -> [Value; 5] {
    [
        task.title.clone().into(),
        task.description.clone().into(),
        task.status.clone().into(),
        task.assignee_id.into(),
        json!(task.run_id),
    ]
}

fn shown(row: &task_change::Model) -> TaskChange {
    let change = |name: &&str| {
        let values = row.fields.get(name)?;
        let value = |place: usize| values.get(place).cloned().unwrap_or_default();
        Some(FieldChange { field: (*name).to_owned(), from: value(0), to: value(1) })
    };
    let changes = FIELDS.iter().filter_map(change).collect();
    TaskChange { id: row.id, action: row.action.clone(), at: row.at, user_id: row.user_id, key_id: row.key_id, changes }
}
