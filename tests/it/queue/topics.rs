//! Topics: made by who names them first, with settings of their own, and a workspace's alone.

use serde_json::{Value, json};

use super::{ack, app, counts, lease, message, publish, set};
use crate::support::TestApp;

#[tokio::test]
async fn a_topic_says_what_is_in_it() {
    let (_app, ada) = app().await;
    publish(&ada, "t", &[message(1), message(2), super::message_with(3, "delay_seconds", 60)]).await;
    ack(&ada, &lease(&ada, "t", 1).await).await;
    let topic = ada.get("/api/v1/topics/t").await.ok(200);
    let usual = json!({"lease_seconds": 30, "max_attempts": 5, "dedup_seconds": 86_400, "retention_seconds": 604_800});
    assert_eq!((&topic["topic"], &topic["settings"]), (&json!("t"), &usual));
    assert_eq!(counts(&ada, "t").await, [1, 1, 0, 1, 0]);
    assert!(topic["oldest_ready_seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0), "{topic}");
    lease(&ada, "t", 1).await;
    assert_eq!(ada.get("/api/v1/topics/t").await.ok(200)["oldest_ready_seconds"], Value::Null);
    ada.get("/api/v1/topics/nowhere").await.problem(404);
}

#[tokio::test]
async fn settings_change_one_by_one_and_stay() {
    let (_app, ada) = app().await;
    let made = set(&ada, "t", &json!({"max_attempts": 9})).await;
    assert_eq!((&made["settings"]["max_attempts"], &made["settings"]["lease_seconds"]), (&json!(9), &json!(30)));
    let changed = set(&ada, "t", &json!({"lease_seconds": 5, "retention_seconds": 60, "dedup_seconds": 0})).await;
    let expected = json!({"lease_seconds": 5, "max_attempts": 9, "dedup_seconds": 0, "retention_seconds": 60});
    assert_eq!(changed["settings"], expected);
    assert_eq!(set(&ada, "t", &json!({})).await["settings"], expected);
    for (field, value) in [
        ("lease_seconds", 0),
        ("lease_seconds", 43_201),
        ("max_attempts", 0),
        ("max_attempts", 1001),
        ("dedup_seconds", -1),
        ("dedup_seconds", 2_592_001),
        ("retention_seconds", 0),
        ("retention_seconds", 31_536_001),
    ] {
        let reply = ada.call("PUT", "/api/v1/topics/t", &json!({field: value})).await;
        assert_eq!(reply.field(422), field, "{value}");
    }
    assert_eq!(ada.call("PUT", "/api/v1/topics/t", &json!({"ttl": 1})).await.field(422), "ttl");
    assert_eq!(ada.get("/api/v1/topics/t").await.ok(200)["settings"], expected);
}

#[tokio::test]
async fn topics_are_listed_in_pieces() {
    let (_app, ada) = app().await;
    assert_eq!(ada.get("/api/v1/topics").await.ok(200), json!({"items": [], "next_cursor": null}));
    for name in ["b", "a", "c"] {
        publish(&ada, name, &[message(name)]).await;
    }
    let first = ada.get("/api/v1/topics?limit=2").await.ok(200);
    let rest = ada.get(&format!("/api/v1/topics?cursor={}", first["next_cursor"].as_str().unwrap())).await.ok(200);
    let names = |page: &Value| -> Vec<Value> {
        page["items"].as_array().unwrap().iter().map(|topic| topic["topic"].clone()).collect()
    };
    assert_eq!((names(&first), names(&rest)), (vec![json!("b"), json!("a")], vec![json!("c")]));
    assert_eq!((&rest["next_cursor"], &rest["items"][0]["ready"]), (&Value::Null, &json!(1)));
    for (query, field) in [("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=x", "cursor"), ("name=a", "name")] {
        assert_eq!(ada.get(&format!("/api/v1/topics?{query}")).await.field(422), field, "{query}");
    }
}

#[tokio::test]
async fn a_workspace_sees_only_its_own_topics() {
    let (app, ada) = app().await;
    let eve = app.user("eve").await;
    publish(&ada, "t", &[message(1)]).await;
    eve.get("/api/v1/topics/t").await.problem(404);
    assert_eq!(eve.get("/api/v1/topics").await.ok(200)["items"], json!([]));
    // The same name, another topic: even the same message is new there.
    let shared = message("shared");
    publish(&ada, "t", std::slice::from_ref(&shared)).await;
    publish(&eve, "t", &[shared]).await;
    assert_eq!(lease(&eve, "t", 9).await["messages"].as_array().unwrap().len(), 1);
    assert_eq!(eve.delete("/api/v1/topics/t/messages").await.ok(200), json!({"purged": 1}));
    assert_eq!(counts(&ada, "t").await, [2, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_viewer_reads_and_changes_nothing() {
    let (app, ada) = app().await;
    publish(&ada, "t", &[message(1)]).await;
    let held = lease(&ada, "t", 1).await;
    let grace = viewer(&app, &ada).await;
    assert_eq!(counts(&grace, "t").await, [0, 0, 1, 0, 0]);
    grace.get("/api/v1/topics").await.ok(200);
    grace.get("/api/v1/topics/t/dead-letters").await.ok(200);
    let body = json!({"messages": [message(2)]});
    grace.post("/api/v1/topics/t/messages", &body).await.problem(403);
    grace.post("/api/v1/topics/t/leases", &json!({"consumer_id": "c"})).await.problem(403);
    grace.post("/api/v1/topics/t/redrive", &json!({})).await.problem(403);
    grace.call("PUT", "/api/v1/topics/t", &json!({})).await.problem(403);
    grace.delete("/api/v1/topics/t/messages").await.problem(403);
    for (what, body) in [("ack", json!({})), ("nack", json!({})), ("extend", json!({"lease_seconds": 9}))] {
        grace.post(&super::path(&held, what), &body).await.problem(403);
    }
    assert_eq!(counts(&ada, "t").await, [0, 0, 1, 0, 0]);
}

async fn viewer(app: &TestApp, owner: &crate::support::Client) -> crate::support::Client {
    let grace = app.user("grace").await;
    owner.post("/api/members", &json!({"email": "grace@example.com", "role": "viewer"})).await.ok(201);
    grace.with("x-workspace-id", &owner.workspace_id)
}
