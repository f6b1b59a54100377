//! The body of `POST /runs` as the stream that it is, documented as one run or several.

use std::io;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::api::json::{encoding, json_request};
use crate::service::body::Encoding;
use crate::service::runs::NewRun;

/// A body that has not been read.
pub struct RunsStream {
    /// How it is encoded.
    pub encoding: Encoding,
    /// Its bytes as they arrive.
    pub chunks: BoxStream<'static, io::Result<Bytes>>,
}

impl<'a> ApiExtractor<'a> for RunsStream {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        NewRun::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        // The library's own union would say of both that they are objects, which an array is not.
        let either = MetaSchema {
            description: Some("One run, or several that are stored together or not at all."),
            one_of: vec![Vec::<NewRun>::schema_ref(), NewRun::schema_ref()],
            ..MetaSchema::ANY
        };
        Some(json_request(MetaSchemaRef::Inline(Box::new(either))))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let encoding = encoding(request)?;
        Ok(Self { encoding, chunks: Box::pin(body.take()?.into_bytes_stream()) })
    }
}
