//! The order of a long list, newest first: which entries it has and where, so that any page is one look.
//!
//! An order is of one version of its list, which the database numbers. A writer whose change is the next version
//! applies it; one who finds a gap, because another has not come yet or never will, removes the order. A reader who
//! finds none leaves a marker, reads version and entries of the database in this order, and fills the order in only
//! where that very marker still stands. So an order never shows what an acknowledged write has changed, and applying
//! in turn what it has already is harmless.
//!
//! It begins with the newest entries and reaches down to its floor; below, the database is asked, and a reader who
//! comes there lowers the floor a step, as far as [`MAX_PLACES`] entries. Entries that are gone may stand in it for
//! a moment: whoever reads an order finds nothing under their ids, and leaves them out.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tracing::Instrument;
use uuid::Uuid;

use super::entry::{Generation, Version};
use super::tally::{Kind, Outcome};
use super::{Cache, CacheKey};

/// Most entries that are kept of one order.
pub const MAX_PLACES: usize = 11_000;
/// Entries by which an order grows at once.
pub const STEP: usize = 1_000;

/// Bytes of a place, the kind included.
pub(super) const PLACE: usize = 25;

/// An entry of a list, and where in it it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When it was made: later ones come first.
    pub time: DateTime<Utc>,
    /// Its id, which breaks ties.
    pub id: Uuid,
    /// A byte for the part of the list that it belongs to, from `a` to `z`.
    pub kind: u8,
}

impl Place {
    /// Bytes that are ordered as the places are, oldest first.
    pub(super) fn encode(&self) -> [u8; PLACE] {
        let mut bytes = [0; PLACE];
        let (time, rest) = bytes.split_at_mut(8);
        time.copy_from_slice(&(self.time.timestamp_micros().cast_unsigned() ^ (1 << 63)).to_be_bytes());
        rest[..16].copy_from_slice(self.id.as_bytes());
        rest[16] = self.kind;
        bytes
    }

    /// The place of these bytes; nothing when they are not ours.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (time, rest) = bytes.split_first_chunk::<8>()?;
        let (id, kind) = rest.split_first_chunk::<16>()?;
        let micros = (u64::from_be_bytes(*time) ^ (1 << 63)).cast_signed();
        Some(Self { time: DateTime::from_timestamp_micros(micros)?, id: Uuid::from_bytes(*id), kind: *kind.first()? })
    }
}

/// What is asked of an order.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Only this part of the list.
    pub kind: Option<u8>,
    /// Only what comes after this entry.
    pub after: Option<Place>,
    /// So many at most.
    pub limit: usize,
}

/// What an order answers.
#[derive(Debug)]
pub enum Ordered {
    /// These come next: as many as were asked for, or all that there are.
    Places(Vec<Place>),
    /// It does not know, and may be told what is in the gap.
    Gap(Gap),
    /// It does not reach down so far, and will not; pages that are read after this may be cached as of this generation.
    Below(Generation),
    /// It does not know, and must not be told.
    Unknown,
}

/// Places as one value, and back.
pub fn pack(places: &[Place]) -> Bytes {
    places.iter().flat_map(Place::encode).collect()
}

/// The places of such a value.
pub fn unpack(value: &[u8]) -> Vec<Place> {
    value.as_chunks::<PLACE>().0.iter().filter_map(|place| Place::decode(place)).collect()
}

/// What an order lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap(pub(super) Lack);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// Everything, as long as this marker stands.
    All(Version),
    /// What is below the floor of this order.
    Below(Head),
}

impl Gap {
    /// The entry below which the gap begins; nothing when it begins at the newest one.
    pub fn below(&self) -> Option<Place> {
        match self.0 {
            Lack::All(_) => None,
            Lack::Below(head) => Place::decode(&head.floor),
        }
    }
}

/// The entries of a gap, as they are read from the database.
#[derive(Debug)]
pub struct Filling {
    /// The version of the list, read before the entries.
    pub version: i64,
    /// Newest first.
    pub places: Vec<Place>,
    /// Whether there are no older ones.
    pub whole: bool,
}

/// A change of one entry that is committed.
#[derive(Debug, Clone)]
pub struct Change {
    /// The version of the list that it made.
    pub version: i64,
    /// The entry.
    pub place: Place,
    /// What became of it.
    pub what: Changed,
}

/// What became of an entry.
#[derive(Debug, Clone)]
pub enum Changed {
    /// It is there now, or is another than before; with its value, unless that is too large to be kept.
    Put(Option<Bytes>),
    /// It is gone.
    Gone,
}

/// What is known of an order beside its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The version that it shows.
    pub version: i64,
    /// It has every entry that comes after this place in the order of bytes, thus is newer; zeros when it has all.
    pub floor: [u8; PLACE],
}

/// The floor of an order that is whole.
pub(super) const WHOLE: [u8; PLACE] = [0; PLACE];

impl Filling {
    /// The head that an order gets by it.
    pub(super) fn head(&self) -> Head {
        let floor = match self.places.last() {
            Some(last) if !self.whole => last.encode(),
            _ => WHOLE,
        };
        Head { version: self.version, floor }
    }
}

impl Cache {
    /// Entries of an owner's list.
    #[tracing::instrument(target = "otel", name = "cache.order", skip_all, fields(otel.kind = "client"))]
    pub async fn order(&self, owner: Uuid, list: &'static str, window: &Window) -> Ordered {
        let key = CacheKey::Order { owner, list };
        let ordered = match self {
            Self::Memory(cache) => cache.order(&key, window).await,
            Self::Redis(cache) => cache.order(&key, window).await,
        };
        let outcome = match ordered {
            Ordered::Places(_) => Outcome::Hit,
            Ordered::Gap(_) => Outcome::Miss,
            Ordered::Below(_) | Ordered::Unknown => Outcome::Passed,
        };
        self.tally().read(Kind::Order, outcome);
        ordered
    }

    /// Fills a gap of an owner's list, unless the list has changed since the gap was found.
    #[tracing::instrument(target = "otel", name = "cache.fill_order", skip_all, fields(otel.kind = "client"))]
    pub async fn fill_order(&self, owner: Uuid, list: &'static str, gap: Gap, filling: &Filling) {
        let key = CacheKey::Order { owner, list };
        match self {
            Self::Memory(cache) => cache.fill_order(&key, gap, filling).await,
            Self::Redis(cache) => cache.fill_order(&key, gap, filling).await,
        }
    }

    /// Applies a change of an owner's list, with the promises of [`Cache::invalidate`]: a writer calls it after its
    /// commit and before it answers, and when it returns no read of this process sees what was before.
    #[tracing::instrument(target = "otel", name = "cache.change_order", skip_all, fields(otel.kind = "client"))]
    pub async fn change_order(&self, owner: Uuid, list: &'static str, change: Change) {
        let (cache, key) = (self.clone(), CacheKey::Order { owner, list });
        let item = CacheKey::Item { owner, list, id: change.place.id };
        let changing = async move {
            match cache {
                Self::Memory(cache) => cache.change_order(&key, &item, &change).await,
                Self::Redis(cache) => cache.change_order(key, item, &change).await,
            }
        };
        if let Err(error) = tokio::spawn(changing.in_current_span()).await {
            tracing::error!(%error, "changing the cache was cut short");
        }
    }

    /// Forgets the order of an owner's list, after a change of many entries at once.
    #[tracing::instrument(target = "otel", name = "cache.forget_order", skip_all, fields(otel.kind = "client"))]
    pub async fn forget_order(&self, owner: Uuid, list: &'static str) {
        self.invalidate(CacheKey::Order { owner, list }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(micros: i64, id: u128) -> Place {
        Place { time: DateTime::from_timestamp_micros(micros).unwrap(), id: Uuid::from_u128(id), kind: b'c' }
    }

    #[test]
    fn places_come_back_and_their_bytes_are_ordered_as_they_are() {
        let places = [place(-5, 9), place(0, 1), place(0, 2), place(1, 0), place(1_700_000_000_123_456, u128::MAX)];
        for pair in places.windows(2) {
            assert!(pair[0].encode() < pair[1].encode(), "{pair:?}");
        }
        for place in places {
            assert_eq!(Place::decode(&place.encode()), Some(place));
            assert!(place.encode() > WHOLE);
        }
        assert_eq!(Place::decode(b"short"), None);
    }
}
