//! Whether the stores answer: the database and the blob store must, the cache need not.

use std::time::Duration;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::repository::Stores;

/// Longest that a store may take to count as there; a probe must not hang on one that is frozen.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether something answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It answers.
    Ok,
    /// It does not.
    Unavailable,
}

/// Whether each store answers.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Checks {
    /// Without it nothing works.
    pub database: Answer,
    /// Without it payloads can be neither stored nor read.
    pub blob: Answer,
    /// Without it everything works, slower.
    pub cache: Answer,
}

/// Whether the server can do its work.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Readiness {
    /// `ok` when the database and the blob store answer.
    pub status: Answer,
    /// Each store.
    pub checks: Checks,
}

/// That the process is alive.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Liveness {
    /// Always `ok`.
    pub status: Answer,
    /// Which server this is: `runyard`, or a single part of it by its own name.
    pub service: String,
}

/// Asks the stores.
#[derive(Debug, Clone)]
pub struct HealthService {
    stores: Stores,
    service: &'static str,
}

impl HealthService {
    /// Over these stores, for a process of this name.
    pub fn new(stores: Stores, service: &'static str) -> Self {
        Self { stores, service }
    }

    /// That the process is alive; asks nobody.
    pub fn liveness(&self) -> Liveness {
        Liveness { status: Answer::Ok, service: self.service.to_owned() }
    }

    /// Asks every store at once.
    pub async fn readiness(&self) -> Readiness {
        let (database, blob, cache) = tokio::join!(
            answer("database", self.stores.database.ping()),
            answer("blob", self.stores.blobs.ping()),
            answer("cache", self.stores.cache.ping()),
        );
        let ready = database == Answer::Ok && blob == Answer::Ok;
        let status = if ready { Answer::Ok } else { Answer::Unavailable };
        Readiness { status, checks: Checks { database, blob, cache } }
    }
}

async fn answer(store: &'static str, ping: impl Future<Output = Result<()>>) -> Answer {
    match tokio::time::timeout(PATIENCE, ping).await {
        Ok(Ok(())) => Answer::Ok,
        Ok(Err(error)) => {
            tracing::warn!(store, error = %format!("{:#}", anyhow::Error::new(error)), "a store does not answer");
            Answer::Unavailable
        }
        Err(_) => {
            tracing::warn!(store, "a store does not answer in time");
            Answer::Unavailable
        }
    }
}
