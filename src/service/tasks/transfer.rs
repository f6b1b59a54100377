//! All tasks out and in as lines: what was exported can be imported, here or elsewhere, and is the same again.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::history::change;
use super::rules::imported;
use super::vocabulary::{ImportAnswer, Task, TaskImported};
use super::{TaskService, json, to_the_end};
use crate::error::{Error, Result};
use crate::repository::Spool;
use crate::repository::entity::task;
use crate::repository::spool::SpoolReader;
use crate::repository::tasks::{Stored, TaskImport};
use crate::service::accounts::Caller;
use crate::service::body::Encoding;
use crate::service::lines::{Lines, at_line};
use crate::service::time;

/// Tasks that are read at once: at most a few megabytes.
const PAGE: u64 = 100;
/// Tasks that are stored at once.
const BATCH: usize = 200;
/// Longest line: the longest description, every character of it escaped, and the rest.
const MAX_LINE: usize = 512 * 1024;
/// Cache entries that are forgotten at once.
const AT_ONCE: usize = 1_000;

impl TaskService {
    /// Every task, by id, as lines; nothing is held between two pieces.
    pub fn export(&self, caller: &Caller) -> BoxStream<'static, Result<Bytes>> {
        let (service, workspace) = (self.clone(), caller.workspace_id);
        let pieces = stream::try_unfold(0, move |after| {
            let service = service.clone();
            async move {
                let rows = service.tasks.list_after(workspace, after, PAGE).await?;
                let Some(last) = rows.last().map(|row| row.id) else { return Ok(None) };
                let mut lines = BytesMut::new();
                for row in rows {
                    lines.put(json(&Task::from(row))?);
                    lines.put_u8(b'\n');
                }
                Ok(Some((lines.freeze(), last)))
            }
        });
        pieces.boxed()
    }

    /// Stores every task of these lines as it is, or none.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a viewer, [`Error::Conflict`] for an id that belongs to another task, and whatever is
    /// wrong with a line; each says which one it is.
    #[tracing::instrument(target = "otel", name = "tasks.import", skip_all)]
    pub async fn import(
        &self,
        caller: &Caller,
        encoding: Encoding,
        raw: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<ImportAnswer> {
        caller.may_write()?;
        let mut lines = Lines::new(encoding, raw, &self.limits, MAX_LINE);
        let (spool, last) = match self.spool(caller, &mut lines).await {
            Ok(spooled) => spooled,
            Err(error) => {
                lines.drain().await;
                return Err(error);
            }
        };
        let Some(last) = last else { return Ok(ImportAnswer::new(TaskImported::default())) };
        let reader = spool.rewind().await?;
        let (service, caller) = (self.clone(), *caller);
        to_the_end(async move { service.store(&caller, reader, last).await }).await.map(ImportAnswer::new)
    }

    /// Lays the lines aside until all of them are there: no transaction waits for a client. With the largest id.
    async fn spool(&self, caller: &Caller, lines: &mut Lines) -> Result<(Spool, Option<i64>)> {
        let mut spool = Spool::new(self.folder.clone()).await?;
        let mut last = None;
        while let Some(line) = lines.next().await? {
            let task: Task = line.parse()?;
            let id = task.id;
            imported(caller.workspace_id, task.clone()).map_err(|error| line.place(error))?;
            spool.write(&json(&(line.index, task))?).await?;
            last = last.max(Some(id));
        }
        Ok((spool, last))
    }

    async fn store(&self, caller: &Caller, mut reader: SpoolReader, last: i64) -> Result<TaskImported> {
        let workspace = caller.workspace_id;
        let mut import = self.tasks.begin_import(workspace, last).await?;
        let (mut new, mut unchanged) = (Vec::new(), 0);
        let stored = self.store_all(caller, &mut reader, &mut import, &mut new, &mut unchanged).await;
        if let Err(error) = stored {
            import.abandon().await?;
            return Err(error);
        }
        let finished = import.finish().await;
        for ids in new.chunks(AT_ONCE) {
            self.forget(workspace, ids.iter().copied()).await;
        }
        finished?;
        Ok(TaskImported { created: new.len() as u64, unchanged })
    }

    async fn store_all(
        &self,
        caller: &Caller,
        reader: &mut SpoolReader,
        import: &mut TaskImport,
        new: &mut Vec<i64>,
        unchanged: &mut u64,
    ) -> Result<()> {
        loop {
            let (mut lines, mut rows) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
            while rows.len() < BATCH
                && let Some(record) = reader.next().await?
            {
                let (line, task): (u64, Task) =
                    serde_json::from_slice(&record).map_err(|error| Error::Internal(error.into()))?;
                lines.push(line);
                rows.push(imported(caller.workspace_id, task)?);
            }
            if rows.is_empty() {
                return Ok(());
            }
            match import.add(rows.clone()).await? {
                Stored::New(ids) => {
                    let now = time::now();
                    let is_new = |row: &&task::Model| ids.contains(&row.id);
                    let changes: Vec<_> = rows
                        .iter()
                        .filter(is_new)
                        .map(|row| change(caller, now, "imported", None, Some(row)))
                        .collect();
                    import.remember(&changes).await?;
                    *unchanged += (rows.len() - ids.len()) as u64;
                    new.extend(ids);
                }
                Stored::Conflict(place) => {
                    let line = lines.get(place).copied().unwrap_or_default();
                    return Err(at_line(line, Error::conflict("id", "belongs to another task")));
                }
            }
        }
    }
}
