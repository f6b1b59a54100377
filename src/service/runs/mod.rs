//! Runs: taken in as they stream, kept as ranges of immutable segments, and given back byte for byte.

mod budget;
mod commit;
mod compose;
mod examples;
mod extras;
mod ingest;
mod list;
mod projects;
mod read;
mod rows;
pub mod scanner;
mod trace;
mod vocabulary;

pub use commit::Committer;
pub use read::{Found, RunBody};
pub use vocabulary::{CreatedRuns, LightRun, NewRun, Run, RunExtra, RunField, RunPage, RunQuery, RunState, Trace};

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tracing::Instrument;
use uuid::Uuid;

use crate::config::Limits;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::repository::{BlobStore, Cache, CacheKey, ProjectRepository, RunRepository, Stores, TaskRepository};
use crate::service::accounts::Caller;
use crate::service::time;

use budget::Budget;
use projects::Projects;

/// The rules of runs.
#[derive(Debug, Clone)]
pub struct RunService {
    runs: RunRepository,
    tasks: TaskRepository,
    blobs: BlobStore,
    cache: Cache,
    projects: Projects,
    committer: Committer,
    metrics: Metrics,
    budget: Budget,
    limits: Arc<Limits>,
}

impl RunService {
    /// Over these stores; small requests go through this committer.
    pub fn new(stores: &Stores, committer: Committer, metrics: Metrics, limits: &Limits, patience: Duration) -> Self {
        Self {
            runs: RunRepository::new(stores.database.clone()),
            tasks: TaskRepository::new(stores.database.clone()),
            blobs: stores.blobs.clone(),
            cache: stores.cache.clone(),
            projects: Projects::new(ProjectRepository::new(stores.database.clone())),
            committer,
            metrics,
            budget: Budget::new(limits.max_inflight_bytes.as_u64(), patience),
            limits: Arc::new(limits.clone()),
        }
    }

    /// Deletes a run; its bytes go when its segment is collected.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a viewer, [`Error::NotFound`] when there is no such run.
    #[tracing::instrument(target = "otel", name = "runs.delete", skip_all)]
    pub async fn delete(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.may_write()?;
        let (service, workspace) = (self.clone(), caller.workspace_id);
        // A task of its own: a caller who goes away must not leave a deleted run in the cache.
        let deletion = async move {
            let deleted = service.runs.delete(time::now(), workspace, id).await?;
            // Also when it was gone: an earlier delete may have died between the row and the cache.
            service.cache.invalidate(CacheKey::Run { workspace, id }).await;
            Ok::<_, Error>(deleted)
        };
        if tokio::spawn(deletion.in_current_span()).await.context("deleting a run")?? {
            Ok(())
        } else {
            Err(Error::NotFound("run"))
        }
    }
}
