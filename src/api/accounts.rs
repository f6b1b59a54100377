//! Sign-up, log-in, sessions, members and API keys.

use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use uuid::Uuid;

use super::docs::Tag;
use super::json::{JsonBody, NoContent, Reply};
use super::security::{address, gate};
use crate::error::Result;
use crate::service::AccountService;
use crate::service::accounts::{
    ApiKeyPage, Caller, CreatedApiKey, Credentials, Me, Member, MemberPage, NewApiKey, NewMember, RefreshRequest,
    SignedUp, TokenPair,
};

/// The operations.
pub struct AccountsApi {
    /// Their rules.
    pub accounts: AccountService,
}

#[OpenApi(tag = "Tag::Accounts")]
impl AccountsApi {
    /// Sign up
    ///
    /// Makes a user and a workspace of their own. The first user of a fresh server is its operator.
    #[oai(path = "/signup", method = "post", operation_id = "signup")]
    async fn signup(&self, body: JsonBody<Credentials>) -> Result<Reply<201, SignedUp>> {
        self.accounts.sign_up(body.0).await.map(Reply)
    }

    /// Log in
    ///
    /// 401 does not say which of the two was wrong. Several failures are answered 429 with `Retry-After`.
    #[oai(path = "/login", method = "post", operation_id = "login")]
    async fn login(&self, request: &Request, body: JsonBody<Credentials>) -> Result<Reply<200, TokenPair>> {
        let address = address(request, gate(request)?.trust_forwarded_for);
        self.accounts.log_in(address, body.0).await.map(Reply)
    }

    /// Continue a session
    ///
    /// Exchanges a refresh token for a new pair. A token is good once; its second use ends the session.
    #[oai(path = "/token", method = "post", operation_id = "refresh_token")]
    async fn token(&self, body: JsonBody<RefreshRequest>) -> Result<Reply<200, TokenPair>> {
        self.accounts.refresh(body.0).await.map(Reply)
    }

    /// Log out
    ///
    /// Ends the session of the caller's token, of which a refresh token is shown as well; its tokens stop working at
    /// once here and within seconds on other replicas.
    #[oai(path = "/logout", method = "post", operation_id = "logout")]
    async fn logout(&self, caller: Caller, body: JsonBody<RefreshRequest>) -> Result<NoContent> {
        self.accounts.log_out(&caller, body.0).await.map(|()| NoContent)
    }

    /// Who am I
    ///
    /// The caller, the workspace of this request with their role in it, and every workspace that they can choose.
    #[oai(path = "/me", method = "get", operation_id = "me")]
    async fn me(&self, caller: Caller) -> Result<Reply<200, Me>> {
        self.accounts.me(&caller).await.map(Reply)
    }

    /// List the members of the workspace
    ///
    /// With their roles, in the order in which they came.
    #[oai(path = "/api/members", method = "get", operation_id = "list_members")]
    async fn list_members(&self, caller: Caller) -> Result<Reply<200, MemberPage>> {
        self.accounts.list_members(&caller).await.map(Reply)
    }

    /// Let a user into the workspace
    ///
    /// Or give a member another role. Owners only.
    #[oai(path = "/api/members", method = "post", operation_id = "put_member")]
    async fn put_member(&self, caller: Caller, body: JsonBody<NewMember>) -> Result<Reply<201, Member>> {
        self.accounts.put_member(&caller, body.0).await.map(Reply)
    }

    /// Show a member out of the workspace
    ///
    /// Owners only, but anybody may leave. The last owner stays.
    #[oai(path = "/api/members/:user_id", method = "delete", operation_id = "delete_member")]
    async fn delete_member(
        &self,
        caller: Caller,
        /// The member's user id
        user_id: Path<Uuid>,
    ) -> Result<NoContent> {
        self.accounts.delete_member(&caller, user_id.0).await.map(|()| NoContent)
    }

    /// Make an API key
    ///
    /// The key is shown in this answer and never again.
    #[oai(path = "/api/keys", method = "post", operation_id = "create_key")]
    async fn create_key(&self, caller: Caller, body: JsonBody<NewApiKey>) -> Result<Reply<201, CreatedApiKey>> {
        self.accounts.create_key(&caller, body.0).await.map(Reply)
    }

    /// List the API keys of the workspace
    ///
    /// Newest first, without the keys themselves.
    #[oai(path = "/api/keys", method = "get", operation_id = "list_keys")]
    async fn list_keys(&self, caller: Caller) -> Result<Reply<200, ApiKeyPage>> {
        self.accounts.list_keys(&caller).await.map(Reply)
    }

    /// Take an API key back
    ///
    /// It stops working at once here and within seconds on other replicas.
    #[oai(path = "/api/keys/:id", method = "delete", operation_id = "delete_key")]
    async fn delete_key(
        &self,
        caller: Caller,
        /// The key's id
        id: Path<Uuid>,
    ) -> Result<NoContent> {
        self.accounts.delete_key(&caller, id.0).await.map(|()| NoContent)
    }
}
