//! Lists runs by their rows alone, newest first, page after page.

use super::RunService;
use super::vocabulary::{LightRun, RunPage, RunQuery};
use crate::error::{Error, Result};
use crate::repository::entity::run;
use crate::repository::runs::{RunFilter, RunPosition};
use crate::service::accounts::Caller;
use crate::service::cursor;

/// What its cursors are of.
const LIST: &str = "runs";
/// Runs on a page when the caller does not say.
const DEFAULT_LIMIT: u64 = 100;
/// Most runs on a page.
const MAX_LIMIT: u64 = 1_000;
/// Longest key and value of metadata that can be filtered by, in bytes: as much as is kept of them.
const MAX_SCALAR: usize = 64;

impl RunService {
    /// A page of runs.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a limit, a cursor or a metadata filter that is out of bounds.
    #[tracing::instrument(target = "otel", name = "runs.list", skip_all)]
    pub async fn list(&self, caller: &Caller, query: RunQuery) -> Result<RunPage> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", format!("must be 1 to {MAX_LIMIT}")));
        }
        for (key, value) in &query.metadata {
            if key.is_empty() || key.len() > MAX_SCALAR || value.len() > MAX_SCALAR {
                let message = format!("the key and the value must have 1 to {MAX_SCALAR} bytes");
                return Err(Error::invalid(format!("metadata.{key}"), message));
            }
        }
        let binding = binding(caller, &query);
        let after = query.cursor.as_deref().map(|text| cursor::decode(LIST, &binding, text)).transpose()?;
        let after = after.map(|(start_time, id)| RunPosition { start_time, id });
        let Some(filter) = self.filter(caller, query).await? else {
            return Ok(RunPage { items: Vec::new(), next_cursor: None });
        };
        let mut rows = self.runs.list(caller.workspace_id, &filter, after, limit + 1).await?;
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let last = rows.last().filter(|_| more);
        let next_cursor = last.map(|row| cursor::encode(LIST, &binding, (row.start_time, row.id)));
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            items.push(self.light(row, None).await?);
        }
        Ok(RunPage { items, next_cursor })
    }

    /// The row as lists show it.
    pub(super) async fn light(&self, row: run::Model, depth: Option<u32>) -> Result<LightRun> {
        let project = self.projects.name(row.workspace_id, row.project_id).await?;
        Ok(LightRun::new(row, project, depth))
    }

    /// What the database is asked; nothing when no run can fit because its project is not there.
    async fn filter(&self, caller: &Caller, query: RunQuery) -> Result<Option<RunFilter>> {
        let project_id = match &query.project {
            Some(project) => match self.projects.find(caller.workspace_id, project).await? {
                Some(id) => Some(id),
                None => return Ok(None),
            },
            None => None,
        };
        let status = query.status.map(|status| serde_json::to_value(status).unwrap_or_default());
        Ok(Some(RunFilter {
            trace_id: query.trace_id,
            project_id,
            name: query.name,
            run_type: query.run_type,
            status: status.and_then(|status| status.as_str().map(str::to_owned)),
            tag: query.tag,
            metadata: query.metadata,
            started_from: query.start_time,
            started_to: query.end_time,
            has_error: query.has_error,
        }))
    }
}

/// What a cursor is bound to: the workspace and the filter, but not the page's size.
fn binding(caller: &Caller, query: &RunQuery) -> String {
    let filter = RunQuery { limit: None, cursor: None, ..query.clone() };
    format!("{} {filter:?}", caller.workspace_id)
}
