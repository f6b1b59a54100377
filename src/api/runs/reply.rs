//! Answers of runs: bytes as they were stored, with their entity tag.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;

use crate::api::json::json_response;
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
        let headers = response.headers_mut();
        if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", self.0.etag)) {
            headers.insert(header::ETAG, etag);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    }
}

impl ApiResponse for RunReply {
    fn meta() -> MetaResponses {
        let etag = || MetaHeader {
            name: "ETag".to_owned(),
            description: Some("For `If-None-Match`".to_owned()),
            required: true,
            deprecated: false,
            schema: String::schema_ref(),
        };
        let found = MetaResponse { headers: vec![etag()], ..json_response(200, "The run", Run::schema_ref()) };
        let same = MetaResponse {
            description: "The caller has it",
            status: Some(304),
            status_range: None,
            content: Vec::new(),
            headers: vec![etag()],
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

/// A body that breaks off on an error: a client must not take a part for the whole.
///
/// The connection is ended by unwinding. The framework polls a connection once more after a body has failed, and
/// hyper then writes the end of a whole answer.
fn streamed(chunks: BoxStream<'static, Result<Bytes>>) -> Body {
    Body::from_bytes_stream(chunks.map(|chunk| match chunk {
        Ok(chunk) => Ok::<_, std::io::Error>(chunk),
        Err(error) => {
            tracing::error!(error = %format!("{:#}", anyhow::Error::new(error)), "an answer broke off");
            std::panic::resume_unwind(Box::new("an answer broke off"))
        }
    }))
}

/// Whether an `If-None-Match` holds this tag; compared weakly, as it must be.
pub fn holds(header: &str, etag: &str) -> bool {
    header
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == etag)
}
