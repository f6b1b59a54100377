//! Members of a workspace: owners let others in, change their roles and show them out; anybody may leave.

use uuid::Uuid;

use super::{AccountService, Caller, Member, MemberPage, NewMember, possible};
use crate::error::{Error, Result};
use crate::repository::accounts::Removal;
use crate::repository::entity::member;
use crate::service::time;

impl AccountService {
    /// The members of the caller's workspace.
    ///
    /// # Errors
    /// Those of the repository.
    #[tracing::instrument(target = "otel", name = "accounts.list_members", skip_all)]
    pub async fn list_members(&self, caller: &Caller) -> Result<MemberPage> {
        let members = self.accounts.list_members(caller.workspace_id).await?;
        Ok(MemberPage { items: members.into_iter().map(Member::from).collect(), next_cursor: None })
    }

    /// Lets a user in, or gives a member another role.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for who is no owner, [`Error::NotFound`] when nobody has signed up with the e-mail,
    /// [`Error::Conflict`] when the workspace would be left without an owner.
    #[tracing::instrument(target = "otel", name = "accounts.put_member", skip_all)]
    pub async fn put_member(&self, caller: &Caller, new: NewMember) -> Result<Member> {
        caller.may_manage()?;
        let user = self.accounts.find_user_by_email(&possible(&new.email)).await?;
        let user = user.ok_or(Error::NotFound("user"))?;
        let row = member::Model {
            workspace_id: caller.workspace_id,
            user_id: user.id,
            role: new.role.as_str().to_owned(),
            created_at: time::now(),
        };
        self.settle(self.accounts.put_member(row.clone()).await?)?;
        Ok(Member::from((row, user)))
    }

    /// Shows a member out; a member may leave by themselves.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for who is neither owner nor that member, [`Error::NotFound`] when there is no such
    /// member, [`Error::Conflict`] when the workspace would be left without an owner.
    #[tracing::instrument(target = "otel", name = "accounts.delete_member", skip_all)]
    pub async fn delete_member(&self, caller: &Caller, user: Uuid) -> Result<()> {
        if caller.by_key || caller.user_id != user {
            caller.may_manage()?;
        }
        self.settle(self.accounts.delete_member(caller.workspace_id, user).await?)
    }

    fn settle(&self, removal: Removal) -> Result<()> {
        match removal {
            Removal::Done => {
                self.callers.forget_all();
                Ok(())
            }
            Removal::Absent => Err(Error::NotFound("member")),
            Removal::LastOwner => {
                Err(Error::conflict("", "this is the last owner; make another member an owner first"))
            }
        }
    }
}
