//! Turns a credential into a caller: a user in one workspace with a role.
//!
//! What a credential is good for is asked of the database at most every few seconds, so that a session or key which
//! is ended stops working within that time everywhere, and at once in the process that ends it.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{AccountService, Role};
use crate::error::{Error, Result};
use crate::service::time;

/// How long an answer of the database is believed.
const BELIEVED: Duration = Duration::from_secs(10);
/// How long an ended credential is remembered here, longer than any answer that was under way when it ended.
const REMEMBERED: Duration = Duration::from_secs(120);
/// Credentials that are remembered at most.
const CAPACITY: u64 = 50_000;

/// What a request shows to come in.
#[derive(Clone)]
pub enum Credential {
    /// `Authorization: Bearer …`: an access token or an API key.
    Bearer(String),
    /// `x-api-key: …`.
    ApiKey(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential")
    }
}

/// Who makes a request, where, and what they may do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The user; for a key, whoever made it.
    pub user_id: Uuid,
    /// The workspace that the request is about.
    pub workspace_id: Uuid,
    /// What they may do in it.
    pub role: Role,
    /// Whether they operate the server.
    pub operator: bool,
    /// The session, or the key, by which they came.
    pub credential_id: Uuid,
    /// Whether they came by a key.
    pub by_key: bool,
}

impl Caller {
    /// Nothing when the caller may write.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a viewer.
    pub fn may_write(&self) -> Result<()> {
        self.needs(Role::Editor, "a viewer may not write; ask an owner for the role of editor")
    }

    /// Nothing when the caller owns the workspace.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for the others.
    pub fn may_manage(&self) -> Result<()> {
        self.needs(Role::Owner, "only an owner of the workspace may do this")
    }

    fn needs(&self, role: Role, why: &'static str) -> Result<()> {
        if self.role >= role { Ok(()) } else { Err(Error::Forbidden(why)) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Shown {
    Session(Uuid, Option<Uuid>),
    Key([u8; 32]),
}

/// What was learnt of credentials in the last seconds.
#[derive(Debug, Clone)]
pub struct CallerCache {
    callers: Cache<Shown, Caller>,
    ended: Cache<Uuid, ()>,
}

impl CallerCache {
    /// Empty.
    pub fn new() -> Self {
        Self {
            callers: Cache::builder().max_capacity(CAPACITY).time_to_live(BELIEVED).build(),
            ended: Cache::builder().max_capacity(CAPACITY).time_to_live(REMEMBERED).build(),
        }
    }

    /// A session or key is over.
    pub async fn end(&self, credential_id: Uuid) {
        self.ended.insert(credential_id, ()).await;
    }

    /// Roles have changed: everybody is asked for anew.
    pub fn forget_all(&self) {
        self.callers.invalidate_all();
    }
}

impl AccountService {
    /// The caller that a credential stands for, in the workspace that the request names, or their own.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when it is no good, [`Error::NotFound`] when the workspace is not theirs.
    #[tracing::instrument(target = "otel", name = "accounts.authenticate", skip_all)]
    pub async fn authenticate(&self, credential: &Credential, workspace: Option<Uuid>) -> Result<Caller> {
        let shown = match credential {
            // A JWT has two dots; a key has none.
            Credential::Bearer(token) if token.contains('.') => {
                let claims = self.tokens.verify(token).ok_or(Error::Unauthenticated)?;
                Shown::Session(claims.sid, workspace)
            }
            Credential::Bearer(key) | Credential::ApiKey(key) => Shown::Key(digest(key)),
        };
        let caller = match self.callers.callers.get(&shown).await {
            Some(caller) => caller,
            None => Box::pin(self.find_caller(shown, workspace)).await?,
        };
        if self.callers.ended.contains_key(&caller.credential_id) {
            return Err(Error::Unauthenticated);
        }
        if workspace.is_some_and(|workspace| workspace != caller.workspace_id) {
            return Err(Error::NotFound("workspace"));
        }
        Ok(caller)
    }

    async fn find_caller(&self, shown: Shown, workspace: Option<Uuid>) -> Result<Caller> {
        // Many requests of one credential that come at once ask the database once.
        let found = self.callers.callers.try_get_with(shown.clone(), async {
            match &shown {
                Shown::Session(session, _) => self.session_caller(*session, workspace).await,
                Shown::Key(digest) => self.key_caller(&hex(digest)).await,
            }
        });
        found.await.map_err(|error: Arc<Error>| match error.as_ref() {
            Error::Unauthenticated => Error::Unauthenticated,
            Error::NotFound(noun) => Error::NotFound(noun),
            Error::Unavailable(cause) => Error::unavailable(anyhow::anyhow!("checking a credential: {cause:#}")),
            other => Error::Internal(anyhow::anyhow!("checking a credential: {other:#}")),
        })
    }

    async fn session_caller(&self, session: Uuid, workspace: Option<Uuid>) -> Result<Caller> {
        let grant = self.accounts.find_session_grant(time::now(), session, workspace).await?;
        let grant = grant.ok_or(Error::Unauthenticated)?;
        let member = grant.member.ok_or(Error::NotFound("workspace"))?;
        Ok(Caller {
            user_id: grant.user.id,
            workspace_id: member.workspace_id,
            role: Role::from_column(&member.role),
            operator: grant.user.operator_seat.is_some(),
            credential_id: session,
            by_key: false,
        })
    }

    async fn key_caller(&self, hash: &str) -> Result<Caller> {
        let grant = self.accounts.find_key_grant(time::now(), hash).await?.ok_or(Error::Unauthenticated)?;
        Ok(Caller {
            user_id: grant.user.id,
            workspace_id: grant.key.workspace_id,
            role: Role::from_column(&grant.key.role).min(Role::from_column(&grant.member.role)),
            operator: false,
            credential_id: grant.key.id,
            by_key: true,
        })
    }
}

/// What is kept of a key or a refresh token: they are random, so a plain hash is enough.
pub fn hash(secret: &str) -> String {
    hex(&digest(secret))
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn hex(digest: &[u8; 32]) -> String {
    use std::fmt::Write;
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
