//! Orders of lists: whoever is slow or late, reader or writer, no order ever shows another state than its version's.

use chrono::DateTime;
use runyard::repository::cache::Item;
use runyard::repository::cache::order::{Change, Changed, Filling, Gap, MAX_PLACES, Ordered, Place, STEP, Window};

use super::*;

/// The place of number `n`; the higher the newer. Every third is a chart.
fn place(n: usize) -> Place {
    let time = DateTime::from_timestamp_micros(1_700_000_000_000_000 + n as i64 / 2).unwrap();
    Place { time, id: Uuid::from_u128(n as u128), kind: if n.is_multiple_of(3) { b'c' } else { b'i' } }
}

/// Places from the newest on.
fn newest(numbers: impl DoubleEndedIterator<Item = usize>) -> Vec<Place> {
    numbers.rev().map(place).collect()
}

fn put(version: i64, n: usize) -> Change {
    Change { version, place: place(n), what: Changed::Put(Some(Bytes::from(format!("{n} of {version}")))) }
}

fn gone(version: i64, n: usize) -> Change {
    Change { version, place: place(n), what: Changed::Gone }
}

async fn look(cache: &Cache, owner: Uuid, after: Option<usize>, limit: usize) -> Ordered {
    cache.order(owner, LIST, &Window { kind: None, after: after.map(place), limit }).await
}

async fn gap(cache: &Cache, owner: Uuid) -> Gap {
    match look(cache, owner, None, STEP * 100).await {
        Ordered::Gap(gap) => gap,
        other => panic!("{other:?}"),
    }
}

/// The numbers that an order has, newest first.
async fn numbers(cache: &Cache, owner: Uuid) -> Option<Vec<usize>> {
    match look(cache, owner, None, STEP * 100).await {
        Ordered::Places(places) => Some(places.iter().map(|place| place.id.as_u128() as usize).collect()),
        Ordered::Gap(_) | Ordered::Below(_) | Ordered::Unknown => None,
    }
}

async fn item(cache: &Cache, owner: Uuid, n: usize) -> Option<String> {
    let key = CacheKey::Item { owner, list: LIST, id: place(n).id };
    match cache.get_many(vec![key]).await.remove(0) {
        Item::Hit(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        Item::Miss(_) | Item::Off => None,
    }
}

/// An order of these numbers, all that there are, at this version.
async fn filled(cache: &Cache, version: i64, count: usize) -> Uuid {
    let owner = Uuid::new_v4();
    let filling = Filling { version, places: newest(0..count), whole: true };
    cache.fill_order(owner, LIST, gap(cache, owner).await, &filling).await;
    assert_eq!(numbers(cache, owner).await.unwrap(), (0..count).rev().collect::<Vec<_>>());
    owner
}

#[tokio::test]
async fn an_order_answers_any_page_of_the_whole_list_and_of_each_part() {
    for (cache, _server) in caches().await {
        let owner = filled(&cache, 1, 30).await;
        for kind in [None, Some(b'c'), Some(b'i'), Some(b'x')] {
            let expected: Vec<Place> =
                newest(0..30).into_iter().filter(|place| kind.is_none_or(|kind| place.kind == kind)).collect();
            for limit in [1, 4, 30, 31] {
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    // The kind of the place that a page goes on after is not known to who asks.
                    let window = Window { kind, after: after.map(|after| Place { kind: 0, ..after }), limit };
                    let Ordered::Places(places) = cache.order(owner, LIST, &window).await else { panic!("{limit}") };
                    found.extend(places.iter().copied());
                    after = places.last().copied();
                    if places.len() < limit {
                        break;
                    }
                }
                assert_eq!(found, expected, "{kind:?} by {limit}");
            }
        }
    }
}

#[tokio::test]
async fn writers_keep_the_order_and_its_items_current() {
    for (cache, _server) in caches().await {
        let owner = filled(&cache, 1, 3).await;
        cache.change_order(owner, LIST, put(2, 9)).await;
        cache.change_order(owner, LIST, put(3, 5)).await;
        cache.change_order(owner, LIST, put(4, 1)).await;
        cache.change_order(owner, LIST, gone(5, 2)).await;
        cache.change_order(owner, LIST, gone(6, 77)).await;
        assert_eq!(numbers(&cache, owner).await.unwrap(), [9, 5, 1, 0]);
        assert_eq!(item(&cache, owner, 9).await.unwrap(), "9 of 2");
        assert_eq!(item(&cache, owner, 1).await.unwrap(), "1 of 4");
        assert_eq!(item(&cache, owner, 2).await, None);
        cache.change_order(owner, LIST, gone(7, 9)).await;
        assert_eq!(item(&cache, owner, 9).await, None);
        let large = Change { version: 8, place: place(1), what: Changed::Put(None) };
        cache.change_order(owner, LIST, large).await;
        assert_eq!(item(&cache, owner, 1).await, None);
        assert_eq!(numbers(&cache, owner).await.unwrap(), [5, 1, 0]);
    }
}

#[tokio::test]
async fn what_a_slow_reader_brings_after_a_change_is_not_taken() {
    for (cache, _server) in caches().await {
        for change in [put(1, 7), gone(1, 0)] {
            let owner = Uuid::new_v4();
            let slow = gap(&cache, owner).await;
            cache.change_order(owner, LIST, change).await;
            let old = Filling { version: 0, places: newest(0..1), whole: true };
            cache.fill_order(owner, LIST, slow, &old).await;
            assert_eq!(numbers(&cache, owner).await, None);
            // Another reader, who has begun after it, is believed.
            let fresh = Filling { version: 1, places: newest(7..8), whole: true };
            cache.fill_order(owner, LIST, gap(&cache, owner).await, &fresh).await;
            cache.fill_order(owner, LIST, slow, &old).await;
            assert_eq!(numbers(&cache, owner).await.unwrap(), [7]);
        }
    }
}

#[tokio::test]
async fn a_slow_reader_of_an_item_does_not_bring_back_what_was_changed_or_deleted() {
    for (cache, _server) in caches().await {
        for change in [put(2, 1), gone(2, 1)] {
            for (version, count) in [(1, 3), (2, 3), (0, 3)] {
                // In turn, after the reader of the order has seen the change, and with a change missing in between.
                let owner = filled(&cache, version, count).await;
                let key = CacheKey::Item { owner, list: LIST, id: place(1).id };
                let slow = SlowReader::start(&cache, &key, Ok(Some("old"))).await;
                cache.change_order(owner, LIST, change.clone()).await;
                slow.finish().await.unwrap();
                assert_ne!(item(&cache, owner, 1).await.as_deref(), Some("old"), "{change:?} at {version}");
            }
        }
    }
}

#[tokio::test]
async fn a_late_writer_neither_brings_back_nor_takes_away() {
    for (cache, _server) in caches().await {
        // The reader who filled the order in has seen all three changes; then they come, in turn.
        let owner = filled(&cache, 4, 3).await;
        for change in [put(2, 8), gone(3, 1), gone(4, 8)] {
            cache.change_order(owner, LIST, change).await;
            assert_eq!(numbers(&cache, owner).await.unwrap(), [2, 1, 0]);
            assert_eq!(item(&cache, owner, 8).await, None);
        }
        // The later one of two comes first: what lies between is not known, so nothing is.
        let owner = filled(&cache, 1, 3).await;
        cache.change_order(owner, LIST, gone(3, 8)).await;
        assert_eq!(numbers(&cache, owner).await, None);
        cache.change_order(owner, LIST, put(2, 8)).await;
        assert_eq!(numbers(&cache, owner).await, None);
        assert_eq!(item(&cache, owner, 8).await, None);
    }
}

#[tokio::test]
async fn a_reader_who_saw_more_than_its_version_says_is_set_right_by_the_writers() {
    for (cache, _server) in caches().await {
        let owner = Uuid::new_v4();
        // Between the version and the entries, 8 has come and gone, and 1 has gone and come back.
        let filling = Filling { version: 1, places: newest(0..3), whole: true };
        cache.fill_order(owner, LIST, gap(&cache, owner).await, &filling).await;
        for change in [put(2, 8), gone(3, 8), gone(4, 1), put(5, 1)] {
            cache.change_order(owner, LIST, change).await;
        }
        assert_eq!(numbers(&cache, owner).await.unwrap(), [2, 1, 0]);
    }
}

#[tokio::test]
async fn an_order_grows_downwards_a_step_at_a_time_and_only_at_its_version() {
    for (cache, _server) in caches().await {
        let owner = Uuid::new_v4();
        let part =
            |version, numbers: std::ops::Range<usize>, whole| Filling { version, places: newest(numbers), whole };
        cache.fill_order(owner, LIST, gap(&cache, owner).await, &part(1, 20..30, false)).await;
        assert!(matches!(look(&cache, owner, None, 10).await, Ordered::Places(places) if places.len() == 10));
        let Ordered::Gap(below) = look(&cache, owner, Some(22), 3).await else { panic!("it reaches down to 20") };
        assert_eq!(below.below(), Some(place(20)));
        // What is below the floor is not its affair.
        cache.change_order(owner, LIST, gone(2, 5)).await;
        cache.change_order(owner, LIST, put(3, 6)).await;
        assert!(matches!(look(&cache, owner, None, 10).await, Ordered::Places(places) if places.len() == 10));
        // Read before those changes, or with them but for another floor: not taken.
        cache.fill_order(owner, LIST, below, &part(1, 10..20, false)).await;
        cache.fill_order(owner, LIST, below, &part(3, 10..20, false)).await;
        assert!(numbers(&cache, owner).await.is_none());
        let below = gap(&cache, owner).await;
        cache.fill_order(owner, LIST, below, &part(2, 10..20, false)).await;
        assert!(matches!(look(&cache, owner, Some(22), 3).await, Ordered::Gap(_)));
        cache.fill_order(owner, LIST, below, &part(3, 10..20, false)).await;
        assert!(matches!(look(&cache, owner, Some(22), 3).await, Ordered::Places(places) if places.len() == 3));
        cache.fill_order(owner, LIST, gap(&cache, owner).await, &part(3, 6..10, true)).await;
        assert_eq!(numbers(&cache, owner).await.unwrap(), (6..30).rev().collect::<Vec<_>>());
        cache.change_order(owner, LIST, put(4, 1)).await;
        assert_eq!(numbers(&cache, owner).await.unwrap().last(), Some(&1));
    }
}

#[tokio::test]
async fn an_order_holds_no_more_than_it_may() {
    for (cache, _server) in caches().await {
        let owner = Uuid::new_v4();
        for step in 0..MAX_PLACES / STEP {
            let top = 50_000 - step * STEP;
            let filling = Filling { version: 1, places: newest(top - STEP..top), whole: false };
            cache.fill_order(owner, LIST, gap(&cache, owner).await, &filling).await;
        }
        let oldest = 50_000 - MAX_PLACES;
        let Ordered::Below(before) = look(&cache, owner, Some(oldest), 1).await else { panic!("it is full") };
        assert!(matches!(look(&cache, owner, Some(oldest + 1), 1).await, Ordered::Places(_)));
        cache.change_order(owner, LIST, put(2, 60_000)).await;
        let Ordered::Below(after) = look(&cache, owner, Some(oldest + 1), 1).await else { panic!("it is full") };
        assert_ne!(before, after);
        assert!(matches!(look(&cache, owner, None, 1).await, Ordered::Places(places) if places == [place(60_000)]));
        let all = look(&cache, owner, None, MAX_PLACES).await;
        assert!(
            matches!(all, Ordered::Places(places) if places.len() == MAX_PLACES && places[MAX_PLACES - 1] == place(oldest + 1))
        );
        // Room that comes free is filled again.
        cache.change_order(owner, LIST, gone(3, 60_000)).await;
        assert!(matches!(look(&cache, owner, Some(oldest + 1), 1).await, Ordered::Gap(_)));
    }
}

#[tokio::test]
async fn a_change_that_redis_does_not_take_is_read_past_until_it_is_forgotten_there() {
    let Some((writer, server)) = patient_redis().await else { return };
    drop(writer);
    let writer = Cache::open(&server.url("a"), BYTES, TTL).await.unwrap();
    until_it_stores(&writer).await;
    let owner = filled(&writer, 1, 3).await;
    server.freeze();
    writer.change_order(owner, LIST, gone(2, 1)).await;
    assert!(matches!(look(&writer, owner, None, 1).await, Ordered::Unknown));
    server.thaw();
    until("it is believed again", || async {
        let found = look(&writer, owner, None, 5).await;
        assert!(!matches!(&found, Ordered::Places(places) if places.contains(&place(1))), "{found:?}");
        matches!(found, Ordered::Gap(_))
    })
    .await;
}
