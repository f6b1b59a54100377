//! What accounts speak of on the wire; a secret is in an answer once and never printed.

use chrono::{DateTime, Utc};
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::repository::entity::{api_key, member, user};
use crate::service::time;

/// What somebody may do in a workspace; each role may do what the ones below it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and writes.
    Editor,
    /// Also manages members.
    Owner,
}

impl Role {
    /// As it stands in a column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }

    /// From a column; what cannot be read may do the least.
    pub fn from_column(text: &str) -> Self {
        match text {
            "owner" => Self::Owner,
            "editor" => Self::Editor,
            _ => Self::Viewer,
        }
    }
}

/// An e-mail and a password.
#[derive(Clone, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct Credentials {
    /// The address; case and surrounding spaces do not count.
    pub email: String,
    /// 8 to 72 bytes.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

impl Example for Credentials {
    fn example() -> Self {
        Self { email: "ada@example.com".to_owned(), password: "correct horse battery".to_owned() }
    }
}

/// A new user.
#[derive(Debug, Clone, Object, Serialize)]
pub struct SignedUp {
    /// The user's id.
    pub id: Uuid,
    /// As it was normalised.
    pub email: String,
    /// The workspace that was made with them.
    pub workspace_id: Uuid,
}

/// What a sign-in gives.
#[derive(Clone, Object, Serialize)]
pub struct TokenPair {
    /// For `Authorization: Bearer …`.
    pub token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds that `token` is good for.
    pub expires_in: u64,
    /// For `POST /token`, once.
    pub refresh_token: String,
}

impl std::fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenPair")
    }
}

/// A refresh token.
#[derive(Clone, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct RefreshRequest {
    /// As the sign-in or the last refresh gave it.
    pub refresh_token: String,
}

impl Example for RefreshRequest {
    fn example() -> Self {
        Self { refresh_token: "ryr_nzAOuuXfasVcQlmPXngM3IkP2mB2ocIY5ecTwMN4ukw".to_owned() }
    }
}

impl std::fmt::Debug for RefreshRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshRequest")
    }
}

/// Who the caller is.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Me {
    /// The user's id.
    pub id: Uuid,
    /// Their e-mail.
    pub email: String,
    /// The workspace of this request.
    pub workspace_id: Uuid,
    /// What the caller may do in it.
    pub role: Role,
    /// Whether they operate the server.
    pub operator: bool,
    /// Every workspace that they can choose with `X-Workspace-Id`.
    pub workspaces: Vec<Membership>,
}

/// A workspace and the role in it.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Membership {
    /// The workspace.
    pub workspace_id: Uuid,
    /// The role.
    pub role: Role,
}

impl From<member::Model> for Membership {
    fn from(row: member::Model) -> Self {
        Self { workspace_id: row.workspace_id, role: Role::from_column(&row.role) }
    }
}

/// Somebody to be let into the workspace.
#[derive(Debug, Clone, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct NewMember {
    /// Of a user who has signed up.
    pub email: String,
    /// What they may do.
    pub role: Role,
}

impl Example for NewMember {
    fn example() -> Self {
        Self { email: "grace@example.com".to_owned(), role: Role::Editor }
    }
}

/// A member of the workspace.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Member {
    /// The user.
    pub user_id: Uuid,
    /// Their e-mail.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Since when.
    #[serde(serialize_with = "time::serialize")]
    pub created_at: DateTime<Utc>,
}

impl From<(member::Model, user::Model)> for Member {
    fn from((member, user): (member::Model, user::Model)) -> Self {
        Self {
            user_id: user.id,
            email: user.email,
            role: Role::from_column(&member.role),
            created_at: member.created_at,
        }
    }
}

/// The members of the workspace.
#[derive(Debug, Clone, Object, Serialize)]
pub struct MemberPage {
    /// In the order in which they came.
    pub items: Vec<Member>,
    /// Always null: the list is whole.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// A key to be made.
#[derive(Debug, Clone, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct NewApiKey {
    /// 1 to 255 bytes, to tell keys apart.
    pub name: String,
    /// At most the caller's own, which is the default.
    #[serde(default)]
    #[oai(nullable)]
    pub role: Option<Role>,
    /// When it ends; never when missing.
    #[serde(default)]
    #[oai(nullable)]
    pub expires_at: Option<DateTime<Utc>>,
}

impl Example for NewApiKey {
    fn example() -> Self {
        let expires_at = DateTime::from_timestamp(4_102_444_800, 0);
        Self { name: "nightly evaluation".to_owned(), role: Some(Role::Editor), expires_at }
    }
}

/// A key, without the key itself.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// What it may do at most.
    pub role: Role,
    /// When it was made.
    #[serde(serialize_with = "time::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it ends, if ever.
    #[serde(serialize_with = "time::serialize_option")]
    #[oai(nullable)]
    pub expires_at: Option<DateTime<Utc>>,
}

impl From<api_key::Model> for ApiKey {
    fn from(row: api_key::Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            prefix: row.prefix,
            role: Role::from_column(&row.role),
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}

/// The keys of the workspace.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ApiKeyPage {
    /// Newest first.
    pub items: Vec<ApiKey>,
    /// Always null: the list is whole.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// A key that was just made; the only answer that shows it.
#[derive(Clone, Object, Serialize)]
pub struct CreatedApiKey {
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// The key, for `x-api-key` or as Bearer. Keep it: it is not shown again.
    pub key: String,
    /// Its first characters.
    pub prefix: String,
    /// What it may do at most.
    pub role: Role,
    /// When it was made.
    #[serde(serialize_with = "time::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it ends, if ever.
    #[serde(serialize_with = "time::serialize_option")]
    #[oai(nullable)]
    pub expires_at: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for CreatedApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CreatedApiKey")
    }
}
