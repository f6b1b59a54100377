//! Credentials: a handler that takes a [`Caller`] cannot be reached without one.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use poem::{Addr, Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use uuid::Uuid;

use super::Gate;
use crate::error::{Error, Result};
use crate::service::accounts::{Caller, Credential};

const BEARER: &str = "bearer";
const API_KEY: &str = "api_key";

/// The headers that choose a workspace; the second one is what the LangSmith SDKs send.
const WORKSPACE_HEADERS: [&str; 2] = ["x-workspace-id", "x-tenant-id"];

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = |ty, description| MetaSecurityScheme {
            ty,
            description: Some(description),
            name: None,
            key_in: None,
            scheme: None,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        let bearer = MetaSecurityScheme {
            scheme: Some("bearer"),
            bearer_format: Some("JWT"),
            ..scheme("http", "The token of `POST /login`, or an API key")
        };
        let key = MetaSecurityScheme {
            name: Some("x-api-key"),
            key_in: Some("header"),
            ..scheme("apiKey", "A key of `POST /api/keys`")
        };
        registry.create_security_scheme(BEARER, bearer);
        registry.create_security_scheme(API_KEY, key);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![BEARER, API_KEY]
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let services = &gate(request)?.services;
        let credential = credential(request).ok_or(Error::Unauthenticated)?;
        let caller = services.accounts.authenticate(&credential, workspace(request)?).await?;
        services.rates.count_key(caller.credential_id).await?;
        Ok(caller)
    }
}

/// What stands before the handlers.
///
/// # Errors
/// [`Error::Internal`] when the route was built without it.
pub fn gate(request: &Request) -> Result<&Arc<Gate>> {
    request.data::<Arc<Gate>>().ok_or_else(|| Error::Internal(anyhow::anyhow!("a route without its gate")))
}

/// Where a request comes from.
pub fn address(request: &Request, trust_forwarded_for: bool) -> IpAddr {
    let forwarded = || request.header("x-forwarded-for")?.rsplit(',').next()?.trim().parse().ok();
    if let Some(address) = trust_forwarded_for.then(forwarded).flatten() {
        return address;
    }
    match &request.remote_addr().0 {
        Addr::SocketAddr(address) => address.ip(),
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

fn credential(request: &Request) -> Option<Credential> {
    let bearer = || {
        let (scheme, token) = request.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Credential::Bearer(token.trim().to_owned()))
    };
    let key = || Some(Credential::ApiKey(request.header("x-api-key")?.to_owned()));
    bearer().or_else(key)
}

fn workspace(request: &Request) -> Result<Option<Uuid>> {
    let Some((name, text)) = WORKSPACE_HEADERS.iter().find_map(|name| Some((*name, request.header(*name)?))) else {
        return Ok(None);
    };
    Uuid::try_parse(text).map(Some).map_err(|_| Error::invalid(name, "must be the UUID of a workspace"))
}
