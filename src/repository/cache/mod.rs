//! What was read once and may be read again: never a source of truth, so its failures are misses and stay in here.
//!
//! Entries are versioned. A reader who misses leaves a marker with a version of its own; its value is stored only
//! where that very marker still stands; a writer removes value and marker after its commit. So a slow reader can
//! never put back what was changed or deleted meanwhile, whatever is evicted, expires or restarts in between: a
//! marker that is gone never returns.
//!
//! A list is cached under its owner's current generation. The generation is nothing but a marker that nobody fills:
//! a bump removes it, and whoever looks next leaves a new one.

mod breaker;
mod entry;
mod flight;
mod gather;
mod items;
mod keeper;
mod key;
mod link;
mod memory;
pub mod order;
mod order_memory;
mod order_redis;
mod redis;
mod tally;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tracing::Instrument;
use tracing::field::Empty;
use uuid::Uuid;

pub use self::entry::Generation;
pub use self::items::{Item, Ticket};
pub use self::key::CacheKey;
pub use self::memory::MemoryCache;
pub use self::redis::RedisCache;
pub use self::tally::{CacheCounts, Kind, Outcome};

use self::entry::{Lookup, Version};
use self::flight::Flights;
use self::tally::Tally;
use crate::config::CacheUrl;
use crate::error::Result;

/// Largest value that is stored; one large run must not push out a thousand small ones.
pub const MAX_VALUE: usize = 1024 * 1024;

/// The cache that the configuration chose; clones share it.
#[derive(Debug, Clone)]
pub enum Cache {
    /// In this process: right for one server alone.
    Memory(MemoryCache),
    /// In a Redis that every replica shares.
    Redis(RedisCache),
}

impl Cache {
    /// The cache at `url`, with values living for `ttl`; `bytes` bounds the one in memory, Redis has its own limit.
    ///
    /// A Redis that is away is no error: the server starts without it and finds it when it comes.
    ///
    /// # Errors
    /// The URL is not one that Redis understands.
    pub async fn open(url: &CacheUrl, bytes: u64, ttl: Duration) -> Result<Self> {
        let ttl = ttl.max(Duration::from_millis(1));
        match url {
            CacheUrl::Memory => Ok(Self::Memory(MemoryCache::new(bytes, ttl))),
            CacheUrl::Redis { url, prefix } => {
                Ok(Self::Redis(RedisCache::open(url, prefix, ttl, redis::RESPONSE_TIMEOUT).await?))
            }
        }
    }

    /// The cached value, or what `load` finds; that is stored for the next reader, unless it is nothing or larger
    /// than [`MAX_VALUE`].
    ///
    /// Readers who miss at the same time load once, and all get the result or the error of that load.
    ///
    /// # Errors
    /// Those of `load` alone: the cache itself never fails a read.
    pub async fn get_or_load<F, Fut>(&self, key: CacheKey, load: F) -> Result<Option<Bytes>>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<Option<Bytes>>> + Send,
    {
        let tally = self.tally();
        let version = match self.lookup(&key).await {
            Lookup::Hit(bytes) => {
                tally.read(key.kind(), Outcome::Hit);
                return Ok(Some(bytes));
            }
            Lookup::Off => {
                tally.read(key.kind(), Outcome::Passed);
                return Box::pin(load()).await;
            }
            Lookup::Miss(version) => version,
        };
        tally.read(key.kind(), Outcome::Miss);
        // A load is a large future, of which a hit should not even reserve the room: whoever awaits a read moves it.
        let loading = Box::pin(self.load_and_fill(&key, load));
        Box::pin(self.flights().join(key.clone(), version, loading)).await
    }

    /// Forgets the key; a writer calls it after its commit and before it answers.
    ///
    /// When it returns, no read of this process sees the older value. An invalidation that Redis does not take is
    /// repeated until it lands, and until then this process reads past the cache for the key; other replicas may
    /// see the older value for `CACHE_TTL` at most. Of such keys 10,000 are remembered; beyond, this process reads
    /// past the whole cache until everything that may be stale has expired. A caller who is dropped meanwhile does
    /// not stop it.
    pub async fn invalidate(&self, key: CacheKey) {
        self.invalidate_many(vec![key]).await;
    }

    /// Forgets all of these keys, as [`Cache::invalidate`] does.
    #[tracing::instrument(target = "otel", name = "cache.invalidate", skip_all, fields(otel.kind = "client"))]
    pub async fn invalidate_many(&self, keys: Vec<CacheKey>) {
        let cache = self.clone();
        let forgetting = async move {
            match cache {
                Self::Memory(cache) => cache.invalidate(keys).await,
                Self::Redis(cache) => cache.invalidate(keys).await,
            }
        };
        let forgetting = tokio::spawn(forgetting.in_current_span());
        if let Err(error) = forgetting.await {
            tracing::error!(%error, "invalidating the cache was cut short");
        }
    }

    /// What `query` finds of an owner's list, cached under the list's current generation, or what `load` finds.
    ///
    /// Which generation is current is asked for together with what is there under the one that this process saw last:
    /// as long as nobody writes, that is one round trip.
    ///
    /// # Errors
    /// Those of `load` alone.
    pub async fn get_page_or_load<F, Fut>(
        &self,
        owner: Uuid,
        list: &'static str,
        query: String,
        load: F,
    ) -> Result<Bytes>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<Bytes>> + Send,
    {
        let page = |generation| CacheKey::Page { owner, list, generation, query: query.clone() };
        let current = match self {
            Self::Memory(_) => self.generation(owner, list).await,
            Self::Redis(cache) => {
                let generations = &cache.0.generations;
                let guess = generations.get(&(owner, list)).await;
                let there = async { cache.peek(&page(guess?)).await };
                let (current, there) = tokio::join!(self.generation(owner, list), there);
                if let (true, Some(bytes)) = (current == guess, there) {
                    self.tally().read(Kind::Page, Outcome::Hit);
                    return Ok(bytes);
                }
                if let Some(current) = current.filter(|_| current != guess) {
                    generations.insert((owner, list), current).await;
                }
                current
            }
        };
        let Some(generation) = current else { return load().await };
        let loaded = self.get_or_load(page(generation), || async { load().await.map(Some) }).await?;
        match loaded {
            Some(bytes) => Ok(bytes),
            None => load().await,
        }
    }

    /// The current generation of an owner's list, to be asked for *before* the list is read and to be put into its
    /// [`CacheKey::Page`]; nothing when the cache must be read past.
    pub async fn generation(&self, owner: Uuid, list: &'static str) -> Option<Generation> {
        match self.lookup(&CacheKey::Generation { owner, list }).await {
            Lookup::Miss(version) => Some(Generation(version)),
            Lookup::Hit(_) | Lookup::Off => None,
        }
    }

    /// Ends the current generation of an owner's list, with the promises of [`Cache::invalidate`].
    pub async fn bump(&self, owner: Uuid, list: &'static str) {
        self.invalidate(CacheKey::Generation { owner, list }).await;
    }

    /// Whether the cache answers.
    ///
    /// # Errors
    /// Unavailable while it is away, without asking it again.
    pub async fn ping(&self) -> Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(cache) => cache.ping().await,
        }
    }

    /// What the cache did since it was opened.
    pub fn counts(&self) -> CacheCounts {
        self.tally().counts()
    }

    /// Loads, and stores what was loaded.
    async fn load_and_fill<F, Fut>(&self, key: &CacheKey, load: F) -> Result<Option<Bytes>>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<Option<Bytes>>> + Send,
    {
        // Between the miss and the turn of this reader an earlier flight may have landed.
        let version = match self.lookup(key).await {
            Lookup::Hit(bytes) => return Ok(Some(bytes)),
            Lookup::Miss(version) => Some(version),
            Lookup::Off => None,
        };
        let loaded = load().await?;
        if let (Some(version), Some(bytes)) = (version, &loaded)
            && bytes.len() <= MAX_VALUE
        {
            self.fill(key, version, bytes).await;
        }
        Ok(loaded)
    }

    async fn lookup(&self, key: &CacheKey) -> Lookup {
        let span = tracing::info_span!(target: "otel", "cache.get", otel.kind = "client", cache.hit = Empty);
        let looking = async {
            match self {
                Self::Memory(cache) => cache.lookup(key).await,
                Self::Redis(cache) => cache.lookup(key).await,
            }
        };
        let found = looking.instrument(span.clone()).await;
        span.record("cache.hit", matches!(found, Lookup::Hit(_)));
        found
    }

    #[tracing::instrument(target = "otel", name = "cache.fill", skip_all, fields(otel.kind = "client"))]
    async fn fill(&self, key: &CacheKey, version: Version, bytes: &Bytes) {
        match self {
            Self::Memory(cache) => cache.fill(key, version, bytes).await,
            Self::Redis(cache) => cache.fill(key, version, bytes).await,
        }
    }

    fn flights(&self) -> &Flights {
        match self {
            Self::Memory(cache) => &cache.flights,
            Self::Redis(cache) => cache.flights(),
        }
    }

    fn tally(&self) -> &Tally {
        match self {
            Self::Memory(cache) => &cache.tally,
            Self::Redis(cache) => cache.tally(),
        }
    }
}
