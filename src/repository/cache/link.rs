//! One multiplexed connection to Redis that was found to work, and how to get the next one.
//!
//! Keys hold the server's `run_id`. A Redis that restarts from a snapshot, or a replica that is promoted, may bring
//! back entries that were invalidated meanwhile; under the new `run_id` nobody asks for them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult};
use tokio::sync::oneshot;

use super::gather::{Gatherer, Stored};
use super::key::CacheKey;

/// Longest that connecting may take, name, TCP, TLS and sign-in, before the first answers are awaited.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(200);

/// A connection, as long as it is good.
pub(super) struct Link {
    connection: MultiplexedConnection,
    gatherer: Gatherer,
    /// What every key starts with on this server.
    pub scope: String,
    /// Questions that were not answered, since the last answer. They belong to the connection, so that questions which
    /// are still dying on an old one do not count against its successor.
    silences: AtomicU32,
    /// Answers that were a no, since the last change that was taken: a Redis that is read-only or full still reads
    /// well, which is not enough.
    refusals: AtomicU32,
}

impl Link {
    /// A handle to ask with; all handles share the connection.
    pub fn handle(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// Asks what stands under a key; nothing when too many are waiting.
    pub fn get(&self, key: &CacheKey) -> Option<oneshot::Receiver<Stored>> {
        self.gatherer.ask(key.spell(&self.scope))
    }

    /// Takes down an answer to a read.
    pub fn has_read(&self) {
        reset(&self.silences);
    }

    /// Takes down that a change was taken.
    pub fn has_changed(&self) {
        reset(&self.silences);
        reset(&self.refusals);
    }

    /// Takes down that there was no answer, and says how many there were in a row.
    pub fn was_silent(&self) -> u32 {
        self.silences.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Takes down that the answer was a no, and says how many there were in a row.
    pub fn has_refused(&self) -> u32 {
        self.refusals.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Removes the keys.
    pub async fn unlink(&self, keys: &[CacheKey]) -> RedisResult<()> {
        let names: Vec<String> = keys.iter().map(|key| key.spell(&self.scope)).collect();
        redis::cmd("UNLINK").arg(names).query_async(&mut self.handle()).await
    }
}

/// Sets a count to zero; what every answer does should not take the line of memory from the others for nothing.
fn reset(count: &AtomicU32) {
    if count.load(Ordering::Relaxed) != 0 {
        count.store(0, Ordering::Relaxed);
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
        Ok(Link {
            gatherer: Gatherer::new(connection.clone(), self.patience),
            connection,
            scope,
            silences: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
        })
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
