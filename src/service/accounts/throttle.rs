//! Slows the guessing of passwords, without letting anybody lock somebody else out for good.
//!
//! Failures of one address for one account, and of one address for all accounts, are answered with a wait that
//! doubles up to a bound. Failures for an account from everywhere only delay its sign-ins by a bounded time: the
//! right password from another address always gets in. Counts live in this process and need no other store.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use moka::future::Cache;
use moka::ops::compute::Op;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// Failures are forgotten after this time without one.
const MEMORY: Duration = Duration::from_secs(15 * 60);
/// Longest that an address is told to wait.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Longest that a sign-in is delayed for what others did to its account.
const MAX_DELAY: Duration = Duration::from_secs(4);
/// Accounts and addresses that are remembered at most.
const CAPACITY: u64 = 100_000;
/// How many times more failures an address has over all accounts than for one.
const ADDRESS_FACTOR: u32 = 10;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Pair(IpAddr, String),
    Address(IpAddr),
    Account(String),
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// An attempt that is being looked at, until this is dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "held for its drop")] [OwnedSemaphorePermit; 2]);

/// The failures of the last minutes.
#[derive(Debug, Clone)]
pub struct Throttle {
    allowed: u32,
    failures: Cache<Subject, Failures>,
    turns: Cache<Subject, Arc<Semaphore>>,
}

impl Throttle {
    /// `allowed` failures of one address for one account cost nothing.
    pub fn new(allowed: u32) -> Self {
        let failures = Cache::builder().max_capacity(CAPACITY).time_to_idle(MEMORY).build();
        let turns = Cache::builder().max_capacity(CAPACITY).time_to_idle(MEMORY).build();
        Self { allowed, failures, turns }
    }

    /// Lets an attempt go on, perhaps after a delay; its outcome must be known before the turn is dropped.
    ///
    /// No more attempts are looked at together than may fail for nothing: guesses that are made at once are worth no
    /// more than guesses one after another.
    pub async fn admit(&self, address: IpAddr, account: &str) -> Result<Turn> {
        let [of_pair, of_address] = self.bounds(address, account);
        let turn = Turn([self.turn(of_pair).await?, self.turn(of_address).await?]);
        for (subject, allowed) in self.bounds(address, account) {
            if let Some(wait) = self.wait(&subject, allowed, MAX_WAIT).await {
                return Err(Error::TooMany(wait));
            }
        }
        let everywhere = Subject::Account(account.to_owned());
        if let Some(delay) = self.wait(&everywhere, self.allowed * ADDRESS_FACTOR, MAX_DELAY).await {
            tokio::time::sleep(delay).await;
        }
        Ok(turn)
    }

    async fn turn(&self, (subject, allowed): (Subject, u32)) -> Result<OwnedSemaphorePermit> {
        let turns = self.turns.get_with(subject, async { Arc::new(Semaphore::new(allowed.max(1) as usize)) }).await;
        Ok(turns.acquire_owned().await.context("waiting for a sign-in")?)
    }

    /// Remembers a failure.
    pub async fn failed(&self, address: IpAddr, account: &str) {
        let now = Instant::now();
        let everywhere = (Subject::Account(account.to_owned()), 0);
        for (subject, _) in self.bounds(address, account).into_iter().chain([everywhere]) {
            self.failures
                .entry(subject)
                .and_compute_with(async |entry| {
                    let count = entry.map_or(0, |entry| entry.into_value().count);
                    Op::Put(Failures { count: count.saturating_add(1), last: now })
                })
                .await;
        }
    }

    /// Forgets what this address did to this account: it has the right password.
    pub async fn succeeded(&self, address: IpAddr, account: &str) {
        self.failures.invalidate(&Subject::Pair(address, account.to_owned())).await;
    }

    fn bounds(&self, address: IpAddr, account: &str) -> [(Subject, u32); 2] {
        [
            (Subject::Pair(address, account.to_owned()), self.allowed),
            (Subject::Address(address), self.allowed * ADDRESS_FACTOR),
        ]
    }

    /// What is left of the wait after the last failure: a second, doubled with each failure beyond `allowed`.
    async fn wait(&self, subject: &Subject, allowed: u32, longest: Duration) -> Option<Duration> {
        let failures = self.failures.get(subject).await?;
        let beyond = failures.count.checked_sub(allowed)?;
        let wait = Duration::from_secs(1 << beyond.min(10)).min(longest);
        wait.checked_sub(failures.last.elapsed()).filter(|wait| !wait.is_zero())
    }
}
