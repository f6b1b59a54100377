//! Favorites: the operations, each one call to their service.

mod body;
mod reply;

use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use uuid::Uuid;

use super::context::RequestId;
use super::docs::Tag;
use super::etag::holds;
use super::json::{NoContent, Reply};
use super::ndjson::{Ndjson, NdjsonBody, WantsLines};
use crate::error::Result;
use crate::service::FavoriteService;
use crate::service::accounts::Caller;
use crate::service::favorites::{
    Favorite, FavoriteForm, FavoritePatchRequest, FavoriteQuery, FavoriteType, ImportedFavorites,
};

use body::{OnlyDeclared, RawForm};
use reply::{FavoriteReply, ListReply};

/// The operations.
pub struct FavoritesApi {
    /// Their rules.
    pub favorites: FavoriteService,
}

#[OpenApi(tag = "Tag::Favorites")]
impl FavoritesApi {
    /// Keep a favorite
    ///
    /// A chart, an insight or an audience, as `type` says. It belongs to the caller, in every workspace and whatever
    /// their role. A chart's data comes back byte for byte.
    #[oai(path = "/favorites", method = "post", operation_id = "create_favorite")]
    async fn create(&self, caller: Caller, form: RawForm<FavoriteForm>) -> Result<FavoriteReply<201>> {
        self.favorites.create(&caller, &form.bytes).await.map(FavoriteReply)
    }

    /// List favorites
    ///
    /// Newest first. With `Accept: application/x-ndjson` all of them in one stream, one a line; `limit` and `cursor`
    /// do not count then. Parameters that are not known are 422.
    #[oai(path = "/favorites", method = "get", operation_id = "list_favorites")]
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    async fn list(
        &self,
        caller: Caller,
        /// Of this type
        #[oai(name = "type")]
        kind: Query<Option<FavoriteType>>,
        /// Favorites on the page, 1 to 1,000; 10 when missing
        limit: Query<Option<u64>>,
        /// The `next_cursor` of the page before
        cursor: Query<Option<String>>,
        _only: OnlyDeclared,
        lines: WantsLines,
        id: RequestId,
    ) -> Result<ListReply> {
        if lines.0 {
            return Ok(ListReply::Lines(Ndjson::begin(&id, self.favorites.stream(&caller, kind.0)).await?));
        }
        let query = FavoriteQuery { kind: kind.0, limit: limit.0, cursor: cursor.0 };
        self.favorites.list(&caller, &query).await.map(ListReply::Page)
    }

    /// Export favorites
    ///
    /// All of them, newest first, one a line; an import takes the same lines, and an export after it is the same byte
    /// for byte.
    #[oai(path = "/favorites/export", method = "get", operation_id = "export_favorites")]
    async fn export(&self, caller: Caller, id: RequestId) -> Result<Ndjson<Favorite>> {
        Ndjson::begin(&id, self.favorites.stream(&caller, None)).await
    }

    /// Import favorites
    ///
    /// One a line, as an export gives them; ids and times that are missing are made. All are stored or none; what is
    /// wrong is named by its line, `[0]` the first. A favorite that is there already is fine when it is equal, and
    /// 409 when it is not. The body may be gzip or zstd.
    #[oai(path = "/favorites/import", method = "post", operation_id = "import_favorites")]
    async fn import(&self, caller: Caller, lines: NdjsonBody<Favorite>) -> Result<Reply<200, ImportedFavorites>> {
        self.favorites.import(&caller, lines.encoding, lines.chunks).await.map(Reply)
    }

    /// Read a favorite
    ///
    /// `ETag` and `If-None-Match` save sending it again.
    #[oai(path = "/favorites/:id", method = "get", operation_id = "get_favorite")]
    async fn get(
        &self,
        caller: Caller,
        /// The favorite's id, also as 32 hex digits
        id: Path<Uuid>,
        /// Entity tags that the caller has
        #[oai(name = "if-none-match")]
        if_none_match: Header<Option<String>>,
    ) -> Result<FavoriteReply<200>> {
        let has = |etag: &str| if_none_match.0.as_deref().is_some_and(|header| holds(header, etag));
        self.favorites.get(&caller, id.0, has).await.map(FavoriteReply)
    }

    /// Change a favorite
    ///
    /// A JSON merge patch (RFC 7396): what is missing stays, null takes away, the type stays what it is.
    #[oai(path = "/favorites/:id", method = "patch", operation_id = "update_favorite")]
    async fn update(
        &self,
        caller: Caller,
        /// The favorite's id, also as 32 hex digits
        id: Path<Uuid>,
        /// Entity tags of which the favorite must have one
        #[oai(name = "if-match")]
        if_match: Header<Option<String>>,
        patch: RawForm<FavoritePatchRequest>,
    ) -> Result<FavoriteReply<200>> {
        let is_seen = move |etag: &str| if_match.0.as_deref().is_none_or(|header| holds(header, etag));
        self.favorites.update(&caller, id.0, patch.bytes, is_seen).await.map(FavoriteReply)
    }

    /// Delete a favorite
    ///
    /// It is gone from every list at once.
    #[oai(path = "/favorites/:id", method = "delete", operation_id = "delete_favorite")]
    async fn delete(
        &self,
        caller: Caller,
        /// The favorite's id, also as 32 hex digits
        id: Path<Uuid>,
        /// Entity tags of which the favorite must have one
        #[oai(name = "if-match")]
        if_match: Header<Option<String>>,
    ) -> Result<NoContent> {
        let is_seen = move |etag: &str| if_match.0.as_deref().is_none_or(|header| holds(header, etag));
        self.favorites.delete(&caller, id.0, is_seen).await.map(|()| NoContent)
    }
}
