//! Tasks: every success in the envelope, and bytes as they are cached.

mod body;
mod query;
mod reply;

use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use uuid::Uuid;

use super::context::RequestId;
use super::docs::Tag;
use super::etag::holds;
use super::json::{JsonBody, NoContent, Reply};
use super::ndjson::{Ndjson, NdjsonBody};
use crate::error::Result;
use crate::service::TaskService;
use crate::service::accounts::Caller;
use crate::service::tasks::{
    BulkAnswer, BulkStatusRequest, Edit, ImportAnswer, NewTask, PatchTaskRequest, PutTaskRequest, Task, TaskHistory,
    TaskQuery, TaskStatus,
};

use body::NewTasks;
use query::ListParameters;
use reply::{TaskPageReply, TaskReply};

/// The operations.
pub struct TasksApi {
    /// Their rules.
    pub tasks: TaskService,
}

#[OpenApi(prefix_path = "/api/tasks", tag = "Tag::Tasks")]
impl TasksApi {
    /// Make a task
    ///
    /// It gets the next number of its workspace.
    #[oai(path = "/", method = "post", operation_id = "create_task")]
    async fn create(&self, caller: Caller, body: JsonBody<NewTask>) -> Result<TaskReply<201>> {
        self.tasks.create(&caller, body.0).await.map(TaskReply)
    }

    /// List tasks
    ///
    /// Page by page, the newest first unless `sort` says otherwise; the id breaks ties. Conditions add up. What is no
    /// parameter is 422.
    #[oai(path = "/", method = "get", operation_id = "list_tasks")]
    #[expect(clippy::too_many_arguments, reason = "each is a documented query parameter")]
    async fn list(
        &self,
        caller: Caller,
        /// The page, counted from 1
        page: Query<Option<u64>>,
        /// Tasks on a page, 1 to 100; 20 when missing
        per_page: Query<Option<u64>>,
        /// With this text in any field, in any case; at most 1,000 characters, of which none means more than itself
        filter: Query<Option<String>>,
        /// In this status
        status: Query<Option<TaskStatus>>,
        /// Of this assignee
        #[oai(name = "assigneeID")]
        assignee_id: Query<Option<i64>>,
        /// Of exactly this title
        title: Query<Option<String>>,
        /// About this run
        run_id: Query<Option<Uuid>>,
        /// Fields to order by, separated by commas, each with `-` for descending: `id`, `title`, `description`,
        /// `status`, `assigneeID`, `createdAt`, `updatedAt`; `-createdAt` when missing
        sort: Query<Option<String>>,
        _known: ListParameters,
    ) -> Result<TaskPageReply> {
        let query = TaskQuery {
            page: page.0,
            per_page: per_page.0,
            filter: filter.0,
            status: status.0,
            assignee_id: assignee_id.0,
            title: title.0,
            run_id: run_id.0,
            sort: sort.0,
        };
        self.tasks.list(&caller, query).await.map(TaskPageReply)
    }

    /// Make many tasks
    ///
    /// Up to 1,000 in up to 8 MiB. Each stands or falls alone: those that can be made are made, and the answer says
    /// which.
    #[oai(path = "/bulk", method = "post", operation_id = "create_tasks")]
    async fn create_many(&self, caller: Caller, body: NewTasks) -> Result<Reply<200, BulkAnswer>> {
        self.tasks.create_many(&caller, body.0).await.map(Reply)
    }

    /// Give many tasks a status
    ///
    /// Up to 1,000. The answer says of each whether it is there.
    #[oai(path = "/bulk", method = "patch", operation_id = "set_task_status")]
    async fn set_status(&self, caller: Caller, body: JsonBody<BulkStatusRequest>) -> Result<Reply<200, BulkAnswer>> {
        self.tasks.set_status(&caller, body.0).await.map(Reply)
    }

    /// Export all tasks
    ///
    /// One task a line, by id, as they are while they are read; each line can be imported.
    #[oai(path = "/export", method = "get", operation_id = "export_tasks")]
    async fn export(&self, caller: Caller, request: RequestId) -> Result<Ndjson<Task>> {
        Ndjson::begin(&request, self.tasks.export(&caller)).await
    }

    /// Import tasks
    ///
    /// What an export gave, with ids and times as they were; all of it is stored or nothing. A task that is there
    /// already, equal in everything, is fine; another one under its id is 409. Runs need not be there. The body may be
    /// gzip or zstd.
    #[oai(path = "/import", method = "post", operation_id = "import_tasks")]
    async fn import(&self, caller: Caller, body: NdjsonBody<Task>) -> Result<Reply<200, ImportAnswer>> {
        self.tasks.import(&caller, body.encoding, body.chunks).await.map(Reply)
    }

    /// Read a task
    ///
    /// `ETag` and `If-None-Match` save sending it again.
    #[oai(path = "/:id", method = "get", operation_id = "get_task")]
    async fn get(
        &self,
        caller: Caller,
        /// The task's number
        id: Path<i64>,
        /// Entity tags that the caller has
        #[oai(name = "if-none-match")]
        if_none_match: Header<Option<String>>,
    ) -> Result<TaskReply<200>> {
        let has = |etag: &str| if_none_match.0.as_deref().is_some_and(|header| holds(header, etag));
        self.tasks.get(&caller, id.0, has).await.map(TaskReply)
    }

    /// Replace a task
    ///
    /// What is missing takes its default. With `If-Match`, only if nobody has changed it since.
    #[oai(path = "/:id", method = "put", operation_id = "put_task")]
    async fn put(
        &self,
        caller: Caller,
        /// The task's number
        id: Path<i64>,
        /// Entity tags of which the task must have one, else 412
        #[oai(name = "if-match")]
        if_match: Header<Option<String>>,
        body: JsonBody<PutTaskRequest>,
    ) -> Result<TaskReply<200>> {
        self.tasks.edit(&caller, id.0, Edit::Put(body.0), seen(if_match)).await.map(TaskReply)
    }

    /// Change a task
    ///
    /// What is missing stays; `run_id: null` takes the run away. With `If-Match`, only if nobody has changed it since.
    #[oai(path = "/:id", method = "patch", operation_id = "patch_task")]
    async fn patch(
        &self,
        caller: Caller,
        /// The task's number
        id: Path<i64>,
        /// Entity tags of which the task must have one, else 412
        #[oai(name = "if-match")]
        if_match: Header<Option<String>>,
        body: JsonBody<PatchTaskRequest>,
    ) -> Result<TaskReply<200>> {
        self.tasks.edit(&caller, id.0, Edit::Patch(body.0), seen(if_match)).await.map(TaskReply)
    }

    /// Delete a task
    ///
    /// Its history stays. With `If-Match`, only if nobody has changed it since.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_task")]
    async fn delete(
        &self,
        caller: Caller,
        /// The task's number
        id: Path<i64>,
        /// Entity tags of which the task must have one, else 412
        #[oai(name = "if-match")]
        if_match: Header<Option<String>>,
    ) -> Result<NoContent> {
        self.tasks.delete(&caller, id.0, seen(if_match)).await.map(|()| NoContent)
    }

    /// Read the history of a task
    ///
    /// Who changed what and when, the newest first, also of a task that was deleted.
    #[oai(path = "/:id/history", method = "get", operation_id = "get_task_history")]
    async fn history(
        &self,
        caller: Caller,
        /// The task's number
        id: Path<i64>,
        /// Changes in one answer, 1 to 1,000; 100 when missing
        limit: Query<Option<u64>>,
        /// The `next_cursor` of the answer before
        cursor: Query<Option<String>>,
    ) -> Result<Reply<200, TaskHistory>> {
        self.tasks.history(&caller, id.0, limit.0, cursor.0.as_deref()).await.map(Reply)
    }
}

/// Whether a caller who says this has seen what a tag stands for; who says nothing does not care.
fn seen(if_match: Header<Option<String>>) -> impl Fn(&str) -> bool + Send + Sync + 'static {
    move |etag| if_match.0.as_deref().is_none_or(|header| holds(header, etag))
}
