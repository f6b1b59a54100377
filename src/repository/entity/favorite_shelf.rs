//! A row of `favorite_shelves`: how many favorites a user has, and the number of their last change.

use sea_orm::entity::prelude::*;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "favorite_shelves")]
pub struct Model {
    /// Whose they are.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    /// How many there are.
    pub count: i64,
    /// The number of the last change; each takes the next one, and is committed before the one after it.
    pub version: i64,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
