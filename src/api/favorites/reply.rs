//! Answers of favorites: one with its entity tag, a page, or all of them as lines.

use bytes::Bytes;
use poem::http::StatusCode;
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;

use crate::api::etag;
use crate::api::json::json_response;
use crate::api::ndjson::{Ndjson, media_type};
use crate::api::streaming::streamed;
use crate::service::favorites::{Favorite, FavoriteList, FavoritePage, FoundFavorite};

const JSON: &str = "application/json; charset=utf-8";

/// A favorite with this status, or that the caller has it already.
pub struct FavoriteReply<const STATUS: u16>(pub FoundFavorite);

impl<const STATUS: u16> IntoResponse for FavoriteReply<STATUS> {
    fn into_response(self) -> Response {
        let mut response = match self.0.body {
            None => StatusCode::NOT_MODIFIED.into_response(),
            Some(bytes) => whole(StatusCode::from_u16(STATUS).unwrap_or_default(), bytes),
        };
        etag::insert(response.headers_mut(), &self.0.etag);
        response
    }
}

impl<const STATUS: u16> ApiResponse for FavoriteReply<STATUS> {
    fn meta() -> MetaResponses {
        let description = if STATUS == 201 { "It is stored" } else { "The favorite" };
        let headers = vec![etag::documented()];
        let found = MetaResponse { headers, ..json_response(STATUS, description, Favorite::schema_ref()) };
        let same = MetaResponse {
            description: "The caller has it",
            status: Some(304),
            status_range: None,
            content: Vec::new(),
            headers: vec![etag::documented()],
        };
        MetaResponses { responses: if STATUS == 201 { vec![found] } else { vec![found, same] } }
    }

    fn register(registry: &mut Registry) {
        Favorite::register(registry);
    }
}

/// A list in the form that was asked for.
pub enum ListReply {
    /// A page.
    Page(FavoriteList),
    /// All of it.
    Lines(Ndjson<Favorite>),
}

impl IntoResponse for ListReply {
    fn into_response(self) -> Response {
        match self {
            Self::Page(FavoriteList::Whole(bytes)) => whole(StatusCode::OK, bytes),
            Self::Page(FavoriteList::Stream(chunks)) => Response::builder().content_type(JSON).body(streamed(chunks)),
            Self::Lines(lines) => lines.into_response(),
        }
    }
}

impl ApiResponse for ListReply {
    fn meta() -> MetaResponses {
        let description = "A page, or all favorites as lines; when those break, the last one is `{\"error\": …}`";
        let mut page = json_response(200, description, FavoritePage::schema_ref());
        page.content.push(media_type(Favorite::schema_ref()));
        MetaResponses { responses: vec![page] }
    }

    fn register(registry: &mut Registry) {
        FavoritePage::register(registry);
    }
}

fn whole(status: StatusCode, bytes: Bytes) -> Response {
    Response::builder().status(status).content_type(JSON).body(bytes)
}
