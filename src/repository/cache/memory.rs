//! The cache of one process: bounded in bytes, and every change of an entry is one step under that entry's lock.
//!
//! `and_compute_with` calls on one key never overlap, so marking, filling and invalidating go through it alone.
//! moka's own `invalidate` takes no such lock: it could slip in between the comparison and the store of a fill.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::Expiry;
use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;

use super::entry::{Entry, Lookup, Version};
use super::flight::Flights;
use super::key::CacheKey;
use super::tally::Tally;

/// Bytes that an entry takes beside its value: key, table, timers and the lists of the eviction policy.
const OVERHEAD: usize = 768;

/// moka evicts after every 64 writes or so. Values from here on are settled at once, so that what has not been
/// evicted yet stays below 64 of the smaller ones.
pub(super) const SETTLE_AT_ONCE: usize = 16 * 1024;

/// A cache in the memory of this process.
#[derive(Clone)]
pub struct MemoryCache {
    pub(super) entries: moka::future::Cache<CacheKey, Entry>,
    pub(super) flights: Flights,
    pub(super) tally: Arc<Tally>,
}

impl MemoryCache {
    /// An empty cache that holds `bytes` at most, each value for `ttl`.
    pub(super) fn new(bytes: u64, ttl: Duration) -> Self {
        let entries = moka::future::Cache::builder()
            .max_capacity(bytes)
            .weigher(weigh)
            .expire_after(Lifetime(ttl))
            // The default policy refuses what was read once, marker included; then readers would not find each other.
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { entries, flights: Flights::new(), tally: Arc::default() }
    }

    /// What stands under the key; when nothing does, a new marker is left there.
    pub(super) async fn lookup(&self, key: &CacheKey) -> Lookup {
        if let Some(entry) = self.entries.get(key).await {
            return entry.into();
        }
        let marked = self.entries.entry_by_ref(key).and_compute_with(|found| {
            ready(match found {
                Some(_) => Op::Nop,
                None => Op::Put(Entry::Marker(Version::random())),
            })
        });
        match marked.await {
            CompResult::Inserted(entry) | CompResult::Unchanged(entry) | CompResult::ReplacedWith(entry) => {
                entry.into_value().into()
            }
            CompResult::Removed(_) | CompResult::StillNone(_) => Lookup::Off,
        }
    }

    /// Stores the value if the marker of this version still stands under the key.
    pub(super) async fn fill(&self, key: &CacheKey, version: Version, bytes: &Bytes) {
        // A slice keeps the whole buffer that it was cut from; what is weighed must be what is held.
        let value = Bytes::copy_from_slice(bytes);
        let filled = self.entries.entry_by_ref(key).and_compute_with(|found| {
            ready(match found.map(moka::Entry::into_value) {
                Some(Entry::Marker(found)) if found == version => Op::Put(Entry::Value(value)),
                _ => Op::Nop,
            })
        });
        filled.await;
        if bytes.len() >= SETTLE_AT_ONCE {
            self.entries.run_pending_tasks().await;
        }
    }

    /// Removes value and marker, so that every older reader's fill is refused.
    pub(super) async fn invalidate(&self, keys: Vec<CacheKey>) {
        for key in keys {
            self.entries.entry(key).and_compute_with(|_| ready(Op::Remove)).await;
        }
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").field("counts", &self.tally.counts()).finish_non_exhaustive()
    }
}

/// The bytes that an entry is answerable for.
fn weigh(key: &CacheKey, entry: &Entry) -> u32 {
    u32::try_from(OVERHEAD + key.heap_bytes() + entry.len()).unwrap_or(u32::MAX)
}

/// How long entries live, when a value lives this long.
struct Lifetime(Duration);

impl Lifetime {
    fn of(&self, key: &CacheKey, entry: &Entry) -> Option<Duration> {
        Some(match entry {
            Entry::Marker(_) => key.marker_ttl(self.0),
            Entry::Value(_) => self.0,
        })
    }
}

impl Expiry<CacheKey, Entry> for Lifetime {
    fn expire_after_create(&self, key: &CacheKey, entry: &Entry, _now: Instant) -> Option<Duration> {
        self.of(key, entry)
    }

    fn expire_after_update(
        &self,
        key: &CacheKey,
        entry: &Entry,
        _now: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        self.of(key, entry)
    }
}
