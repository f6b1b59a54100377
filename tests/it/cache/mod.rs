//! The cache never answers with what a writer has replaced: the same suite on memory and on Redis, then the outages
//! that only Redis has.
//!
//! Interleavings are forced with gates. Nothing here measures time: what must happen by itself is awaited.

mod bounds;
mod lists;
mod orders;
mod outages;
mod reading;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use runyard::config::CacheUrl;
use runyard::error::{Error, Result};
use runyard::repository::cache::{Cache, CacheKey, MAX_VALUE, RedisCache};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::redis::{RedisServer, distributed, shared};

const TTL: Duration = Duration::from_secs(600);
const BYTES: u64 = 8 * 1024 * 1024;
const LIST: &str = "favorites";

/// Every cache that there is. Redis gets more patience than in production, because a loaded test machine may pause;
/// a read that passes the cache for that would not be counted as these tests expect.
async fn caches() -> Vec<(Cache, Option<RedisServer>)> {
    let memory = Cache::open(&CacheUrl::Memory, BYTES, TTL).await.unwrap();
    let mut caches = vec![(memory, None)];
    if distributed() {
        let (url, server) = match shared() {
            Some(url) => (url, None),
            None => private().await,
        };
        caches.push((patient(&url).await, server));
    }
    caches
}

async fn private() -> (CacheUrl, Option<RedisServer>) {
    let server = RedisServer::start().await.expect("TEST_STORES=distributed");
    (server.url("suite"), Some(server))
}

async fn patient(url: &CacheUrl) -> Cache {
    let CacheUrl::Redis { url, prefix } = url else { panic!("not a Redis") };
    Cache::Redis(RedisCache::open(url, prefix, TTL, Duration::from_secs(20)).await.unwrap())
}

/// A cache on a private Redis, with the same patience.
async fn patient_redis() -> Option<(Cache, RedisServer)> {
    let server = RedisServer::start().await?;
    let cache = patient(&server.url("a")).await;
    Some((cache, server))
}

fn run() -> CacheKey {
    CacheKey::Run { workspace: Uuid::new_v4(), id: Uuid::new_v4() }
}

/// Reads the key where the database holds `row`.
async fn read(cache: &Cache, key: &CacheKey, row: &'static str) -> String {
    let read = cache.get_or_load(key.clone(), || async { Ok(Some(Bytes::from_static(row.as_bytes()))) }).await;
    String::from_utf8(read.unwrap().unwrap().to_vec()).unwrap()
}

/// What the cache holds, without storing anything.
async fn peek(cache: &Cache, key: &CacheKey) -> Option<Bytes> {
    cache.get_or_load(key.clone(), || async { Ok(None) }).await.unwrap()
}

/// A reader in the middle of its load: it has seen the row, and brings it home only when it is let go.
struct SlowReader {
    go: oneshot::Sender<()>,
    reading: JoinHandle<Result<Option<Bytes>>>,
}

impl SlowReader {
    async fn start(cache: &Cache, key: &CacheKey, row: Result<Option<&'static str>>) -> Self {
        let (go, gate) = oneshot::channel();
        let loading = Arc::new(Notify::new());
        let (cache, key, started) = (cache.clone(), key.clone(), loading.clone());
        let reading = tokio::spawn(async move {
            let load = || async move {
                started.notify_one();
                gate.await.unwrap();
                row.map(|row| row.map(|row| Bytes::from_static(row.as_bytes())))
            };
            cache.get_or_load(key, load).await
        });
        loading.notified().await;
        Self { go, reading }
    }

    async fn finish(self) -> Result<Option<Bytes>> {
        self.go.send(()).unwrap();
        self.reading.await.unwrap()
    }
}

/// Waits until it is so.
async fn until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let mut pause = tokio::time::interval(Duration::from_millis(5));
    for _ in 0..6_000 {
        if so().await {
            return;
        }
        pause.tick().await;
    }
    panic!("never came true: {what}");
}

/// Waits until what one reader loads is there for the next one.
async fn until_it_stores(cache: &Cache) {
    until("a value is stored", || async {
        let key = run();
        read(cache, &key, "row").await;
        peek(cache, &key).await.is_some()
    })
    .await;
}
