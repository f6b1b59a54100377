//! The body of a bulk request: each task is read by itself, so that one that cannot be read spoils no other.

use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::value::RawValue;

use crate::api::json::{json_request, read_form};
use crate::error::Result;
use crate::service::json::{parse, parse_object};
use crate::service::tasks::NewTask;

/// Largest body of many tasks, decoded.
const MAX_BODY: u64 = 8 * 1024 * 1024;

/// Tasks to be made, or what is wrong with them.
pub struct NewTasks(pub Vec<Result<NewTask>>);

impl<'a> ApiExtractor<'a> for NewTasks {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Vec<NewTask>>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(json_request(<Vec<NewTask>>::schema_ref()))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = read_form(request, body, MAX_BODY).await?;
        let tasks: Vec<Box<RawValue>> = parse("the body", &bytes)?;
        Ok(Self(tasks.iter().map(|task| parse_object("the task", task.get().as_bytes())).collect()))
    }
}
