//! Answers of tasks: bytes as they are cached, with the entity tag of a single one.

use bytes::Bytes;
use poem::http::StatusCode;
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;

use crate::api::etag;
use crate::api::json::{JSON, json_response};
use crate::service::tasks::{FoundTask, TaskAnswer, TaskPage};

/// A task with this status, or that the caller has it already.
pub struct TaskReply<const STATUS: u16>(pub FoundTask);

impl<const STATUS: u16> IntoResponse for TaskReply<STATUS> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(STATUS).unwrap_or_default();
        let mut response = match self.0.body {
            None => StatusCode::NOT_MODIFIED.into_response(),
            Some(bytes) => Response::builder().status(status).content_type(JSON).body(bytes),
        };
        etag::insert(response.headers_mut(), &self.0.etag);
        response
    }
}

impl<const STATUS: u16> ApiResponse for TaskReply<STATUS> {
    fn meta() -> MetaResponses {
        let description = if STATUS == 201 { "It is stored" } else { "The task" };
        let headers = || vec![etag::documented()];
        let found = MetaResponse { headers: headers(), ..json_response(STATUS, description, TaskAnswer::schema_ref()) };
        let same = MetaResponse {
            description: "The caller has it",
            status: Some(304),
            status_range: None,
            content: Vec::new(),
            headers: headers(),
        };
        let responses = if STATUS == 201 { vec![found] } else { vec![found, same] };
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        TaskAnswer::register(registry);
    }
}

/// A page of tasks.
pub struct TaskPageReply(pub Bytes);

impl IntoResponse for TaskPageReply {
    fn into_response(self) -> Response {
        Response::builder().content_type(JSON).body(self.0)
    }
}

impl ApiResponse for TaskPageReply {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![json_response(200, "The page", TaskPage::schema_ref())] }
    }

    fn register(registry: &mut Registry) {
        TaskPage::register(registry);
    }
}
