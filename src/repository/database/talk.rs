//! What processes over one database tell each other, as far as the database passes it on; nothing relies on it.

use anyhow::Context;
use sea_orm::{ConnectionTrait, DbBackend};
use sqlx::postgres::{PgListener, PgPoolOptions};

use super::Database;
use crate::error::{Error, Result};

/// Hears what other processes say, and this one too.
#[derive(Debug)]
pub struct Listener(PgListener);

impl Listener {
    /// What is said next. What is said while the connection is away is not heard.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database is away; then it can be asked again.
    pub async fn heard(&mut self) -> Result<String> {
        let heard = self.0.recv().await.map_err(Error::unavailable)?;
        Ok(heard.payload().to_owned())
    }
}

impl Database {
    /// Begins to listen, on a connection of its own; nothing where there are no other processes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database does not answer.
    pub async fn listen(&self) -> Result<Option<Listener>> {
        if self.writer.get_database_backend() != DbBackend::Postgres {
            return Ok(None);
        }
        let work = async {
            let options = self.writer.get_postgres_connection_pool().connect_options();
            let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(self.timeout);
            let pool = pool.connect_with(options.as_ref().clone()).await.map_err(Error::unavailable)?;
            let row = self.writer.query_one_raw(self.statement("SELECT 'runyard_' || current_schema() AS channel", []));
            let channel: String = row.await?.context("a database without a schema")?.try_get("", "channel")?;
            let mut listener = PgListener::connect_with(&pool).await.map_err(Error::unavailable)?;
            listener.listen(&channel).await.map_err(Error::unavailable)?;
            Ok(Some(Listener(listener)))
        };
        self.bounded(work).await
    }

    /// Says something to everybody who listens.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database does not answer.
    pub async fn say(&self, what: &str) -> Result<()> {
        if self.writer.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        // What is said is not worth waiting for the disk.
        let sql = "SELECT set_config('synchronous_commit', 'off', TRUE), \
            pg_notify('runyard_' || current_schema(), $1)";
        let statement = self.statement(sql, [what.into()]);
        self.bounded(async { Ok(self.writer.query_one_raw(statement).await.map(drop)?) }).await
    }
}
