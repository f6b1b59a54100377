//! Members of a workspace; a workspace never loses its last owner.

use std::collections::HashMap;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::AccountRepository;
use crate::error::Result;
use crate::repository::entity::{member, user};

/// How a change that could take a workspace's last owner away ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is done.
    Done,
    /// There was no such member.
    Absent,
    /// It would have left the workspace without an owner.
    LastOwner,
}

impl AccountRepository {
    /// The members of a workspace with their users, in the order in which they came.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_members(&self, workspace: Uuid) -> Result<Vec<(member::Model, user::Model)>> {
        self.database
            .bounded(async {
                let reader = self.database.reader();
                let members = member::Entity::find()
                    .filter(member::Column::WorkspaceId.eq(workspace))
                    .order_by_asc(member::Column::CreatedAt)
                    .order_by_asc(member::Column::UserId)
                    .all(reader)
                    .await?;
                let ids: Vec<Uuid> = members.iter().map(|member| member.user_id).collect();
                let users = user::Entity::find().filter(user::Column::Id.is_in(ids)).all(reader).await?;
                let mut users: HashMap<Uuid, user::Model> = users.into_iter().map(|user| (user.id, user)).collect();
                Ok(members
                    .into_iter()
                    .filter_map(|member| users.remove(&member.user_id).map(|user| (member, user)))
                    .collect())
            })
            .await
    }

    /// The workspaces that a user is a member of.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_memberships(&self, user: Uuid) -> Result<Vec<member::Model>> {
        let query = member::Entity::find()
            .filter(member::Column::UserId.eq(user))
            .order_by_asc(member::Column::CreatedAt)
            .order_by_asc(member::Column::WorkspaceId);
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// Makes a user a member, or gives a member another role.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put_member(&self, member: member::Model) -> Result<Removal> {
        self.database
            .bounded(async {
                let transaction = self.database.begin().await?;
                if member.role != "owner" && is_last_owner(&transaction, member.workspace_id, member.user_id).await? {
                    return Ok(Removal::LastOwner);
                }
                let replace = OnConflict::columns([member::Column::WorkspaceId, member::Column::UserId])
                    .update_column(member::Column::Role)
                    .to_owned();
                member::Entity::insert(member.into_active_model())
                    .on_conflict(replace)
                    .exec_without_returning(&transaction)
                    .await?;
                transaction.commit().await?;
                Ok(Removal::Done)
            })
            .await
    }

    /// Takes a member out of a workspace.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_member(&self, workspace: Uuid, user: Uuid) -> Result<Removal> {
        self.database
            .bounded(async {
                let transaction = self.database.begin().await?;
                if is_last_owner(&transaction, workspace, user).await? {
                    return Ok(Removal::LastOwner);
                }
                let deleted = member::Entity::delete_by_id((workspace, user)).exec(&transaction).await?;
                transaction.commit().await?;
                Ok(if deleted.rows_affected == 0 { Removal::Absent } else { Removal::Done })
            })
            .await
    }
}

/// Owners are locked while they are counted, so that two of them cannot leave at the same moment.
async fn is_last_owner(transaction: &DatabaseTransaction, workspace: Uuid, user: Uuid) -> Result<bool> {
    let owners = member::Entity::find()
        .filter(member::Column::WorkspaceId.eq(workspace))
        .filter(member::Column::Role.eq("owner"))
        .lock_exclusive()
        .all(transaction)
        .await?;
    Ok(owners.len() == 1 && owners[0].user_id == user)
}
