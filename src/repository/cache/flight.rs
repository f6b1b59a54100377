//! Single flight: readers who miss the same version of the same key load it once; nothing outlives its flight.
//!
//! The version is part of the flight's name, so a reader who starts after an invalidation never joins a load that
//! began before it. moka coalesces; with no capacity it stores nothing, wakes those who wait with the leader's
//! result, and lets one of them take over when the leader's request is cancelled.

use std::future::Future;

use bytes::Bytes;

use super::entry::Version;
use super::key::CacheKey;
use crate::error::{Error, Result};

/// The loads that are under way in this process.
#[derive(Clone)]
pub(super) struct Flights(moka::future::Cache<(CacheKey, Version), Option<Bytes>>);

impl Flights {
    /// No flights.
    pub fn new() -> Self {
        Self(moka::future::Cache::new(0))
    }

    /// The result of `load`, or of the same flight when it is under way already; then `load` is never polled.
    pub async fn join(
        &self,
        key: CacheKey,
        version: Version,
        load: impl Future<Output = Result<Option<Bytes>>>,
    ) -> Result<Option<Bytes>> {
        // The leader keeps its error as it is, with all its causes, and hands a copy to those who joined.
        let mut own = None;
        let load = async {
            load.await.map_err(|error| {
                let shared = copy(&error);
                own = Some(error);
                shared
            })
        };
        let landed = self.0.try_get_with((key, version), load).await;
        landed.map_err(|shared| own.unwrap_or_else(|| copy(&shared)))
    }
}

/// An error that means the same to a caller; its causes become text, because they cannot be cloned.
fn copy(error: &Error) -> Error {
    match error {
        Error::NotFound(noun) => Error::NotFound(noun),
        Error::TooMany(wait) => Error::TooMany(*wait),
        Error::Unavailable(cause) => Error::Unavailable(anyhow::anyhow!("{cause:#}")),
        Error::Internal(cause) => Error::Internal(anyhow::anyhow!("{cause:#}")),
        other => Error::Internal(anyhow::anyhow!("{other}")),
    }
}
