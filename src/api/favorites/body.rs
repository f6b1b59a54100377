//! Forms of favorites as the bytes that they are: a chart's data goes through unchanged.

use std::marker::PhantomData;

use bytes::Bytes;
use poem::{FromRequest, Request, RequestBody};
use poem_openapi::registry::{MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::api::json::{json_request, read_form};
use crate::error::{Error, FieldError};

/// Largest form, decoded: a chart's data, and the longest texts with every byte escaped.
const MAX_FORM: u64 = 2 * 1024 * 1024;

/// A form that has arrived and was not looked at; `T` is what it is, for the document.
pub struct RawForm<T> {
    /// Its bytes.
    pub bytes: Bytes,
    form: PhantomData<fn() -> T>,
}

impl<'a, T: Type> ApiExtractor<'a> for RawForm<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(json_request(T::schema_ref()))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = read_form(request, body, MAX_FORM).await?.into();
        Ok(Self { bytes, form: PhantomData })
    }
}

/// Nothing, where the query string has no other parameters than the list declares: a misspelt filter must not pass
/// for none.
#[derive(Debug)]
pub struct OnlyDeclared;

impl<'a> FromRequest<'a> for OnlyDeclared {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let query = request.uri().query().unwrap_or_default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
            .map_err(|error| Error::Malformed(FieldError::new("", format!("the query cannot be read: {error}"))))?;
        let declared = |name: &str| ["", "limit", "cursor", "type"].contains(&name);
        if let Some((name, _)) = pairs.into_iter().find(|(name, _)| !declared(name)) {
            return Err(Error::invalid(name, "is no parameter of this list; see /docs").into());
        }
        Ok(Self)
    }
}
