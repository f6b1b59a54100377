//! A row of `refresh_tokens`: good for one use; a second use ends its session.

use sea_orm::entity::prelude::*;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub struct Model {
    /// SHA-256 of the token in hex; the token itself is not kept.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: String,
    /// Its session.
    pub session_id: Uuid,
    /// When it was given out.
    pub created_at: DateTimeUtc,
    /// When it was used.
    pub used_at: Option<DateTimeUtc>,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
