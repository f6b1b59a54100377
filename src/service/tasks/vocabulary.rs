//! What tasks speak of on the wire; every success is in the envelope, and what is in it is under `data`.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::repository::entity::task;
use crate::service::time;

/// How far a task is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
// By way of a text, or the parser would take anything but a text for broken JSON.
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum TaskStatus {
    /// Nobody has begun.
    #[default]
    Pending,
    /// Somebody has begun.
    InProgress,
    /// It is finished.
    Done,
    /// It will not be done.
    Canceled,
}

impl TryFrom<String> for TaskStatus {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let all = [Self::Pending, Self::InProgress, Self::Done, Self::Canceled];
        let found = all.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| "must be `pending`, `in_progress`, `done` or `canceled`".to_owned())
    }
}

impl TaskStatus {
    /// As it stands in a column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Done => "done",
            Self::Canceled => "canceled",
        }
    }

    /// From a column.
    pub fn from_column(text: &str) -> Self {
        match text {
            "in_progress" => Self::InProgress,
            "done" => Self::Done,
            "canceled" => Self::Canceled,
            _ => Self::Pending,
        }
    }
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its number, of its workspace alone.
    pub id: i64,
    /// What is to be done.
    pub title: String,
    /// In more words.
    pub description: String,
    /// How far it is.
    pub status: TaskStatus,
    /// Who is to do it; 0 is nobody.
    #[oai(rename = "assigneeID")]
    #[serde(rename = "assigneeID")]
    pub assignee_id: i64,
    /// The run that it is about; it may be gone.
    #[oai(nullable)]
    pub run_id: Option<Uuid>,
    /// When it was made.
    #[oai(rename = "createdAt")]
    #[serde(rename = "createdAt", serialize_with = "time::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    #[oai(rename = "updatedAt")]
    #[serde(rename = "updatedAt", serialize_with = "time::serialize")]
    pub updated_at: DateTime<Utc>,
}

impl From<task::Model> for Task {
    fn from(row: task::Model) -> Self {
        Self {
            id: row.id,
            title: row.title,
            description: row.description,
            status: TaskStatus::from_column(&row.status),
            assignee_id: row.assignee_id,
            run_id: row.run_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Where a page is.
#[derive(Debug, Clone, Copy, Default, Object, Serialize)]
pub struct Meta {
    /// The page, counted from 1; 0 where there are no pages.
    pub page: u64,
    /// Tasks on a page.
    pub per_page: u64,
    /// Tasks on all pages.
    pub total: u64,
    /// How many pages that is; 0 for an empty list.
    pub total_pages: u64,
}

/// What every success says beside its data.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Success {
    /// Where the page is; zeros where there are no pages.
    pub meta: Meta,
    /// Always `success`.
    pub message: String,
    /// Always empty: an error is a problem, with a status of its own.
    pub errors: Vec<String>,
    /// Always `ok`.
    pub status: String,
}

impl Success {
    /// On this page.
    pub fn of(meta: Meta) -> Self {
        Self { meta, message: "success".to_owned(), errors: Vec::new(), status: "ok".to_owned() }
    }
}

/// One task.
#[derive(Debug, Clone, Object, Serialize)]
pub struct TaskAnswer {
    /// The task.
    pub data: Task,
    #[oai(flatten)]
    #[serde(flatten)]
    success: Success,
}

impl TaskAnswer {
    /// With this task.
    pub fn new(data: Task) -> Self {
        Self { data, success: Success::of(Meta::default()) }
    }
}

/// A page of tasks.
#[derive(Debug, Clone, Object, Serialize)]
pub struct TaskPage {
    /// The tasks.
    pub data: Vec<Task>,
    #[oai(flatten)]
    #[serde(flatten)]
    success: Success,
}

impl TaskPage {
    /// With these tasks.
    pub fn new(data: Vec<Task>, meta: Meta) -> Self {
        Self { data, success: Success::of(meta) }
    }
}

/// What became of each of many.
#[derive(Debug, Clone, Object, Serialize)]
pub struct BulkAnswer {
    /// In the order of the request.
    pub data: Vec<BulkResult>,
    #[oai(flatten)]
    #[serde(flatten)]
    success: Success,
}

impl BulkAnswer {
    /// With these results.
    pub fn new(data: Vec<BulkResult>) -> Self {
        Self { data, success: Success::of(Meta::default()) }
    }
}

/// What became of one of many.
#[derive(Debug, Clone, Object, Serialize)]
pub struct BulkResult {
    /// The task, if there is one.
    #[oai(nullable)]
    pub id: Option<i64>,
    /// How it ended.
    pub result: BulkOutcome,
    /// What is wrong with it, when it is `invalid`.
    pub errors: Vec<BulkProblem>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum BulkOutcome {
    /// It was made.
    Created,
    /// It is as was asked for.
    Ok,
    /// It cannot be accepted; nothing was stored of it.
    Invalid,
    /// There is no such task.
    NotFound,
}

/// One thing that is wrong.
#[derive(Debug, Clone, Object, Serialize)]
pub struct BulkProblem {
    /// The place: `[3].title`.
    pub field: String,
    /// What is wrong there.
    pub message: String,
}

/// What became of a task.
#[derive(Debug, Clone, Object, Serialize)]
pub struct TaskHistory {
    /// A part of it.
    pub data: TaskChanges,
    #[oai(flatten)]
    #[serde(flatten)]
    success: Success,
}

impl TaskHistory {
    /// With these changes.
    pub fn new(data: TaskChanges) -> Self {
        Self { data, success: Success::of(Meta::default()) }
    }
}

/// A part of the history of a task.
#[derive(Debug, Clone, Object, Serialize)]
pub struct TaskChanges {
    /// The newest first.
    pub items: Vec<TaskChange>,
    /// For the next part; null at the end.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// What somebody did to a task.
#[derive(Debug, Clone, Object, Serialize)]
pub struct TaskChange {
    /// Its id.
    pub id: Uuid,
    /// `created`, `updated`, `deleted` or `imported`.
    pub action: String,
    /// When.
    #[serde(serialize_with = "time::serialize")]
    pub at: DateTime<Utc>,
    /// Who.
    pub user_id: Uuid,
    /// By which API key, if by one.
    #[oai(nullable)]
    pub key_id: Option<Uuid>,
    /// What it did.
    pub changes: Vec<FieldChange>,
}

/// What became of one field.
#[derive(Debug, Clone, Object, Serialize)]
pub struct FieldChange {
    /// The field.
    pub field: String,
    /// What it was; null for a new task.
    pub from: Value,
    /// What it became; null for a deleted task.
    pub to: Value,
}

/// How an import ended.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ImportAnswer {
    /// The numbers.
    pub data: TaskImported,
    #[oai(flatten)]
    #[serde(flatten)]
    success: Success,
}

impl ImportAnswer {
    /// With these numbers.
    pub fn new(data: TaskImported) -> Self {
        Self { data, success: Success::of(Meta::default()) }
    }
}

/// How many tasks an import brought.
#[derive(Debug, Clone, Copy, Default, Object, Serialize)]
pub struct TaskImported {
    /// That were not there before.
    pub created: u64,
    /// That were there already, equal in everything.
    pub unchanged: u64,
}
