//! Pages of favorites: their order from the cache or the database, what stands on them in bounded pieces.

use std::collections::{HashMap, VecDeque};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use uuid::Uuid;

use super::{FavoriteQuery, FavoriteService, LIST, render, small};
use crate::error::{Error, Result};
use crate::repository::CacheKey;
use crate::repository::cache::order::{Filling, Gap, Ordered, Place, STEP, Window, pack, unpack};
use crate::repository::cache::{Generation, Item, Ticket};
use crate::repository::favorites::FavoritePosition;
use crate::service::accounts::Caller;
use crate::service::cursor;

/// Favorites on a page when the caller does not say.
const DEFAULT_LIMIT: u64 = 10;
/// Most favorites on a page.
const MAX_LIMIT: u64 = 1_000;
/// Favorites that are put together at once.
const PIECE: usize = 100;
/// Bytes of favorites that are read from the database at once, unless one alone is larger.
const PIECE_BYTES: i64 = 2 * 1024 * 1024;

/// A page as it goes out.
pub enum FavoriteList {
    /// All at once.
    Whole(Bytes),
    /// As it is read.
    Stream(BoxStream<'static, Result<Bytes>>),
}

impl std::fmt::Debug for FavoriteList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// A favorite that is to be shown.
#[derive(Debug, Clone, Copy)]
struct Spot {
    id: Uuid,
    /// How large it is, when it is known.
    size: Option<i64>,
}

impl FavoriteService {
    /// A page of favorites, newest first.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a limit or a cursor that is out of bounds.
    #[tracing::instrument(target = "otel", name = "favorites.list", skip_all)]
    pub async fn list(&self, caller: &Caller, query: &FavoriteQuery) -> Result<FavoriteList> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", format!("must be 1 to {MAX_LIMIT}")));
        }
        let user = caller.user_id;
        let binding = format!("{user} {:?}", query.kind);
        let after = query.cursor.as_deref().map(|text| cursor::decode(LIST, &binding, text)).transpose()?;
        let after = after.map(|(time, id)| Place { time, id, kind: 0 });
        let kind = query.kind.map(super::FavoriteType::byte);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let window = Window { kind, after, limit: limit + 1 };
        let (mut places, sizes) = match self.cache.order(user, LIST, &window).await {
            Ordered::Places(places) => (places, HashMap::new()),
            Ordered::Gap(gap) => {
                self.repair(user, gap);
                self.ask(user, query, &window).await?
            }
            Ordered::Below(generation) => (self.below(user, query, &window, generation).await?, HashMap::new()),
            Ordered::Unknown => self.ask(user, query, &window).await?,
        };
        let more = places.len() > limit;
        places.truncate(limit);
        let next = places.last().filter(|_| more).map(|last| cursor::encode(LIST, &binding, (last.time, last.id)));
        let spots = places.iter().map(|place| Spot { id: place.id, size: sizes.get(&place.id).copied() });
        self.compose(user, spots.collect(), next).await
    }

    /// The same of the database.
    async fn ask(
        &self,
        user: Uuid,
        query: &FavoriteQuery,
        window: &Window,
    ) -> Result<(Vec<Place>, HashMap<Uuid, i64>)> {
        let kind = query.kind.map(super::FavoriteType::as_str);
        let after = window.after.map(|after| FavoritePosition { created_at: after.time, id: after.id });
        let spots = self.favorites.list_spots(user, kind, after, window.limit as u64).await?;
        let sizes = spots.iter().map(|spot| (spot.position.id, spot.size)).collect();
        Ok((spots.iter().map(place).collect(), sizes))
    }

    /// The same of what was cached of this generation.
    async fn below(
        &self,
        user: Uuid,
        query: &FavoriteQuery,
        window: &Window,
        generation: Generation,
    ) -> Result<Vec<Place>> {
        let Window { kind, after, limit } = window;
        let name = format!("{kind:?} {:?} {limit}", after.map(|after| (after.time.timestamp_micros(), after.id)));
        let key = CacheKey::Page { owner: user, list: LIST, generation, query: name };
        let load = || async { Ok(Some(pack(&self.ask(user, query, window).await?.0))) };
        Ok(unpack(&self.cache.get_or_load(key, load).await?.unwrap_or_default()))
    }

    /// Fills a gap of the cached order in the background.
    fn repair(&self, user: Uuid, gap: Gap) {
        let service = self.clone();
        tokio::spawn(async move {
            if let Err(error) = service.fill(user, gap).await {
                tracing::debug!(%error, "an order was not repaired");
            }
        });
    }

    async fn fill(&self, user: Uuid, gap: Gap) -> Result<()> {
        // Before the entries, or a change in between would be taken for one that they show.
        let version = self.favorites.version(user).await?;
        let below = gap.below().map(|place| FavoritePosition { created_at: place.time, id: place.id });
        let spots = self.favorites.list_spots(user, None, below, STEP as u64 + 1).await?;
        let whole = spots.len() <= STEP;
        let places = spots.iter().take(STEP).map(place).collect();
        self.cache.fill_order(user, LIST, gap, &Filling { version, places, whole }).await;
        Ok(())
    }

    /// The page of these favorites; one of a single piece is whole, and what is gone meanwhile is left out.
    async fn compose(&self, user: Uuid, mut spots: VecDeque<Spot>, next: Option<String>) -> Result<FavoriteList> {
        let tail = match next {
            Some(next) => format!("],\"next_cursor\":\"{next}\"}}"),
            None => "],\"next_cursor\":null}".to_owned(),
        };
        let mut first = true;
        let mut head = BytesMut::from(&b"{\"items\":["[..]);
        self.piece(user, &mut spots, &mut head, &mut first).await?;
        if spots.is_empty() {
            head.put_slice(tail.as_bytes());
            return Ok(FavoriteList::Whole(head.freeze()));
        }
        let service = self.clone();
        let rest = stream::try_unfold((spots, first), move |(mut spots, mut first)| {
            let service = service.clone();
            async move {
                if spots.is_empty() {
                    return Ok(None);
                }
                let mut piece = BytesMut::new();
                service.piece(user, &mut spots, &mut piece, &mut first).await?;
                Ok(Some((piece.freeze(), (spots, first))))
            }
        });
        let head = stream::once(async { Ok(head.freeze()) });
        let tail = stream::once(async { Ok(Bytes::from(tail)) });
        Ok(FavoriteList::Stream(head.chain(rest).chain(tail).boxed()))
    }

    /// Writes the next of these favorites, as many as are good to hold at once.
    async fn piece(&self, user: Uuid, spots: &mut VecDeque<Spot>, text: &mut BytesMut, first: &mut bool) -> Result<()> {
        let mut some: Vec<Spot> = spots.drain(..spots.len().min(PIECE)).collect();
        let keys = some.iter().map(|spot| CacheKey::Item { owner: user, list: LIST, id: spot.id }).collect();
        let mut found: HashMap<Uuid, Bytes> = HashMap::with_capacity(some.len());
        let mut tickets: HashMap<Uuid, Ticket> = HashMap::new();
        for (spot, item) in some.iter().zip(self.cache.get_many(keys).await) {
            match item {
                Item::Hit(object) if !object.is_empty() => drop(found.insert(spot.id, object)),
                Item::Miss(ticket) => drop(tickets.insert(spot.id, ticket)),
                Item::Hit(_) | Item::Off => {}
            }
        }
        let missing: Vec<Spot> = some.iter().copied().filter(|spot| !found.contains_key(&spot.id)).collect();
        if !missing.is_empty() {
            let (ids, cut) = self.fitting(user, &missing).await?;
            if let Some(cut) = cut {
                let at = some.iter().position(|spot| spot.id == cut).unwrap_or(some.len());
                for spot in some.drain(at..).rev() {
                    spots.push_front(spot);
                }
            }
            let mut fresh = Vec::new();
            for row in self.favorites.find_many(user, ids).await? {
                let object = render::object(&row);
                if let Some(ticket) = tickets.remove(&row.id) {
                    fresh.push((ticket, small(&object).unwrap_or_default()));
                }
                found.insert(row.id, object);
            }
            let cache = self.cache.clone();
            tokio::spawn(async move { cache.fill_many(fresh).await });
        }
        for object in some.iter().filter_map(|spot| found.get(&spot.id)) {
            if !std::mem::take(first) {
                text.put_u8(b',');
            }
            text.put_slice(object);
        }
        Ok(())
    }

    /// The ids of as many of these favorites as may be read at once, and the first one that may not.
    async fn fitting(&self, user: Uuid, missing: &[Spot]) -> Result<(Vec<Uuid>, Option<Uuid>)> {
        let unknown: Vec<Uuid> = missing.iter().filter(|spot| spot.size.is_none()).map(|spot| spot.id).collect();
        let asked: HashMap<Uuid, i64> = match unknown.is_empty() {
            true => HashMap::new(),
            false => self.favorites.sizes(user, unknown).await?.into_iter().collect(),
        };
        let (mut ids, mut sum) = (Vec::with_capacity(missing.len()), 0);
        for spot in missing {
            sum += spot.size.or_else(|| asked.get(&spot.id).copied()).unwrap_or_default();
            if sum > PIECE_BYTES && !ids.is_empty() {
                return Ok((ids, Some(spot.id)));
            }
            ids.push(spot.id);
        }
        Ok((ids, None))
    }
}

fn place(spot: &crate::repository::favorites::FavoriteSpot) -> Place {
    let kind = spot.kind.as_bytes().first().copied().unwrap_or_default();
    Place { time: spot.position.created_at, id: spot.position.id, kind }
}
