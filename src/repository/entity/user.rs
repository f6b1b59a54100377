//! A row of `users`: somebody who can sign in; the e-mail is trimmed, lower-cased and unique.

use sea_orm::entity::prelude::*;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Its id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Trimmed and lower-cased.
    pub email: String,
    /// bcrypt, never the password.
    pub password_hash: String,
    /// The workspace made at sign-up, which is the default one.
    pub workspace_id: Uuid,
    /// 1 for the operator of the server; unique, so that there is one.
    pub operator_seat: Option<i16>,
    /// When it was made.
    pub created_at: DateTimeUtc,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
