//! What the query strings of telemetry may hold: a parameter that is not known must not pass for a filter.

use chrono::{DateTime, Utc};
use poem::{FromRequest, Request, RequestBody};

use crate::error::{Error, FieldError, Result};

/// The parameters of each operation.
const DECLARED: [&[&str]; 3] = [
    &["hostname", "model_name"],
    &["metric_name", "start_time", "end_time", "step", "agg", "limit", "cursor"],
    &["host"],
];

/// That every parameter is one that the operation declares.
#[derive(Debug)]
pub struct Known<const OPERATION: usize>;

impl<'a, const OPERATION: usize> FromRequest<'a> for Known<OPERATION> {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let query = request.uri().query().unwrap_or_default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
            .map_err(|error| Error::Malformed(FieldError::new("", format!("the query cannot be read: {error}"))))?;
        match pairs.into_iter().find(|(name, _)| !DECLARED[OPERATION].contains(&name.as_str())) {
            Some((name, _)) => Err(Error::invalid(name, "is no parameter of this operation; see /docs").into()),
            None => Ok(Self),
        }
    }
}

/// A time in the query.
///
/// # Errors
/// [`Error::Invalid`] for a text that is none.
pub fn moment(name: &str, text: Option<String>) -> Result<Option<DateTime<Utc>>> {
    let Some(text) = text else { return Ok(None) };
    // A plus sign that was not escaped arrives as a space.
    let time = DateTime::parse_from_rfc3339(&text).or_else(|_| DateTime::parse_from_rfc3339(&text.replace(' ', "+")));
    time.map(|time| Some(time.to_utc())).map_err(|_| Error::invalid(name, "must be an RFC 3339 time"))
}
