//! Users, each made together with a workspace that they own.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, SqlErr,
};
use uuid::Uuid;

use super::AccountRepository;
use crate::error::Result;
use crate::repository::entity::{member, user, workspace};

/// Everything that a new user consists of.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The user's id.
    pub id: Uuid,
    /// The id of the workspace that is made with them.
    pub workspace_id: Uuid,
    /// Trimmed and lower-cased.
    pub email: String,
    /// bcrypt.
    pub password_hash: String,
    /// Only the first user of the server is let in.
    pub only_first: bool,
}

/// How a sign-up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUp {
    /// The user is there; `operator` when they are the server's first.
    Done {
        /// Whether they operate the server.
        operator: bool,
    },
    /// The e-mail belongs to somebody.
    EmailTaken,
    /// Only the first user may come in, and there is one.
    Closed,
}

impl AccountRepository {
    /// Makes a user, their workspace and their ownership of it, all or nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn create_user(&self, now: DateTime<Utc>, user: &NewUser) -> Result<SignUp> {
        loop {
            match self.database.bounded(self.try_create_user(now, user)).await? {
                Attempt::Ended(end) => return Ok(end),
                // Another first sign-up took the operator's seat in between: there is a first user now.
                Attempt::SeatTaken => {}
            }
        }
    }

    async fn try_create_user(&self, now: DateTime<Utc>, new: &NewUser) -> Result<Attempt> {
        let transaction = self.database.begin().await?;
        let operator = user::Entity::find().count(&transaction).await? == 0;
        if new.only_first && !operator {
            return Ok(Attempt::Ended(SignUp::Closed));
        }
        let workspace = workspace::Model { id: new.workspace_id, name: new.email.clone(), created_at: now };
        workspace.into_active_model().insert(&transaction).await?;
        let row = user::Model {
            id: new.id,
            email: new.email.clone(),
            password_hash: new.password_hash.clone(),
            workspace_id: new.workspace_id,
            operator_seat: operator.then_some(1),
            created_at: now,
        };
        if let Err(error) = row.into_active_model().insert(&transaction).await {
            return taken(error);
        }
        let owner = member::Model {
            workspace_id: new.workspace_id,
            user_id: new.id,
            role: "owner".to_owned(),
            created_at: now,
        };
        owner.into_active_model().insert(&transaction).await?;
        transaction.commit().await?;
        Ok(Attempt::Ended(SignUp::Done { operator }))
    }

    /// The user with this e-mail.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_user_by_email(&self, email: &str) -> Result<Option<user::Model>> {
        let query = user::Entity::find().filter(user::Column::Email.eq(email));
        self.database.bounded(async { Ok(query.one(self.database.reader()).await?) }).await
    }

    /// The user with this id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_user(&self, id: Uuid) -> Result<Option<user::Model>> {
        let query = user::Entity::find_by_id(id);
        self.database.bounded(async { Ok(query.one(self.database.reader()).await?) }).await
    }
}

enum Attempt {
    Ended(SignUp),
    SeatTaken,
}

fn taken(error: DbErr) -> Result<Attempt> {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(which)) if which.contains("operator_seat") => Ok(Attempt::SeatTaken),
        Some(SqlErr::UniqueConstraintViolation(which)) if which.contains("email") => {
            Ok(Attempt::Ended(SignUp::EmailTaken))
        }
        _ => Err(error.into()),
    }
}
