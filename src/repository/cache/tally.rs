//! Counters of the cache: they only ever grow, and the metrics read them when they are scraped.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the cache did since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Reads that the cache answered.
    pub hits: u64,
    /// Reads that it could not answer.
    pub misses: u64,
    /// Reads that went past it, because it was away or might have been stale.
    pub passed: u64,
    /// Questions to the cache that failed.
    pub errors: u64,
    /// Invalidations that did not reach the cache at once and were left to be repeated.
    pub lost_invalidations: u64,
}

/// The counters behind [`CacheCounts`].
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    pub passed: AtomicU64,
    pub errors: AtomicU64,
    pub lost_invalidations: AtomicU64,
}

impl Tally {
    /// The counters as they are.
    pub fn counts(&self) -> CacheCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheCounts {
            hits: read(&self.hits),
            misses: read(&self.misses),
            passed: read(&self.passed),
            errors: read(&self.errors),
            lost_invalidations: read(&self.lost_invalidations),
        }
    }
}

/// Counts `n` more.
pub(super) fn count(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}
