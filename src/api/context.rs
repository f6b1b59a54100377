//! What every request passes through: an id, a rate for its address, a line in the log, and the one form of errors.
//!
//! The log has the ids of request and trace, method, path pattern, status and duration; never a body, a query, a token or an e-mail.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use poem::{Endpoint, FromRequest, IntoResponse, Middleware, PathPattern, Request, RequestBody, Response, Result};
use tracing::Instrument;
use uuid::Uuid;

use super::Gate;
use super::error::render;
use super::paths::Paths;
use super::security::address;
use super::trace_context::{TRACERESPONSE, Trace};
use crate::error::Error;

const REQUEST_ID: &str = "x-request-id";
/// Longest id that is taken over from a caller.
const MAX_REQUEST_ID: usize = 128;

/// The id of a request, for what is said of it after its handler has answered.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl<'a> FromRequest<'a> for RequestId {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let id = request.extensions().get::<Self>().cloned();
        Ok(id.ok_or_else(|| Error::Internal(anyhow::anyhow!("a request without an id")))?)
    }
}

/// Wraps the routes.
pub struct Context {
    gate: Arc<Gate>,
    paths: Arc<Paths>,
}

impl Context {
    /// With the rates of this gate, over these paths.
    pub fn new(gate: Arc<Gate>, paths: Paths) -> Self {
        Self { gate, paths: Arc::new(paths) }
    }
}

impl<E: Endpoint> Middleware<E> for Context {
    type Output = InContext<E>;

    fn transform(&self, inner: E) -> Self::Output {
        InContext { inner, gate: Arc::clone(&self.gate), paths: Arc::clone(&self.paths) }
    }
}

/// The routes, wrapped.
pub struct InContext<E> {
    inner: E,
    gate: Arc<Gate>,
    paths: Arc<Paths>,
}

impl<E: Endpoint> Endpoint for InContext<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let started = Instant::now();
        let _in_flight = self.gate.metrics.in_flight();
        if let Some(uri) = without_last_slash(request.uri()) {
            *request.uri_mut() = uri;
        }
        let id = request_id(&request);
        request.extensions_mut().insert(RequestId(id.clone()));
        let method = request.method().clone();
        let path = request.uri().clone();
        let trace = Trace::begin(&request, &id);
        let exported = trace.span.clone();
        let span = tracing::info_span!(parent: &trace.span, "request", request_id = %id, trace_id = %trace.id);
        async {
            let mut response = match self.answer(request).await {
                Ok(response) => response,
                Err(error) => render(&error, &id, |name| self.paths.parameter(path.path(), name)),
            };
            let own = || response.data::<PathPattern>().map(|pattern| pattern.0.as_ref());
            let route = self.paths.pattern(path.path()).or_else(own).unwrap_or("unknown");
            let took = started.elapsed();
            let status = response.status();
            self.gate.metrics.answered(counted(&method), route, status.as_str(), took);
            let duration_ms = took.as_secs_f64() * 1_000.0;
            tracing::debug!(%method, route, status = status.as_u16(), duration_ms, "request");
            trace.end(&method, route, status.as_u16());
            let headers = response.headers_mut();
            if let Ok(id) = HeaderValue::from_str(&id) {
                headers.insert(REQUEST_ID, id);
            }
            if let Some(traced) = trace.response {
                headers.insert(TRACERESPONSE, traced);
            }
            if status == StatusCode::METHOD_NOT_ALLOWED
                && let Ok(methods) = HeaderValue::from_str(self.paths.methods(path.path()))
            {
                headers.insert(header::ALLOW, methods);
            }
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            Ok(response)
        }
        .instrument(span)
        .instrument(exported)
        .await
    }
}

impl<E: Endpoint> InContext<E> {
    async fn answer(&self, request: Request) -> Result<Response> {
        if size(request.headers()) > self.gate.limits.max_header.as_u64() {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into());
        }
        let address = address(&request, self.gate.trust_forwarded_for);
        self.gate.services.rates.count_address(address).await?;
        // A handler that panics takes nobody with it, and its caller hears of it like of any other fault.
        match AssertUnwindSafe(self.inner.call(request)).catch_unwind().await {
            Ok(answer) => answer.map(IntoResponse::into_response),
            Err(_) => Err(Error::Internal(anyhow::anyhow!("a handler panicked")).into()),
        }
    }
}

/// The method, if it is one that anybody may mean: a caller can make up any number of others.
fn counted(method: &Method) -> &str {
    const KNOWN: [Method; 7] =
        [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS];
    if KNOWN.contains(method) { method.as_str() } else { "other" }
}

/// The same address without a slash at its end, which says no more: some clients end their lists with one.
fn without_last_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|path| !path.is_empty())?;
    let whole = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(whole.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Bytes of the headers, as they came.
fn size(headers: &HeaderMap) -> u64 {
    // Between a name and its value, and after it, stand two bytes each.
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum()
}

/// The caller's own id when it is harmless, else a new one.
fn request_id(request: &Request) -> String {
    let harmless =
        |id: &&str| !id.is_empty() && id.len() <= MAX_REQUEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic());
    match request.header(REQUEST_ID).filter(harmless) {
        Some(id) => id.to_owned(),
        None => Uuid::now_v7().to_string(),
    }
}
