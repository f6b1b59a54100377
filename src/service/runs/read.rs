//! Reads one run: cache, then row, then one ranged read, then cache; a run too large for that is streamed.

use anyhow::anyhow;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::RunService;
use super::compose::{Composition, compose};
use super::vocabulary::RunField;
use crate::error::{Error, Result};
use crate::repository::CacheKey;
use crate::repository::entity::run;
use crate::service::accounts::Caller;

/// A run beyond this size is neither cached nor put together in memory.
const LARGE: u64 = 512 * 1024;

/// A run as it goes out.
#[derive(Debug)]
pub struct Found {
    /// Its entity tag, without quotes; the same as long as what is shown is the same.
    pub etag: String,
    /// Its bytes; nothing when the caller has them already.
    pub body: Option<RunBody>,
}

/// The bytes of a run.
pub enum RunBody {
    /// All at once.
    Whole(Bytes),
    /// As they are read, with their number.
    Stream(u64, BoxStream<'static, Result<Bytes>>),
}

impl std::fmt::Debug for RunBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Stream(size, _) => write!(f, "Stream({size} bytes)"),
        }
    }
}

impl RunService {
    /// One run, or these fields of it; without a body when the caller `has` what it would be.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Unavailable`] when a store does not answer; [`Error::Internal`] when its segment
    /// cannot be read, which is never an empty object.
    #[tracing::instrument(target = "otel", name = "runs.get", skip_all)]
    pub async fn get(
        &self,
        caller: &Caller,
        id: Uuid,
        fields: Option<&[RunField]>,
        has: impl Fn(&str) -> bool + Send,
    ) -> Result<Found> {
        if let Some(fields) = fields {
            return Box::pin(self.get_fields(caller.workspace_id, id, fields, has)).await;
        }
        let workspace = caller.workspace_id;
        let key = CacheKey::Run { workspace, id };
        let cached = self.cache.get_or_load(key, || self.load(workspace, id)).await?.ok_or(Error::NotFound("run"))?;
        let (etag, body) = open(&cached)?;
        if has(&etag) {
            return Ok(Found { etag, body: None });
        }
        if !body.is_empty() {
            return Ok(Found { etag, body: Some(RunBody::Whole(body)) });
        }
        Box::pin(self.get_fields(workspace, id, &RunField::ALL, has)).await
    }

    async fn get_fields(
        &self,
        workspace: Uuid,
        id: Uuid,
        fields: &[RunField],
        has: impl Fn(&str) -> bool + Send,
    ) -> Result<Found> {
        let run = self.runs.find(workspace, id).await?.ok_or(Error::NotFound("run"))?;
        let etag = etag(&run, fields);
        if has(&etag) {
            return Ok(Found { etag, body: None });
        }
        let composition = self.compose(&run, fields).await?;
        let size = composition.size();
        let body = if size > LARGE {
            let mut chunks = composition.stream(self.blobs.clone()).boxed();
            // As far as the first bytes of the segment: that it cannot be read is said before the answer begins.
            let first = chunks.by_ref().take(2).try_collect::<Vec<_>>().await?;
            RunBody::Stream(size, stream::iter(first.into_iter().map(Ok)).chain(chunks).boxed())
        } else {
            RunBody::Whole(self.read(&run, composition).await?.ok_or(Error::NotFound("run"))?)
        };
        Ok(Found { etag, body: Some(body) })
    }

    /// What is cached of a run: its tag and, when it is not too large, its bytes.
    async fn load(&self, workspace: Uuid, id: Uuid) -> Result<Option<Bytes>> {
        let Some(run) = self.runs.find(workspace, id).await? else { return Ok(None) };
        let etag = etag(&run, &RunField::ALL);
        let composition = self.compose(&run, &RunField::ALL).await?;
        if composition.size() > LARGE {
            return Ok(Some(seal(&etag, &[])));
        }
        Ok(self.read(&run, composition).await?.map(|body| seal(&etag, &body)))
    }

    async fn compose(&self, run: &run::Model, fields: &[RunField]) -> Result<Composition> {
        let project = self.projects.name(run.workspace_id, run.project_id).await?;
        compose(run, &project, fields, &[])
    }

    /// The bytes of a run; nothing when it was deleted since its row was read.
    async fn read(&self, run: &run::Model, composition: Composition) -> Result<Option<Bytes>> {
        if let Some(bytes) = composition.read(&self.blobs).await? {
            return Ok(Some(bytes));
        }
        match self.runs.find(run.workspace_id, run.id).await? {
            None => Ok(None),
            Some(_) => Err(Error::Internal(anyhow!("the segment of run {} is missing", run.id))),
        }
    }

    /// The whole run of a row as a stream; for traces.
    pub(super) async fn stream_run(&self, run: &run::Model, depth: u32) -> Result<BoxStream<'static, Result<Bytes>>> {
        let project = self.projects.name(run.workspace_id, run.project_id).await?;
        let more = [("depth", depth.into())];
        Ok(compose(run, &project, &RunField::ALL, &more)?.stream(self.blobs.clone()).boxed())
    }
}

/// A run's tag: its content, when it was stored (the same content may be stored again after a delete), and what
/// is shown of it.
fn etag(run: &run::Model, fields: &[RunField]) -> String {
    let shown: Vec<&str> = fields.iter().map(|field| field.name()).collect();
    let view = xxh3_64(shown.join(",").as_bytes());
    format!("{}-{:x}-{:x}", run.digest, run.created_at.timestamp_micros(), view & 0xffff)
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
