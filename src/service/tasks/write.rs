//! Makes, changes and deletes one task: commit, then the cache, then the answer.

use std::collections::HashSet;

use anyhow::anyhow;
use uuid::Uuid;

use super::forms::{NewTask, PatchTaskRequest, PutTaskRequest};
use super::history::change;
use super::rules::Draft;
use super::{FoundTask, TaskService, tagged, to_the_end};
use crate::error::{Error, Result};
use crate::repository::entity::task;
use crate::service::accounts::Caller;
use crate::service::time;

/// How often a change is tried anew because others came in between.
const ATTEMPTS: usize = 64;

/// What somebody wants of a task that is there.
#[derive(Debug, Clone)]
pub enum Edit {
    /// To be all of this.
    Put(PutTaskRequest),
    /// To become this in part.
    Patch(PatchTaskRequest),
}

impl TaskService {
    /// Makes a task.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a viewer, [`Error::Invalid`] for what is out of bounds.
    #[tracing::instrument(target = "otel", name = "tasks.create", skip_all)]
    pub async fn create(&self, caller: &Caller, new: NewTask) -> Result<FoundTask> {
        caller.may_write()?;
        let draft = Draft::from(new);
        draft.check()?;
        draft.check_run(&self.known_runs(caller, draft.run_id).await?)?;
        let (service, caller) = (self.clone(), *caller);
        to_the_end(async move {
            let (now, workspace) = (time::now(), caller.workspace_id);
            // The first of one; which number that is, the database says.
            let row = draft.row(now, workspace, 1);
            let made = change(&caller, now, "created", None, Some(&row));
            let inserted = service.tasks.insert(workspace, vec![row.clone()], &[made]).await;
            service.forget(workspace, inserted.as_ref().ok().copied()).await;
            let row = task::Model { id: inserted?, ..row };
            service.remember(&row).await;
            found(row)
        })
        .await
    }

    /// Changes a task, if the caller has `seen` what it is.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a viewer, [`Error::NotFound`], [`Error::Changed`] when the caller has seen something
    /// else, [`Error::Invalid`] for what is out of bounds.
    #[tracing::instrument(target = "otel", name = "tasks.edit", skip_all)]
    pub async fn edit(
        &self,
        caller: &Caller,
        id: i64,
        edit: Edit,
        seen: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<FoundTask> {
        caller.may_write()?;
        let (service, caller) = (self.clone(), *caller);
        to_the_end(async move {
            let mut guess = service.recent.get(&(caller.workspace_id, id)).await;
            for _ in 0..ATTEMPTS {
                let (before, guessed) = service.basis(&caller, id, guess.take(), &seen).await?;
                let was = Draft::from(&before);
                let draft = match edit.clone() {
                    Edit::Put(put) => Draft::from(put),
                    Edit::Patch(patch) => was.clone().patched(patch),
                };
                draft.check()?;
                if draft == was {
                    if guessed {
                        continue;
                    }
                    return found(before);
                }
                if draft.run_id != was.run_id {
                    draft.check_run(&service.known_runs(&caller, draft.run_id).await?)?;
                }
                let now = time::now();
                let after = draft.replacing(now, &before);
                let changed = change(&caller, now, "updated", Some(&before), Some(&after));
                let updated = service.tasks.update(caller.workspace_id, vec![after.clone()], &[changed]).await;
                service.forget(caller.workspace_id, [id]).await;
                if !updated?.is_empty() {
                    service.remember(&after).await;
                    return found(after);
                }
            }
            Err(busy())
        })
        .await
    }

    /// Deletes a task, if the caller has `seen` what it is.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a viewer, [`Error::NotFound`], [`Error::Changed`] when the caller has seen something
    /// else.
    #[tracing::instrument(target = "otel", name = "tasks.delete", skip_all)]
    pub async fn delete(
        &self,
        caller: &Caller,
        id: i64,
        seen: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<()> {
        caller.may_write()?;
        let (service, caller) = (self.clone(), *caller);
        to_the_end(async move {
            let mut guess = service.recent.get(&(caller.workspace_id, id)).await;
            for _ in 0..ATTEMPTS {
                let (before, _) = service.basis(&caller, id, guess.take(), &seen).await?;
                let gone = change(&caller, time::now(), "deleted", Some(&before), None);
                let deleted = service.tasks.delete(&before, &gone).await;
                service.forget(caller.workspace_id, [id]).await;
                if deleted? {
                    return Ok(());
                }
            }
            Err(busy())
        })
        .await
    }

    /// What a change is worked out from, which the caller must have seen: what the task is guessed to be, or what it
    /// is now. Whether it is the guess.
    async fn basis(
        &self,
        caller: &Caller,
        id: i64,
        guess: Option<task::Model>,
        seen: &(impl Fn(&str) -> bool + Sync),
    ) -> Result<(task::Model, bool)> {
        if let Some(row) = guess
            && seen(&tagged(row.clone())?.0)
        {
            return Ok((row, true));
        }
        let Some(row) = self.tasks.find(caller.workspace_id, id).await? else {
            // An earlier delete may have died between the row and the cache.
            self.forget(caller.workspace_id, [id]).await;
            return Err(Error::NotFound("task"));
        };
        if seen(&tagged(row.clone())?.0) { Ok((row, false)) } else { Err(Error::Changed("task")) }
    }

    /// Those of these ids that are runs of the caller's workspace.
    pub(super) async fn known_runs(
        &self,
        caller: &Caller,
        runs: impl IntoIterator<Item = Uuid>,
    ) -> Result<HashSet<Uuid>> {
        let runs: Vec<Uuid> = runs.into_iter().collect::<HashSet<_>>().into_iter().collect();
        if runs.is_empty() {
            return Ok(HashSet::new());
        }
        Ok(self.runs.find_known(caller.workspace_id, runs).await?.into_iter().collect())
    }
}

fn found(row: task::Model) -> Result<FoundTask> {
    let (etag, body) = tagged(row)?;
    Ok(FoundTask { etag, body: Some(body) })
}

pub(super) fn busy() -> Error {
    Error::unavailable(anyhow!("others kept changing the same task"))
}
