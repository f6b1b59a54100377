//! The database: the only module that knows which of the two it talks to.
//!
//! SQLite has one writer at a time, so writes queue on a pool of one connection instead of failing as busy;
//! PostgreSQL uses one pool for both. A transaction never leaves the repository.

mod filters;
mod parts;
mod sql;
mod talk;

pub use sql::{Chain, Column};
pub use talk::Listener;

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use migration::{MigrationStatus, Migrator, MigratorTrait, Step};
use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, EntityTrait,
    IdenStatic, Iterable, ModelTrait, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};
use secrecy::ExposeSecret;
use serde::Serialize;
use sqlx::{Connection, PgConnection};

use crate::config::DatabaseUrl;
use crate::error::{Error, Result};
use sql::{joined, postgres_type};

/// Any number that no other program takes a lock on; migrations of all replicas meet at it.
const MIGRATION_LOCK: i64 = 0x0052_756e_7961_7264;

/// Bound parameters that one statement may have: SQLite's limit, which is below PostgreSQL's 65,535.
pub const MAX_PARAMETERS: usize = 32_766;

/// Rows that one statement inserts into SQLite at most, a power of two: with any table's columns fewer parameters than
/// it may have.
const SQLITE_ROWS: usize = 64;

/// Readers of a SQLite file at once: each is a thread with a page cache of its own, and more than the cores is no gain.
const SQLITE_READERS: u32 = 8;

/// How long a connection to PostgreSQL that was found to work is used without asking it again.
const TRUSTED: Duration = Duration::from_secs(1);

/// The writer's page cache: a transaction that outgrows it is written to the log, and synced, twice.
const WRITER_CACHE_KIB: u32 = 8 * 1024;
/// Each reader's page cache; the system caches the file for all of them.
const READER_CACHE_KIB: u32 = 1024;

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
    /// Connects; `timeout` bounds every statement. For SQLite the file and its folder are made when missing.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database does not answer.
    pub async fn open(url: &DatabaseUrl, connections: u32, timeout: Duration) -> Result<Self> {
        match url {
            DatabaseUrl::Sqlite(path) => Self::open_sqlite(path, connections, timeout).await,
            DatabaseUrl::Postgres(url) => {
                let mut options = ConnectOptions::new(url.expose_secret());
                let troubled = Arc::new(AtomicBool::new(false));
                let released = Arc::clone(&troubled);
                let limit = timeout.as_millis().to_string();
                options
                    .max_connections(connections)
                    .acquire_timeout(timeout)
                    .connect_lazy(true)
                    .sqlx_logging(false)
                    .map_sqlx_postgres_opts(move |options| {
                        // Which index serves a statement is decided by its text, not by its values; and to plan one
                        // on the queue's partitions anew takes longer than to run it.
                        let plans = ("plan_cache_mode", "force_generic_plan");
                        options.options([("statement_timeout", limit.as_str()), plans])
                    })
                    .map_sqlx_postgres_pool_opts(move |options| {
                        let released = Arc::clone(&released);
                        options
                            // Asking each time would be a second round trip for every statement.
                            .test_before_acquire(false)
                            .before_acquire(move |connection, pooled| {
                                Box::pin(async move {
                                    if pooled.idle_for < TRUSTED {
                                        Ok(true)
                                    } else {
                                        answers(connection, timeout).await
                                    }
                                })
                            })
                            // The pool asks a connection that comes back, and would wait for ever for one on which
                            // nothing comes any more, and be one short. So it is asked within bounds before that, but
                            // only in times of trouble: asking twice costs as much as a statement.
                            .after_release(move |connection, _| {
                                let troubled = Arc::clone(&released);
                                Box::pin(async move {
                                    if !troubled.load(Ordering::Relaxed) {
                                        return Ok(true);
                                    }
                                    let answers = answers(connection, timeout).await?;
                                    troubled.store(false, Ordering::Relaxed);
                                    Ok(answers)
                                })
                            })
                    });
                let pool = sea_orm::Database::connect(options).await?;
                Ok(Self { reader: pool.clone(), writer: pool, timeout, troubled })
            }
        }
    }

    async fn open_sqlite(path: &Path, connections: u32, timeout: Duration) -> Result<Self> {
        let file = path.to_owned();
        tokio::task::spawn_blocking(move || make_private(&file)).await.context("making the database's file")??;
        let pool = |connections, cache_kib: u32| {
            let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
            options.max_connections(connections).acquire_timeout(timeout).sqlx_logging(false).map_sqlx_sqlite_opts(
                move |options| {
                    options
                        .foreign_keys(true)
                        .busy_timeout(timeout)
                        .pragma("journal_mode", "WAL")
                        .pragma("synchronous", "FULL")
                        .pragma("cache_size", format!("-{cache_kib}"))
                        // What a statement sets aside must not go through a file.
                        .pragma("temp_store", "MEMORY")
                        // Fewer checkpoints move a page that was written often only once; 16 MiB of log stay small.
                        .pragma("wal_autocheckpoint", "4096")
                        .pragma("journal_size_limit", "67108864")
                },
            );
            sea_orm::Database::connect(options)
        };
        let writer = pool(1, WRITER_CACHE_KIB).await?;
        let reader = pool(connections.clamp(1, SQLITE_READERS), READER_CACHE_KIB).await?;
        Ok(Self { reader, writer, timeout, troubled: Arc::default() })
    }

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

    /// Inserts rows of an entity, leaves out those whose key is taken, and says how many were inserted.
    ///
    /// PostgreSQL gets all of them as one parameter, an array of JSON objects: one round trip, and a statement whose
    /// text is always the same. SQLite is in this process, where a round trip costs little and taking JSON apart much:
    /// it gets them value by value, in statements of a few sizes that stay prepared.
    ///
    /// # Errors
    /// [`Error::Internal`] when a row cannot be written as JSON, [`Error::Unavailable`] when the database does not
    /// answer.
    pub async fn insert_rows<E>(&self, transaction: &DatabaseTransaction, rows: &[E::Model]) -> Result<u64>
    where
        E: EntityTrait,
        E::Model: Serialize,
    {
        let backend = self.writer.get_database_backend();
        let table = E::default();
        let table = table.table_name();
        let columns = columns::<E>();
        let names = joined(&columns, |name, _| format!("\"{name}\""));
        if backend == DbBackend::Postgres {
            let types = joined(&columns, |name, kind| format!("\"{name}\" {}", postgres_type(kind)));
            let sql = format!(
                "INSERT INTO \"{table}\" ({names}) SELECT {names} FROM json_to_recordset($1::json) AS given({types}) \
                 ON CONFLICT DO NOTHING"
            );
            let json = serde_json::to_string(rows).context("writing rows as JSON")?;
            let statement = Statement::from_sql_and_values(backend, sql, [json.into()]);
            return Ok(transaction.execute_raw(statement).await?.rows_affected());
        }
        let row = format!("({})", joined(&columns, |_, _| "?".to_owned()));
        let (mut rest, mut inserted) = (rows, 0);
        while !rest.is_empty() {
            // Powers of two: any number of rows is put together from statements of seven sizes.
            let (some, others) = rest.split_at(1 << rest.len().min(SQLITE_ROWS).ilog2());
            let places = vec![row.as_str(); some.len()].join(", ");
            let sql = format!("INSERT INTO \"{table}\" ({names}) VALUES {places} ON CONFLICT DO NOTHING");
            let values = some.iter().flat_map(|row| E::Column::iter().map(|column| row.get(column)));
            let statement = Statement::from_sql_and_values(backend, sql, values);
            inserted += transaction.execute_raw(statement).await?.rows_affected();
            rest = others;
        }
        Ok(inserted)
    }

    /// Rows of an entity as a table named `given`, taken from the parameter of this number: an array of JSON objects.
    pub fn given_rows<E: EntityTrait>(&self, parameter: usize) -> String {
        self.given(parameter, &columns::<E>())
    }

    /// These rows of an entity as a table named `given`, whose parameters are added to `values`. A row that is alone
    /// comes value by value, which spares the database taking JSON apart; several are one JSON array.
    ///
    /// # Errors
    /// [`Error::Internal`] when a row cannot be written as JSON.
    pub fn bind_rows<E>(&self, rows: &[E::Model], values: &mut Vec<Value>) -> Result<String>
    where
        E: EntityTrait,
        E::Model: Serialize,
    {
        let columns = columns::<E>();
        if let [row] = rows {
            let first = values.len() + 1;
            values.extend(E::Column::iter().map(|column| row.get(column)));
            return Ok(self.given_row(first, &columns));
        }
        values.push(serde_json::to_string(rows).context("writing rows as JSON")?.into());
        Ok(self.given(values.len(), &columns))
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

fn columns<E: EntityTrait>() -> Vec<Column<'static>> {
    E::Column::iter().map(|column| (column.as_str(), column.def().get_column_type().clone())).collect()
}

/// That a connection works; an error when it does not, or not in time.
async fn answers(connection: &mut PgConnection, timeout: Duration) -> Result<bool, sqlx::Error> {
    let answer = tokio::time::timeout(timeout, connection.ping()).await;
    answer.map_err(|_| sqlx::Error::PoolTimedOut)?.map(|()| true)
}

/// Makes the file, and the folder above it, for the owner's eyes alone; what is there already stays as it is. SQLite
/// gives its log the permissions of the file.
fn make_private(path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).context("making the database's folder")?;
    }
    let options = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    options.map(drop).context("making the database's file")
}

async fn integers(connection: &impl ConnectionTrait, statement: Statement) -> Result<Vec<i64>> {
    let rows = connection.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
}
