//! Many values at once: one look at all of them, and what is missing is filled in by whoever reads it.

use bytes::Bytes;

use super::entry::{Lookup, Version};
use super::key::CacheKey;
use super::tally::Outcome;
use super::{Cache, MAX_VALUE};

/// What stands under one of many keys.
#[derive(Debug)]
pub enum Item {
    /// The value.
    Hit(Bytes),
    /// No value; who has read it after this may fill it in.
    Miss(Ticket),
    /// The cache must not be believed, nor filled.
    Off,
}

/// The right to fill a key, as long as nobody has invalidated it.
#[derive(Debug)]
pub struct Ticket {
    key: CacheKey,
    version: Version,
}

impl Cache {
    /// What stands under each of these keys.
    #[tracing::instrument(target = "otel", name = "cache.get_many", skip_all, fields(otel.kind = "client"))]
    pub async fn get_many(&self, keys: Vec<CacheKey>) -> Vec<Item> {
        let found = match self {
            Self::Memory(cache) => {
                let mut found = Vec::with_capacity(keys.len());
                for key in &keys {
                    found.push(cache.lookup(key).await);
                }
                found
            }
            Self::Redis(cache) => cache.lookup_many(&keys).await,
        };
        let tally = self.tally();
        let item = |(key, lookup): (CacheKey, Lookup)| match lookup {
            Lookup::Hit(bytes) => {
                tally.read(key.kind(), Outcome::Hit);
                Item::Hit(bytes)
            }
            Lookup::Miss(version) => {
                tally.read(key.kind(), Outcome::Miss);
                Item::Miss(Ticket { key, version })
            }
            Lookup::Off => {
                tally.read(key.kind(), Outcome::Passed);
                Item::Off
            }
        };
        keys.into_iter().zip(found).map(item).collect()
    }

    /// Fills in what was read since the tickets were given out.
    #[tracing::instrument(target = "otel", name = "cache.fill_many", skip_all, fields(otel.kind = "client"))]
    pub async fn fill_many(&self, values: Vec<(Ticket, Bytes)>) {
        for (Ticket { key, version }, value) in values {
            if value.len() <= MAX_VALUE {
                self.fill(&key, version, &value).await;
            }
        }
    }
}
