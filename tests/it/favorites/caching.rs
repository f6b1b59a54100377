//! The cache of favorites never shows what is gone or was changed: slow readers, late writers, outages, replicas.

use std::collections::{BTreeMap, BTreeSet};

use runyard::repository::cache::order::{Filling, Gap, Ordered, Window};
use runyard::repository::{Cache, CacheKey};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::favorites::{app, insight, keep, listed, walk};
use crate::support::redis::{RedisServer, distributed};
use crate::support::{Client, TestApp, TestStores, until};

const LIST: &str = "favorites";

/// What a reader of a user's list finds in the cache that the servers share.
async fn look(cache: &Cache, user: Uuid) -> Ordered {
    cache.order(user, LIST, &Window { kind: None, after: None, limit: 5 }).await
}

async fn gap(cache: &Cache, user: Uuid) -> Gap {
    match look(cache, user).await {
        Ordered::Gap(gap) => gap,
        other => panic!("{other:?}"),
    }
}

/// The shared cache beside a server, where there is one: a test that reads slowly must be another process's reader.
async fn beside(app: &TestApp) -> Option<Cache> {
    if distributed() { Some(app.stores.open().await.cache) } else { None }
}

#[tokio::test]
async fn a_slow_reader_does_not_hide_what_was_kept_meanwhile() {
    let (app, ada) = app().await;
    let Some(cache) = beside(&app).await else { return };
    let user: Uuid = ada.user_id.parse().unwrap();
    // It has seen that there is nothing, and is slow to say so.
    let seen = gap(&cache, user).await;
    let id = keep(&ada, &insight("new")).await;
    cache.fill_order(user, LIST, seen, &Filling { version: 0, places: Vec::new(), whole: true }).await;
    assert_eq!(listed(&ada, "", "id").await, std::slice::from_ref(&id));
    until("the order is repaired", async || matches!(look(&cache, user).await, Ordered::Places(_))).await;
    assert_eq!(listed(&ada, "", "id").await, [id]);
}

#[tokio::test]
async fn a_slow_reader_brings_back_neither_what_was_deleted_nor_what_was_changed() {
    let (app, ada) = app().await;
    let Some(cache) = beside(&app).await else { return };
    let user: Uuid = ada.user_id.parse().unwrap();
    let (gone, changed) = (keep(&ada, &insight("gone")).await, keep(&ada, &insight("old")).await);
    for (id, end) in [(gone.clone(), None), (changed.clone(), Some("new"))] {
        let path = format!("/favorites/{id}");
        let key = CacheKey::Item { owner: user, list: LIST, id: id.parse().unwrap() };
        // Out of the cache, so that the reader has to load it; that it has, when the change comes.
        cache.invalidate(key.clone()).await;
        let (server, at) = (ada.clone(), path.clone());
        let load = || async move {
            let row = server.get(&at).await.bytes;
            match end {
                None => server.delete(&at).await.ok(204),
                Some(name) => server.call("PATCH", &at, &json!({"name": name})).await.ok(200),
            };
            Ok(Some(row.into()))
        };
        cache.get_or_load(key, load).await.unwrap();
        match end {
            None => drop(ada.get(&path).await.problem(404)),
            Some(name) => assert_eq!(ada.get(&path).await.ok(200)["name"], name),
        }
        for _ in 0..2 {
            let names = listed(&ada, "", "name").await;
            assert!(!names.contains(&"gone".to_owned()) && names.len() == 1, "{names:?}");
        }
    }
    assert_eq!(listed(&ada, "", "name").await, ["new"]);
}

#[tokio::test]
async fn a_writer_that_never_comes_to_the_cache_is_noticed_by_the_next() {
    let (app, ada) = app().await;
    // A process that is killed between its commit and the cache does what this one with a cache of its own does.
    let Some(_) = beside(&app).await else { return };
    let silent = TestApp::over(app.stores.clone(), &["--cache-url=memory://"]).await;
    let first = keep(&ada, &insight("1")).await;
    until("the order is cached", async || {
        listed(&ada, "", "id").await;
        let cache = app.stores.open().await.cache;
        matches!(look(&cache, ada.user_id.parse().unwrap()).await, Ordered::Places(_))
    })
    .await;
    let second = keep(&ada.clone().at(silent.address), &insight("2")).await;
    let third = keep(&ada, &insight("3")).await;
    assert_eq!(listed(&ada, "", "id").await, [third, second, first]);
}

/// What everybody knows to have been acknowledged, by id.
#[derive(Default, Clone)]
struct Known {
    names: BTreeMap<String, usize>,
    gone: BTreeSet<String>,
    /// Those that are being changed or deleted right now.
    busy: BTreeSet<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_that_begins_after_an_acknowledged_write_misses_it() {
    let (app, ada) = app().await;
    let mut servers = vec![ada.clone()];
    // Replicas on memory alone are not supported.
    let other = if distributed() { Some(app.replica().await) } else { None };
    servers.extend(other.as_ref().map(|other| ada.clone().at(other.address)));
    let known = watch::Sender::new(Known::default());
    let mut working = JoinSet::new();
    for worker in 0..16 {
        let writer = servers[worker % servers.len()].clone();
        working.spawn(write(writer, known.clone(), worker));
        let reader = servers[(worker + 1) % servers.len()].clone();
        working.spawn(read(reader, known.clone(), worker));
    }
    working.join_all().await;
    let last = known.borrow().clone();
    for server in &servers {
        let listed: BTreeSet<String> = walk(server, "limit=7").await.into_iter().collect();
        assert_eq!(listed, last.names.keys().cloned().collect());
    }
}

async fn write(client: Client, known: watch::Sender<Known>, worker: usize) {
    for step in 0..12 {
        let id = keep(&client, &insight("0")).await;
        known.send_modify(|known| {
            known.names.insert(id.clone(), 0);
        });
        let path = format!("/favorites/{id}");
        known.send_modify(|known| {
            known.busy.insert(id.clone());
        });
        if (worker + step).is_multiple_of(3) {
            client.delete(&path).await.ok(204);
            known.send_modify(|known| {
                known.names.remove(&id);
                known.gone.insert(id.clone());
            });
        } else {
            client.call("PATCH", &path, &json!({"name": "1"})).await.ok(200);
            known.send_modify(|known| {
                known.names.insert(id.clone(), 1);
            });
        }
        known.send_modify(|known| {
            known.busy.remove(&id);
        });
    }
}

async fn read(client: Client, known: watch::Sender<Known>, worker: usize) {
    for step in 0..24 {
        let before = known.borrow().clone();
        let query = if (worker + step).is_multiple_of(2) { "limit=1000" } else { "limit=1000&type=insight" };
        let page = client.get(&format!("/favorites?{query}")).await.ok(200);
        let after = known.borrow().clone();
        let items: BTreeMap<String, usize> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| (item["id"].as_str().unwrap().to_owned(), item["name"].as_str().unwrap().parse().unwrap()))
            .collect();
        for (id, version) in &before.names {
            match items.get(id) {
                Some(found) => assert!(found >= version, "{id} is {found} after {version} was acknowledged"),
                None => assert!(after.gone.contains(id) || after.busy.contains(id), "{id} is missing"),
            }
        }
        for id in items.keys() {
            assert!(!before.gone.contains(id), "{id} came back");
        }
    }
}

/// A server on a Redis of its own.
async fn on_redis() -> Option<(TestApp, Client, RedisServer)> {
    let redis = RedisServer::start().await?;
    let app = TestApp::over(TestStores::new().await, &[&redis.argument()]).await;
    let ada = app.user("ada").await;
    Some((app, ada, redis))
}

#[tokio::test]
async fn a_cache_that_is_away_comes_back_with_nothing_old() {
    let Some((_app, ada, redis)) = on_redis().await else { return };
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(keep(&ada, &insight(&format!("{n}"))).await);
    }
    for _ in 0..3 {
        assert_eq!(listed(&ada, "", "name").await, ["4", "3", "2", "1", "0"]);
    }
    redis.freeze();
    ada.delete(&format!("/favorites/{}", ids[4])).await.ok(204);
    ada.call("PATCH", &format!("/favorites/{}", ids[3]), &json!({"name": "changed"})).await.ok(200);
    keep(&ada, &insight("5")).await;
    let now = ["5", "changed", "2", "1", "0"];
    assert_eq!(listed(&ada, "", "name").await, now);
    redis.thaw();
    until("the cache is found again", async || {
        assert_eq!(listed(&ada, "", "name").await, now);
        ada.get(&format!("/favorites/{}", ids[4])).await.problem(404);
        ada.get("/readyz").await.json()["checks"]["cache"] == "ok"
    })
    .await;
    keep(&ada, &insight("6")).await;
    assert_eq!(listed(&ada, "limit=2", "name").await, ["6", "5"]);
    assert_eq!(listed(&ada, "limit=1000", "name").await, ["6", "5", "changed", "2", "1", "0"]);
}

#[tokio::test]
async fn an_order_or_items_that_were_evicted_are_repaired() {
    let Some((_app, ada, redis)) = on_redis().await else { return };
    for n in 0..5 {
        keep(&ada, &insight(&format!("{n}"))).await;
    }
    let all = ["4", "3", "2", "1", "0"];
    for kind in ["order", "item", "order"] {
        for _ in 0..3 {
            assert_eq!(listed(&ada, "", "name").await, all);
        }
        let keys: Vec<String> = redis.ask(&["KEYS", &format!("*:{kind}:*")]).await.unwrap();
        assert!(!keys.is_empty(), "nothing is cached as {kind}");
        for key in keys.iter().step_by(2) {
            let () = redis.ask(&["DEL", key]).await.unwrap();
        }
    }
    keep(&ada, &insight("5")).await;
    assert_eq!(listed(&ada, "limit=2", "name").await, ["5", "4"]);
}

#[tokio::test]
async fn a_list_longer_than_what_is_cached_goes_on_in_the_database() {
    let (_app, ada) = app().await;
    let line = json!({"type": "insight", "name": "n", "content": "c", "created_at": "2026-01-01T00:00:00Z"});
    let body: String = format!("{line}\n").repeat(2_300);
    ada.post_bytes("/favorites/import", body).await.ok(200);
    let first = walk(&ada, "limit=300").await;
    assert_eq!(first.len(), 2_300);
    // Each walk finds more of it cached than the one before, and the same.
    for limit in [1_000, 150, 990] {
        assert_eq!(walk(&ada, &format!("limit={limit}")).await, first);
        assert_eq!(walk(&ada, &format!("limit={limit}&type=insight")).await, first);
    }
    let oldest = first.last().unwrap();
    ada.delete(&format!("/favorites/{oldest}")).await.ok(204);
    ada.delete(&format!("/favorites/{}", first[0])).await.ok(204);
    assert_eq!(walk(&ada, "limit=500").await, first[1..2_299]);
}

#[tokio::test]
async fn pages_below_what_is_kept_of_the_order_are_current_too() {
    let (_app, ada) = app().await;
    let line = json!({"type": "insight", "name": "n", "content": "c", "created_at": "2026-01-01T00:00:00Z"});
    ada.post_bytes("/favorites/import", format!("{line}\n").repeat(12_500)).await.ok(200);
    let first = walk(&ada, "limit=1000").await;
    assert_eq!(first.len(), 12_500);
    assert_eq!(walk(&ada, "limit=1000").await, first);
    assert_eq!(walk(&ada, "limit=1000").await, first);
    let oldest = first.last().unwrap();
    ada.delete(&format!("/favorites/{oldest}")).await.ok(204);
    assert_eq!(walk(&ada, "limit=1000").await, first[..12_499]);
    let newest = keep(&ada, &insight("new")).await;
    let last = walk(&ada, "limit=1000").await;
    assert_eq!((&last[0], &last[1..]), (&newest, &first[..12_499]));
}
