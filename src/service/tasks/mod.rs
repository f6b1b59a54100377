//! Tasks: what people have to do about runs; what is acknowledged is in every later answer, cached or not.

mod bulk;
mod examples;
mod forms;
mod history;
mod list;
mod rules;
mod transfer;
mod vocabulary;
mod write;

pub use forms::{BulkStatusRequest, NewTask, PatchTaskRequest, PutTaskRequest, TaskQuery};
pub use vocabulary::{BulkAnswer, ImportAnswer, Task, TaskAnswer, TaskHistory, TaskPage, TaskStatus};
pub use write::Edit;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use tracing::Instrument;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::Limits;
use crate::error::{Error, Result};
use crate::repository::entity::task;
use crate::repository::{Cache, CacheKey, RunRepository, Stores, TaskRepository};
use crate::service::accounts::Caller;

/// Bytes of tasks that are kept for those who change them.
const RECENT_BYTES: u64 = 2 * 1024 * 1024;

/// The rules of tasks.
#[derive(Debug, Clone)]
pub struct TaskService {
    tasks: TaskRepository,
    runs: RunRepository,
    cache: Cache,
    /// What tasks were when they were last written or read by this process, so that who changes one need not read it
    /// first. It may be stale, and decides nothing: a change is made to the version that it was worked out from, or
    /// worked out anew, and whatever is answered without a change is read from the database before.
    recent: moka::future::Cache<(Uuid, i64), task::Model>,
    limits: Arc<Limits>,
    /// Where an import lies until all of it is there.
    folder: PathBuf,
}

/// A task as it goes out.
#[derive(Debug)]
pub struct FoundTask {
    /// Its entity tag, without quotes.
    pub etag: String,
    /// Its bytes; nothing when the caller has them already.
    pub body: Option<Bytes>,
}

impl TaskService {
    /// Over these stores, with room for imports in this folder.
    pub fn new(stores: &Stores, limits: &Limits, folder: PathBuf) -> Self {
        Self {
            tasks: TaskRepository::new(stores.database.clone()),
            runs: RunRepository::new(stores.database.clone()),
            cache: stores.cache.clone(),
            recent: moka::future::Cache::builder()
                .weigher(|_, row: &task::Model| u32::try_from(size_of::<task::Model>() + room(row)).unwrap_or(u32::MAX))
                .max_capacity(RECENT_BYTES)
                .build(),
            limits: Arc::new(limits.clone()),
            folder,
        }
    }

    /// One task; without a body when the caller `has` what it would be.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    #[tracing::instrument(target = "otel", name = "tasks.get", skip_all)]
    pub async fn get(&self, caller: &Caller, id: i64, has: impl Fn(&str) -> bool + Send) -> Result<FoundTask> {
        let workspace = caller.workspace_id;
        let load = || async {
            let Some(row) = self.tasks.find(workspace, id).await? else { return Ok(None) };
            self.remember(&row).await;
            tagged(row).map(|(etag, body)| Some(seal(&etag, &body)))
        };
        let cached = self.cache.get_or_load(CacheKey::Task { workspace, id }, load).await?;
        let (etag, body) = open(&cached.ok_or(Error::NotFound("task"))?)?;
        let body = (!has(&etag)).then_some(body);
        Ok(FoundTask { etag, body })
    }

    /// Keeps the row for whoever changes the task next.
    async fn remember(&self, row: &task::Model) {
        // What is searched in is made anew with every change.
        let row = task::Model { search: String::new(), ..row.clone() };
        self.recent.insert((row.workspace_id, row.id), row).await;
    }

    /// Forgets what is cached of these tasks and of every list; a writer does so after its commit and before it
    /// answers, also when it cannot know how the commit ended.
    async fn forget(&self, workspace: Uuid, ids: impl IntoIterator<Item = i64, IntoIter: Send>) {
        let mut keys = Vec::new();
        for id in ids {
            self.recent.invalidate(&(workspace, id)).await;
            keys.push(CacheKey::Task { workspace, id });
        }
        keys.push(CacheKey::Generation { owner: workspace, list: list::LIST });
        self.cache.invalidate_many(keys).await;
    }
}

/// Does `work` to its end, also when whoever asked for it goes away: a commit must be followed by its invalidation.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work.in_current_span()).await.context("writing tasks")?
}

/// The entity tag of a task and its bytes. The version alone would not do: another task may come under the id.
fn tagged(row: task::Model) -> Result<(String, Bytes)> {
    let version = row.version;
    let body = json(&TaskAnswer::new(row.into()))?;
    Ok((format!("{version:x}-{:016x}", xxh3_64(&body)), body))
}

/// Bytes that a row holds outside itself.
fn room(row: &task::Model) -> usize {
    row.title.len() + row.description.len() + row.status.len() + row.search.len()
}

fn json(value: &impl Serialize) -> Result<Bytes> {
    Ok(serde_json::to_vec(value).context("writing an answer")?.into())
}

/// A cache entry: the tag's length, the tag, the bytes.
fn seal(etag: &str, body: &[u8]) -> Bytes {
    let mut entry = BytesMut::with_capacity(1 + etag.len() + body.len());
    entry.put_u8(u8::try_from(etag.len()).unwrap_or(u8::MAX));
    entry.put_slice(etag.as_bytes());
    entry.put_slice(body);
    entry.freeze()
}

fn open(entry: &Bytes) -> Result<(String, Bytes)> {
    let broken = || Error::Internal(anyhow!("a cache entry that cannot be read"));
    let length = usize::from(*entry.first().ok_or_else(broken)?);
    let etag = entry.get(1..=length).and_then(|tag| std::str::from_utf8(tag).ok()).ok_or_else(broken)?;
    Ok((etag.to_owned(), entry.slice(1 + length..)))
}
