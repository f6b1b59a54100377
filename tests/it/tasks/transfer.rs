//! Out and in as lines: a round trip changes nothing, and an import is stored whole or not at all.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::{app, create, page};
use crate::support::{Client, TestApp, run};

async fn export(client: &Client) -> String {
    let reply = client.get("/api/tasks/export").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/x-ndjson"));
    reply.text()
}

async fn import(client: &Client, lines: &str) -> Value {
    client.post_bytes("/api/tasks/import", lines.to_owned()).await.ok(200)["data"].clone()
}

/// Tasks of every kind, more than are read at once.
async fn fill(client: &Client) {
    let run = client.create(&json!([run(None, "Weather Query")])).await.remove(0);
    create(client, &json!({"title": "\u{1}\\ \" 🦀\n", "description": "d\u{2028}", "assigneeID": -7, "run_id": run}))
        .await;
    let tasks: Value = (0..250).map(|n| json!({"title": format!("task {n}"), "status": "in_progress"})).collect();
    client.post("/api/tasks/bulk", &tasks).await.ok(200);
    client.call("PATCH", "/api/tasks/2", &json!({"title": "changed", "status": "done"})).await.ok(200);
    client.delete("/api/tasks/3").await;
}

#[tokio::test]
async fn what_was_exported_can_be_imported_and_is_the_same_again() {
    let (app, ada) = app().await;
    fill(&ada).await;
    let lines = export(&ada).await;
    assert_eq!(lines.lines().count(), 250);
    assert_eq!(import(&ada, &lines).await, json!({"created": 0, "unchanged": 250}));
    let eve = app.user("eve").await;
    let other = TestApp::spawn().await;
    for stranger in [&eve, &other.user("ada").await] {
        assert_eq!(import(stranger, &lines).await, json!({"created": 250, "unchanged": 0}));
        assert_eq!(export(stranger).await, lines);
        assert_eq!(import(stranger, &lines).await, json!({"created": 0, "unchanged": 250}));
        assert_eq!(create(stranger, &json!({"title": "next"})).await["id"], 252);
        let history = stranger.get("/api/tasks/2/history").await.ok(200);
        assert_eq!(history["data"]["items"][0]["action"], "imported");
    }
    for id in 1..=251 {
        ada.delete(&format!("/api/tasks/{id}")).await;
    }
    assert_eq!(export(&ada).await, "");
    assert_eq!(import(&ada, &lines).await, json!({"created": 250, "unchanged": 0}));
    assert_eq!(export(&ada).await, lines);
    assert_eq!(ada.get("/api/tasks/2").await.ok(200)["data"]["title"], "changed");
    assert_eq!(page(&ada, "filter=CHANGED").await["meta"]["total"], 1);
    assert_eq!(create(&ada, &json!({"title": "next"})).await["id"], 252);
}

#[tokio::test]
async fn an_import_is_stored_whole_or_not_at_all() {
    let (_app, ada) = app().await;
    create(&ada, &json!({"title": "there"})).await;
    let there = export(&ada).await;
    let line = |id: i64| {
        let task = json!({"id": id, "title": "x", "description": "", "status": "done", "assigneeID": 0, "run_id": null,
            "createdAt": "2026-01-31T12:00:00Z", "updatedAt": "2026-01-31T12:00:00.5+01:00"});
        task.to_string()
    };
    let with = |id: i64, field: &str, value: Value| {
        let mut task: Value = serde_json::from_str(&line(id)).unwrap();
        task[field] = value;
        task.to_string()
    };
    for (last, status, field) in [
        (line(1), 409, "[1].id"),
        (with(7, "title", json!("another")), 409, "[1].id"),
        (with(8, "title", json!("")), 422, "[1].title"),
        (with(8, "titel", json!("")), 422, "[1].titel"),
        (with(0, "title", json!("x")), 422, "[1].id"),
        (with(1 << 53, "title", json!("x")), 422, "[1].id"),
        (with(8, "createdAt", json!("yesterday")), 422, "[1].createdAt"),
        (with(8, "createdAt", json!("0000-01-01T00:00:00Z")), 422, "[1].createdAt"),
        (with(8, "status", Value::Null), 422, "[1].status"),
        (json!({"error": {"status": 503}}).to_string(), 422, "[1].error"),
        ("{\"id\": 8".to_owned(), 400, "[1]"),
        (with(8, "description", json!("x".repeat(600_000))), 413, "[1]"),
    ] {
        let reply = ada.post_bytes("/api/tasks/import", format!("{}\n{last}\n", line(7))).await;
        assert_eq!(reply.field(status), field, "{last:.200}");
        assert_eq!(export(&ada).await, there, "{last:.200}");
        ada.get("/api/tasks/7").await.problem(404);
    }
    for nothing in ["", "\n\n"] {
        assert_eq!(import(&ada, nothing).await, json!({"created": 0, "unchanged": 0}));
    }
    // The same line twice is the same task.
    assert_eq!(import(&ada, &format!("{0}\n\n{0}", line(7))).await, json!({"created": 1, "unchanged": 1}));
    let task = ada.get("/api/tasks/7").await.ok(200)["data"].clone();
    assert_eq!(task["updatedAt"], "2026-01-31T11:00:00.500000Z");
}

#[tokio::test]
async fn an_import_may_be_compressed_and_has_a_bound() {
    let (_app, ada) = app().await;
    create(&ada, &json!({"title": "there"})).await;
    let lines = export(&ada).await;
    ada.delete("/api/tasks/1").await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(lines.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let packed = ada.clone().with("content-encoding", "gzip").post_bytes("/api/tasks/import", gzip).await;
    assert_eq!(packed.ok(200)["data"]["created"], 1);
    let zstd = zstd::encode_all(lines.as_bytes(), 0).unwrap();
    let packed = ada.clone().with("content-encoding", "zstd").post_bytes("/api/tasks/import", zstd).await;
    assert_eq!(packed.ok(200)["data"]["unchanged"], 1);
    let small = TestApp::with(&["--max-body=1KiB"]).await;
    let bob = small.user("bob").await;
    bob.post_bytes("/api/tasks/import", lines.repeat(100)).await.problem(413);
    assert_eq!(export(&bob).await, "");
}

#[tokio::test]
async fn what_an_import_brings_is_seen_by_those_who_looked_before() {
    let (_app, ada) = app().await;
    create(&ada, &json!({"title": "there"})).await;
    let lines = export(&ada).await;
    ada.delete("/api/tasks/1").await;
    ada.get("/api/tasks/1").await.problem(404);
    assert_eq!(page(&ada, "").await["meta"]["total"], 0);
    import(&ada, &lines).await;
    assert_eq!(ada.get("/api/tasks/1").await.ok(200)["data"]["title"], "there");
    assert_eq!(page(&ada, "").await["meta"]["total"], 1);
}
