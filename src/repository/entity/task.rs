//! A row of `tasks`.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, DeriveEntityModel)]
#[sea_orm(table_name = "tasks")]
pub struct Model {
    /// The workspace.
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: Uuid,
    /// Its number in the workspace.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// What is to be done.
    pub title: String,
    /// In more words.
    pub description: String,
    /// `pending`, `in_progress`, `done` or `canceled`.
    pub status: String,
    /// Who is to do it; 0 is nobody.
    pub assignee_id: i64,
    /// The run that it is about, which may be gone.
    pub run_id: Option<Uuid>,
    /// One more with each change.
    pub version: i64,
    /// What is searched in.
    pub search: String,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it was changed last.
    pub updated_at: DateTimeUtc,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
