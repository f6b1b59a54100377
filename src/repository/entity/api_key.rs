//! A row of `api_keys`: a program's way into one workspace.

use sea_orm::entity::prelude::*;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    /// Its id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The workspace that it opens.
    pub workspace_id: Uuid,
    /// Who made it; it ends with their membership.
    pub user_id: Uuid,
    /// What people call it.
    pub name: String,
    /// Its first characters, to tell keys apart.
    pub prefix: String,
    /// SHA-256 of the key in hex; the key itself is not kept.
    pub hash: String,
    /// What it may do at most.
    pub role: String,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it ends, if ever.
    pub expires_at: Option<DateTimeUtc>,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
