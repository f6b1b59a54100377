//! Readers and writers of one key, in every order that could go wrong.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::*;

#[tokio::test]
async fn a_second_read_does_not_load() {
    for (cache, _server) in caches().await {
        let key = run();
        assert_eq!(read(&cache, &key, "row").await, "row");
        assert_eq!(read(&cache, &key, "not this").await, "row");
        let counts = cache.counts();
        assert_eq!((counts.hits, counts.misses, counts.errors), (1, 1, 0));
        cache.ping().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_readers_at_once_load_once() {
    for (cache, _server) in caches().await {
        let key = run();
        let loads = Arc::new(AtomicUsize::new(0));
        let readers = (0..32).map(|_| {
            let (cache, key, loads) = (cache.clone(), key.clone(), loads.clone());
            tokio::spawn(async move {
                let load = || async {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    Ok(Some(Bytes::from_static(b"row")))
                };
                cache.get_or_load(key, load).await.unwrap().unwrap()
            })
        });
        for reader in readers.collect::<Vec<_>>() {
            assert_eq!(reader.await.unwrap(), "row");
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_reader_who_comes_too_late_to_join_a_load_does_not_repeat_it() {
    for (cache, _server) in caches().await {
        let key = run();
        let slow = SlowReader::start(&cache, &key, Ok(Some("row"))).await;
        // On Redis this asks, and takes note of the answer only when the other's load is over.
        let mut late = pin!(read(&cache, &key, "again"));
        assert!(poll_fn(|context| Poll::Ready(late.as_mut().poll(context).is_pending())).await);
        slow.finish().await.unwrap();
        assert_eq!(late.await, "row");
    }
}

#[tokio::test]
async fn what_was_loaded_before_an_invalidation_is_never_stored() {
    for (cache, _server) in caches().await {
        let key = run();
        let slow = SlowReader::start(&cache, &key, Ok(Some("old"))).await;
        cache.invalidate(key.clone()).await;
        assert_eq!(slow.finish().await.unwrap().unwrap(), "old");
        assert_eq!(read(&cache, &key, "new").await, "new");
        assert_eq!(read(&cache, &key, "not this").await, "new");
    }
}

#[tokio::test]
async fn a_reader_after_an_invalidation_does_not_join_an_older_load() {
    for (cache, _server) in caches().await {
        let key = run();
        let slow = SlowReader::start(&cache, &key, Ok(Some("old"))).await;
        cache.invalidate(key.clone()).await;
        assert_eq!(read(&cache, &key, "new").await, "new");
        slow.finish().await.unwrap();
        assert_eq!(peek(&cache, &key).await.unwrap(), "new");
    }
}

#[tokio::test]
async fn a_deleted_run_stays_deleted() {
    for (cache, _server) in caches().await {
        let (key, other) = (run(), run());
        read(&cache, &other, "row").await;
        let slow = SlowReader::start(&cache, &key, Ok(Some("old"))).await;
        cache.invalidate_many(vec![key.clone(), other.clone()]).await;
        slow.finish().await.unwrap();
        assert_eq!(peek(&cache, &key).await, None);
        assert_eq!(peek(&cache, &other).await, None);
    }
}

#[tokio::test]
async fn nothing_found_is_not_remembered() {
    for (cache, _server) in caches().await {
        let key = run();
        assert_eq!(peek(&cache, &key).await, None);
        assert_eq!(read(&cache, &key, "created").await, "created");
    }
}

#[tokio::test]
async fn an_error_reaches_everyone_who_waits_and_is_not_remembered() {
    for (cache, _server) in caches().await {
        let key = run();
        let unavailable = || Error::unavailable(anyhow::anyhow!("the database is away"));
        let leader = SlowReader::start(&cache, &key, Err(unavailable())).await;
        let joiners = join(&cache, &key, 4).await;
        let error = leader.finish().await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable(cause) if cause.to_string() == "the database is away"));
        for joiner in joiners {
            assert!(matches!(joiner.await.unwrap(), Err(Error::Unavailable(_))));
        }
        assert_eq!(read(&cache, &key, "row").await, "row");
    }
}

#[tokio::test]
async fn readers_go_on_when_the_one_who_loads_is_cancelled() {
    for (cache, _server) in caches().await {
        let key = run();
        let leader = SlowReader::start(&cache, &key, Ok(Some("never"))).await;
        let joiners = join(&cache, &key, 4).await;
        leader.reading.abort();
        for joiner in joiners {
            assert_eq!(joiner.await.unwrap().unwrap().unwrap(), "mine");
        }
        assert_eq!(peek(&cache, &key).await.unwrap(), "mine");
    }
}

/// Readers who miss the same version as the one before them, and wait for it.
async fn join(cache: &Cache, key: &CacheKey, n: u64) -> Vec<JoinHandle<Result<Option<Bytes>>>> {
    let missed = cache.counts().misses;
    let joiners = (0..n).map(|_| {
        let (cache, key) = (cache.clone(), key.clone());
        let load = || async { Ok(Some(Bytes::from_static(b"mine"))) };
        tokio::spawn(async move { cache.get_or_load(key, load).await })
    });
    let joiners = joiners.collect();
    // On this test's only thread a reader goes from counting its miss to waiting for the load without a pause.
    until("all of them missed", || async { cache.counts().misses == missed + n }).await;
    joiners
}

#[tokio::test]
async fn replicas_share_values_and_invalidations() {
    let Some((one, server)) = patient_redis().await else { return };
    let other = patient(&server.url("a")).await;
    let stranger = patient(&server.url("b")).await;
    let key = run();
    assert_eq!(read(&one, &key, "old").await, "old");
    assert_eq!(peek(&other, &key).await.unwrap(), "old");
    assert_eq!(peek(&stranger, &key).await, None);
    let slow = SlowReader::start(&other, &run(), Ok(None)).await;
    other.invalidate(key.clone()).await;
    assert_eq!(read(&one, &key, "new").await, "new");
    slow.finish().await.unwrap();
}
