//! What the query strings of runs mean beyond what their declaration says.

use chrono::{DateTime, Utc};
use poem::{FromRequest, Request, RequestBody};

use crate::error::{Error, FieldError, Result};
use crate::service::runs::RunField;

/// Parameters that the list declares; anything else but `metadata.<key>` is a mistake that must not pass for a filter.
const DECLARED: [&str; 11] = [
    "trace_id",
    "project",
    "name",
    "run_type",
    "status",
    "tag",
    "start_time",
    "end_time",
    "has_error",
    "limit",
    "cursor",
];

/// The `metadata.<key>` parameters.
#[derive(Debug)]
pub struct MetadataFilter(pub Vec<(String, String)>);

impl<'a> FromRequest<'a> for MetadataFilter {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let query = request.uri().query().unwrap_or_default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
            .map_err(|error| Error::Malformed(FieldError::new("", format!("the query cannot be read: {error}"))))?;
        let mut filters = Vec::new();
        for (name, value) in pairs {
            if let Some(key) = name.strip_prefix("metadata.") {
                filters.push((key.to_owned(), value));
            } else if !DECLARED.contains(&name.as_str()) {
                return Err(Error::invalid(name, "is no parameter of this list; see /docs").into());
            }
        }
        Ok(Self(filters))
    }
}

/// A moment from a query string, in which an unescaped `+` has become a space.
///
/// # Errors
/// [`Error::Invalid`] when it is none.
pub fn time(name: &str, text: Option<String>) -> Result<Option<DateTime<Utc>>> {
    let Some(text) = text else { return Ok(None) };
    let parsed = DateTime::parse_from_rfc3339(&text.replacen(' ', "+", 1));
    let moment = parsed.map_err(|_| Error::invalid(name, "must be RFC 3339, such as 2026-01-31T12:00:00Z"))?;
    Ok(Some(moment.to_utc()))
}

/// The fields of `?fields=`.
///
/// # Errors
/// [`Error::Invalid`] for a name that no field has.
pub fn fields(text: Option<&str>) -> Result<Option<Vec<RunField>>> {
    let Some(text) = text else { return Ok(None) };
    let mut fields = Vec::new();
    for name in text.split(',').map(str::trim) {
        let field = RunField::named(name).ok_or_else(|| {
            let names: Vec<_> = RunField::ALL.into_iter().map(RunField::name).collect();
            Error::invalid("fields", format!("`{name}` is not one of {}", names.join(", ")))
        })?;
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    Ok(Some(fields))
}
