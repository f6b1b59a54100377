//! What is asked of tasks on the wire: forms, and what a list is asked for.

use poem_openapi::Object;
use poem_openapi::types::MaybeUndefined;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::vocabulary::TaskStatus;

/// A task to be made.
#[derive(Debug, Clone, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct NewTask {
    /// 1 to 255 characters.
    pub title: String,
    /// At most 65,536 bytes; empty when missing.
    #[oai(default)]
    #[serde(default)]
    pub description: String,
    /// `pending` when missing.
    #[oai(default)]
    #[serde(default)]
    pub status: TaskStatus,
    /// 0 when missing, which is nobody.
    #[oai(rename = "assigneeID", default)]
    #[serde(rename = "assigneeID", default)]
    pub assignee_id: i64,
    /// A run of the workspace.
    #[serde(default)]
    #[oai(nullable)]
    pub run_id: Option<Uuid>,
}

/// All that a task is to be from now on.
#[derive(Debug, Clone, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct PutTaskRequest {
    /// 1 to 255 characters.
    pub title: String,
    /// At most 65,536 bytes; empty when missing.
    #[oai(default)]
    #[serde(default)]
    pub description: String,
    /// How far it is.
    pub status: TaskStatus,
    /// 0 when missing, which is nobody.
    #[oai(rename = "assigneeID", default)]
    #[serde(rename = "assigneeID", default)]
    pub assignee_id: i64,
    /// A run of the workspace; none when missing.
    #[serde(default)]
    #[oai(nullable)]
    pub run_id: Option<Uuid>,
}

/// What is to change of a task; what is missing stays.
#[derive(Debug, Clone, Default, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example, skip_serializing_if_is_none)]
pub struct PatchTaskRequest {
    /// 1 to 255 characters.
    #[serde(default, deserialize_with = "present")]
    pub title: Option<String>,
    /// At most 65,536 bytes.
    #[serde(default, deserialize_with = "present")]
    pub description: Option<String>,
    /// How far it is.
    #[serde(default, deserialize_with = "present")]
    pub status: Option<TaskStatus>,
    /// Who is to do it; 0 is nobody.
    #[oai(rename = "assigneeID")]
    #[serde(rename = "assigneeID", default, deserialize_with = "present")]
    pub assignee_id: Option<i64>,
    /// A run of the workspace; null for none.
    #[oai(skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[serde(default)]
    pub run_id: MaybeUndefined<Uuid>,
}

/// What is there is not null.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A status for many tasks.
#[derive(Debug, Clone, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct BulkStatusRequest {
    /// 1 to 1,000 tasks.
    pub ids: Vec<i64>,
    /// How far they are.
    pub status: TaskStatus,
}

/// What a list of tasks is asked for.
#[derive(Debug, Clone, Default)]
pub struct TaskQuery {
    /// Counted from 1, which is the default.
    pub page: Option<u64>,
    /// 1 to 100; 20 when missing.
    pub per_page: Option<u64>,
    /// With this text in any field, in any case.
    pub filter: Option<String>,
    /// In this status.
    pub status: Option<TaskStatus>,
    /// Of this assignee.
    pub assignee_id: Option<i64>,
    /// Of exactly this title.
    pub title: Option<String>,
    /// About this run.
    pub run_id: Option<Uuid>,
    /// Such as `-createdAt,title`.
    pub sort: Option<String>,
}
