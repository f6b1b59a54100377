//! The circuit breaker: whether Redis may be asked, and which keys must not be believed.
//!
//! It is closed as long as there is a link; without one nobody touches Redis, so an outage costs requests nothing
//! once it is noticed. Link and lost invalidations are one state that changes in one step: a read is never let
//! through to a key whose invalidation has not landed.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::RedisResult;
use tokio::sync::watch;
use tokio::time::Instant;

use super::key::CacheKey;
use super::link::{Link, is_reply};
use super::tally::{Tally, count};

/// Failures in a row that open the breaker. A connection that is known to be lost opens it at once.
const FAILURES: u32 = 3;
/// Most keys that are remembered as stale; beyond, the whole cache is read past for a while.
const MAX_STALE: usize = 10_000;
/// Least time between two log lines about single failures.
const COMPLAIN_EVERY: u64 = 10;

/// Everything that decides whether Redis is asked.
#[derive(Default)]
pub(super) struct State {
    link: Option<Arc<Link>>,
    /// Keys whose invalidation is lost, with the number of the latest loss.
    stale: HashMap<CacheKey, u64>,
    /// How many invalidations were ever lost: the source of those numbers.
    losses: u64,
    /// Until when the whole cache is read past.
    blind_until: Option<Instant>,
}

impl State {
    /// Whether the keeper has something to mend.
    pub fn needs_care(&self) -> bool {
        self.link.is_none() || !self.stale.is_empty()
    }
}

/// The breaker of one cache.
pub(super) struct Breaker {
    state: watch::Sender<State>,
    tally: Arc<Tally>,
    /// How long values live, thus how long a forgotten key can stay stale.
    ttl: Duration,
    /// Longest that an answer may take.
    patience: Duration,
    opened: Instant,
    /// When a failure was last logged, in seconds since `opened`, plus one; zero is never.
    complained: AtomicU64,
}

impl Breaker {
    /// An open breaker.
    pub fn new(tally: Arc<Tally>, ttl: Duration, patience: Duration) -> Self {
        let state = watch::Sender::new(State::default());
        Self { state, tally, ttl, patience, opened: Instant::now(), complained: AtomicU64::new(0) }
    }

    /// Tells of changes of the state.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// The link, unless the breaker is open.
    pub fn link(&self) -> Option<Arc<Link>> {
        self.state.borrow().link.clone()
    }

    /// The link to read this key, unless the breaker is open or the key may be stale.
    pub fn link_to_read(&self, key: &CacheKey) -> Option<Arc<Link>> {
        let state = self.state.borrow();
        let stale = state.stale.contains_key(key) || state.blind_until.is_some_and(|until| Instant::now() < until);
        if stale { None } else { state.link.clone() }
    }

    /// The answer to a question that changes something, if it comes in time; what goes wrong is counted.
    pub async fn ask<T>(&self, link: &Arc<Link>, question: impl Future<Output = RedisResult<T>>) -> Option<T> {
        let answer = self.judge(link, tokio::time::timeout(self.patience, question).await.ok())?;
        link.has_changed();
        Some(answer)
    }

    /// What is under the key, if the answer comes in time and there is room to wait for it; what goes wrong is counted.
    pub async fn get(&self, link: &Arc<Link>, key: &CacheKey) -> Option<Option<Vec<u8>>> {
        let answer = link.get(key)?.await;
        self.judge(link, answer.ok())
    }

    /// The answer, when there is one and it is not a no.
    fn judge<T>(&self, link: &Arc<Link>, answer: Option<RedisResult<T>>) -> Option<T> {
        match answer {
            Some(Ok(answer)) => {
                link.has_read();
                return Some(answer);
            }
            Some(Err(error)) if is_reply(&error) => self.failed(link, link.has_refused(), &error.to_string()),
            Some(Err(error)) => self.failed(link, FAILURES, &error.to_string()),
            None => self.failed(link, link.was_silent(), "no answer in time"),
        }
        None
    }

    /// Counts a failure, with how many there were in a row; a connection that is lost is as bad as many.
    fn failed(&self, link: &Arc<Link>, in_a_row: u32, why: &str) {
        count(&self.tally.errors, 1);
        if in_a_row >= FAILURES { self.open(link, why) } else { self.complain(why) }
    }

    /// Remembers keys whose invalidation did not land; from now on this process reads past them.
    pub fn lost(&self, keys: Vec<CacheKey>) {
        count(&self.tally.lost_invalidations, keys.len());
        self.state.send_modify(|state| {
            for key in keys {
                state.losses += 1;
                if state.stale.len() < MAX_STALE || state.stale.contains_key(&key) {
                    state.stale.insert(key, state.losses);
                } else {
                    state.blind_until = Some(Instant::now() + self.ttl);
                }
            }
        });
    }

    /// How many invalidations were ever lost.
    pub fn losses(&self) -> u64 {
        self.state.borrow().losses
    }

    /// Some of the stale keys that were lost no later than number `upto`.
    pub fn stale(&self, upto: u64, limit: usize) -> Vec<(CacheKey, u64)> {
        let state = self.state.borrow();
        let old = state.stale.iter().filter(|(_, loss)| **loss <= upto);
        old.take(limit).map(|(key, loss)| (key.clone(), *loss)).collect()
    }

    /// Believes these keys again, except those that were lost once more in the meantime.
    pub fn landed(&self, keys: &[(CacheKey, u64)]) {
        self.state.send_modify(|state| {
            for (key, loss) in keys {
                if state.stale.get(key) == Some(loss) {
                    state.stale.remove(key);
                }
            }
        });
    }

    /// Lets requests through again.
    pub fn close(&self, link: Arc<Link>) {
        self.state.send_modify(|state| state.link = Some(link));
        tracing::info!("cache is there, reading through it");
    }

    /// Lets nobody through, unless another link has taken the place of this one already.
    fn open(&self, link: &Arc<Link>, why: &str) {
        let opened = self.state.send_if_modified(|state| {
            let current = state.link.as_ref().is_some_and(|current| Arc::ptr_eq(current, link));
            if current {
                state.link = None;
            }
            current
        });
        if opened {
            tracing::warn!(cache.error = why, "cache is away, reading past it");
        }
    }

    /// Logs a failure, unless one was logged a moment ago.
    fn complain(&self, why: &str) {
        let now = self.opened.elapsed().as_secs() + 1;
        let last = self.complained.load(Ordering::Relaxed);
        if last != 0 && now < last + COMPLAIN_EVERY {
            return;
        }
        // Of those who find it due at the same moment, one wins the exchange and writes the line.
        if self.complained.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(cache.error = why, "cache failed");
        }
    }
}
