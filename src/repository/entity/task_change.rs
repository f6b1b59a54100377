//! A row of `task_changes`: who did what to a task; it stays when the task goes.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, DeriveEntityModel)]
#[sea_orm(table_name = "task_changes")]
pub struct Model {
    /// The workspace.
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: Uuid,
    /// The task, which may be gone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: i64,
    /// When.
    #[sea_orm(primary_key, auto_increment = false)]
    pub at: DateTimeUtc,
    /// Its id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Who did it.
    pub user_id: Uuid,
    /// By which API key, if by one.
    pub key_id: Option<Uuid>,
    /// `created`, `updated`, `deleted` or `imported`.
    pub action: String,
    /// An object from the name of a field to an array of what it was and what it became.
    pub fields: Json,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
