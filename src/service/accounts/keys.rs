//! API keys: shown once, kept hashed, never stronger than whoever made them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::callers::hash;
use super::{AccountService, ApiKey, ApiKeyPage, Caller, CreatedApiKey, NewApiKey};
use crate::error::{Error, FieldError, Result};
use crate::repository::entity::api_key;
use crate::service::time;

/// Characters of a key that are kept to tell keys apart.
const PREFIX: usize = 11;
/// Longest name, in bytes.
const MAX_NAME: usize = 255;

impl AccountService {
    /// Makes a key for the caller's workspace.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a viewer, [`Error::Invalid`] for a bad name, a role above the caller's own, or an
    /// end that has passed.
    #[tracing::instrument(target = "otel", name = "accounts.create_key", skip_all)]
    pub async fn create_key(&self, caller: &Caller, new: NewApiKey) -> Result<CreatedApiKey> {
        caller.may_write()?;
        let now = time::now();
        let role = new.role.unwrap_or(caller.role);
        let mut problems = Vec::new();
        if new.name.is_empty() || new.name.len() > MAX_NAME || new.name.contains('\0') {
            problems.push(FieldError::new("name", "must have 1 to 255 bytes and no U+0000"));
        }
        if role > caller.role {
            problems.push(FieldError::new("role", "must not be above your own"));
        }
        if new.expires_at.is_some_and(|end| end <= now) {
            problems.push(FieldError::new("expires_at", "must be in the future"));
        }
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        let key = format!("ry_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        let row = api_key::Model {
            id: Uuid::now_v7(),
            workspace_id: caller.workspace_id,
            user_id: caller.user_id,
            name: new.name,
            prefix: key[..PREFIX].to_owned(),
            hash: hash(&key),
            role: role.as_str().to_owned(),
            created_at: now,
            expires_at: new.expires_at,
        };
        self.accounts.create_key(row.clone()).await?;
        Ok(CreatedApiKey {
            id: row.id,
            name: row.name,
            key,
            prefix: row.prefix,
            role,
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }

    /// The keys of the caller's workspace.
    ///
    /// # Errors
    /// Those of the repository.
    #[tracing::instrument(target = "otel", name = "accounts.list_keys", skip_all)]
    pub async fn list_keys(&self, caller: &Caller) -> Result<ApiKeyPage> {
        let keys = self.accounts.list_keys(caller.workspace_id).await?;
        Ok(ApiKeyPage { items: keys.into_iter().map(ApiKey::from).collect(), next_cursor: None })
    }

    /// Takes a key back: at once in this process, within seconds in the others.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a viewer, [`Error::NotFound`] when there is no such key.
    #[tracing::instrument(target = "otel", name = "accounts.delete_key", skip_all)]
    pub async fn delete_key(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.may_write()?;
        if !self.accounts.delete_key(caller.workspace_id, id).await? {
            return Err(Error::NotFound("API key"));
        }
        self.callers.end(id).await;
        Ok(())
    }
}
