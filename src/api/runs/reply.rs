//! Answers of runs: bytes as they were stored, with their entity tag.

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;
use poem::http::{StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;

use crate::api::etag;
use crate::api::json::json_response;
use crate::api::streaming::streamed;
use crate::error::Result;
use crate::service::runs::{Found, Run, RunBody, Trace};

const JSON: &str = "application/json; charset=utf-8";

/// A run, or that the caller has it already.
pub struct RunReply(pub Found);

impl IntoResponse for RunReply {
    fn into_response(self) -> Response {
        let mut response = match self.0.body {
            None => StatusCode::NOT_MODIFIED.into_response(),
            Some(RunBody::Whole(bytes)) => Response::builder().content_type(JSON).body(bytes),
            Some(RunBody::Stream(size, chunks)) => {
                let mut response = Response::builder().content_type(JSON).body(streamed(chunks));
                response.headers_mut().insert(header::CONTENT_LENGTH, size.into());
                response
            }
        };
        etag::insert(response.headers_mut(), &self.0.etag);
        response
    }
}

impl ApiResponse for RunReply {
    fn meta() -> MetaResponses {
        let found =
            MetaResponse { headers: vec![etag::documented()], ..json_response(200, "The run", Run::schema_ref()) };
        let same = MetaResponse {
            description: "The caller has it",
            status: Some(304),
            status_range: None,
            content: Vec::new(),
            headers: vec![etag::documented()],
        };
        MetaResponses { responses: vec![found, same] }
    }

    fn register(registry: &mut Registry) {
        Run::register(registry);
    }
}

/// A trace as it is read.
pub struct TraceReply(BoxStream<'static, Result<Bytes>>);

impl TraceReply {
    /// Of these bytes.
    pub fn new(chunks: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        Self(Box::pin(chunks))
    }
}

impl IntoResponse for TraceReply {
    fn into_response(self) -> Response {
        Response::builder().content_type(JSON).body(streamed(self.0))
    }
}

impl ApiResponse for TraceReply {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![json_response(200, "The trace", Trace::schema_ref())] }
    }

    fn register(registry: &mut Registry) {
        Trace::register(registry);
    }
}
