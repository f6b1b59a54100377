//! Errors on the wire: the only place that knows statuses, and the one body that all of them have, the framework's
//! own included.
//!
//! A server's fault never tells a stranger why; the log does, once, with the request's id.

use bytes::Bytes;
use poem::Response;
use poem::error::{MethodNotAllowedError, NotFoundError, ResponseError};
use poem::http::{HeaderValue, StatusCode, header};
use poem_openapi::error::{ParseParamError, ParsePathError};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};
use serde::Serialize;

use super::operator::NotTheOperator;
use crate::error::{Error, FieldError};

/// The media type of every error.
const PROBLEM: &str = "application/problem+json";

/// What went wrong, after RFC 9457.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Problem {
    /// Always `about:blank`: the status and `code` say it all.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// What is wrong and what to do about it.
    pub detail: String,
    /// A word for programs, which does not change.
    pub code: String,
    /// The id under which the server's log knows this request.
    pub request_id: String,
    /// Each thing that is wrong, and where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    pub errors: Vec<ProblemField>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ProblemField {
    /// The place as a path: `[3].trace_id`, `limit`; empty for the whole body.
    pub field: String,
    /// What is wrong there.
    pub message: String,
}

/// How an error goes out.
struct Outcome {
    status: StatusCode,
    code: &'static str,
    detail: String,
    fields: Vec<FieldError>,
    retry_after: Option<u64>,
}

impl Outcome {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), fields: Vec::new(), retry_after: None }
    }

    fn at(status: StatusCode, code: &'static str, fields: Vec<FieldError>) -> Self {
        let detail = match fields.as_slice() {
            [] => String::new(),
            [FieldError { field, message }, ..] if field.is_empty() => message.clone(),
            [FieldError { field, message }, ..] => format!("{field}: {message}"),
        };
        // A problem of the whole is said by the detail; but a value that does not fit always has its place, which is
        // the empty path then.
        let nameless = fields.iter().all(|problem| problem.field.is_empty());
        let fields = if nameless && status != StatusCode::UNPROCESSABLE_ENTITY { Vec::new() } else { fields };
        Self { fields, ..Self::new(status, code, detail) }
    }
}

fn outcome(error: &Error) -> Outcome {
    match error {
        Error::Malformed(field) => Outcome::at(StatusCode::BAD_REQUEST, "malformed", vec![field.clone()]),
        Error::Invalid(fields) => Outcome::at(StatusCode::UNPROCESSABLE_ENTITY, "invalid", fields.clone()),
        Error::Unsupported(detail) => {
            Outcome::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", detail.as_str())
        }
        Error::Unauthenticated => Outcome::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "send a valid token as `Authorization: Bearer …` or an API key as `x-api-key`; to log in, check e-mail and password",
        ),
        Error::Forbidden(detail) => Outcome::new(StatusCode::FORBIDDEN, "forbidden", *detail),
        Error::NotFound(noun) => Outcome::new(StatusCode::NOT_FOUND, "not_found", format!("{noun} not found")),
        Error::Conflict(field) => Outcome::at(StatusCode::CONFLICT, "conflict", vec![field.clone()]),
        Error::Changed(noun) => Outcome::new(
            StatusCode::PRECONDITION_FAILED,
            "changed",
            format!("the {noun} is not what If-Match says; read it again, and decide anew"),
        ),
        Error::TooLarge(field) => Outcome::at(StatusCode::PAYLOAD_TOO_LARGE, "too_large", vec![field.clone()]),
        Error::Slow => Outcome::new(
            StatusCode::REQUEST_TIMEOUT,
            "slow_request",
            "the request's body paused for too long; send it again",
        ),
        Error::TooMany(wait) => Outcome {
            retry_after: Some(wait.as_secs_f64().ceil().max(1.0) as u64),
            ..Outcome::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "too often; wait for Retry-After seconds",
            )
        },
        Error::Unavailable(_) => Outcome {
            retry_after: Some(1),
            ..Outcome::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "a store does not answer or there is no room at the moment; nothing was changed, try again",
            )
        },
        Error::Internal(_) => internal(),
    }
}

fn internal() -> Outcome {
    Outcome::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the server has made a mistake; its log knows more under this request's id",
    )
}

/// An error of the framework in our words.
fn foreign(error: &poem::Error, parameter: impl Fn(&str) -> String) -> Outcome {
    if let Some(error) = error.downcast_ref::<Error>() {
        return outcome(error);
    }
    let field = |name: String, reason: &str| vec![FieldError::new(name, plain(reason))];
    if let Some(error) = error.downcast_ref::<ParseParamError>() {
        return Outcome::at(StatusCode::UNPROCESSABLE_ENTITY, "invalid", field(error.name.to_owned(), &error.reason));
    }
    if let Some(error) = error.downcast_ref::<ParsePathError>() {
        return Outcome::at(StatusCode::UNPROCESSABLE_ENTITY, "invalid", field(parameter(error.name), &error.reason));
    }
    if error.is::<NotTheOperator>() {
        return Outcome::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "this is for the operator: send METRICS_USERNAME and METRICS_PASSWORD as Basic credentials",
        );
    }
    if error.is::<NotFoundError>() {
        return Outcome::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path; see /docs");
    }
    if error.is::<MethodNotAllowedError>() {
        return Outcome::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path has other methods; see /docs",
        );
    }
    match error.status() {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Outcome::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            "the headers are larger than MAX_HEADER, all together; send fewer or shorter ones",
        ),
        status if status.is_client_error() => Outcome::new(status, "bad_request", error.to_string()),
        _ => internal(),
    }
}

/// A parser's words as what would be right: they name its types, and repeat ours.
fn plain(reason: &str) -> String {
    let reason = reason.split(" (occurred while").next().unwrap_or(reason);
    let kind = reason.strip_prefix("failed to parse \"").and_then(|rest| rest.split_once("\": "));
    match kind {
        Some((kind, _)) if kind.starts_with("integer(uint") => "must be a whole number, 0 or more",
        Some((kind, _)) if kind.starts_with("integer") => "must be a whole number",
        Some((kind, _)) if kind.starts_with("number") => "must be a number",
        Some(("boolean", _)) => "must be true or false",
        Some((kind, _)) if kind.contains("uuid") => "must be a UUID",
        Some((_, "Expect a valid enumeration value.")) => "must be one of the words that /docs lists for it",
        Some((_, why)) => why,
        None => reason,
    }
    .to_owned()
}

/// The answer for an error; a server's fault goes to the log on the way. `parameter` names what the framework
/// numbers.
pub fn render(error: &poem::Error, request_id: &str, parameter: impl Fn(&str) -> String) -> Response {
    let outcome = foreign(error, parameter);
    if outcome.status.is_server_error() {
        let cause = error.downcast_ref::<Error>().map_or_else(|| error.to_string(), chain);
        tracing::error!(status = outcome.status.as_u16(), error = %cause, "request failed");
    }
    let (status, retry_after) = (outcome.status, outcome.retry_after);
    // A browser, and Prometheus, ask for a name and a password only where they are told to.
    let challenge = if error.is::<NotTheOperator>() { "Basic realm=\"operator\"" } else { "Bearer" };
    let problem = problem(outcome, request_id);
    let mut response =
        Response::builder().status(status).content_type(PROBLEM).body(serde_json::to_vec(&problem).unwrap_or_default());
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The last line of an answer of lines that breaks: `{"error": …}` with the same body as any other error.
pub fn last_line(error: &Error, request_id: &str) -> Bytes {
    #[derive(Serialize)]
    struct Broken {
        error: Problem,
    }
    let mut line = serde_json::to_vec(&Broken { error: problem(outcome(error), request_id) }).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

fn problem(outcome: Outcome, request_id: &str) -> Problem {
    let field = |problem: FieldError| ProblemField { field: problem.field, message: problem.message };
    Problem {
        kind: "about:blank".to_owned(),
        title: outcome.status.canonical_reason().unwrap_or("Error").to_owned(),
        status: outcome.status.as_u16(),
        detail: outcome.detail,
        code: outcome.code.to_owned(),
        request_id: request_id.to_owned(),
        errors: outcome.fields.into_iter().map(field).collect(),
    }
}

/// The error with everything beneath it.
pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

impl ResponseError for Error {
    fn status(&self) -> StatusCode {
        outcome(self).status
    }
}

/// Documents an error's body.
struct ProblemPayload;

impl Payload for ProblemPayload {
    const CONTENT_TYPE: &'static str = PROBLEM;

    fn schema_ref() -> MetaSchemaRef {
        Problem::schema_ref()
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

impl ApiResponse for Error {
    fn meta() -> MetaResponses {
        const STATUSES: [(u16, &str); 12] = [
            (400, "The request cannot be read: not JSON, cut off, badly compressed"),
            (401, "Nobody is signed in"),
            (403, "The caller's role is too low"),
            (404, "Absent, or another's"),
            (408, "The body paused for too long"),
            (409, "The state of things forbids it"),
            (412, "It is not what `If-Match` says"),
            (413, "Over a stated limit"),
            (415, "An encoding that is not read"),
            (422, "A value cannot be accepted; `errors` names the fields"),
            (429, "Too often; wait for `Retry-After`"),
            (503, "Nothing was changed; try again after `Retry-After`"),
        ];
        let response = |(status, description)| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType { content_type: PROBLEM, schema: ProblemPayload::schema_ref() }],
            headers: Vec::new(),
        };
        let internal = (500, "The server has made a mistake; its log knows more under the request's id");
        MetaResponses { responses: STATUSES.into_iter().chain([internal]).map(response).collect() }
    }

    fn register(registry: &mut Registry) {
        ProblemPayload::register(registry);
    }
}
