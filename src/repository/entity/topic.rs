//! A row of `topics`.

use sea_orm::entity::prelude::*;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "topics")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The workspace.
    pub workspace_id: Uuid,
    /// What it is called, once in its workspace.
    pub name: String,
    /// How long a lease is that does not say.
    pub lease_seconds: i64,
    /// How often a message is leased before it is a dead letter.
    pub max_attempts: i64,
    /// How long a message is told from a repeat of it.
    pub dedup_seconds: i64,
    /// How long a message is kept that nobody acks.
    pub retention_seconds: i64,
    /// How many acked messages are gone.
    pub acked_before: i64,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When its settings were changed last.
    pub updated_at: DateTimeUtc,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
