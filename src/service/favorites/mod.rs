//! Favorites: charts, insights and audiences that a user keeps, whatever workspace they are in and whatever they may
//! do there.

mod form;
mod import;
mod list;
mod merge;
mod render;
mod stream;
mod vocabulary;

pub use list::FavoriteList;
pub use vocabulary::{
    Audience, AudienceRules, Chart, Favorite, FavoriteForm, FavoritePage, FavoritePatchRequest, FavoriteQuery,
    FavoriteType, ImportedFavorites, Insight, NewAudience, NewChart, NewInsight,
};

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Semaphore;
use tracing::Instrument;
use uuid::Uuid;

use crate::config::Limits;
use crate::error::{Error, Result};
use crate::repository::cache::order::{Change, Changed, Place};
use crate::repository::entity::favorite;
use crate::repository::favorites::Written;
use crate::repository::{Cache, CacheKey, FavoriteRepository, Stores};
use crate::service::accounts::Caller;
use crate::service::time;

use form::Draft;

/// The list's name in the cache and in cursors.
const LIST: &str = "favorites";
/// A favorite beyond this size is not cached.
const LARGE: usize = 64 * 1024;
/// How often a change is begun anew because another one came in between.
const ATTEMPTS: usize = 8;
/// Imports that are taken in at once; the others are sent away.
const IMPORTS: usize = 4;

/// The rules of favorites.
#[derive(Debug, Clone)]
pub struct FavoriteService {
    favorites: FavoriteRepository,
    cache: Cache,
    limits: Arc<Limits>,
    /// Where an import waits until it has arrived.
    folder: PathBuf,
    imports: Arc<Semaphore>,
}

/// A favorite as it goes out.
#[derive(Debug)]
pub struct FoundFavorite {
    /// Its entity tag, without quotes.
    pub etag: String,
    /// Its bytes; nothing when the caller has them already.
    pub body: Option<Bytes>,
}

impl FavoriteService {
    /// Over these stores; what is on its way in waits in this folder.
    pub fn new(stores: &Stores, limits: &Limits, folder: PathBuf) -> Self {
        Self {
            favorites: FavoriteRepository::new(stores.database.clone()),
            cache: stores.cache.clone(),
            limits: Arc::new(limits.clone()),
            folder,
            imports: Arc::new(Semaphore::new(IMPORTS)),
        }
    }

    /// Keeps a new favorite.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Invalid`], [`Error::TooLarge`]; [`Error::Conflict`] when the user has as many as
    /// they may.
    #[tracing::instrument(target = "otel", name = "favorites.create", skip_all)]
    pub async fn create(&self, caller: &Caller, body: &[u8]) -> Result<FoundFavorite> {
        let now = time::now();
        let row = row(caller.user_id, Uuid::now_v7(), form::read_new(body)?, now, now);
        let object = render::object(&row);
        let (service, shown) = (self.clone(), object.clone());
        // A task of its own: a caller who goes away must not come between the row and the cache.
        let creation = async move {
            let max = service.limits.max_favorites;
            match service.favorites.insert(row.clone(), max).await? {
                Written::Done(version) => service.changed(&row, version, Changed::Put(small(&shown))).await,
                Written::Full | Written::Changed => return Err(full(max)),
            }
            Ok(())
        };
        tokio::spawn(creation.in_current_span()).await.context("keeping a favorite")??;
        Ok(FoundFavorite { etag: render::etag(&object), body: Some(object) })
    }

    /// One favorite; without a body when the caller `has` what it would be.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    #[tracing::instrument(target = "otel", name = "favorites.get", skip_all)]
    pub async fn get(&self, caller: &Caller, id: Uuid, has: impl Fn(&str) -> bool + Send) -> Result<FoundFavorite> {
        let user = caller.user_id;
        let load = || async move { Ok(self.load(user, id).await?.map(|object| small(&object).unwrap_or_default())) };
        let cached = self.cache.get_or_load(CacheKey::Item { owner: user, list: LIST, id }, load).await?;
        // A large one is remembered as nothing. And who joined a load that began before the favorite came with an
        // import must not be told that it is not there.
        let object = match cached.filter(|object| !object.is_empty()) {
            Some(object) => object,
            None => self.load(user, id).await?.ok_or(Error::NotFound("favorite"))?,
        };
        let etag = render::etag(&object);
        let body = (!has(&etag)).then_some(object);
        Ok(FoundFavorite { etag, body })
    }

    /// Changes a favorite by a merge patch, if it `is_seen` under its tag.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Changed`], and those of a new favorite.
    #[tracing::instrument(target = "otel", name = "favorites.update", skip_all)]
    pub async fn update(
        &self,
        caller: &Caller,
        id: Uuid,
        patch: Bytes,
        is_seen: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<FoundFavorite> {
        let (service, user) = (self.clone(), caller.user_id);
        let change = async move {
            for _ in 0..ATTEMPTS {
                let old = service.seen(user, id, &is_seen).await?;
                let draft = merge::merge(&old, &patch)?;
                let now = time::now().max(old.updated_at + TimeDelta::microseconds(1));
                let new = row(user, id, draft, old.created_at, now);
                if let Written::Done(version) = service.favorites.update(new.clone(), old.updated_at).await? {
                    let object = render::object(&new);
                    service.changed(&new, version, Changed::Put(small(&object))).await;
                    return Ok(FoundFavorite { etag: render::etag(&object), body: Some(object) });
                }
            }
            Err(busy())
        };
        tokio::spawn(change.in_current_span()).await.context("changing a favorite")?
    }

    /// Deletes a favorite, if it `is_seen` under its tag.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Changed`].
    #[tracing::instrument(target = "otel", name = "favorites.delete", skip_all)]
    pub async fn delete(
        &self,
        caller: &Caller,
        id: Uuid,
        is_seen: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<()> {
        let (service, user) = (self.clone(), caller.user_id);
        let deletion = async move {
            for _ in 0..ATTEMPTS {
                let old = service.seen(user, id, &is_seen).await?;
                if let Written::Done(version) = service.favorites.delete(user, id, old.updated_at).await? {
                    service.changed(&old, version, Changed::Gone).await;
                    return Ok(());
                }
            }
            Err(busy())
        };
        tokio::spawn(deletion.in_current_span()).await.context("deleting a favorite")?
    }

    /// The row as it is, if that is what the caller has seen.
    async fn seen(&self, user: Uuid, id: Uuid, is_seen: &(impl Fn(&str) -> bool + Sync)) -> Result<favorite::Model> {
        let row = self.favorites.find(user, id).await?.ok_or(Error::NotFound("favorite"))?;
        if is_seen(&render::etag(&render::object(&row))) { Ok(row) } else { Err(Error::Changed("favorite")) }
    }

    async fn load(&self, user: Uuid, id: Uuid) -> Result<Option<Bytes>> {
        Ok(self.favorites.find(user, id).await?.map(|row| render::object(&row)))
    }

    /// Brings the cache up to a change that is committed.
    async fn changed(&self, row: &favorite::Model, version: i64, what: Changed) {
        let kind = row.kind.as_bytes().first().copied().unwrap_or_default();
        let place = Place { time: row.created_at, id: row.id, kind };
        self.cache.change_order(row.user_id, LIST, Change { version, place, what }).await;
    }
}

fn row(user: Uuid, id: Uuid, draft: Draft, created_at: DateTime<Utc>, updated_at: DateTime<Utc>) -> favorite::Model {
    let Draft { kind, name, description, payload } = draft;
    let size = (name.len() + description.len() + payload.len()) as i64;
    let kind = kind.as_str().to_owned();
    favorite::Model { user_id: user, id, kind, created_at, updated_at, size, name, description, payload }
}

/// What is cached of a favorite: all, unless that is too much.
fn small(object: &Bytes) -> Option<Bytes> {
    (object.len() <= LARGE).then(|| object.clone())
}

fn full(max: i64) -> Error {
    Error::conflict("", format!("a user has at most {max} favorites (MAX_FAVORITES); delete some first"))
}

fn busy() -> Error {
    Error::unavailable(anyhow!("others kept changing the same favorite"))
}
