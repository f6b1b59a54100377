//! A lease as the bytes that it is: payloads go out as they came in.

use bytes::Bytes;
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::Type;

use crate::api::json::{JSON, json_response};
use crate::service::queue::LeaseAnswer;

/// Messages that a consumer has for a while.
pub struct LeaseReply(pub Bytes);

impl IntoResponse for LeaseReply {
    fn into_response(self) -> Response {
        Response::builder().content_type(JSON).body(self.0)
    }
}

impl ApiResponse for LeaseReply {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![json_response(200, "The messages", LeaseAnswer::schema_ref())] }
    }

    fn register(registry: &mut Registry) {
        LeaseAnswer::register(registry);
    }
}
