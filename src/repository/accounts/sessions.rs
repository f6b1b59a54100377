//! Sessions and their refresh tokens: a token is used once, and a second use ends its session for good.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use super::AccountRepository;
use crate::error::Result;
use crate::repository::entity::{member, refresh_token, session, user};

/// How a refresh ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// The new token is good, the old one is not any more.
    Done {
        /// The session that goes on.
        session_id: Uuid,
        /// Whose it is.
        user_id: Uuid,
    },
    /// The token had been used before; its session has been ended.
    Reused {
        /// The session that was ended.
        session_id: Uuid,
    },
    /// No such token, or its session is over.
    Unknown,
}

/// What a live session lets its user do in one workspace.
#[derive(Debug, Clone)]
pub struct SessionGrant {
    /// Who signed in.
    pub user: user::Model,
    /// The workspace and the role in it; nothing when they are no member of it.
    pub member: Option<member::Model>,
}

impl AccountRepository {
    /// Starts a session with its first refresh token.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn create_session(&self, session: session::Model, token_hash: String) -> Result<()> {
        let token = new_token(token_hash, session.id, session.created_at);
        self.database
            .bounded(async {
                let transaction = self.database.begin().await?;
                session.into_active_model().insert(&transaction).await?;
                token.into_active_model().insert(&transaction).await?;
                Ok(transaction.commit().await?)
            })
            .await
    }

    /// Exchanges a refresh token for a new one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn rotate(&self, now: DateTime<Utc>, old_hash: &str, new_hash: String) -> Result<Rotation> {
        self.database
            .bounded(async {
                let transaction = self.database.begin().await?;
                // The condition makes one of several users of the same token win, whatever their order.
                let used = refresh_token::Entity::update_many()
                    .col_expr(refresh_token::Column::UsedAt, Expr::value(now))
                    .filter(refresh_token::Column::Hash.eq(old_hash))
                    .filter(refresh_token::Column::UsedAt.is_null())
                    .exec(&transaction)
                    .await?;
                let Some(token) = refresh_token::Entity::find_by_id(old_hash).one(&transaction).await? else {
                    return Ok(Rotation::Unknown);
                };
                let Some(session) = session::Entity::find_by_id(token.session_id).one(&transaction).await? else {
                    return Ok(Rotation::Unknown);
                };
                if used.rows_affected == 0 {
                    revoke(now, session.id).exec(&transaction).await?;
                    transaction.commit().await?;
                    return Ok(Rotation::Reused { session_id: session.id });
                }
                if session.revoked_at.is_some() || session.expires_at <= now {
                    return Ok(Rotation::Unknown);
                }
                new_token(new_hash, session.id, now).into_active_model().insert(&transaction).await?;
                transaction.commit().await?;
                Ok(Rotation::Done { session_id: session.id, user_id: session.user_id })
            })
            .await
    }

    /// The session that this refresh token belongs to, used or not.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_session_of_token(&self, token_hash: &str) -> Result<Option<Uuid>> {
        let query = refresh_token::Entity::find_by_id(token_hash);
        let token = self.database.bounded(async { Ok(query.one(self.database.reader()).await?) }).await?;
        Ok(token.map(|token| token.session_id))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn revoke_session(&self, now: DateTime<Utc>, id: Uuid) -> Result<()> {
        let update = revoke(now, id);
        self.database
            .bounded(async {
                update.exec(self.database.writer()).await?;
                Ok(())
            })
            .await
    }

    /// What a session is good for; nothing when it is over. The workspace is the user's own when none is named.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_session_grant(
        &self,
        now: DateTime<Utc>,
        id: Uuid,
        workspace: Option<Uuid>,
    ) -> Result<Option<SessionGrant>> {
        self.database
            .bounded(async {
                let reader = self.database.reader();
                let Some(session) = session::Entity::find_by_id(id).one(reader).await? else { return Ok(None) };
                if session.revoked_at.is_some() || session.expires_at <= now {
                    return Ok(None);
                }
                let Some(user) = user::Entity::find_by_id(session.user_id).one(reader).await? else {
                    return Ok(None);
                };
                let workspace = workspace.unwrap_or(user.workspace_id);
                let member = member::Entity::find_by_id((workspace, user.id)).one(reader).await?;
                Ok(Some(SessionGrant { user, member }))
            })
            .await
    }

    /// Forgets sessions that were over before `before`, with their tokens; returns how many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_sessions_over(&self, before: DateTime<Utc>) -> Result<u64> {
        let delete = session::Entity::delete_many().filter(session::Column::ExpiresAt.lt(before));
        self.database.bounded(async { Ok(delete.exec(self.database.writer()).await?.rows_affected) }).await
    }
}

fn new_token(hash: String, session_id: Uuid, created_at: DateTime<Utc>) -> refresh_token::Model {
    refresh_token::Model { hash, session_id, created_at, used_at: None }
}

fn revoke(now: DateTime<Utc>, id: Uuid) -> sea_orm::UpdateMany<session::Entity> {
    session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, Expr::value(now))
        .filter(session::Column::Id.eq(id))
        .filter(session::Column::RevokedAt.is_null())
}
