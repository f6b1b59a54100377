//! The blob store away under a server: writes are refused and leave no rows, what is cached is still read, and it
//! heals by itself.

use std::fs;

use super::*;
use crate::support::s3::S3Server;
use crate::support::{TestApp, TestStores};

/// A blob store that can be taken away: an S3 server, or a folder that is given another name.
enum Blobs {
    S3(S3Server),
    Folder(TestStores),
}

impl Blobs {
    async fn with_app() -> (TestApp, Client, Self) {
        let distributed = crate::support::redis::distributed();
        let s3 = distributed.then(S3Server::start);
        let stores = TestStores::with_s3(s3.as_ref().map(|server| server.endpoint.as_str())).await;
        let app = TestApp::over(stores.clone(), &["--upstream-timeout=1s"]).await;
        let ada = app.user("ada").await;
        (app, ada, s3.map_or(Self::Folder(stores), Self::S3))
    }

    fn go(&mut self) {
        match self {
            Self::S3(server) => server.stop(),
            Self::Folder(stores) => fs::rename(stores.folder().join("blobs"), stores.folder().join("away")).unwrap(),
        }
    }

    fn come_back(&mut self) {
        match self {
            Self::S3(server) => server.restart(),
            Self::Folder(stores) => fs::rename(stores.folder().join("away"), stores.folder().join("blobs")).unwrap(),
        }
    }
}

#[tokio::test]
async fn a_blob_store_that_goes_away_under_load_leaves_nothing_half_and_is_found_again() {
    let (_app, ada, mut blobs) = Blobs::with_app().await;
    let load = Load::start(&ada, 8);
    load.answers(50).await;
    blobs.go();
    load.refusals(16).await;
    until_readiness(&ada, "blob", 503, "unavailable").await;
    blobs.come_back();
    until_readiness(&ada, "blob", 200, "ok").await;
    load.answers(16).await;
    let refused = load.refused();
    load.answers(100).await;
    assert_eq!(load.refused(), refused, "requests are refused after the recovery");
    load.finish().await.assert_whole(&ada).await;
}

#[tokio::test]
async fn while_the_blob_store_is_away_what_is_cached_is_read_and_nothing_is_written() {
    let (_app, ada, mut blobs) = Blobs::with_app().await;
    let ids = ada.create(&batch(Uuid::new_v4())).await;
    let (cached, uncached) = (format!("/runs/{}", ids[0]), format!("/runs/{}", ids[1]));
    // On a loaded machine one read may go past Redis.
    for _ in 0..10 {
        ada.get(&cached).await.ok(200);
    }
    blobs.go();
    ada.get(&cached).await.ok(200);
    assert_refused(&ada.get(&uncached).await);
    let (small, large) = (Uuid::new_v4(), Uuid::new_v4());
    assert_refused(&ada.post("/runs", &batch(small)).await);
    let mut runs = batch(large);
    runs[0]["outputs"] = json!({"text": "x".repeat(2 * 1024 * 1024)});
    assert_refused(&ada.post("/runs", &runs).await);
    blobs.come_back();
    assert_eq!((runs_of(&ada, small).await, runs_of(&ada, large).await), (0, 0));
    ada.get(&uncached).await.ok(200);
    ada.create(&runs).await;
    assert_eq!(runs_of(&ada, large).await, BATCH);
}
