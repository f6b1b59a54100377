//! Accounts: who may come in, into which workspace, and what they may do there.

mod callers;
mod keys;
mod members;
mod passwords;
mod secret;
mod sessions;
mod throttle;
mod tokens;
mod vocabulary;

pub use callers::{Caller, Credential};
pub use secret::JwtSecret;
pub use sessions::OldSessions;
pub use vocabulary::{
    ApiKey, ApiKeyPage, CreatedApiKey, Credentials, Me, Member, MemberPage, Membership, NewApiKey, NewMember,
    RefreshRequest, Role, SignedUp, TokenPair,
};

use std::net::IpAddr;

use uuid::Uuid;

use crate::config::{AuthConfig, Signup};
use crate::error::{Error, FieldError, Result};
use crate::repository::AccountRepository;
use crate::repository::accounts::{NewUser, SignUp};
use crate::service::time;

use callers::CallerCache;
use passwords::Passwords;
use throttle::Throttle;
use tokens::Tokens;

/// Longest e-mail address that is taken, in bytes; the limit of SMTP's paths.
const MAX_EMAIL: usize = 254;

/// The rules of accounts.
#[derive(Debug, Clone)]
pub struct AccountService {
    accounts: AccountRepository,
    passwords: Passwords,
    tokens: Tokens,
    throttle: Throttle,
    callers: CallerCache,
    config: AuthConfig,
}

impl AccountService {
    /// Over this repository, with tokens under this secret.
    ///
    /// # Errors
    /// [`Error::Internal`] when password hashing does not work.
    pub fn new(
        accounts: AccountRepository,
        secret: &JwtSecret,
        config: &AuthConfig,
        login_failures: u32,
    ) -> Result<Self> {
        Ok(Self {
            accounts,
            passwords: Passwords::new(config)?,
            tokens: Tokens::new(secret, config.token_ttl.0),
            throttle: Throttle::new(login_failures),
            callers: CallerCache::new(),
            config: config.clone(),
        })
    }

    /// Makes a user with a workspace of their own.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad e-mail or password, [`Error::Conflict`] when the e-mail is taken,
    /// [`Error::Forbidden`] when sign-up is closed.
    #[tracing::instrument(target = "otel", name = "accounts.sign_up", skip_all)]
    pub async fn sign_up(&self, credentials: Credentials) -> Result<SignedUp> {
        self.create_user(credentials, self.config.signup == Signup::Closed).await
    }

    /// Makes a user also when sign-up is closed: the operator's way.
    ///
    /// # Errors
    /// As [`Self::sign_up`].
    pub async fn create_user_as_operator(&self, credentials: Credentials) -> Result<SignedUp> {
        self.create_user(credentials, false).await
    }

    async fn create_user(&self, credentials: Credentials, only_first: bool) -> Result<SignedUp> {
        let email = normalised(&credentials.email);
        let problems: Vec<_> =
            [email_problem(&email), password_problem(&credentials.password)].into_iter().flatten().collect();
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        let password_hash = self.passwords.hash(credentials.password).await?;
        let user = NewUser { id: Uuid::now_v7(), workspace_id: Uuid::now_v7(), email, password_hash, only_first };
        match self.accounts.create_user(time::now(), &user).await? {
            SignUp::Done { .. } => Ok(SignedUp { id: user.id, email: user.email, workspace_id: user.workspace_id }),
            SignUp::EmailTaken => {
                Err(Error::conflict("email", "somebody has signed up with this e-mail; log in instead"))
            }
            SignUp::Closed => Err(Error::Forbidden("sign-up is closed; ask the operator for an account")),
        }
    }

    /// Signs in with e-mail and password.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] whichever of the two is wrong, [`Error::TooMany`] after several failures.
    #[tracing::instrument(target = "otel", name = "accounts.log_in", skip_all)]
    pub async fn log_in(&self, address: IpAddr, credentials: Credentials) -> Result<TokenPair> {
        let email = possible(&credentials.email);
        let _turn = self.throttle.admit(address, &email).await?;
        let user = self.accounts.find_user_by_email(&email).await?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let right = self.passwords.verify(credentials.password, hash).await?;
        match user.filter(|_| right) {
            Some(user) => {
                self.throttle.succeeded(address, &email).await;
                self.start_session(user.id).await
            }
            None => {
                self.throttle.failed(address, &email).await;
                Err(Error::Unauthenticated)
            }
        }
    }

    /// Who the caller is and which workspaces they can choose from.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the user is gone.
    #[tracing::instrument(target = "otel", name = "accounts.me", skip_all)]
    pub async fn me(&self, caller: &Caller) -> Result<Me> {
        let user = self.accounts.find_user(caller.user_id).await?.ok_or(Error::Unauthenticated)?;
        let memberships = self.accounts.list_memberships(caller.user_id).await?;
        Ok(Me {
            id: user.id,
            email: user.email,
            workspace_id: caller.workspace_id,
            role: caller.role,
            operator: caller.operator,
            workspaces: memberships.into_iter().map(Membership::from).collect(),
        })
    }

    /// Password hashes that are computed or wait.
    pub fn password_hashes(&self) -> usize {
        self.passwords.in_hand()
    }
}

fn normalised(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The e-mail to look for: empty, which nobody has, when it cannot be anybody's. What has no bound is not remembered,
/// and U+0000 is nothing that PostgreSQL can be asked for.
fn possible(email: &str) -> String {
    let email = normalised(email);
    if email_problem(&email).is_none() { email } else { String::new() }
}

fn email_problem(email: &str) -> Option<FieldError> {
    let well_formed = email
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    let clean = !email.chars().any(|character| character.is_whitespace() || character.is_control());
    let fits = email.len() <= MAX_EMAIL;
    (!(well_formed && clean && fits))
        .then(|| FieldError::new("email", "must be an e-mail address of at most 254 bytes"))
}

fn password_problem(password: &str) -> Option<FieldError> {
    if password.contains('\0') {
        return Some(FieldError::new("password", "must not contain U+0000"));
    }
    (!(8..=72).contains(&password.len())).then(|| FieldError::new("password", "must have 8 to 72 bytes"))
}
