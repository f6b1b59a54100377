//! Rows of favorites; each write is one transaction that also counts, and takes the next version of its user.
//!
//! The row of the user's shelf is locked from then until the commit, so versions are in the order of the commits.

mod import;
mod list;

pub use import::{FavoriteImport, Stored};
pub use list::{FavoritePosition, FavoriteSpot};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
};
use uuid::Uuid;

use super::Database;
use super::entity::{favorite, favorite_shelf};
use crate::error::Result;

/// The favorites in the database.
#[derive(Debug, Clone)]
pub struct FavoriteRepository {
    database: Database,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is done, as this version of the user's favorites.
    Done(i64),
    /// The user would have more favorites than they may.
    Full,
    /// The row is no longer what the writer has seen.
    Changed,
}

impl FavoriteRepository {
    /// Over this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// One favorite of a user.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find(&self, user: Uuid, id: Uuid) -> Result<Option<favorite::Model>> {
        let query = favorite::Entity::find_by_id((user, id));
        self.database.bounded(async { Ok(query.one(self.database.reader()).await?) }).await
    }

    /// The version of a user's favorites: the number of the last change that is committed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn version(&self, user: Uuid) -> Result<i64> {
        let query = favorite_shelf::Entity::find_by_id(user)
            .select_only()
            .column(favorite_shelf::Column::Version)
            .into_tuple::<i64>();
        self.database.bounded(async { Ok(query.one(self.database.reader()).await?.unwrap_or_default()) }).await
    }

    /// Stores a new favorite, unless its user has `max` already.
    ///
    /// # Errors
    /// Those of the database; [`crate::error::Error::Conflict`] when the id is taken.
    pub async fn insert(&self, row: favorite::Model, max: i64) -> Result<Written> {
        self.database
            .bounded(async {
                let transaction = self.database.begin().await?;
                let user = row.user_id;
                favorite::Entity::insert(row.into_active_model()).exec_without_returning(&transaction).await?;
                let Some(version) = advance(&transaction, user, 1, max).await? else {
                    transaction.rollback().await?;
                    return Ok(Written::Full);
                };
                transaction.commit().await?;
                Ok(Written::Done(version))
            })
            .await
    }

    /// Puts the row in place of the one that was changed last at `seen`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn update(&self, row: favorite::Model, seen: DateTime<Utc>) -> Result<Written> {
        let update = favorite::Entity::update_many()
            .col_expr(favorite::Column::UpdatedAt, Expr::value(row.updated_at))
            .col_expr(favorite::Column::Size, Expr::value(row.size))
            .col_expr(favorite::Column::Name, Expr::value(row.name))
            .col_expr(favorite::Column::Description, Expr::value(row.description))
            .col_expr(favorite::Column::Payload, Expr::value(row.payload))
            .filter(favorite::Column::UserId.eq(row.user_id))
            .filter(favorite::Column::Id.eq(row.id))
            .filter(favorite::Column::UpdatedAt.eq(seen));
        self.database
            .bounded(async {
                let transaction = self.database.begin().await?;
                let changed = update.exec(&transaction).await?.rows_affected == 1;
                finish(transaction, row.user_id, changed, 0).await
            })
            .await
    }

    /// Deletes the favorite that was changed last at `seen`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete(&self, user: Uuid, id: Uuid, seen: DateTime<Utc>) -> Result<Written> {
        let delete = favorite::Entity::delete_many()
            .filter(favorite::Column::UserId.eq(user))
            .filter(favorite::Column::Id.eq(id))
            .filter(favorite::Column::UpdatedAt.eq(seen));
        self.database
            .bounded(async {
                let transaction = self.database.begin().await?;
                let deleted = delete.exec(&transaction).await?.rows_affected == 1;
                finish(transaction, user, deleted, -1).await
            })
            .await
    }
}

/// Commits a change with its version, if there was one.
async fn finish(transaction: DatabaseTransaction, user: Uuid, changed: bool, added: i64) -> Result<Written> {
    let version = if changed { advance(&transaction, user, added, i64::MAX).await? } else { None };
    let Some(version) = version else {
        transaction.rollback().await?;
        return Ok(Written::Changed);
    };
    transaction.commit().await?;
    Ok(Written::Done(version))
}

/// Counts what was added and takes the next version; nothing when the user would have more than `max`.
async fn advance(transaction: &DatabaseTransaction, user: Uuid, added: i64, max: i64) -> Result<Option<i64>> {
    if added > max {
        return Ok(None);
    }
    let count = || Expr::col((favorite_shelf::Entity, favorite_shelf::Column::Count)).add(added);
    let next = OnConflict::column(favorite_shelf::Column::UserId)
        .value(favorite_shelf::Column::Count, count())
        .value(
            favorite_shelf::Column::Version,
            Expr::col((favorite_shelf::Entity, favorite_shelf::Column::Version)).add(1),
        )
        .action_and_where(count().lte(max))
        .to_owned();
    let statement = Query::insert()
        .into_table(favorite_shelf::Entity)
        .columns([favorite_shelf::Column::UserId, favorite_shelf::Column::Count, favorite_shelf::Column::Version])
        .values_panic([user.into(), added.into(), 1_i64.into()])
        .on_conflict(next)
        .returning_col(favorite_shelf::Column::Version)
        .to_owned();
    let row = transaction.query_one(&statement).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
}
