//! What a task may be: each text within its bounds, and everything that is wrong said at once.

use std::collections::HashSet;

use chrono::{DateTime, Datelike, Utc};
use poem_openapi::types::MaybeUndefined;
use uuid::Uuid;

use super::forms::{NewTask, PatchTaskRequest, PutTaskRequest};
use super::vocabulary::{Task, TaskStatus};
use crate::error::{Error, FieldError, Result};
use crate::repository::entity::task;
use crate::service::time;

/// Longest title, in characters.
const MAX_TITLE: usize = 255;
/// Longest description, in bytes.
const MAX_DESCRIPTION: usize = 65_536;
/// Largest id that an import may bring: beyond, JavaScript cannot count, and there must be room for more.
const MAX_ID: i64 = 4_503_599_627_370_495;

/// What somebody wants a task to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub title: String,
    pub description: String,
    pub status: TaskStatus,
    pub assignee_id: i64,
    pub run_id: Option<Uuid>,
}

impl From<NewTask> for Draft {
    fn from(new: NewTask) -> Self {
        let NewTask { title, description, status, assignee_id, run_id } = new;
        Self { title, description, status, assignee_id, run_id }
    }
}

impl From<PutTaskRequest> for Draft {
    fn from(put: PutTaskRequest) -> Self {
        let PutTaskRequest { title, description, status, assignee_id, run_id } = put;
        Self { title, description, status, assignee_id, run_id }
    }
}

impl From<&task::Model> for Draft {
    fn from(row: &task::Model) -> Self {
        Self {
            title: row.title.clone(),
            description: row.description.clone(),
            status: TaskStatus::from_column(&row.status),
            assignee_id: row.assignee_id,
            run_id: row.run_id,
        }
    }
}

impl Draft {
    /// With what a patch changes.
    pub fn patched(mut self, patch: PatchTaskRequest) -> Self {
        self.title = patch.title.unwrap_or(self.title);
        self.description = patch.description.unwrap_or(self.description);
        self.status = patch.status.unwrap_or(self.status);
        self.assignee_id = patch.assignee_id.unwrap_or(self.assignee_id);
        self.run_id = match patch.run_id {
            MaybeUndefined::Undefined => self.run_id,
            MaybeUndefined::Null => None,
            MaybeUndefined::Value(run) => Some(run),
        };
        self
    }

    /// Nothing when it can be stored.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that is out of bounds.
    pub fn check(&self) -> Result<()> {
        let mut problems = Vec::new();
        let length = self.title.chars().count();
        if !(1..=MAX_TITLE).contains(&length) {
            problems.push(FieldError::new("title", format!("must have 1 to {MAX_TITLE} characters, not {length}")));
        }
        if self.description.len() > MAX_DESCRIPTION {
            problems.push(FieldError::new("description", format!("must have at most {MAX_DESCRIPTION} bytes")));
        }
        for (field, text) in [("title", &self.title), ("description", &self.description)] {
            if text.contains('\0') {
                problems.push(FieldError::new(field, "must not have U+0000"));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Invalid(problems)) }
    }

    /// Nothing when its run is one of these.
    ///
    /// # Errors
    /// [`Error::Invalid`] for `run_id`.
    pub fn check_run(&self, known: &HashSet<Uuid>) -> Result<()> {
        match self.run_id {
            Some(run) if !known.contains(&run) => Err(Error::invalid("run_id", "must be a run of this workspace")),
            _ => Ok(()),
        }
    }

    /// A row of it that takes the place of `before`.
    pub fn replacing(self, now: DateTime<Utc>, before: &task::Model) -> task::Model {
        task::Model {
            title: self.title,
            description: self.description,
            status: self.status.as_str().to_owned(),
            assignee_id: self.assignee_id,
            run_id: self.run_id,
            version: before.version + 1,
            updated_at: now.max(before.updated_at),
            ..before.clone()
        }
    }

    /// A new row of it. Its version is larger than that of any task that had its id before.
    pub fn row(self, now: DateTime<Utc>, workspace: Uuid, id: i64) -> task::Model {
        task::Model {
            workspace_id: workspace,
            id,
            title: self.title,
            description: self.description,
            status: self.status.as_str().to_owned(),
            assignee_id: self.assignee_id,
            run_id: self.run_id,
            version: time::now().timestamp_micros(),
            search: String::new(),
            created_at: now,
            updated_at: now,
        }
    }
}

/// The row of a task that is brought as it was elsewhere.
///
/// # Errors
/// [`Error::Invalid`] with what is out of bounds.
pub fn imported(workspace: Uuid, task: Task) -> Result<task::Model> {
    let Task { id, title, description, status, assignee_id, run_id, created_at, updated_at } = task;
    if !(1..=MAX_ID).contains(&id) {
        return Err(Error::invalid("id", format!("must be 1 to {MAX_ID}")));
    }
    for (field, moment) in [("createdAt", created_at), ("updatedAt", updated_at)] {
        if !(1..=9999).contains(&moment.year()) {
            return Err(Error::invalid(field, "must be in the years 1 to 9999"));
        }
    }
    let draft = Draft { title, description, status, assignee_id, run_id };
    draft.check()?;
    let row = draft.row(time::to_micros(created_at), workspace, id);
    Ok(task::Model { updated_at: time::to_micros(updated_at), ..row })
}
