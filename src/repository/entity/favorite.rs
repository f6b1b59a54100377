//! A row of `favorites`: what every favorite has, and its type's own fields as the text of a JSON object.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, DeriveEntityModel)]
#[sea_orm(table_name = "favorites")]
pub struct Model {
    /// Whose it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    /// Its id, unique with this user alone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// `chart`, `insight` or `audience`.
    pub kind: String,
    /// When it was made; lists are ordered by it and the id.
    pub created_at: DateTimeUtc,
    /// When it was last changed; later with each change.
    pub updated_at: DateTimeUtc,
    /// Bytes of name, description and payload.
    pub size: i64,
    /// What people call it.
    pub name: String,
    /// What they say of it.
    pub description: String,
    /// The type's own fields as a JSON object, a chart's data as it was sent.
    pub payload: String,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
