//! An import: any number of favorites in one transaction, which is stored whole or not at all.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::{FavoriteRepository, Written, advance};
use crate::error::Result;
use crate::repository::Database;
use crate::repository::entity::favorite;

/// An import that is under way; dropped, it leaves nothing.
#[derive(Debug)]
pub struct FavoriteImport {
    database: Database,
    transaction: DatabaseTransaction,
    user: Uuid,
    created: i64,
}

/// What became of some favorites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// All are there now; so many were there before.
    Unchanged(u64),
    /// The one at this place has the id of another one.
    Conflict(usize),
}

impl FavoriteRepository {
    /// Begins an import of a user; on SQLite nobody else writes until it ends.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_import(&self, user: Uuid) -> Result<FavoriteImport> {
        let transaction = self.database.bounded(self.database.begin()).await?;
        Ok(FavoriteImport { database: self.database.clone(), transaction, user, created: 0 })
    }
}

impl FavoriteImport {
    /// Adds some favorites. One that is there already, equal in everything, is fine.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn add(&mut self, rows: &[favorite::Model]) -> Result<Stored> {
        let inserting = self.database.insert_rows::<favorite::Entity>(&self.transaction, rows);
        let inserted = self.database.bounded(inserting).await?;
        self.created += inserted as i64;
        if inserted == rows.len() as u64 {
            return Ok(Stored::Unchanged(0));
        }
        // In the order in which they were given, so that each is compared with the one that came first.
        let there = favorite::Entity::find()
            .filter(favorite::Column::UserId.eq(self.user))
            .filter(favorite::Column::Id.is_in(rows.iter().map(|row| row.id)));
        let there = self.database.bounded(async { Ok(there.all(&self.transaction).await?) }).await?;
        let there: HashMap<Uuid, favorite::Model> = there.into_iter().map(|row| (row.id, row)).collect();
        match rows.iter().position(|row| !there.get(&row.id).is_some_and(|there| same(there, row))) {
            Some(place) => Ok(Stored::Conflict(place)),
            None => Ok(Stored::Unchanged(rows.len() as u64 - inserted)),
        }
    }

    /// Stores all of it, unless the user would have more than `max` favorites.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn finish(self, max: i64) -> Result<(Written, u64)> {
        let Self { database, transaction, user, created } = self;
        database
            .bounded(async {
                let Some(version) = advance(&transaction, user, created, max).await? else {
                    transaction.rollback().await?;
                    return Ok((Written::Full, 0));
                };
                transaction.commit().await?;
                Ok((Written::Done(version), created as u64))
            })
            .await
    }

    /// Leaves everything as it was.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn abandon(self) -> Result<()> {
        let Self { database, transaction, .. } = self;
        database.bounded(async { Ok(transaction.rollback().await?) }).await
    }
}

/// Whether an import would find what it brings; a line cannot hold a line break between the tokens of a chart's data.
fn same(there: &favorite::Model, given: &favorite::Model) -> bool {
    let times = |row: &favorite::Model| -> (DateTime<Utc>, DateTime<Utc>) { (row.created_at, row.updated_at) };
    (&there.kind, &there.name, &there.description) == (&given.kind, &given.name, &given.description)
        && times(there) == times(given)
        && there.payload.replace(['\n', '\r'], " ") == given.payload.replace(['\n', '\r'], " ")
}
