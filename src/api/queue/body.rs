//! Bodies of the queue: messages as the bytes that they are, and forms that may be left out.

use std::marker::PhantomData;

use poem::{FromRequest, Request, RequestBody};
use poem_openapi::registry::{MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;

use crate::api::json::{json_request, read_form};
use crate::error::{Error, FieldError};
use crate::service::json::parse_object;

/// Largest body of messages, decoded.
const MAX_MESSAGES: u64 = 16 * 1024 * 1024;
/// Largest form that says something of messages.
const MAX_FORM: u64 = 1024 * 1024;

/// Messages that have arrived and were not looked at; `T` is what they are, for the document.
pub struct Messages<T> {
    /// Their bytes.
    pub bytes: Vec<u8>,
    form: PhantomData<fn() -> T>,
}

impl<'a, T: Type> ApiExtractor<'a> for Messages<T> {
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
        Ok(Self { bytes: read_form(request, body, MAX_MESSAGES).await?, form: PhantomData })
    }
}

/// A form that means something when it is missing.
pub struct Optional<T>(pub T);

impl<'a, T: Type + Default + DeserializeOwned> ApiExtractor<'a> for Optional<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest { required: false, ..json_request(T::schema_ref()) })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = read_form(request, body, MAX_FORM).await?;
        Ok(Self(if bytes.is_empty() { T::default() } else { parse_object("the body", &bytes)? }))
    }
}

/// Nothing, where the query string has no other parameters than a list declares.
#[derive(Debug)]
pub struct OnlyDeclared;

impl<'a> FromRequest<'a> for OnlyDeclared {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let query = request.uri().query().unwrap_or_default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
            .map_err(|error| Error::Malformed(FieldError::new("", format!("the query cannot be read: {error}"))))?;
        match pairs.into_iter().find(|(name, _)| !["", "limit", "cursor"].contains(&name.as_str())) {
            Some((name, _)) => Err(Error::invalid(name, "is no parameter of this list; see /docs").into()),
            None => Ok(Self),
        }
    }
}
