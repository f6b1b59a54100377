//! Runs and traces: bodies stream in and out as bytes, and are documented as what they mean.

mod body;
mod query;
mod reply;

use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use uuid::Uuid;

use super::docs::Tag;
use super::etag::holds;
use super::json::{NoContent, Reply};
use crate::error::Result;
use crate::service::RunService;
use crate::service::accounts::Caller;
use crate::service::runs::{CreatedRuns, RunExtra, RunPage, RunQuery, RunState};

use body::RunsStream;
use query::{MetadataFilter, fields, time};
use reply::{RunReply, TraceReply};

/// The operations.
pub struct RunsApi {
    /// Their rules.
    pub runs: RunService,
}

#[OpenApi(tag = "Tag::Runs")]
impl RunsApi {
    /// Record runs
    ///
    /// An array of runs, or one run. All of them are stored or none; a 201 means that they are durable. A repeated
    /// id with the same content is accepted again, with different content it is 409. The payload fields come back
    /// byte for byte. The body may be gzip or zstd.
    #[oai(path = "/runs", method = "post", operation_id = "create_runs")]
    async fn create(&self, caller: Caller, body: RunsStream) -> Result<Reply<201, CreatedRuns>> {
        self.runs.ingest(&caller, body.encoding, body.chunks).await.map(Reply)
    }

    /// List runs
    ///
    /// Newest first, without payloads. `metadata.<key>=<value>` filters by a small scalar of the metadata, as text;
    /// it may be given several times with different keys. Filters that are not known are 422.
    #[oai(path = "/runs", method = "get", operation_id = "list_runs")]
    #[expect(clippy::too_many_arguments, reason = "each is a documented query parameter")]
    async fn list(
        &self,
        caller: Caller,
        /// Of this trace
        trace_id: Query<Option<Uuid>>,
        /// Of the project of this name or id
        project: Query<Option<String>>,
        /// Of exactly this name
        name: Query<Option<String>>,
        /// Of this type
        run_type: Query<Option<String>>,
        /// In this status
        status: Query<Option<RunState>>,
        /// With this tag
        tag: Query<Option<String>>,
        /// Begun at this time or later (RFC 3339)
        start_time: Query<Option<String>>,
        /// Begun at this time or earlier (RFC 3339)
        end_time: Query<Option<String>>,
        /// With an error, or without
        has_error: Query<Option<bool>>,
        /// Runs on the page, 1 to 1,000; 100 when missing
        limit: Query<Option<u64>>,
        /// The `next_cursor` of the page before
        cursor: Query<Option<String>>,
        metadata: MetadataFilter,
    ) -> Result<Reply<200, RunPage>> {
        let query = RunQuery {
            trace_id: trace_id.0,
            project: project.0,
            name: name.0,
            run_type: run_type.0,
            status: status.0,
            tag: tag.0,
            metadata: metadata.0,
            start_time: time("start_time", start_time.0)?,
            end_time: time("end_time", end_time.0)?,
            has_error: has_error.0,
            limit: limit.0,
            cursor: cursor.0,
        };
        self.runs.list(&caller, query).await.map(Reply)
    }

    /// Read a run
    ///
    /// With its payload, byte for byte. `ETag` and `If-None-Match` save sending it again.
    #[oai(path = "/runs/:id", method = "get", operation_id = "get_run")]
    async fn get(
        &self,
        caller: Caller,
        /// The run's id, also as 32 hex digits
        id: Path<Uuid>,
        /// Only these fields, separated by commas; the others are not even read
        fields: Query<Option<String>>,
        /// What to add that is not part of the run
        include: Query<Option<RunExtra>>,
        /// Entity tags that the caller has
        #[oai(name = "if-none-match")]
        if_none_match: Header<Option<String>>,
    ) -> Result<RunReply> {
        let fields = self::fields(fields.0.as_deref())?;
        let has = |etag: &str| if_none_match.0.as_deref().is_some_and(|header| holds(header, etag));
        let found = match include.0 {
            None => self.runs.get(&caller, id.0, fields.as_deref(), has).await,
            Some(RunExtra::TaskCount) => self.runs.get_with_task_count(&caller, id.0, fields.as_deref(), has).await,
        };
        found.map(RunReply)
    }

    /// Delete a run
    ///
    /// Its bytes go when its segment is collected.
    #[oai(path = "/runs/:id", method = "delete", operation_id = "delete_run")]
    async fn delete(
        &self,
        caller: Caller,
        /// The run's id, also as 32 hex digits
        id: Path<Uuid>,
    ) -> Result<NoContent> {
        self.runs.delete(&caller, id.0).await.map(|()| NoContent)
    }

    /// Read a trace
    ///
    /// All its runs in the order of the tree, streamed: each before those that it called, siblings as they began.
    #[oai(path = "/traces/:trace_id", method = "get", operation_id = "get_trace")]
    async fn trace(
        &self,
        caller: Caller,
        /// The id that its runs have as `trace_id`
        trace_id: Path<Uuid>,
        /// Whether each run comes with its whole payload
        payload: Query<Option<bool>>,
    ) -> Result<TraceReply> {
        let chunks = self.runs.trace(&caller, trace_id.0, payload.0.unwrap_or_default()).await?;
        Ok(TraceReply::new(chunks))
    }
}
