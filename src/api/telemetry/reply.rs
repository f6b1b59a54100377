//! Answers of telemetry: a page as it is read, or all of it as lines.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::Type;

use crate::api::json::{JSON, json_response};
use crate::api::ndjson::{Ndjson, media_type};
use crate::api::streaming::streamed;
use crate::error::Result;
use crate::service::telemetry::{TelemetryEntry, TelemetryPage};

/// What was measured, in the form that was asked for.
pub enum EntriesReply {
    /// A page.
    Page(BoxStream<'static, Result<Bytes>>),
    /// All of it.
    Lines(Ndjson<TelemetryEntry>),
}

impl IntoResponse for EntriesReply {
    fn into_response(self) -> Response {
        match self {
            Self::Page(chunks) => Response::builder().content_type(JSON).body(streamed(chunks)),
            Self::Lines(lines) => lines.into_response(),
        }
    }
}

impl ApiResponse for EntriesReply {
    fn meta() -> MetaResponses {
        let description = "A page, or all entries as lines; when those break, the last one is `{\"error\": …}`";
        let mut page = json_response(200, description, TelemetryPage::schema_ref());
        page.content.push(media_type(TelemetryEntry::schema_ref()));
        MetaResponses { responses: vec![page] }
    }

    fn register(registry: &mut Registry) {
        TelemetryPage::register(registry);
    }
}
