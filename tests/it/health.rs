//! Probes: alive whatever happens, ready as long as the database and the blob store answer.

use serde_json::json;

use crate::support::redis::distributed;
use crate::support::s3::S3Server;
use crate::support::{Client, TestApp, TestStores};

async fn is_ready(client: &Client) {
    let ready = json!({"status": "ok", "checks": {"database": "ok", "blob": "ok", "cache": "ok"}});
    assert_eq!(client.get("/readyz").await.ok(200), ready);
}

#[tokio::test]
async fn a_server_is_alive_and_ready() {
    let app = TestApp::spawn().await;
    assert_eq!(app.client().get("/healthz").await.ok(200), json!({"status": "ok", "service": "runyard"}));
    is_ready(&app.client()).await;
}

#[tokio::test]
async fn a_blob_store_that_is_away_makes_the_server_unready_until_it_is_back() {
    let mut s3 = S3Server::start();
    let app = TestApp::over(TestStores::with_s3(Some(&s3.endpoint)).await, &["--upstream-timeout=2s"]).await;
    let blobs = app.stores.folder().join("blobs");
    is_ready(&app.client()).await;

    if distributed() {
        s3.stop();
    } else {
        std::fs::rename(&blobs, blobs.with_extension("away")).unwrap();
    }
    let reply = app.client().get("/readyz").await;
    let unready = json!({"status": "unavailable", "checks": {"database": "ok", "blob": "unavailable", "cache": "ok"}});
    assert_eq!(reply.ok(503), unready);
    assert!(reply.header("retry-after").parse::<u64>().is_ok());
    app.client().get("/healthz").await.ok(200);

    if distributed() {
        s3.restart();
    } else {
        std::fs::rename(blobs.with_extension("away"), &blobs).unwrap();
    }
    is_ready(&app.client()).await;
}

#[tokio::test]
async fn a_cache_that_is_away_is_reported_and_keeps_the_server_ready() {
    // Nobody listens on port 1.
    let app = TestApp::with(&["--cache-url=redis://127.0.0.1:1?prefix=none"]).await;
    let without = json!({"status": "ok", "checks": {"database": "ok", "blob": "ok", "cache": "unavailable"}});
    assert_eq!(app.client().get("/readyz").await.ok(200), without);
    let ada = app.user("ada").await;
    let id = ada.create(&json!([crate::support::run(None, "Weather Query")])).await.remove(0);
    ada.get(&format!("/runs/{id}")).await.ok(200);
}

#[tokio::test]
async fn a_database_that_is_away_makes_the_server_unready() {
    if !distributed() {
        // The file of SQLite is held open, so it cannot go away from under its server.
        return;
    }
    // Connections are made when they are needed, so a server comes up before its database does.
    let app = TestApp::with(&["--database-url=postgres://nobody@127.0.0.1:1/none", "--migrate=false"]).await;
    let reply = app.client().get("/readyz").await;
    let unready = json!({"status": "unavailable", "checks": {"database": "unavailable", "blob": "ok", "cache": "ok"}});
    assert_eq!(reply.ok(503), unready);
    app.client().get("/healthz").await.ok(200);
    app.client().post("/login", &json!({"email": "ada@example.com", "password": "12345678"})).await.problem(503);
}
