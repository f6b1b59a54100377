//! Finds the project of a run, and makes it when a run is the first to name it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::future::Cache;
use uuid::Uuid;

use super::scanner::ScannedRun;
use crate::error::{Error, Result};
use crate::repository::ProjectRepository;
use crate::repository::entity::project;

/// What runs belong to that name no project.
const DEFAULT: &str = "default";
/// How long a project is remembered here.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Projects that are remembered at most.
const CAPACITY: u64 = 10_000;

/// The projects, with the recent ones at hand.
#[derive(Debug, Clone)]
pub struct Projects {
    projects: ProjectRepository,
    by_name: Cache<(Uuid, String), Uuid>,
    names: Cache<(Uuid, Uuid), String>,
}

impl Projects {
    /// Over this repository.
    pub fn new(projects: ProjectRepository) -> Self {
        Self {
            projects,
            by_name: Cache::builder().max_capacity(CAPACITY).time_to_live(REMEMBERED).build(),
            names: Cache::builder().max_capacity(CAPACITY).time_to_live(REMEMBERED).build(),
        }
    }

    /// The project that a run names by id or by name.
    pub async fn resolve(&self, now: DateTime<Utc>, workspace: Uuid, run: &ScannedRun) -> Result<Uuid> {
        match (run.session_id, run.session_name.as_deref()) {
            (Some(id), name) => self.with_id(now, workspace, id, name).await,
            (None, name) => self.with_name(now, workspace, name.unwrap_or(DEFAULT)).await,
        }
    }

    /// The id of the project that a caller means: by name, else by id.
    pub async fn find(&self, workspace: Uuid, name_or_id: &str) -> Result<Option<Uuid>> {
        if let Some(project) = self.projects.find_by_name(workspace, name_or_id).await? {
            return Ok(Some(project.id));
        }
        let Ok(id) = Uuid::try_parse(name_or_id) else { return Ok(None) };
        Ok(self.projects.find(workspace, id).await?.map(|project| project.id))
    }

    /// The name of a project.
    pub async fn name(&self, workspace: Uuid, id: Uuid) -> Result<String> {
        if let Some(name) = self.names.get(&(workspace, id)).await {
            return Ok(name);
        }
        let project = self.projects.find(workspace, id).await?;
        let name = project.map(|project| project.name).unwrap_or_default();
        self.names.insert((workspace, id), name.clone()).await;
        Ok(name)
    }

    async fn with_id(&self, now: DateTime<Utc>, workspace: Uuid, id: Uuid, name: Option<&str>) -> Result<Uuid> {
        if self.names.contains_key(&(workspace, id)) {
            return Ok(id);
        }
        // Every run asks, and hardly one has to wait: the others should not carry the room for it.
        Box::pin(self.fetch_by_id(now, workspace, id, name)).await
    }

    async fn fetch_by_id(&self, now: DateTime<Utc>, workspace: Uuid, id: Uuid, name: Option<&str>) -> Result<Uuid> {
        if self.projects.find(workspace, id).await?.is_none() {
            let own = id.to_string();
            self.projects.create(now, workspace, id, name.unwrap_or(&own)).await?;
        }
        match self.projects.find(workspace, id).await? {
            Some(project) => Ok(self.remember(project).await),
            // The name belongs to another project, which is the one that is meant.
            None => self.with_name(now, workspace, name.unwrap_or(DEFAULT)).await,
        }
    }

    async fn with_name(&self, now: DateTime<Utc>, workspace: Uuid, name: &str) -> Result<Uuid> {
        if let Some(id) = self.by_name.get(&(workspace, name.to_owned())).await {
            return Ok(id);
        }
        Box::pin(self.fetch_by_name(now, workspace, name)).await
    }

    async fn fetch_by_name(&self, now: DateTime<Utc>, workspace: Uuid, name: &str) -> Result<Uuid> {
        if self.projects.find_by_name(workspace, name).await?.is_none() {
            self.projects.create(now, workspace, Uuid::now_v7(), name).await?;
        }
        match self.projects.find_by_name(workspace, name).await? {
            Some(project) => Ok(self.remember(project).await),
            None => Err(Error::Internal(anyhow::anyhow!("a project that was just made is not there"))),
        }
    }

    async fn remember(&self, project: project::Model) -> Uuid {
        self.by_name.insert((project.workspace_id, project.name.clone()), project.id).await;
        self.names.insert((project.workspace_id, project.id), project.name).await;
        project.id
    }
}
