//! Orders in memory: one value, a head and then the places as sorted bytes; each change is a new value, made under
//! the lock of its entry.

use std::future::ready;

use bytes::{BufMut, Bytes, BytesMut};
use moka::ops::compute::{CompResult, Op};

use super::entry::{Entry, Generation, Lookup, Version};
use super::key::CacheKey;
use super::memory::{MemoryCache, SETTLE_AT_ONCE};
use super::order::{Change, Changed, Filling, Gap, Head, Lack, MAX_PLACES, Ordered, PLACE, Place, WHOLE, Window};

/// Bytes of the head.
const HEAD: usize = 8 + PLACE;

impl MemoryCache {
    pub(super) async fn order(&self, key: &CacheKey, window: &Window) -> Ordered {
        match self.lookup(key).await {
            Lookup::Hit(bytes) => Order::of(&bytes).map_or(Ordered::Unknown, |order| order.window(window)),
            Lookup::Miss(version) => Ordered::Gap(Gap(Lack::All(version))),
            Lookup::Off => Ordered::Unknown,
        }
    }

    pub(super) async fn fill_order(&self, key: &CacheKey, gap: Gap, filling: &Filling) {
        let filled = self.entries.entry_by_ref(key).and_compute_with(|found| {
            let rest = match (found.map(moka::Entry::into_value), gap.0) {
                (Some(Entry::Marker(found)), Lack::All(version)) if found == version => Some(Bytes::new()),
                (Some(Entry::Value(bytes)), Lack::Below(head)) => Order::of(&bytes)
                    .filter(|order| order.head == head && filling.version == head.version)
                    .map(|order| bytes.slice_ref(order.places)),
                _ => None,
            };
            ready(rest.map_or(Op::Nop, |rest| {
                let older: Vec<u8> = filling.places.iter().rev().flat_map(Place::encode).collect();
                Op::Put(Entry::Value(assemble(&filling.head(), &[&older, &rest])))
            }))
        });
        filled.await;
        self.entries.run_pending_tasks().await;
    }

    /// The item is changed under the lock of the order: the next version, which may be a change of the same item,
    /// comes after both.
    pub(super) async fn change_order(&self, key: &CacheKey, item: &CacheKey, change: &Change) {
        let changed = self.entries.entry_by_ref(key).and_compute_with(|found| async {
            let next = match found.map(moka::Entry::into_value) {
                Some(Entry::Value(bytes)) => Order::of(&bytes).map_or(Next::Gap, |order| order.next(change)),
                Some(Entry::Marker(_)) | None => Next::Gap,
            };
            let value = match (&next, &change.what) {
                (Next::Applied(_), Changed::Put(Some(value))) => Some(Bytes::copy_from_slice(value)),
                _ => None,
            };
            let put = |_| ready(value.map_or(Op::Remove, |value| Op::Put(Entry::Value(value))));
            let _changed: CompResult<_, _> = self.entries.entry_by_ref(item).and_compute_with(put).await;
            match next {
                Next::Applied(bytes) => Op::Put(Entry::Value(bytes)),
                Next::Contained => Op::Nop,
                Next::Gap => Op::Remove,
            }
        });
        // Each change is another copy of the order, and one that waits to be counted is held as long as it waits.
        if let CompResult::ReplacedWith(entry) = changed.await
            && entry.value().len() >= SETTLE_AT_ONCE
        {
            self.entries.run_pending_tasks().await;
        }
    }
}

/// What a change means for an order.
enum Next {
    /// It is this one now.
    Applied(Bytes),
    /// It shows the change already.
    Contained,
    /// It is not known what it should be.
    Gap,
}

/// An order, read.
struct Order<'a> {
    head: Head,
    /// Oldest first.
    places: &'a [u8],
}

impl<'a> Order<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first_chunk::<8>()?;
        let (floor, places) = rest.split_first_chunk::<PLACE>()?;
        Some(Self { head: Head { version: i64::from_be_bytes(*version), floor: *floor }, places })
    }

    fn window(&self, window: &Window) -> Ordered {
        let all: &[[u8; PLACE]] = self.places.as_chunks().0;
        let end = window.after.map_or(all.len(), |after| {
            // The kind of the one that it goes on after does not count.
            let after = Place { kind: 0, ..after }.encode();
            all.partition_point(|place| *place < after)
        });
        let wanted = |place: &&[u8; PLACE]| window.kind.is_none_or(|kind| place[PLACE - 1] == kind);
        let found = all[..end].iter().rev().filter(wanted).take(window.limit);
        let found: Vec<Place> = found.filter_map(|place| Place::decode(place)).collect();
        if found.len() == window.limit || self.head.floor == WHOLE {
            Ordered::Places(found)
        } else if all.len() < MAX_PLACES {
            Ordered::Gap(Gap(Lack::Below(self.head)))
        } else {
            Ordered::Below(Generation(Version::numbered(self.head.version)))
        }
    }

    fn next(&self, change: &Change) -> Next {
        if self.head.version >= change.version {
            return Next::Contained;
        }
        if self.head.version + 1 != change.version {
            return Next::Gap;
        }
        let place = change.place.encode();
        let mut head = Head { version: change.version, ..self.head };
        let all: &[[u8; PLACE]] = self.places.as_chunks().0;
        let at = all.binary_search(&place);
        let (before, after) = self.places.split_at(at.unwrap_or_else(|at| at) * PLACE);
        let bytes = match (&change.what, at) {
            (Changed::Put(_), Err(_)) if place > head.floor => {
                let dropped = if all.len() >= MAX_PLACES { PLACE } else { 0 };
                if let Some(oldest) = before.first_chunk::<PLACE>().filter(|_| dropped > 0) {
                    head.floor = *oldest;
                }
                let kept = before.get(dropped..).unwrap_or_default();
                assemble(&head, &[kept, &place, after])
            }
            (Changed::Gone, Ok(_)) => assemble(&head, &[before, &after[PLACE..]]),
            _ => assemble(&head, &[self.places]),
        };
        Next::Applied(bytes)
    }
}

fn assemble(head: &Head, parts: &[&[u8]]) -> Bytes {
    let size = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = BytesMut::with_capacity(HEAD + size);
    bytes.put_i64(head.version);
    bytes.put_slice(&head.floor);
    for part in parts {
        bytes.put_slice(part);
    }
    bytes.freeze()
}
