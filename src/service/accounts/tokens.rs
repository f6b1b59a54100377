//! Access tokens: JWTs under HS256 and nothing else, whatever a token says of itself.
//!
//! The cryptography behind `jsonwebtoken` is installed here with HS256 alone, so that no other algorithm is even
//! in the binary.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error as JwtError, ErrorKind};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::secret::JwtSecret;
use crate::error::Result;

/// What a token says.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: Uuid,
    /// The session; when it ends, so does every token of it.
    pub sid: Uuid,
    /// Seconds since 1970 at which the token was made.
    pub iat: i64,
    /// Seconds since 1970 from which on it is no good.
    pub exp: i64,
}

/// Makes tokens and reads them.
#[derive(Clone)]
pub struct Tokens {
    signing: EncodingKey,
    header: Header,
    verifying: Arc<[(String, DecodingKey)]>,
    validation: Validation,
    ttl: Duration,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// Signs with the first secret and verifies with all of them.
    pub fn new(secret: &JwtSecret, ttl: Duration) -> Self {
        // An error means that it is installed already, by this very line.
        let _ = HS256.install_default();
        let verifying: Vec<_> = secret.all().map(|key| (key_id(key), DecodingKey::from_secret(key))).collect();
        let first = secret.all().next().unwrap_or_default();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_required_spec_claims(&["exp", "sub"]);
        Self {
            signing: EncodingKey::from_secret(first),
            header: Header { kid: Some(key_id(first)), ..Header::new(Algorithm::HS256) },
            verifying: verifying.into(),
            validation,
            ttl,
        }
    }

    /// Seconds that a token is good for.
    pub fn ttl_seconds(&self) -> u64 {
        self.ttl.as_secs()
    }

    /// A token for a session.
    pub fn issue(&self, now: DateTime<Utc>, user: Uuid, session: Uuid) -> Result<String> {
        let iat = now.timestamp();
        let claims = Claims { sub: user, sid: session, iat, exp: iat + self.ttl.as_secs() as i64 };
        Ok(jsonwebtoken::encode(&self.header, &claims, &self.signing).context("signing a token")?)
    }

    /// What a token says, if it is ours and good.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        self.verifying
            .iter()
            // A token without a key id is tried with every secret; one with a key id only with that one's.
            .filter(|(id, _)| header.kid.as_ref().is_none_or(|kid| kid == id))
            .find_map(|(_, key)| jsonwebtoken::decode::<Claims>(token, key, &self.validation).ok())
            .map(|token| token.claims)
    }
}

/// Names a secret without telling anything of it that helps.
fn key_id(secret: &[u8]) -> String {
    let digest = Sha256::new().chain_update(b"runyard key id").chain_update(secret).finalize();
    URL_SAFE_NO_PAD.encode(&digest[..6])
}

static HS256: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        only_hs256(*algorithm)?;
        Ok(Box::new(HmacSha256::new(key.as_bytes())?))
    },
    verifier_factory: |algorithm, key| {
        only_hs256(*algorithm)?;
        Ok(Box::new(HmacSha256::new(key.try_get_as_bytes()?)?))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

fn only_hs256(algorithm: Algorithm) -> Result<(), JwtError> {
    if algorithm == Algorithm::HS256 { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

struct HmacSha256(Hmac<Sha256>);

impl HmacSha256 {
    fn new(key: &[u8]) -> Result<Self, JwtError> {
        Hmac::new_from_slice(key).map(Self).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }
}

impl Signer<Vec<u8>> for HmacSha256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl JwtSigner for HmacSha256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for HmacSha256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        self.0.clone().chain_update(message).verify_slice(signature).map_err(SignatureError::from_source)
    }
}

impl JwtVerifier for HmacSha256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
