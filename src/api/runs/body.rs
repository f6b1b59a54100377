//! The body of `POST /runs` as the stream that it is, documented as one run or several.

use std::io;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::api::json::{encoding, json_request};
use crate::service::body::Encoding;
use crate::service::runs::RunsBody;

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
        RunsBody::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(json_request(RunsBody::schema_ref()))
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
