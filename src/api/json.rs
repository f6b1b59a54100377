//! JSON bodies both ways: read whatever their content type says, with the place of what is wrong; written once.

use poem::http::StatusCode;
use poem::{IntoResponse, Request, RequestBody, Response};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaResponse, MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::security::gate;
use crate::error::{Error, Result};
use crate::service::body::{Body, Encoding};
use crate::service::json::parse_object;

/// The media type.
pub const JSON: &str = "application/json; charset=utf-8";
/// Largest body of a form, decoded; only bodies of runs are larger.
const MAX_FORM: u64 = 1024 * 1024;

/// A form that came as JSON.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<'a, T: Type + DeserializeOwned> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(json_request(T::schema_ref()))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = read_form(request, body, MAX_FORM).await?;
        Ok(Self(parse_object("the body", &bytes)?))
    }
}

/// Documents a JSON body of this schema.
pub fn json_request(schema: MetaSchemaRef) -> MetaRequest {
    let content = vec![MetaMediaType { content_type: JSON, schema }];
    MetaRequest { description: None, content, required: true }
}

/// The encoding that a request's body says it has.
///
/// # Errors
/// [`Error::Unsupported`] for one that is not read.
pub fn encoding(request: &Request) -> Result<Encoding> {
    Encoding::parse(request.header("content-encoding"))
}

/// The whole body of a form of at most `max` bytes, decoded.
///
/// # Errors
/// Those of the body.
pub async fn read_form(request: &Request, body: &mut RequestBody, max: u64) -> poem::Result<Vec<u8>> {
    let mut limits = gate(request)?.limits.clone();
    limits.max_body = bytesize::ByteSize(max.min(limits.max_body.as_u64()));
    let mut body = Body::new(encoding(request)?, body.take()?.into_bytes_stream(), &limits);
    let mut bytes = Vec::new();
    loop {
        match body.next().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(error) => {
                body.drain().await;
                return Err(error.into());
            }
        }
    }
}

/// An answer of JSON with this status.
#[derive(Debug)]
pub struct Reply<const STATUS: u16, T>(pub T);

impl<const STATUS: u16, T: Serialize + Send> IntoResponse for Reply<STATUS, T> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(STATUS).unwrap_or_default();
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => Response::builder().status(status).content_type(JSON).body(bytes),
            Err(error) => poem::Error::from(Error::Internal(error.into())).into_response(),
        }
    }
}

impl<const STATUS: u16, T: Type> ApiResponse for Reply<STATUS, T> {
    fn meta() -> MetaResponses {
        let description = if STATUS == 201 { "It is stored" } else { "What was asked for" };
        MetaResponses { responses: vec![json_response(STATUS, description, T::schema_ref())] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// Documents an answer of JSON of this schema.
pub fn json_response(status: u16, description: &'static str, schema: MetaSchemaRef) -> MetaResponse {
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType { content_type: JSON, schema }],
        headers: Vec::new(),
    }
}

/// An answer without a body.
#[derive(Debug)]
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl ApiResponse for NoContent {
    fn meta() -> MetaResponses {
        let done = MetaResponse {
            description: "Done",
            status: Some(204),
            status_range: None,
            content: Vec::new(),
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![done] }
    }

    fn register(_: &mut Registry) {}
}
