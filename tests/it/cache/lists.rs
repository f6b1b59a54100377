//! Lists are invalidated by generation, and no generation ever comes back.

use super::*;

#[tokio::test]
async fn a_bump_ends_the_generation_of_one_list_of_one_owner() {
    for (cache, _server) in caches().await {
        let (ada, bob) = (Uuid::new_v4(), Uuid::new_v4());
        let (first, other) = (cache.generation(ada, LIST).await, cache.generation(bob, LIST).await);
        let audiences = cache.generation(ada, "audiences").await;
        assert!(first.is_some() && first != other && first != audiences);
        assert_eq!(cache.generation(ada, LIST).await, first);
        cache.bump(ada, LIST).await;
        let second = cache.generation(ada, LIST).await;
        assert!(second.is_some() && second != first);
        assert_eq!(cache.generation(bob, LIST).await, other);
        assert_eq!(cache.generation(ada, "audiences").await, audiences);
    }
}

#[tokio::test]
async fn a_slow_reader_of_a_list_fills_only_a_generation_that_nobody_reads() {
    for (cache, _server) in caches().await {
        let owner = Uuid::new_v4();
        let page = async || {
            let generation = cache.generation(owner, LIST).await.unwrap();
            CacheKey::Page { owner, list: LIST, generation, query: "limit=10".to_owned() }
        };
        let slow = SlowReader::start(&cache, &page().await, Ok(Some("old list"))).await;
        cache.bump(owner, LIST).await;
        slow.finish().await.unwrap();
        assert_eq!(read(&cache, &page().await, "new list").await, "new list");
        assert_eq!(read(&cache, &page().await, "not this").await, "new list");
    }
}

#[tokio::test]
async fn a_generation_that_was_evicted_is_never_used_again() {
    let Some((cache, server)) = patient_redis().await else { return };
    let owner = Uuid::new_v4();
    let mut seen = Vec::new();
    for _ in 0..20 {
        let generation = cache.generation(owner, LIST).await.expect("Redis is there");
        assert!(!seen.contains(&generation));
        seen.push(generation);
        let () = server.ask(&["FLUSHALL"]).await.unwrap();
    }
}
