//! How connections are made, and what is asked of them before they are used again.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use sea_orm::ConnectOptions;
use secrecy::ExposeSecret;
use sqlx::{Connection, PgConnection};

use super::Database;
use crate::config::DatabaseUrl;
use crate::error::Result;

/// Readers of a SQLite file at once: each is a thread with a page cache of its own, and more than the cores is no gain.
const SQLITE_READERS: u32 = 8;

/// How long a connection to PostgreSQL that was found to work is used without asking it again.
const TRUSTED: Duration = Duration::from_secs(1);

/// The writer's page cache: a transaction that outgrows it is written to the log, and synced, twice.
const WRITER_CACHE_KIB: u32 = 8 * 1024;
/// Each reader's page cache; the system caches the file for all of them.
const READER_CACHE_KIB: u32 = 1024;

impl Database {
    /// Connects; `timeout` bounds every statement. For SQLite the file and its folder are made when missing.
    ///
    /// # Errors
    /// [`crate::error::Error::Unavailable`] when the database does not answer.
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
                        // A plan that is made while a part of the queue is empty reads all of it, and would still do
                        // so when there are millions of rows in it. What has no index is read whole nevertheless, and
                        // not worth being compiled.
                        let indexes = [("enable_seqscan", "off"), ("jit", "off")];
                        options.options([("statement_timeout", limit.as_str()), plans]).options(indexes)
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
