//! Rows of users, workspaces, members, sessions and API keys; each method is one atomic step.

mod keys;
mod members;
mod sessions;
mod users;

pub use keys::KeyGrant;
pub use members::Removal;
pub use sessions::{Rotation, SessionGrant};
pub use users::{NewUser, SignUp};

use super::Database;

/// The accounts in the database.
#[derive(Debug, Clone)]
pub struct AccountRepository {
    database: Database,
}

impl AccountRepository {
    /// Over this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}
