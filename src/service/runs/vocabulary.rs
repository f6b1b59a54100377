//! What runs speak of on the wire. Bodies of runs pass through as bytes; the types that only document them say so.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::repository::entity::run;
use crate::service::time;

/// A run as it is sent. Only documents the body, which is taken in as bytes: more fields are taken when present, and
/// the payload fields come back byte for byte.
#[derive(Debug, Clone, Default, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct NewRun {
    /// Made by the server when missing. Any UUID, also as 32 hex digits.
    #[oai(nullable)]
    pub id: Option<Uuid>,
    /// The trace that the run is part of.
    pub trace_id: Uuid,
    /// What people call it.
    #[oai(validator(min_length = 1, max_length = 4096))]
    pub name: String,
    /// What went in; `{}` when missing or null.
    #[oai(nullable)]
    pub inputs: Option<BTreeMap<String, Value>>,
    /// What came out; `{}` when missing or null.
    #[oai(nullable)]
    pub outputs: Option<BTreeMap<String, Value>>,
    /// What else is known; small scalars of it can be filtered by.
    #[oai(nullable)]
    pub metadata: Option<BTreeMap<String, Value>>,
    /// The run that called this one; it may come later, or never.
    #[oai(nullable)]
    pub parent_run_id: Option<Uuid>,
    /// `chain` (when missing), `llm`, `tool`, `retriever`, `embedding`, `prompt`, `parser`, or any other word.
    #[oai(nullable)]
    pub run_type: Option<String>,
    /// When it began: RFC 3339, or milliseconds since 1970; when missing, the run was over when it arrived.
    #[oai(nullable)]
    pub start_time: Option<DateTime<Utc>>,
    /// When it ended.
    #[oai(nullable)]
    pub end_time: Option<DateTime<Utc>>,
    /// Why it failed.
    #[oai(nullable)]
    pub error: Option<String>,
    /// Words to find it by.
    #[oai(nullable)]
    pub tags: Option<Vec<String>>,
    /// The name of its project, made when new; `default` when missing.
    #[oai(nullable)]
    pub session_name: Option<String>,
    /// The id of its project.
    #[oai(nullable)]
    pub session_id: Option<Uuid>,
    /// Its place in the tree of its trace.
    #[oai(nullable)]
    pub dotted_order: Option<String>,
}

/// The ids of stored runs.
#[derive(Debug, Clone, Object, Serialize)]
pub struct CreatedRuns {
    /// In the order of the request.
    pub ids: Vec<Uuid>,
}

/// A whole run. Only documents the answer, which is composed of bytes.
#[derive(Debug, Clone, Object)]
pub struct Run {
    /// Its id.
    pub id: Uuid,
    /// Its trace.
    pub trace_id: Uuid,
    /// What people call it.
    pub name: String,
    /// As it was sent, byte for byte.
    pub inputs: BTreeMap<String, Value>,
    /// As it was sent, byte for byte.
    pub outputs: BTreeMap<String, Value>,
    /// As it was sent, byte for byte.
    pub metadata: BTreeMap<String, Value>,
    /// The run that called it.
    #[oai(nullable)]
    pub parent_run_id: Option<Uuid>,
    /// What kind of step it is.
    pub run_type: String,
    /// `pending`, `success` or `error`.
    pub status: RunState,
    /// When it began.
    pub start_time: DateTime<Utc>,
    /// When it ended.
    #[oai(nullable)]
    pub end_time: Option<DateTime<Utc>>,
    /// Why it failed.
    #[oai(nullable)]
    pub error: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Its project's id.
    pub project_id: Uuid,
    /// Its project's name.
    pub project: String,
    /// Its place in the tree, as it was sent.
    #[oai(nullable)]
    pub dotted_order: Option<String>,
    /// The example that it was run on.
    #[oai(nullable)]
    pub reference_example_id: Option<Uuid>,
    /// As it was sent, if it was.
    #[oai(nullable)]
    pub extra: Option<BTreeMap<String, Value>>,
    /// As they were sent, if they were.
    #[oai(nullable)]
    pub events: Option<Vec<Value>>,
    /// As it was sent, if it was.
    #[oai(nullable)]
    pub serialized: Option<BTreeMap<String, Value>>,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
    /// How many tasks are about it; only when asked for with `include`.
    pub task_count: Option<u64>,
}

/// What a run is shown with when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum RunExtra {
    /// How many tasks are about it.
    TaskCount,
}

/// How a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It has begun.
    Pending,
    /// It has ended well.
    Success,
    /// It has ended badly.
    Error,
}

/// A run without its payload, as lists show it.
#[derive(Debug, Clone, Object, Serialize)]
pub struct LightRun {
    /// Its id.
    pub id: Uuid,
    /// Its trace.
    pub trace_id: Uuid,
    /// The run that called it.
    #[oai(nullable)]
    pub parent_run_id: Option<Uuid>,
    /// What people call it.
    pub name: String,
    /// What kind of step it is.
    pub run_type: String,
    /// `pending`, `success` or `error`.
    pub status: String,
    /// When it began.
    #[serde(serialize_with = "time::serialize")]
    pub start_time: DateTime<Utc>,
    /// When it ended.
    #[serde(serialize_with = "time::serialize_option")]
    #[oai(nullable)]
    pub end_time: Option<DateTime<Utc>>,
    /// The first 1,000 bytes of its error.
    #[oai(nullable)]
    pub error: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The small scalars of its metadata, as text.
    pub metadata: BTreeMap<String, String>,
    /// The first 200 bytes of its inputs.
    pub inputs_preview: String,
    /// The first 200 bytes of its outputs.
    pub outputs_preview: String,
    /// Its project's id.
    pub project_id: Uuid,
    /// Its project's name.
    pub project: String,
    /// How many runs are above it in its trace; only in a trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// When it was stored.
    #[serde(serialize_with = "time::serialize")]
    pub created_at: DateTime<Utc>,
}

impl LightRun {
    /// The row of a run in the project of this name.
    pub fn new(run: run::Model, project: String, depth: Option<u32>) -> Self {
        Self {
            id: run.id,
            trace_id: run.trace_id,
            parent_run_id: run.parent_run_id,
            name: run.name,
            run_type: run.run_type,
            status: run.status,
            start_time: run.start_time,
            end_time: run.end_time,
            error: run.error_preview,
            tags: serde_json::from_value(run.tags).unwrap_or_default(),
            metadata: serde_json::from_value(run.metadata).unwrap_or_default(),
            inputs_preview: run.inputs_preview,
            outputs_preview: run.outputs_preview,
            project_id: run.project_id,
            project,
            depth,
            created_at: run.created_at,
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, Object, Serialize)]
pub struct RunPage {
    /// Newest first.
    pub items: Vec<LightRun>,
    /// For the next page; null at the end.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// The runs of a trace. Only documents the answer, which is streamed.
#[derive(Debug, Clone, Object)]
pub struct Trace {
    /// The trace.
    pub trace_id: Uuid,
    /// A run before those that it called, siblings in the order in which they began.
    pub runs: Vec<LightRun>,
}

/// What a list of runs is asked for.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// Of this trace.
    pub trace_id: Option<Uuid>,
    /// Of the project of this name or id.
    pub project: Option<String>,
    /// Of exactly this name.
    pub name: Option<String>,
    /// Of this type.
    pub run_type: Option<String>,
    /// In this status.
    pub status: Option<RunState>,
    /// With this tag.
    pub tag: Option<String>,
    /// With these small scalars in their metadata.
    pub metadata: Vec<(String, String)>,
    /// Begun at this time or later.
    pub start_time: Option<DateTime<Utc>>,
    /// Begun at this time or earlier.
    pub end_time: Option<DateTime<Utc>>,
    /// With an error, or without.
    pub has_error: Option<bool>,
    /// 1 to 1,000; 100 when missing.
    pub limit: Option<u64>,
    /// As the page before gave it.
    pub cursor: Option<String>,
}

/// A field of a run that can be asked for alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunField {
    /// Kept in the row, under this name.
    Column(&'static str),
    /// Kept in a segment under the first name; the second is what stands for one that is not there.
    Payload(&'static str, &'static str),
}

impl RunField {
    /// Every field, in the order in which a run shows them.
    pub const ALL: [Self; 21] = [
        Self::Column("id"),
        Self::Column("trace_id"),
        Self::Column("name"),
        Self::Payload("inputs", "{}"),
        Self::Payload("outputs", "{}"),
        Self::Payload("metadata", "{}"),
        Self::Column("parent_run_id"),
        Self::Column("run_type"),
        Self::Column("status"),
        Self::Column("start_time"),
        Self::Column("end_time"),
        Self::Payload("error", "null"),
        Self::Column("tags"),
        Self::Column("project_id"),
        Self::Column("project"),
        Self::Column("dotted_order"),
        Self::Column("reference_example_id"),
        Self::Payload("extra", "null"),
        Self::Payload("events", "null"),
        Self::Payload("serialized", "null"),
        Self::Column("created_at"),
    ];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Column(name) | Self::Payload(name, _) => name,
        }
    }

    /// The field of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}
