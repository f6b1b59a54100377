//! All favorites of a user as lines, in memory that does not grow with their number.
//!
//! A piece is read, its connection goes back, and only then is it sent: a slow reader holds nobody up, and one who
//! goes away drops the stream.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::{FavoriteService, FavoriteType, render};
use crate::error::Result;
use crate::repository::favorites::FavoritePosition;
use crate::service::accounts::Caller;

/// Favorites that are read at once.
const PIECE: u64 = 1_000;
/// Bytes of them, unless one alone is larger.
const PIECE_BYTES: i64 = 512 * 1024;

impl FavoriteService {
    /// The favorites of this type, or all, newest first. One that is there all the while is among them exactly once.
    pub fn stream(&self, caller: &Caller, kind: Option<FavoriteType>) -> BoxStream<'static, Result<Bytes>> {
        let (favorites, user) = (self.favorites.clone(), caller.user_id);
        stream::try_unfold(None, move |after: Option<FavoritePosition>| {
            let favorites = favorites.clone();
            async move {
                let kind = kind.map(FavoriteType::as_str);
                let rows = favorites.list_next(user, kind, after, PIECE, PIECE_BYTES).await?;
                let Some(last) = rows.last() else { return Ok(None) };
                let after = FavoritePosition { created_at: last.created_at, id: last.id };
                let mut text = String::new();
                for row in &rows {
                    render::line(&mut text, row);
                }
                Ok(Some((Bytes::from(text), Some(after))))
            }
        })
        .boxed()
    }
}
