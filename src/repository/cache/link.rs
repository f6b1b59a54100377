//! One multiplexed connection to Redis that was found to work, and how to get the next one.
//!
//! Keys hold the server's `run_id`. A Redis that restarts from a snapshot, or a replica that is promoted, may bring
//! back entries that were invalidated meanwhile; under the new `run_id` nobody asks for them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult};

use super::key::CacheKey;

/// Longest that connecting may take, name, TCP, TLS and sign-in, before the first answers are awaited.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(200);

/// A connection, as long as it is good.
pub(super) struct Link {
    connection: MultiplexedConnection,
    /// What every key starts with on this server.
    pub scope: String,
    /// Failures since the last answer. They belong to the connection, so that questions which are still dying on an
    /// old one do not count against its successor.
    failures: AtomicU32,
}

impl Link {
    /// A handle to ask with; all handles share the connection.
    pub fn handle(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// Takes down an answer.
    pub fn answered(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Takes down a failure, and says which one in a row it was.
    pub fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Removes the keys.
    pub async fn unlink(&self, keys: &[CacheKey]) -> RedisResult<()> {
        let names: Vec<String> = keys.iter().map(|key| key.spell(&self.scope)).collect();
        redis::cmd("UNLINK").arg(names).query_async(&mut self.handle()).await
    }
}

/// Makes links.
pub(super) struct Dialer {
    pub client: Client,
    pub prefix: String,
    /// Longest that an answer may take.
    pub patience: Duration,
}

impl Dialer {
    /// A new link, if Redis is there and takes writes: a read-only, full or loading Redis is no use, and would let
    /// the breaker flutter if a mere PING could close it.
    pub async fn dial(&self) -> anyhow::Result<Link> {
        Ok(tokio::time::timeout(CONNECT_TIMEOUT + self.patience, self.connect()).await??)
    }

    async fn connect(&self) -> RedisResult<Link> {
        // The breaker keeps the time: the connection's own limit would look like a lost connection.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let scope = format!("{}:{}", self.prefix, server(&mut connection).await?);
        let probe = format!("{scope}:probe");
        let () = redis::cmd("SET").arg(probe).arg(1).arg("PX").arg(1000).query_async(&mut connection).await?;
        Ok(Link { connection, scope, failures: AtomicU32::new(0) })
    }
}

/// The name that the server gave itself when it started; one for all when it does not tell.
async fn server(connection: &mut MultiplexedConnection) -> RedisResult<String> {
    let told: RedisResult<String> = redis::cmd("INFO").arg("server").query_async(connection).await;
    match told {
        Ok(text) => {
            let id = text.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default();
            Ok(id.trim().get(..12).unwrap_or("any").to_owned())
        }
        Err(error) if is_reply(&error) => Ok("any".to_owned()),
        Err(error) => Err(error),
    }
}

/// Whether the server answered, and said no; every other error means that the connection is lost.
pub(super) fn is_reply(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType)
}
