//! Redis stopped and frozen under a server: no request fails, and nothing old comes back. There is no server to take
//! away from the embedded cache, so on embedded stores these tests have nothing to do.

use super::*;
use crate::support::redis::RedisServer;
use crate::support::{TestApp, TestStores};

/// A server on a Redis of its own.
async fn app() -> Option<(TestApp, Client, RedisServer)> {
    let redis = RedisServer::start().await?;
    let app = TestApp::over(TestStores::new().await, &[&redis.argument()]).await;
    let ada = app.user("ada").await;
    until_readiness(&ada, "cache", 200, "ok").await;
    Some((app, ada, redis))
}

#[tokio::test]
async fn a_redis_that_stops_under_load_fails_no_request_and_is_found_again() {
    let Some((_app, ada, mut redis)) = app().await else { return };
    let load = Load::start(&ada, 8);
    load.answers(50).await;
    redis.kill();
    until_readiness(&ada, "cache", 200, "unavailable").await;
    load.answers(200).await;
    redis.restart().await;
    until_readiness(&ada, "cache", 200, "ok").await;
    load.answers(50).await;
    let tally = load.finish().await;
    assert_eq!(tally.refused.len(), 0);
    tally.assert_whole(&ada).await;
}

#[tokio::test]
async fn a_redis_that_is_frozen_under_load_fails_no_request_and_is_soon_left_alone() {
    let Some((_app, ada, redis)) = app().await else { return };
    let asked = questions(&redis).await;
    redis.freeze();
    let load = Load::start(&ada, 8);
    until_readiness(&ada, "cache", 200, "unavailable").await;
    load.answers(50).await;
    let before = load.finish().await;
    let load = Load::start(&ada, 8);
    load.answers(400).await;
    let open = load.finish().await;
    println!("slowest: {:?} until the breaker opened, {:?} after that", before.slowest, open.slowest);
    // What was sent to a frozen Redis has waited for it, and is counted now.
    redis.thaw();
    until_readiness(&ada, "cache", 200, "ok").await;
    let asked = questions(&redis).await - asked;
    assert!(asked < 100, "{asked} questions were put to a Redis that is away");
    assert_eq!((before.refused.len(), open.refused.len()), (0, 0));
    before.assert_whole(&ada).await;
    open.assert_whole(&ada).await;
}

/// How often a key was looked for in Redis.
async fn questions(redis: &RedisServer) -> u64 {
    let stats: String = redis.ask(&["INFO", "commandstats"]).await.unwrap();
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_set:calls="));
    calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_run_that_is_deleted_while_redis_is_away_never_comes_back() {
    let Some((_app, ada, redis)) = app().await else { return };
    let ids = ada.create(&batch(Uuid::new_v4())).await;
    let path = format!("/runs/{}", ids[0]);
    // Twice: the second answer comes from the cache.
    ada.get(&path).await.ok(200);
    ada.get(&path).await.ok(200);
    redis.freeze();
    until_readiness(&ada, "cache", 200, "unavailable").await;
    assert_eq!(ada.delete(&path).await.status, 204);
    ada.get(&path).await.problem(404);
    redis.thaw();
    until("the cache is found again", async || {
        ada.get(&path).await.problem(404);
        readiness(&ada, "cache").await == (200, "ok".to_owned())
    })
    .await;
    ada.get(&path).await.problem(404);
    ada.get(&format!("/runs/{}", ids[1])).await.ok(200);
}
