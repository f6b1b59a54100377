//! Tables that are cut into parts, each of which can be emptied at once without a trace of what was in it.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, RuntimeErr};

use super::Database;
use crate::error::Result;

/// Longest that a lock of a part is waited for: whoever comes meanwhile has to wait, too.
const PATIENCE: &str = "200ms";

impl Database {
    /// Into how many parts such tables are cut; one where rows are taken out one by one.
    pub fn parts(&self) -> i64 {
        if self.writer.get_database_backend() == DbBackend::Postgres { 4 } else { 1 }
    }

    /// Keeps everybody else out of a part of these tables until the transaction ends; whether it could be had. If not,
    /// the transaction is at its end.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn lock_parts(&self, transaction: &DatabaseTransaction, tables: &[&str], part: i64) -> Result<bool> {
        if self.parts() == 1 {
            return Ok(false);
        }
        let sql = format!(
            "SET LOCAL lock_timeout = '{PATIENCE}'; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
            names(tables, part)
        );
        match transaction.execute_unprepared(&sql).await {
            Ok(_) => Ok(true),
            Err(error) if is_lock_timeout(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether statements of this transaction may read a table from end to end, which no other statement wants.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn allow_whole_reads(&self, transaction: &DatabaseTransaction, allowed: bool) -> Result<()> {
        if self.parts() > 1 {
            let allowed = if allowed { "on" } else { "off" };
            transaction.execute_unprepared(&format!("SET LOCAL enable_seqscan = {allowed}")).await?;
        }
        Ok(())
    }

    /// Empties a part of these tables that this transaction has locked. Dead rows go as well, whoever can see them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn empty_parts(&self, transaction: &DatabaseTransaction, tables: &[&str], part: i64) -> Result<()> {
        transaction.execute_unprepared(&format!("TRUNCATE {}", names(tables, part))).await?;
        Ok(())
    }
}

fn names(tables: &[&str], part: i64) -> String {
    tables.iter().map(|table| format!("{table}_{part}")).collect::<Vec<_>>().join(", ")
}

/// Whether somebody had the lock for too long.
fn is_lock_timeout(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error else {
        return false;
    };
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "55P03")
}
