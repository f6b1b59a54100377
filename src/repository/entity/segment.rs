//! A row of `segments`: one immutable blob of payloads and how many runs still refer to it.

use sea_orm::entity::prelude::*;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "segments")]
pub struct Model {
    /// Its id (v7), the last part of its key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The workspace, the first part of its key.
    pub workspace_id: Uuid,
    /// Bytes in the blob.
    pub size: i64,
    /// How the bytes are kept: `identity`.
    pub encoding: String,
    /// Runs that refer to it.
    pub live_runs: i64,
    /// When it was stored.
    pub created_at: DateTimeUtc,
    /// When its last reference went; such a segment never comes back to life.
    pub dead_at: Option<DateTimeUtc>,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
