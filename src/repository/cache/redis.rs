//! The cache that replicas share: a hit is one round trip, and Redis itself makes every change one step.
//!
//! After a look that finds nothing, `SET … NX GET` answers with what came meanwhile or leaves the marker, and a
//! script compares the marker and stores the value. A value's life is counted from its marker, thus from before it was read from the database: so
//! `CACHE_TTL` bounds how long anybody can see what a lost invalidation left behind.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Client, Script};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::breaker::Breaker;
use super::entry::{Entry, Generation, Lookup, Version};
use super::flight::Flights;
use super::keeper;
use super::key::CacheKey;
use super::link::{Dialer, Link};
use super::order_redis::Scripts;
use super::tally::Tally;
use crate::error::{Error, Result};

/// Longest that an answer may take before it counts as a failure. A healthy Redis needs a thousandth of it.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_millis(50);
/// Most readers who may be leaving a marker or a value at once; the others go on without. It bounds what a frozen
/// Redis holds up before the breaker opens.
const SEATS: usize = 1024;
/// Lists whose generation is guessed.
const GUESSES: u64 = 10_000;
/// Keys that one command removes.
const AT_ONCE: usize = 500;

/// Keys: the key. Arguments: its marker, the value, and how much longer than its marker a value lives.
const FILL: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3] + math.max(redis.call('PTTL', KEYS[1]), 1))
return 1
";

/// A cache in a Redis server, 7.0 or later.
#[derive(Clone)]
pub struct RedisCache(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub breaker: Arc<Breaker>,
    fill: Script,
    pub orders: Scripts,
    pub seats: Semaphore,
    pub ttl: Duration,
    flights: Flights,
    /// The generation that each list had when this process last looked: a guess of what to ask for.
    pub generations: moka::future::Cache<(Uuid, &'static str), Generation>,
    tally: Arc<Tally>,
    /// Ends the keeper with the last clone of the cache.
    _keeper: DropGuard,
}

impl RedisCache {
    /// The cache at `url` under keys with this prefix, with values living for `ttl` and answers awaited for
    /// `patience`; a Redis that is away is looked for in the background.
    ///
    /// # Errors
    /// The URL is not one that Redis understands.
    pub async fn open(url: &SecretString, prefix: &str, ttl: Duration, patience: Duration) -> Result<Self> {
        // The error is left out: it may repeat the URL, and with it the password.
        let client = Client::open(url.expose_secret())
            .map_err(|_| anyhow::anyhow!("CACHE_URL is not a URL that Redis understands"))?;
        let tally = Arc::<Tally>::default();
        let breaker = Arc::new(Breaker::new(tally.clone(), ttl, patience));
        let dialer = Dialer { client, prefix: prefix.to_owned(), patience };
        if !keeper::mend(&breaker, &dialer).await {
            tracing::warn!("cache is away at start, reading past it");
        }
        let dropped = CancellationToken::new();
        tokio::spawn(keeper::keep(breaker.clone(), dialer, dropped.clone()));
        Ok(Self(Arc::new(Shared {
            breaker,
            fill: Script::new(FILL),
            orders: Scripts::new(),
            seats: Semaphore::new(SEATS),
            ttl,
            flights: Flights::new(),
            generations: moka::future::Cache::new(GUESSES),
            tally,
            _keeper: dropped.drop_guard(),
        })))
    }

    /// What stands under the key; when nothing does, a new marker is left there.
    pub(super) async fn lookup(&self, key: &CacheKey) -> Lookup {
        let Some(link) = self.0.breaker.link_to_read(key) else { return Lookup::Off };
        match self.0.breaker.get(&link, key).await {
            None => Lookup::Off,
            Some(Some(stored)) => found(stored),
            // Only a miss pays for the room that the marker's question takes.
            Some(None) => Box::pin(self.mark(&link, key)).await,
        }
    }

    /// The value under the key, if there is one; leaves nothing there.
    pub(super) async fn peek(&self, key: &CacheKey) -> Option<Bytes> {
        let link = self.0.breaker.link_to_read(key)?;
        match Entry::decode(self.0.breaker.get(&link, key).await??)? {
            Entry::Value(bytes) => Some(bytes),
            Entry::Marker(_) => None,
        }
    }

    /// Leaves a marker under the key, unless somebody else was there first.
    async fn mark(&self, link: &Arc<Link>, key: &CacheKey) -> Lookup {
        let Ok(_seat) = self.0.seats.try_acquire() else { return Lookup::Off };
        let version = Version::random();
        let mut question = ::redis::cmd("SET");
        question.arg(key.spell(&link.scope)).arg(Entry::Marker(version).encode());
        question.arg("NX").arg("GET").arg("PX").arg(millis(key.marker_ttl(self.0.ttl)));
        let there: Option<Option<Vec<u8>>> = self.0.breaker.ask(link, question.query_async(&mut link.handle())).await;
        match there {
            None => Lookup::Off,
            Some(None) => Lookup::Miss(version),
            Some(Some(stored)) => found(stored),
        }
    }

    /// What stands under each of the keys, as [`Self::lookup`] finds it, in one round trip.
    pub(super) async fn lookup_many(&self, keys: &[CacheKey]) -> Vec<Lookup> {
        let off = || keys.iter().map(|_| Lookup::Off).collect();
        let Some(link) = self.0.breaker.link() else { return off() };
        let Ok(_seat) = self.0.seats.try_acquire() else { return off() };
        // Before it is asked: a key that is stale now may be believed again by the time of the answer.
        let believed: Vec<bool> = keys.iter().map(|key| self.0.breaker.link_to_read(key).is_some()).collect();
        let mut question = ::redis::pipe();
        let versions: Vec<Version> = keys.iter().map(|_| Version::random()).collect();
        for (key, version) in keys.iter().zip(&versions) {
            question.cmd("SET").arg(key.spell(&link.scope)).arg(Entry::Marker(*version).encode());
            question.arg("NX").arg("GET").arg("PX").arg(millis(key.marker_ttl(self.0.ttl)));
        }
        let found: Option<Vec<Option<Vec<u8>>>> =
            self.0.breaker.ask(&link, question.query_async(&mut link.handle())).await;
        let Some(found) = found else { return off() };
        let lookup = |((believed, version), found): ((bool, Version), Option<Vec<u8>>)| match found {
            _ if !believed => Lookup::Off,
            None => Lookup::Miss(version),
            Some(stored) => Entry::decode(stored).map_or(Lookup::Off, Lookup::from),
        };
        believed.into_iter().zip(versions).zip(found).map(lookup).collect()
    }

    /// Stores the value if the marker of this version still stands under the key.
    pub(super) async fn fill(&self, key: &CacheKey, version: Version, bytes: &Bytes) {
        let Some(link) = self.0.breaker.link_to_read(key) else { return };
        let Ok(_seat) = self.0.seats.try_acquire() else { return };
        let beyond = self.0.ttl.saturating_sub(key.marker_ttl(self.0.ttl));
        let mut question = self.0.fill.key(key.spell(&link.scope));
        question.arg(Entry::Marker(version).encode());
        question.arg(Entry::Value(bytes.clone()).encode()).arg(millis(beyond));
        let _stored: Option<u8> = self.0.breaker.ask(&link, question.invoke_async(&mut link.handle())).await;
    }

    /// Removes value and marker, so that every older reader's fill is refused; what cannot be removed now is read
    /// past until it is.
    pub(super) async fn invalidate(&self, mut keys: Vec<CacheKey>) {
        while !keys.is_empty() {
            let some: Vec<CacheKey> = keys.drain(..keys.len().min(AT_ONCE)).collect();
            let landed = match self.0.breaker.link() {
                Some(link) => self.0.breaker.ask(&link, link.unlink(&some)).await.is_some(),
                None => false,
            };
            if !landed {
                self.0.breaker.lost(some);
            }
        }
    }

    /// Whether Redis answers.
    pub(super) async fn ping(&self) -> Result<()> {
        let away = || Error::unavailable(anyhow::anyhow!("the cache is away"));
        let link = self.0.breaker.link().ok_or_else(away)?;
        let answer: Option<String> =
            self.0.breaker.ask(&link, ::redis::cmd("PING").query_async(&mut link.handle())).await;
        answer.map(drop).ok_or_else(away)
    }

    pub(super) fn flights(&self) -> &Flights {
        &self.0.flights
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.0.tally
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache").field("counts", &self.0.tally.counts()).finish_non_exhaustive()
    }
}

/// What these bytes under a key mean.
fn found(stored: Vec<u8>) -> Lookup {
    Entry::decode(stored).map_or(Lookup::Off, Lookup::from)
}

/// A duration as Redis takes it.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
