//! NDJSON both ways: one JSON value a line, in memory that does not grow with the number of lines.
//!
//! A stream that breaks before its first byte is an ordinary error; after it, the last line says what went wrong, so
//! that a part is never taken for the whole.

use std::io;
use std::marker::PhantomData;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use poem::{Body, FromRequest, IntoResponse, Request, RequestBody, Response};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaResponse, MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions};

use super::context::RequestId;
use super::error::last_line;
use super::json::encoding;
use super::streaming::broke_off;
use crate::error::Result;
use crate::service::body::Encoding;

/// The media type.
pub const NDJSON: &str = "application/x-ndjson";

/// A body of lines that has not been read; `T` is what each line holds, for the document.
pub struct NdjsonBody<T> {
    /// How it is encoded.
    pub encoding: Encoding,
    /// Its bytes as they arrive.
    pub chunks: BoxStream<'static, io::Result<Bytes>>,
    line: PhantomData<fn() -> T>,
}

impl<'a, T: Type> ApiExtractor<'a> for NdjsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: NDJSON, schema: T::schema_ref() }];
        Some(MetaRequest { description: Some("One value a line"), content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let encoding = encoding(request)?;
        Ok(Self { encoding, chunks: Box::pin(body.take()?.into_bytes_stream()), line: PhantomData })
    }
}

/// An answer of lines; `T` is what each line holds, for the document.
pub struct Ndjson<T> {
    body: Body,
    line: PhantomData<fn() -> T>,
}

impl<T> Ndjson<T> {
    /// Of chunks that are whole lines, each with its line break.
    ///
    /// # Errors
    /// That of the first chunk: nothing has been sent then.
    pub async fn begin(id: &RequestId, chunks: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Result<Self> {
        let mut chunks = chunks.boxed();
        let first = chunks.next().await.transpose()?;
        // What is sent after the handler must be found in the log under the request's id all the same.
        let (id, span) = (id.clone(), tracing::Span::current());
        let state = Some(stream::iter(first.map(Ok)).chain(chunks));
        let lines = stream::unfold(state, move |state| {
            let (id, span) = (id.clone(), span.clone());
            async move {
                let mut chunks = state?;
                match chunks.next().await? {
                    Ok(chunk) => Some((chunk, Some(chunks))),
                    // Nothing comes after it, and what the stream held is given back before it is sent.
                    Err(error) => {
                        span.in_scope(|| broke_off(&error));
                        Some((last_line(&error, &id.0), None))
                    }
                }
            }
        });
        Ok(Self { body: Body::from_bytes_stream(lines.map(Ok::<_, io::Error>)), line: PhantomData })
    }
}

impl<T: Send> IntoResponse for Ndjson<T> {
    fn into_response(self) -> Response {
        Response::builder().content_type(NDJSON).body(self.body)
    }
}

impl<T: Type> ApiResponse for Ndjson<T> {
    fn meta() -> MetaResponses {
        let lines = MetaResponse {
            description: "One value a line; when it breaks, the last line is `{\"error\": …}` with the problem",
            status: Some(200),
            status_range: None,
            content: vec![media_type(T::schema_ref())],
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![lines] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// Documents lines of this schema, also beside another form of the same answer.
pub fn media_type(schema: MetaSchemaRef) -> MetaMediaType {
    MetaMediaType { content_type: NDJSON, schema }
}

/// Whether the caller asks for lines: names them in `Accept`, and does not like JSON better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantsLines(pub bool);

impl<'a> FromRequest<'a> for WantsLines {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(request.header("accept").is_some_and(prefers_lines)))
    }
}

fn prefers_lines(accept: &str) -> bool {
    let weight = |wanted: &[&str]| {
        let offers = accept.split(',').filter_map(|offer| {
            let mut parts = offer.split(';').map(str::trim);
            let name = parts.next()?;
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |weight| weight.parse().ok());
            wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted)).then_some(weight.unwrap_or(0.0))
        });
        offers.fold(0.0, f64::max)
    };
    let lines = weight(&[NDJSON, "application/ndjson"]);
    lines > 0.0 && lines >= weight(&["application/json"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sent_to_those_who_name_them_and_like_them_best() {
        for accept in [
            "application/x-ndjson",
            "Application/NDJSON",
            "application/x-ndjson;q=0.5, */*",
            "application/json, application/x-ndjson",
        ] {
            assert!(prefers_lines(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/json",
            "application/x-ndjson;q=0",
            "application/x-ndjson;q=0.1, application/json",
            "application/x-ndjson;q=x",
        ] {
            assert!(!prefers_lines(accept), "{accept}");
        }
    }

    #[test]
    fn what_breaks_after_the_first_line_is_said_in_the_last() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let broken = || Err(crate::error::Error::Internal(anyhow::anyhow!("secret")));
            let id = RequestId("id".to_owned());
            assert!(Ndjson::<String>::begin(&id, stream::iter([broken()])).await.is_err());
            let chunks = stream::iter([Ok(Bytes::from_static(b"1\n2\n")), broken(), Ok(Bytes::from_static(b"3\n"))]);
            let body = Ndjson::<String>::begin(&id, chunks).await.unwrap().body.into_string().await.unwrap();
            let (lines, last) = body.trim_end().rsplit_once('\n').unwrap();
            assert_eq!(lines, "1\n2");
            let last: serde_json::Value = serde_json::from_str(last).unwrap();
            assert_eq!((&last["error"]["status"], &last["error"]["request_id"]), (&500.into(), &"id".into()));
            assert!(!last.to_string().contains("secret") && body.ends_with('\n'));
            let nothing = Ndjson::<String>::begin(&id, stream::empty()).await.unwrap();
            assert_eq!(nothing.body.into_string().await.unwrap(), "");
        });
    }
}
