//! The database: the only module that knows which of the two it talks to.
//!
//! SQLite has one writer at a time, so writes queue on a pool of one connection instead of failing as busy;
//! PostgreSQL uses one pool for both. A transaction never leaves the repository.

mod filters;
mod open;
mod parts;
mod rows;
mod sql;
mod talk;

pub use sql::{Chain, Column};
pub use talk::Listener;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use migration::{MigrationStatus, Migrator, MigratorTrait, Step};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait, Value,
};

use crate::error::{Error, Result};

/// Any number that no other program takes a lock on; migrations of all replicas meet at it.
const MIGRATION_LOCK: i64 = 0x0052_756e_7961_7264;

/// Bound parameters that one statement may have: SQLite's limit, which is below PostgreSQL's 65,535.
pub const MAX_PARAMETERS: usize = 32_766;

/// The connections to the database.
#[derive(Debug, Clone)]
pub struct Database {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    timeout: Duration,
    /// Whether a statement was given up since a connection was last found to work.
    troubled: Arc<AtomicBool>,
}

impl Database {
    /// For statements that only read.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For single statements that write.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// A transaction that may write from its first statement on.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database does not answer.
    pub async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.writer.begin_with_options(options).await?)
    }

    /// `work`, given up after the upstream timeout: a frozen server must not hold a request for ever.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Unavailable`] when it takes too long.
    pub async fn bounded<T>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        // Dropped at the end of this block: when its connection is released, the trouble is known.
        let mut work = pin!(work);
        match tokio::time::timeout(self.timeout, work.as_mut()).await {
            Ok(result) => result,
            Err(elapsed) => {
                self.troubled.store(true, Ordering::Relaxed);
                Err(Error::unavailable(anyhow::Error::new(elapsed).context("waiting for the database")))
            }
        }
    }

    /// Applies the missing migrations; replicas that start together do it one after another.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database does not answer, [`Error::Internal`] when a step fails.
    pub async fn migrate_up(&self) -> Result<()> {
        self.with_migration_lock(|transaction| Box::pin(async move { Migrator::up(transaction, None).await })).await
    }

    /// Takes the latest step back.
    ///
    /// # Errors
    /// As [`Self::migrate_up`].
    pub async fn migrate_down(&self) -> Result<()> {
        self.with_migration_lock(|transaction| Box::pin(async move { Migrator::down(transaction, Some(1)).await }))
            .await
    }

    /// The steps with whether each is applied.
    ///
    /// # Errors
    /// As [`Self::migrate_up`].
    pub async fn migrations(&self) -> Result<Vec<(String, bool)>> {
        let steps = Migrator::get_migration_with_status(&self.writer).await?;
        let applied = |step: &Step| step.status() == MigrationStatus::Applied;
        Ok(steps.iter().map(|step| (step.name().to_owned(), applied(step))).collect())
    }

    async fn with_migration_lock<F>(&self, work: F) -> Result<()>
    where
        F: for<'a> FnOnce(
            &'a DatabaseTransaction,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), sea_orm::DbErr>> + Send + 'a>>,
    {
        let transaction = self.begin().await?;
        if self.writer.get_database_backend() == DbBackend::Postgres {
            let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
            transaction.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
            transaction.execute_unprepared(&lock).await?;
        }
        work(&transaction).await.context("migrating the database")?;
        Ok(transaction.commit().await?)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<()> {
        self.bounded(async {
            let statement = Statement::from_string(self.reader.get_database_backend(), "SELECT 1");
            self.reader.query_one_raw(statement).await?;
            Ok(())
        })
        .await
    }

    /// The pools, each with its connections, with how many of them are idle, and with how many it may have.
    pub fn pools(&self) -> Vec<(&'static str, usize, usize, u32)> {
        if self.writer.get_database_backend() == DbBackend::Postgres {
            let pool = self.writer.get_postgres_connection_pool();
            return vec![("all", pool.size() as usize, pool.num_idle(), pool.options().get_max_connections())];
        }
        let pool = |name, pool: &DatabaseConnection| {
            let pool = pool.get_sqlite_connection_pool();
            (name, pool.size() as usize, pool.num_idle(), pool.options().get_max_connections())
        };
        vec![pool("readers", &self.reader), pool("writer", &self.writer)]
    }

    /// Statements that write together or not at all, in one round trip where the database can; what the first one
    /// returned. Each returns one column of integers, which those after it may read as a table of its name with a
    /// column `id`; they share their parameters, `$1`, `$2`, …
    ///
    /// # Errors
    /// Those of the database.
    pub async fn chain(&self, steps: &[(&str, String)], values: &[Value]) -> Result<Vec<i64>> {
        let backend = self.writer.get_database_backend();
        if backend == DbBackend::Postgres {
            let with: Vec<String> = steps.iter().map(|(name, sql)| format!("{name}(id) AS ({sql})")).collect();
            let first = steps.first().map_or("", |(name, _)| name);
            let sql = format!("WITH {} SELECT id FROM {first}", with.join(", "));
            return integers(&self.writer, Statement::from_sql_and_values(backend, sql, values.to_vec())).await;
        }
        let transaction = self.begin().await?;
        let (mut values, mut with, mut answer) = (values.to_vec(), String::new(), None);
        for (name, sql) in steps {
            let statement = Statement::from_sql_and_values(backend, format!("{with} {sql}"), values.clone());
            let ids = integers(&transaction, statement).await?;
            values.push(serde_json::json!(ids).to_string().into());
            let start = if with.is_empty() { "WITH" } else { "," };
            with.push_str(&format!("{start} {name}(id) AS (SELECT value FROM json_each(${}))", values.len()));
            answer.get_or_insert(ids);
        }
        transaction.commit().await?;
        Ok(answer.unwrap_or_default())
    }
}

async fn integers(connection: &impl ConnectionTrait, statement: Statement) -> Result<Vec<i64>> {
    let rows = connection.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
}
