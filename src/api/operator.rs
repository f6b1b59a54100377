//! The operator: whoever knows the name and the password of the configuration; where none are set, there is nothing
//! for an operator, and its paths cannot be told from any that do not exist.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poem::error::{NotFoundError, ResponseError};
use poem::http::StatusCode;
use poem::{FromRequest, Request, RequestBody, Result};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::security::gate;
use crate::config::AuthConfig;

/// What the operator has to say, as `name:password`.
#[derive(Debug, Clone)]
pub struct OperatorSecret(SecretString);

impl OperatorSecret {
    /// That of the configuration, when there is one.
    pub fn of(config: &AuthConfig) -> Option<Self> {
        let (name, password) = (config.metrics_username.as_ref()?, config.metrics_password.as_ref()?);
        Some(Self(SecretString::from(format!("{name}:{}", password.expose_secret()))))
    }

    /// Whether it is this. Digests are compared, whose equal beginnings tell nothing.
    fn is(&self, given: &[u8]) -> bool {
        Sha256::digest(self.0.expose_secret()) == Sha256::digest(given)
    }
}

/// Somebody at the operator's door who is not the operator.
#[derive(Debug, thiserror::Error)]
#[error("not the operator")]
pub struct NotTheOperator;

impl ResponseError for NotTheOperator {
    fn status(&self) -> StatusCode {
        StatusCode::UNAUTHORIZED
    }
}

/// A caller who has proved to be the operator.
#[derive(Debug)]
pub struct Operator;

impl<'a> FromRequest<'a> for Operator {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Self::of(request)
    }
}

impl Operator {
    /// Whoever sends this request, if that is the operator.
    ///
    /// # Errors
    /// Not found where there is no operator, [`NotTheOperator`] for everybody else.
    pub fn of(request: &Request) -> Result<Self> {
        let secret = gate(request)?.operator.as_ref().ok_or(NotFoundError)?;
        let given = || {
            let (scheme, credentials) = request.header("authorization")?.split_once(' ')?;
            let basic = scheme.eq_ignore_ascii_case("basic");
            basic.then(|| STANDARD.decode(credentials.trim()).ok()).flatten()
        };
        if given().is_some_and(|given| secret.is(&given)) { Ok(Self) } else { Err(NotTheOperator.into()) }
    }
}
