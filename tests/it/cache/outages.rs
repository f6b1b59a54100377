//! Redis stopped, frozen, restarted, read-only: reads go on, nothing stale comes back, and it heals by itself.

use super::*;

/// A cache as the server opens it, with the patience of production, on a private Redis.
async fn redis() -> Option<(Cache, RedisServer)> {
    let server = RedisServer::start().await?;
    let cache = Cache::open(&server.url("a"), BYTES, TTL).await.unwrap();
    Some((cache, server))
}

/// Reads the key until the cache has it: on a machine that pauses one read may go past it.
async fn until_stored(cache: &Cache, key: &CacheKey, row: &'static str) {
    until("the value is stored", || async {
        read(cache, key, row).await;
        peek(cache, key).await.is_some()
    })
    .await;
}

/// Reads until the breaker notices that Redis is away; every read gets its row all the same.
async fn until_it_opens(cache: &Cache) {
    until("the breaker opens", || async {
        let before = cache.counts();
        assert_eq!(read(cache, &run(), "row").await, "row");
        let after = cache.counts();
        after.passed > before.passed && after.errors == before.errors
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_is_stopped_costs_nothing_and_is_found_again() {
    let Some((cache, mut server)) = redis().await else { return };
    let key = run();
    until_stored(&cache, &key, "row").await;
    server.kill();
    until_it_opens(&cache).await;
    assert_nobody_asks(&cache).await;
    server.restart().await;
    until_it_stores(&cache).await;
    cache.ping().await.unwrap();
    assert_eq!(peek(&cache, &key).await, None);
}

#[tokio::test]
async fn a_redis_that_is_frozen_costs_nothing_and_is_found_again() {
    let Some((cache, server)) = redis().await else { return };
    let key = run();
    until_stored(&cache, &key, "row").await;
    server.freeze();
    until_it_opens(&cache).await;
    assert!(cache.ping().await.is_err());
    assert_nobody_asks(&cache).await;
    server.thaw();
    until_it_stores(&cache).await;
    until("what was stored is found", || async { peek(&cache, &key).await.is_some_and(|row| row == "row") }).await;
}

#[tokio::test]
async fn a_redis_that_comes_after_the_server_is_found() {
    let Some(mut server) = RedisServer::start().await else { return };
    server.kill();
    let cache = Cache::open(&server.url("a"), BYTES, TTL).await.unwrap();
    assert!(cache.ping().await.is_err());
    assert_eq!(cache.generation(Uuid::new_v4(), LIST).await, None);
    assert_nobody_asks(&cache).await;
    server.restart().await;
    until_it_stores(&cache).await;
}

/// While the breaker is open reads get their rows, and not one of them asks Redis.
async fn assert_nobody_asks(cache: &Cache) {
    let before = cache.counts();
    for _ in 0..1_000 {
        assert_eq!(read(cache, &run(), "row").await, "row");
    }
    let after = cache.counts();
    assert_eq!((after.errors, after.passed), (before.errors, before.passed + 1_000));
}

#[tokio::test]
async fn many_readers_of_a_frozen_redis_all_get_their_rows() {
    let Some((cache, server)) = redis().await else { return };
    server.freeze();
    let readers = (0..3_000).map(|_| {
        let cache = cache.clone();
        tokio::spawn(async move { read(&cache, &run(), "row").await })
    });
    for reader in readers.collect::<Vec<_>>() {
        assert_eq!(reader.await.unwrap(), "row");
    }
    let counts = cache.counts();
    assert_eq!(counts.passed, 3_000);
    assert!(counts.errors <= 1_024, "{} readers waited for Redis", counts.errors);
}

#[tokio::test]
async fn an_invalidation_that_is_lost_is_read_past_and_repeated() {
    let Some((writer, server)) = redis().await else { return };
    let replica = Cache::open(&server.url("a"), BYTES, TTL).await.unwrap();
    let (key, owner) = (run(), Uuid::new_v4());
    let generation = writer.generation(owner, LIST).await;
    until_stored(&writer, &key, "old").await;
    // This one is in the middle of its load when the outage begins, and comes home when it is over.
    let late = run();
    let slow = SlowReader::start(&replica, &late, Ok(Some("old"))).await;

    server.freeze();
    // Only now nothing is sent at all: what is sent to a frozen Redis lands by itself when it goes on.
    until_it_opens(&writer).await;
    writer.invalidate_many(vec![key.clone(), late.clone()]).await;
    writer.bump(owner, LIST).await;
    assert_eq!(writer.counts().lost_invalidations, 3);
    assert_eq!(read(&writer, &key, "new").await, "new");
    assert_eq!(writer.generation(owner, LIST).await, None);

    server.thaw();
    until("the writer believes the cache again", || async {
        assert_ne!(read(&writer, &key, "new").await, "old");
        peek(&writer, &key).await.is_some()
    })
    .await;
    until("the replica is back", || async { replica.ping().await.is_ok() }).await;
    assert_eq!(read(&replica, &key, "new").await, "new");
    assert!(generation.is_none() || writer.generation(owner, LIST).await != generation);
    slow.finish().await.unwrap();
    assert_eq!(peek(&writer, &late).await, None);
    assert_eq!(peek(&replica, &late).await, None);
}

#[tokio::test]
async fn beyond_what_is_remembered_everything_is_read_past_until_it_has_expired() {
    let Some(mut server) = RedisServer::start().await else { return };
    let cache = Cache::open(&server.url("a"), BYTES, Duration::from_secs(2)).await.unwrap();
    let bystander = run();
    server.freeze();
    until_it_opens(&cache).await;
    cache.invalidate_many((0..10_001).map(|_| run()).collect()).await;
    assert_eq!(cache.counts().lost_invalidations, 10_001);
    server.thaw();
    until("the breaker closes", || async { cache.ping().await.is_ok() }).await;
    let passed = cache.counts().passed;
    assert_eq!(read(&cache, &bystander, "row").await, "row");
    assert_eq!(cache.counts().passed, passed + 1);
    until_it_stores(&cache).await;
    server.kill();
}

#[tokio::test]
async fn a_redis_that_restarts_from_an_old_snapshot_does_not_bring_back_old_values() {
    let Some((cache, mut server)) = redis().await else { return };
    let (key, owner) = (run(), Uuid::new_v4());
    until_stored(&cache, &key, "old").await;
    let generation = cache.generation(owner, LIST).await;
    let () = server.ask(&["SAVE"]).await.unwrap();
    cache.invalidate(key.clone()).await;
    cache.bump(owner, LIST).await;
    server.kill();
    server.restart().await;
    let kept: u64 = server.ask(&["DBSIZE"]).await.unwrap();
    assert!(kept > 0, "the snapshot was not read");
    until_it_opens(&cache).await;
    until_it_stores(&cache).await;
    assert_eq!(peek(&cache, &key).await, None);
    assert!(generation.is_none() || cache.generation(owner, LIST).await != generation);
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_read_past_until_it_does() {
    let Some((cache, server)) = redis().await else { return };
    let () = server.ask(&["REPLICAOF", "127.0.0.1", "1"]).await.unwrap();
    until_it_opens(&cache).await;
    assert!(cache.ping().await.is_err());
    let () = server.ask(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    until_it_stores(&cache).await;
}

#[tokio::test]
async fn a_cache_that_is_dropped_leaves_no_connection_behind() {
    let Some((cache, server)) = redis().await else { return };
    read(&cache, &run(), "row").await;
    drop(cache);
    until("only this test is connected", || async {
        let clients: String = server.ask(&["CLIENT", "LIST"]).await.unwrap();
        clients.lines().count() == 1
    })
    .await;
}
