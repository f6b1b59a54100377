//! A row of `runs`: what lists and filters need, and where in the segments the payload lies.

use std::collections::BTreeMap;

use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// The row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, DeriveEntityModel)]
#[sea_orm(table_name = "runs")]
pub struct Model {
    /// The workspace.
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: Uuid,
    /// Its id, unique in the workspace alone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Its project.
    pub project_id: Uuid,
    /// Its trace.
    pub trace_id: Uuid,
    /// The run that called it; it may be unknown here.
    pub parent_run_id: Option<Uuid>,
    /// Its place in the tree as the client gave it.
    pub dotted_order: Option<String>,
    /// What people call it.
    pub name: String,
    /// `chain`, `llm`, `tool` or what the client says.
    pub run_type: String,
    /// `pending`, `success` or `error`.
    pub status: String,
    /// Whether an error came with it.
    pub has_error: bool,
    /// When it began.
    pub start_time: DateTimeUtc,
    /// When it ended.
    pub end_time: Option<DateTimeUtc>,
    /// The example that it was run on.
    pub reference_example_id: Option<Uuid>,
    /// Its tags, an array of strings.
    pub tags: Json,
    /// Small scalars of its metadata as text, an object of strings; what filters compare.
    pub metadata: Json,
    /// The beginning of its error.
    pub error_preview: Option<String>,
    /// The beginning of its inputs.
    pub inputs_preview: String,
    /// The beginning of its outputs.
    pub outputs_preview: String,
    /// Where each payload field lies.
    pub payload: PayloadRefs,
    /// Of everything that the client gave but the id, in hex; equal means the same run.
    pub digest: String,
    /// When it was stored.
    pub created_at: DateTimeUtc,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where the payload fields of a run lie, by field name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct PayloadRefs(pub BTreeMap<String, PayloadRef>);

/// One payload field: the segment, and the bytes `start..end` in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadRef(pub Uuid, pub u64, pub u64);
