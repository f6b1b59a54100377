//! Compresses answers for callers who accept it, where it pays: text beyond a packet.

use std::io;

use async_compression::Level;
use async_compression::tokio::bufread::{GzipEncoder, ZstdEncoder};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use poem::http::{HeaderMap, HeaderValue, header};
use poem::{Body, Endpoint, IntoResponse, Middleware, Request, Response, Result};
use tokio::io::BufReader;

/// Bodies below this are sent as they are.
const WORTH_IT: usize = 1_024;

/// Wraps the routes.
pub struct Compressed;

impl<E: Endpoint> Middleware<E> for Compressed {
    type Output = WithCompression<E>;

    fn transform(&self, inner: E) -> Self::Output {
        WithCompression { inner }
    }
}

/// The routes, wrapped.
pub struct WithCompression<E> {
    inner: E,
}

#[derive(Clone, Copy, PartialEq)]
enum Coding {
    Zstd,
    Gzip,
}

impl<E: Endpoint> Endpoint for WithCompression<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let accepted = accepted(request.headers());
        let mut response = self.inner.call(request).await?.into_response();
        if !is_plain_text(&response) {
            return Ok(response);
        }
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
        let Some(coding) = accepted else { return Ok(response) };
        match Begun::of(response.take_body()).await {
            Begun::Short(bytes) => response.set_body(bytes),
            Begun::Long(body) => {
                response.set_body(coding.encode(body));
                let headers = response.headers_mut();
                headers.remove(header::CONTENT_LENGTH);
                // The tag stands for the content now, and no longer for these very bytes.
                let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
                let weak = tag.filter(|tag| !tag.starts_with("W/")).map(|tag| format!("W/{tag}"));
                if let Some(weak) = weak.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
                    headers.insert(header::ETAG, weak);
                }
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            }
        }
        Ok(response)
    }
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    fn encode(self, body: Body) -> Body {
        let reader = BufReader::new(body.into_async_read());
        match self {
            Self::Zstd => Body::from_async_read(ZstdEncoder::with_quality(reader, Level::Fastest)),
            Self::Gzip => Body::from_async_read(GzipEncoder::with_quality(reader, Level::Fastest)),
        }
    }
}

/// A body of which enough was read to tell whether compressing it pays; a body does not say its size beforehand.
enum Begun {
    Short(Bytes),
    Long(Body),
}

impl Begun {
    async fn of(body: Body) -> Self {
        let mut rest = Box::pin(body.into_bytes_stream());
        let mut begun: Vec<Bytes> = Vec::new();
        let mut size = 0;
        while size < WORTH_IT {
            match rest.next().await {
                None => return Self::Short(Bytes::from(begun.concat())),
                Some(Ok(chunk)) => {
                    size += chunk.len();
                    begun.push(chunk);
                }
                Some(Err(error)) => {
                    let broken = stream::iter([Err::<Bytes, _>(error)]);
                    return Self::Long(Body::from_bytes_stream(stream::iter(begun).map(Ok).chain(broken)));
                }
            }
        }
        let begun = stream::iter(begun).map(Ok::<_, io::Error>);
        Self::Long(Body::from_bytes_stream(begun.chain(rest)))
    }
}

/// The best coding that the caller takes; a weight of 0 refuses one.
fn accepted(headers: &HeaderMap) -> Option<Coding> {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let offers: Vec<&str> = values.flat_map(|value| value.split(',')).filter_map(offer).collect();
    let takes = |coding: &Coding| offers.iter().any(|offer| offer.eq_ignore_ascii_case(coding.name()));
    [Coding::Zstd, Coding::Gzip].into_iter().find(takes)
}

fn offer(text: &str) -> Option<&str> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?;
    let weight = parts.find_map(|part| part.strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('='));
    let refused = weight.is_some_and(|weight| weight.trim().parse() == Ok(0.0));
    (!refused).then_some(name)
}

fn is_plain_text(response: &Response) -> bool {
    let is_text = response.content_type().is_some_and(|kind| kind.contains("json") || kind.starts_with("text/"));
    is_text && !response.headers().contains_key(header::CONTENT_ENCODING)
}
