//! API keys: kept as hashes, bound to one workspace and to the membership of whoever made them.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::AccountRepository;
use crate::error::Result;
use crate::repository::entity::{api_key, member, user};

/// What a good key lets its bearer do.
#[derive(Debug, Clone)]
pub struct KeyGrant {
    /// The key.
    pub key: api_key::Model,
    /// Whoever made it.
    pub user: user::Model,
    /// Their membership, which bounds what the key may do.
    pub member: member::Model,
}

impl AccountRepository {
    /// Keeps a new key.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn create_key(&self, key: api_key::Model) -> Result<()> {
        self.database
            .bounded(async {
                key.into_active_model().insert(self.database.writer()).await?;
                Ok(())
            })
            .await
    }

    /// The keys of a workspace, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_keys(&self, workspace: Uuid) -> Result<Vec<api_key::Model>> {
        let query = api_key::Entity::find()
            .filter(api_key::Column::WorkspaceId.eq(workspace))
            .order_by_desc(api_key::Column::CreatedAt)
            .order_by_desc(api_key::Column::Id);
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// Takes a key back; says whether there was one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_key(&self, workspace: Uuid, id: Uuid) -> Result<bool> {
        let delete = api_key::Entity::delete_by_id(id).filter(api_key::Column::WorkspaceId.eq(workspace));
        self.database.bounded(async { Ok(delete.exec(self.database.writer()).await?.rows_affected > 0) }).await
    }

    /// What the key with this hash is good for; nothing when it has ended, or its maker's membership has.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_key_grant(&self, now: DateTime<Utc>, hash: &str) -> Result<Option<KeyGrant>> {
        let find = api_key::Entity::find().filter(api_key::Column::Hash.eq(hash));
        self.database
            .bounded(async {
                let reader = self.database.reader();
                let Some(key) = find.one(reader).await? else { return Ok(None) };
                if key.expires_at.is_some_and(|end| end <= now) {
                    return Ok(None);
                }
                let Some(user) = user::Entity::find_by_id(key.user_id).one(reader).await? else { return Ok(None) };
                let member = member::Entity::find_by_id((key.workspace_id, key.user_id)).one(reader).await?;
                Ok(member.map(|member| KeyGrant { key, user, member }))
            })
            .await
    }
}
