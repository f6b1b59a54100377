//! Counters of the cache: they only ever grow, and the metrics read them when they are scraped.

use std::sync::atomic::{AtomicU64, Ordering};

/// What can be read from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One run.
    Run,
    /// One task.
    Task,
    /// A page of a list.
    Page,
    /// One entry of a list.
    Item,
    /// The order of a list.
    Order,
    /// The generation of a list.
    Generation,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Run, Self::Task, Self::Page, Self::Item, Self::Order, Self::Generation];

    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Task => "task",
            Self::Page => "page",
            Self::Item => "item",
            Self::Order => "order",
            Self::Generation => "generation",
        }
    }
}

/// How a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The cache answered.
    Hit,
    /// It could not answer.
    Miss,
    /// It was gone past, because it was away or might have been stale.
    Passed,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Hit, Self::Miss, Self::Passed];

    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Passed => "passed",
        }
    }
}

/// What the cache did since the process started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// The reads, by what was read and how it ended.
    pub reads: Vec<(Kind, Outcome, u64)>,
}

/// The counters behind [`CacheCounts`].
#[derive(Debug, Default)]
pub(super) struct Tally {
    reads: [[AtomicU64; Outcome::ALL.len()]; Kind::ALL.len()],
    pub errors: AtomicU64,
    pub lost_invalidations: AtomicU64,
}

impl Tally {
    /// Counts a read.
    pub fn read(&self, kind: Kind, outcome: Outcome) {
        count(&self.reads[kind as usize][outcome as usize], 1);
    }

    /// The counters as they are.
    pub fn counts(&self) -> CacheCounts {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let reads = Kind::ALL.into_iter().flat_map(|kind| {
            Outcome::ALL.map(|outcome| (kind, outcome, value(&self.reads[kind as usize][outcome as usize])))
        });
        let reads: Vec<_> = reads.collect();
        let sum = |wanted| reads.iter().filter(|(_, outcome, _)| *outcome == wanted).map(|(_, _, reads)| reads).sum();
        CacheCounts {
            hits: sum(Outcome::Hit),
            misses: sum(Outcome::Miss),
            passed: sum(Outcome::Passed),
            errors: value(&self.errors),
            lost_invalidations: value(&self.lost_invalidations),
            reads,
        }
    }
}

/// Counts `n` more.
pub(super) fn count(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}
