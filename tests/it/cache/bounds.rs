//! What is not stored, is not kept, or is not taken at all.

use super::*;

#[tokio::test]
async fn a_value_that_is_too_large_is_answered_and_not_stored() {
    for (cache, _server) in caches().await {
        for (size, stored) in [(MAX_VALUE, true), (MAX_VALUE + 1, false)] {
            let (key, row) = (run(), Bytes::from(vec![b'x'; size]));
            let read = cache.get_or_load(key.clone(), || async { Ok(Some(row.clone())) }).await.unwrap();
            assert_eq!(read.unwrap().len(), size);
            assert_eq!(peek(&cache, &key).await.is_some(), stored, "{size}");
        }
    }
}

#[tokio::test]
async fn memory_stays_within_its_bytes() {
    for size in [1_000, 20_000, 300_000] {
        let cache = Cache::open(&CacheUrl::Memory, BYTES, TTL).await.unwrap();
        let keys: Vec<CacheKey> = (0..2 * BYTES as usize / size).map(|_| run()).collect();
        for key in &keys {
            let row = Bytes::from(vec![b'x'; size]);
            cache.get_or_load(key.clone(), || async { Ok(Some(row)) }).await.unwrap();
        }
        let mut held = 0;
        // The newest first: the markers that looking leaves then push out the oldest, which are not counted yet.
        for key in keys.iter().rev() {
            held += peek(&cache, key).await.map_or(0, |row| row.len());
        }
        assert!(held > 0, "nothing of {size} bytes is held");
        assert!(held as u64 <= BYTES, "{held} bytes are held in values of {size}");
    }
}

#[tokio::test]
async fn a_cache_without_room_works_and_holds_nothing() {
    let cache = Cache::open(&CacheUrl::Memory, 0, TTL).await.unwrap();
    let key = run();
    assert_eq!(read(&cache, &key, "old").await, "old");
    cache.invalidate(key.clone()).await;
    assert_eq!(read(&cache, &key, "new").await, "new");
}

#[tokio::test]
async fn a_reader_whose_marker_was_evicted_stores_nothing() {
    let cache = Cache::open(&CacheUrl::Memory, 64 * 1024, TTL).await.unwrap();
    let key = run();
    let slow = SlowReader::start(&cache, &key, Ok(Some("old"))).await;
    for _ in 0..32 {
        let row = Bytes::from(vec![b'x'; 20_000]);
        cache.get_or_load(run(), || async { Ok(Some(row)) }).await.unwrap();
    }
    slow.finish().await.unwrap();
    assert_eq!(peek(&cache, &key).await, None);

    let Some((cache, server)) = patient_redis().await else { return };
    let slow = SlowReader::start(&cache, &key, Ok(Some("old"))).await;
    let () = server.ask(&["FLUSHALL"]).await.unwrap();
    slow.finish().await.unwrap();
    assert_eq!(peek(&cache, &key).await, None);
}

#[tokio::test]
async fn a_value_expires() {
    let mut caches = vec![Cache::open(&CacheUrl::Memory, BYTES, Duration::from_millis(50)).await.unwrap()];
    let server = RedisServer::start().await;
    if let Some(server) = &server {
        caches.push(Cache::open(&server.url("a"), BYTES, Duration::from_millis(50)).await.unwrap());
    }
    for cache in caches {
        let key = run();
        read(&cache, &key, "row").await;
        until("the value is gone", || async { peek(&cache, &key).await.is_none() }).await;
    }
}

#[tokio::test]
async fn a_url_that_is_no_redis_is_refused_without_telling_the_password() {
    let url: CacheUrl = "redis://:s3cret@cache:notaport".parse().unwrap();
    let error = Cache::open(&url, BYTES, TTL).await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("s3cret"));
}
