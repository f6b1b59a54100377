//! Takes favorites in as lines, all of them or none.
//!
//! They are checked while they arrive and wait in a spool; only when the last one is there does the transaction
//! begin, so a slow sender holds nobody up.

use std::io;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::form::{self, Draft};
use super::{FavoriteService, ImportedFavorites, LIST, full, row};
use crate::error::{Error, Result};
use crate::repository::Spool;
use crate::repository::entity::favorite;
use crate::repository::favorites::{FavoriteImport, Stored, Written};
use crate::repository::spool::SpoolReader;
use crate::service::accounts::Caller;
use crate::service::body::Encoding;
use crate::service::lines::{Line, Lines, at_line};
use crate::service::time;

/// Longest line: a chart's data, and the longest texts with every byte escaped.
const MAX_LINE: usize = 2 * 1024 * 1024;
/// Favorites that one statement stores.
const PIECE: usize = 1_000;
/// Bytes of them, unless one alone is larger.
const PIECE_BYTES: i64 = 2 * 1024 * 1024;

/// A favorite as it waits.
#[derive(Serialize, Deserialize)]
struct Waiting {
    line: u64,
    id: Uuid,
    kind: String,
    created_at: i64,
    updated_at: i64,
    name: String,
    description: String,
    payload: String,
}

impl FavoriteService {
    /// Stores the favorites of a body of lines.
    ///
    /// # Errors
    /// With the place of the line: [`Error::Malformed`], [`Error::Invalid`], [`Error::TooLarge`], and
    /// [`Error::Conflict`] when the user has another favorite under the id. [`Error::Unavailable`] when there are too
    /// many imports at once.
    #[tracing::instrument(target = "otel", name = "favorites.import", skip_all)]
    pub async fn import(
        &self,
        caller: &Caller,
        encoding: Encoding,
        chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<ImportedFavorites> {
        let lines = Lines::new(encoding, chunks, &self.limits, MAX_LINE);
        let Ok(turn) = self.imports.clone().try_acquire_owned() else {
            lines.drain().await;
            return Err(Error::unavailable(anyhow!("too many imports at once")));
        };
        let spool = Spool::new(self.folder.clone()).await?;
        let spool = self.take_in(lines, spool).await?;
        let (service, user) = (self.clone(), caller.user_id);
        let storing = tokio::spawn(async move {
            let _turn = turn;
            service.store(user, spool).await
        });
        storing.await.context("importing favorites")?
    }

    async fn take_in(&self, mut lines: Lines, mut spool: Spool) -> Result<SpoolReader> {
        let now = time::now().timestamp_micros();
        let mut count = 0;
        loop {
            let taken = async {
                let Some(line) = lines.next().await? else { return Ok(false) };
                count += 1;
                if count > self.limits.max_favorites {
                    return Err(full(self.limits.max_favorites));
                }
                spool.write(&waiting(&line, now)?).await?;
                Ok(true)
            };
            match taken.await {
                Ok(true) => {}
                Ok(false) => return spool.rewind().await,
                Err(error) => {
                    lines.drain().await;
                    return Err(error);
                }
            }
        }
    }

    async fn store(&self, user: Uuid, mut spool: SpoolReader) -> Result<ImportedFavorites> {
        let mut import = self.favorites.begin_import(user).await?;
        let unchanged = match add_all(&mut import, user, &mut spool).await {
            Ok(unchanged) => unchanged,
            Err(error) => {
                import.abandon().await?;
                return Err(error);
            }
        };
        let (written, created) = import.finish(self.limits.max_favorites).await?;
        if written == Written::Full {
            return Err(full(self.limits.max_favorites));
        }
        self.cache.forget_order(user, LIST).await;
        Ok(ImportedFavorites { created, unchanged })
    }
}

async fn add_all(import: &mut FavoriteImport, user: Uuid, spool: &mut SpoolReader) -> Result<u64> {
    let (mut unchanged, mut rows, mut numbers, mut bytes) = (0, Vec::new(), Vec::new(), 0);
    loop {
        let next = spool.next().await?;
        let ended = next.is_none();
        if let Some(record) = next {
            let (line, row) = waited(user, &record)?;
            bytes += row.size;
            rows.push(row);
            numbers.push(line);
        }
        if ended || rows.len() >= PIECE || bytes >= PIECE_BYTES {
            if !rows.is_empty() {
                match import.add(&rows).await? {
                    Stored::Unchanged(count) => unchanged += count,
                    Stored::Conflict(place) => {
                        let error = Error::conflict("id", "another favorite has this id");
                        return Err(at_line(numbers.get(place).copied().unwrap_or_default(), error));
                    }
                }
            }
            rows.clear();
            numbers.clear();
            bytes = 0;
        }
        if ended {
            return Ok(unchanged);
        }
    }
}

/// What a line brings, as it waits in the spool.
fn waiting(line: &Line, now: i64) -> Result<Vec<u8>> {
    let (draft, origin) = form::read("the line", &line.bytes).map_err(|error| line.place(error))?;
    let Draft { kind, name, description, payload } = draft;
    let created_at = origin.created_at.map_or(now, |time| time.timestamp_micros());
    let waiting = Waiting {
        line: line.index,
        id: origin.id.unwrap_or_else(Uuid::now_v7),
        kind: kind.as_str().to_owned(),
        created_at,
        updated_at: origin.updated_at.map_or(created_at, |time| time.timestamp_micros()),
        name,
        description,
        payload,
    };
    serde_json::to_vec(&waiting).map_err(|error| Error::Internal(error.into()))
}

/// What waited in the spool, as a row, with its line.
fn waited(user: Uuid, record: &[u8]) -> Result<(u64, favorite::Model)> {
    let broken = || Error::Internal(anyhow!("a record of a spool that cannot be read"));
    let Waiting { line, id, kind, created_at, updated_at, name, description, payload } =
        serde_json::from_slice(record).map_err(|_| broken())?;
    let kind = super::FavoriteType::named(&kind).ok_or_else(broken)?;
    let moment = |micros| chrono::DateTime::from_timestamp_micros(micros).ok_or_else(broken);
    let draft = Draft { kind, name, description, payload };
    Ok((line, row(user, id, draft, moment(created_at)?, moment(updated_at)?)))
}
