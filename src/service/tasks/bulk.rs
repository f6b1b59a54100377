//! Many tasks in one request: each stands or falls alone, and all that stand are one statement.

use std::collections::{HashMap, HashSet};

use super::forms::{BulkStatusRequest, NewTask};
use super::history::change;
use super::rules::Draft;
use super::vocabulary::{BulkAnswer, BulkOutcome, BulkProblem, BulkResult, TaskStatus};
use super::write::busy;
use super::{TaskService, to_the_end};
use crate::error::{Error, FieldError, Result};
use crate::repository::entity::task;
use crate::service::accounts::Caller;
use crate::service::lines::at_line;
use crate::service::time;

/// Most tasks in one request.
const MAX_BULK: usize = 1_000;
/// How often those that others changed meanwhile are tried anew.
const ATTEMPTS: usize = 16;

impl TaskService {
    /// Makes those of these tasks that can be made; what could not be read is an error already.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a viewer, [`Error::Invalid`] for too many or none.
    #[tracing::instrument(target = "otel", name = "tasks.create_many", skip_all)]
    pub async fn create_many(&self, caller: &Caller, new: Vec<Result<NewTask>>) -> Result<BulkAnswer> {
        caller.may_write()?;
        bounded("", new.len())?;
        let drafts: Vec<Result<Draft>> = new.into_iter().map(|new| checked(new?)).collect();
        let runs = drafts.iter().flatten().filter_map(|draft| draft.run_id);
        let known = self.known_runs(caller, runs).await?;
        let drafts = drafts.into_iter().map(|draft| draft.and_then(|draft| draft.check_run(&known).map(|()| draft)));
        let (mut results, mut good) = (Vec::new(), Vec::new());
        for (index, draft) in drafts.enumerate() {
            match draft {
                Ok(draft) => {
                    good.push(draft);
                    results.push(BulkResult { id: None, result: BulkOutcome::Created, errors: Vec::new() });
                }
                Err(error) => results.push(refused(index as u64, error)?),
            }
        }
        if good.is_empty() {
            return Ok(BulkAnswer::new(results));
        }
        let (service, caller) = (self.clone(), *caller);
        let (first, count) = to_the_end(async move { service.insert_many(&caller, good).await }).await?;
        let mut ids = first..first + count;
        for result in results.iter_mut().filter(|result| result.result == BulkOutcome::Created) {
            result.id = ids.next();
        }
        Ok(BulkAnswer::new(results))
    }

    /// The first id and how many there are.
    async fn insert_many(&self, caller: &Caller, drafts: Vec<Draft>) -> Result<(i64, i64)> {
        let (now, workspace) = (time::now(), caller.workspace_id);
        let rows: Vec<task::Model> = (1..).zip(drafts).map(|(place, draft)| draft.row(now, workspace, place)).collect();
        let made: Vec<_> = rows.iter().map(|row| change(caller, now, "created", None, Some(row))).collect();
        let count = rows.len() as i64;
        let inserted = self.tasks.insert(workspace, rows, &made).await;
        let first = inserted.as_ref().copied().unwrap_or_default();
        self.forget(workspace, first..first + count).await;
        Ok((inserted?, count))
    }

    /// Gives many tasks the same status.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a viewer, [`Error::Invalid`] for too many or none.
    #[tracing::instrument(target = "otel", name = "tasks.set_status", skip_all)]
    pub async fn set_status(&self, caller: &Caller, request: BulkStatusRequest) -> Result<BulkAnswer> {
        caller.may_write()?;
        bounded("ids", request.ids.len())?;
        let BulkStatusRequest { ids, status } = request;
        let (service, caller, wanted) = (self.clone(), *caller, ids.clone());
        let there = to_the_end(async move { service.set_status_of(&caller, wanted, status).await }).await?;
        let result = |id| {
            let result = if there.contains(&id) { BulkOutcome::Ok } else { BulkOutcome::NotFound };
            BulkResult { id: Some(id), result, errors: Vec::new() }
        };
        Ok(BulkAnswer::new(ids.into_iter().map(result).collect()))
    }

    /// Which of these tasks are there, and in this status now.
    async fn set_status_of(&self, caller: &Caller, ids: Vec<i64>, status: TaskStatus) -> Result<HashSet<i64>> {
        let workspace = caller.workspace_id;
        let mut done = HashSet::new();
        let mut left: HashSet<i64> = ids.into_iter().collect();
        for _ in 0..ATTEMPTS {
            let found = self.tasks.find_many(workspace, left.iter().copied().collect()).await?;
            let found: HashMap<i64, task::Model> = found.into_iter().map(|row| (row.id, row)).collect();
            left.retain(|id| found.contains_key(id));
            let now = time::now();
            let (mut rows, mut changes) = (Vec::new(), Vec::new());
            for before in found.values() {
                if before.status == status.as_str() {
                    continue;
                }
                let after = Draft { status, ..Draft::from(before) }.replacing(now, before);
                changes.push(change(caller, now, "updated", Some(before), Some(&after)));
                rows.push(after);
            }
            let tried: HashSet<i64> = rows.iter().map(|row| row.id).collect();
            done.extend(left.difference(&tried));
            if tried.is_empty() {
                return Ok(done);
            }
            let updated = self.tasks.update(workspace, rows, &changes).await;
            self.forget(workspace, tried.iter().copied()).await;
            done.extend(updated?);
            left.retain(|id| !done.contains(id));
            if left.is_empty() {
                return Ok(done);
            }
        }
        Err(busy())
    }
}

fn checked(new: NewTask) -> Result<Draft> {
    let draft = Draft::from(new);
    draft.check().map(|()| draft)
}

fn bounded(field: &str, count: usize) -> Result<()> {
    if (1..=MAX_BULK).contains(&count) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("must be 1 to {MAX_BULK} tasks, not {count}")))
}

/// What is wrong with the task at this place, or the error when it is not the task's fault.
fn refused(index: u64, error: Error) -> Result<BulkResult> {
    let problems = match at_line(index, error) {
        Error::Invalid(problems) => problems,
        Error::Malformed(problem) => vec![problem],
        other => return Err(other),
    };
    let problem = |FieldError { field, message }: FieldError| {
        let counted = format!("line {}: ", index + 1);
        BulkProblem { field, message: message.strip_prefix(&counted).unwrap_or(&message).to_owned() }
    };
    let errors = problems.into_iter().map(problem).collect();
    Ok(BulkResult { id: None, result: BulkOutcome::Invalid, errors })
}
