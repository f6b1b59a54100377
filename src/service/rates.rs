//! Requests a second, per credential and per address, counted in this process: no store is needed to refuse.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::future::Cache;
use uuid::Uuid;

use crate::config::Limits;
use crate::error::{Error, Result};

/// Credentials and addresses that are counted at most; the idlest are forgotten first.
const CAPACITY: u64 = 100_000;
/// A bucket that was not used for this long is full again, so it need not be remembered.
const IDLE: Duration = Duration::from_secs(60);

/// The buckets.
#[derive(Clone)]
pub struct RateLimits {
    clock: DefaultClock,
    keys: Buckets<Uuid>,
    addresses: Buckets<IpAddr>,
}

impl std::fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RateLimits")
    }
}

impl RateLimits {
    /// With the rates of the configuration; a rate of 0 counts nothing.
    pub fn new(limits: &Limits) -> Self {
        Self {
            clock: DefaultClock::default(),
            keys: Buckets::new(limits.rate_per_key),
            addresses: Buckets::new(limits.rate_per_address),
        }
    }

    /// Counts a request of a session or API key.
    ///
    /// # Errors
    /// [`Error::TooMany`] when it is over its rate.
    pub async fn count_key(&self, key: Uuid) -> Result<()> {
        self.keys.count(key, &self.clock).await
    }

    /// Counts a request from an address.
    ///
    /// # Errors
    /// [`Error::TooMany`] when it is over its rate.
    pub async fn count_address(&self, address: IpAddr) -> Result<()> {
        self.addresses.count(address, &self.clock).await
    }
}

#[derive(Clone)]
struct Buckets<K> {
    quota: Option<Quota>,
    buckets: Cache<K, Arc<DefaultDirectRateLimiter>>,
}

impl<K: Hash + Eq + Send + Sync + 'static> Buckets<K> {
    fn new(rate: u32) -> Self {
        let buckets = Cache::builder().max_capacity(CAPACITY).time_to_idle(IDLE).build();
        Self { quota: NonZeroU32::new(rate).map(Quota::per_second), buckets }
    }

    async fn count(&self, key: K, clock: &DefaultClock) -> Result<()> {
        let Some(quota) = self.quota else { return Ok(()) };
        let bucket = match self.buckets.get(&key).await {
            Some(bucket) => bucket,
            None => Box::pin(self.buckets.get_with(key, async { Arc::new(RateLimiter::direct(quota)) })).await,
        };
        bucket.check().map_err(|refusal| Error::TooMany(refusal.wait_time_from(clock.now())))
    }
}
