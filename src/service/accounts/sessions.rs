//! Sessions: started by a sign-in, continued with refresh tokens that are good once, ended by a log-out.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::callers::hash;
use super::{AccountService, Caller, RefreshRequest, TokenPair};
use crate::error::{Error, Result};
use crate::repository::AccountRepository;
use crate::repository::accounts::Rotation;
use crate::repository::entity::session;
use crate::service::roles::{Step, Worker};
use crate::service::time;

impl AccountService {
    /// A new session of a user who has proved who they are.
    pub(super) async fn start_session(&self, user_id: Uuid) -> Result<TokenPair> {
        let now = time::now();
        let session = session::Model {
            id: Uuid::now_v7(),
            user_id,
            created_at: now,
            expires_at: now + self.config.session_ttl.0,
            revoked_at: None,
        };
        let refresh_token = new_refresh_token();
        self.accounts.create_session(session.clone(), hash(&refresh_token)).await?;
        self.pair(user_id, session.id, refresh_token)
    }

    /// Exchanges a refresh token for a new pair. The second use of a token ends its session: one of the two users
    /// is not whom it was given to.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the token is no good.
    #[tracing::instrument(target = "otel", name = "accounts.refresh", skip_all)]
    pub async fn refresh(&self, request: RefreshRequest) -> Result<TokenPair> {
        let fresh = new_refresh_token();
        match self.accounts.rotate(time::now(), &hash(&request.refresh_token), hash(&fresh)).await? {
            Rotation::Done { session_id, user_id } => self.pair(user_id, session_id, fresh),
            Rotation::Reused { session_id } => {
                self.callers.end(session_id).await;
                tracing::warn!(session.id = %session_id, "a refresh token was used twice; its session is ended");
                Err(Error::Unauthenticated)
            }
            Rotation::Unknown => Err(Error::Unauthenticated),
        }
    }

    /// Ends the caller's session, of which they show a refresh token as well.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the token is not of this session.
    #[tracing::instrument(target = "otel", name = "accounts.log_out", skip_all)]
    pub async fn log_out(&self, caller: &Caller, request: RefreshRequest) -> Result<()> {
        let session = self.accounts.find_session_of_token(&hash(&request.refresh_token)).await?;
        if caller.by_key || session != Some(caller.credential_id) {
            return Err(Error::invalid("refresh_token", "must be a refresh token of the session that is logged out"));
        }
        self.accounts.revoke_session(time::now(), caller.credential_id).await?;
        self.callers.end(caller.credential_id).await;
        Ok(())
    }

    fn pair(&self, user: Uuid, session: Uuid, refresh_token: String) -> Result<TokenPair> {
        Ok(TokenPair {
            token: self.tokens.issue(time::now(), user, session)?,
            token_type: "Bearer".to_owned(),
            expires_in: self.tokens.ttl_seconds(),
            refresh_token,
        })
    }
}

fn new_refresh_token() -> String {
    format!("ryr_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

/// Forgets, once an hour, what nobody can sign in with any more.
#[derive(Debug)]
pub struct OldSessions(AccountRepository);

impl OldSessions {
    /// In this database.
    pub fn new(accounts: AccountRepository) -> Self {
        Self(accounts)
    }
}

impl Worker for OldSessions {
    const NAME: &'static str = "sessions";

    fn pause(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn step(&mut self, now: DateTime<Utc>) -> Result<Step> {
        self.0.delete_sessions_over(now - TimeDelta::days(1)).await?;
        Ok(Step::Idle)
    }
}
