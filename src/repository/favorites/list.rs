//! Lists of favorites, newest first: where they are costs little, and what they are is read in bounded pieces.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use super::FavoriteRepository;
use crate::error::Result;
use crate::repository::entity::favorite;

/// A place in the order of a list: newest first, the id breaks ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FavoritePosition {
    /// When the favorite was made.
    pub created_at: DateTime<Utc>,
    /// Its id.
    pub id: Uuid,
}

/// A favorite in a list, without what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FavoriteSpot {
    /// Where it is.
    pub position: FavoritePosition,
    /// Its type.
    pub kind: String,
    /// How large it is.
    pub size: i64,
}

impl FavoriteRepository {
    /// Where the favorites of a user are, those of one type or all.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_spots(
        &self,
        user: Uuid,
        kind: Option<&str>,
        after: Option<FavoritePosition>,
        limit: u64,
    ) -> Result<Vec<FavoriteSpot>> {
        let query = newest_first(user, kind, after)
            .select_only()
            .columns([
                favorite::Column::CreatedAt,
                favorite::Column::Id,
                favorite::Column::Kind,
                favorite::Column::Size,
            ])
            .limit(limit)
            .into_tuple::<(DateTime<Utc>, Uuid, String, i64)>();
        self.database
            .bounded(async {
                let rows = query.all(self.database.reader()).await?.into_iter();
                let spot = |(created_at, id, kind, size)| FavoriteSpot {
                    position: FavoritePosition { created_at, id },
                    kind,
                    size,
                };
                Ok(rows.map(spot).collect())
            })
            .await
    }

    /// The next favorites of a user: at most `limit`, and no more than `bytes` of them unless one alone is larger.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_next(
        &self,
        user: Uuid,
        kind: Option<&str>,
        after: Option<FavoritePosition>,
        limit: u64,
        bytes: i64,
    ) -> Result<Vec<favorite::Model>> {
        let spots = self.list_spots(user, kind, after, limit).await?;
        let mut sum = 0;
        let fits = |spot: &&FavoriteSpot| {
            sum += spot.size;
            sum <= bytes
        };
        let count = spots.iter().take_while(fits).count().max(1);
        let Some(last) = spots.get(count.min(spots.len()).wrapping_sub(1)) else { return Ok(Vec::new()) };
        let query = newest_first(user, kind, after).filter(key().gte(value(last.position))).limit(count as u64);
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// The favorites of these ids, in no order; what is gone is left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_many(&self, user: Uuid, ids: Vec<Uuid>) -> Result<Vec<favorite::Model>> {
        let query =
            favorite::Entity::find().filter(favorite::Column::UserId.eq(user)).filter(favorite::Column::Id.is_in(ids));
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// How large the favorites of these ids are, in no order; what is gone is left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sizes(&self, user: Uuid, ids: Vec<Uuid>) -> Result<Vec<(Uuid, i64)>> {
        let query = favorite::Entity::find()
            .select_only()
            .columns([favorite::Column::Id, favorite::Column::Size])
            .filter(favorite::Column::UserId.eq(user))
            .filter(favorite::Column::Id.is_in(ids))
            .into_tuple::<(Uuid, i64)>();
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }
}

fn newest_first(user: Uuid, kind: Option<&str>, after: Option<FavoritePosition>) -> Select<favorite::Entity> {
    let mut query = favorite::Entity::find().filter(favorite::Column::UserId.eq(user));
    if let Some(kind) = kind {
        query = query.filter(favorite::Column::Kind.eq(kind));
    }
    if let Some(after) = after {
        query = query.filter(key().lt(value(after)));
    }
    query.order_by_desc(favorite::Column::CreatedAt).order_by_desc(favorite::Column::Id)
}

fn key() -> Expr {
    Expr::tuple([Expr::col(favorite::Column::CreatedAt), Expr::col(favorite::Column::Id)])
}

fn value(position: FavoritePosition) -> Expr {
    Expr::tuple([Expr::val(position.created_at), Expr::val(position.id)])
}
