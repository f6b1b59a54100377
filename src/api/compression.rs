//! Compresses answers for callers who accept it, where it pays: text beyond a packet.

use async_compression::Level;
use async_compression::tokio::bufread::{GzipEncoder, ZstdEncoder};
use poem::http::{HeaderMap, HeaderValue, header};
use poem::{Body, Endpoint, IntoResponse, Middleware, Request, Response, Result};
use tokio::io::BufReader;

/// Bodies of a known size below this are sent as they are.
const WORTH_IT: u64 = 1_024;

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
        let Some(coding) = accepted.filter(|_| pays(&response)) else { return Ok(response) };
        let reader = BufReader::new(response.take_body().into_async_read());
        let (name, body) = match coding {
            Coding::Zstd => ("zstd", Body::from_async_read(ZstdEncoder::with_quality(reader, Level::Fastest))),
            Coding::Gzip => ("gzip", Body::from_async_read(GzipEncoder::with_quality(reader, Level::Fastest))),
        };
        response.set_body(body);
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
        Ok(response)
    }
}

/// The best coding that the caller takes; `q=0` refuses one.
fn accepted(headers: &HeaderMap) -> Option<Coding> {
    let offers: Vec<&str> = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter(|offer| !offer.replace(' ', "").ends_with(";q=0"))
        .filter_map(|offer| offer.split(';').next())
        .map(str::trim)
        .collect();
    let takes = |name: &str| offers.iter().any(|offer| offer.eq_ignore_ascii_case(name));
    if takes("zstd") { Some(Coding::Zstd) } else { takes("gzip").then_some(Coding::Gzip) }
}

fn pays(response: &Response) -> bool {
    let headers = response.headers();
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let is_text = response.content_type().is_some_and(|kind| kind.contains("json") || kind.starts_with("text/"));
    is_text && !headers.contains_key(header::CONTENT_ENCODING) && length.is_none_or(|length| length >= WORTH_IT)
}
