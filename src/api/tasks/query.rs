//! What the query string of the list of tasks may hold: a parameter that is not known must not pass for a filter.

use poem::{FromRequest, Request, RequestBody};

use crate::error::{Error, FieldError};

const DECLARED: [&str; 8] = ["page", "per_page", "filter", "status", "assigneeID", "title", "run_id", "sort"];

/// That every parameter is one that the list declares.
#[derive(Debug)]
pub struct ListParameters;

impl<'a> FromRequest<'a> for ListParameters {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let query = request.uri().query().unwrap_or_default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
            .map_err(|error| Error::Malformed(FieldError::new("", format!("the query cannot be read: {error}"))))?;
        match pairs.into_iter().find(|(name, _)| !DECLARED.contains(&name.as_str())) {
            Some((name, _)) => Err(Error::invalid(name, "is no parameter of this list; see /docs").into()),
            None => Ok(Self),
        }
    }
}
