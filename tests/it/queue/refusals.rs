//! What cannot be accepted is said with its place, and leaves nothing behind.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{app, lease, message, message_with, path, publish};
use crate::support::TestApp;

const MESSAGES: &str = "/api/v1/topics/t/messages";
const LEASES: &str = "/api/v1/topics/t/leases";

#[tokio::test]
async fn a_message_that_cannot_be_accepted_is_named() {
    let (_app, ada) = app().await;
    let mut unnamed = message(1);
    unnamed.as_object_mut().unwrap().remove("payload");
    for (wrong, field) in [
        (json!({"msg_uuid": Uuid::nil(), "payload": 1}), "messages[1].msg_uuid"),
        (json!({"msg_uuid": "x", "payload": 1}), "messages[1].msg_uuid"),
        (json!({"payload": 1}), "messages[1].msg_uuid"),
        (unnamed, "messages[1].payload"),
        (message_with(1, "delay_seconds", -1), "messages[1].delay_seconds"),
        (message_with(1, "delay_seconds", 604_801), "messages[1].delay_seconds"),
        (message_with(1, "delay_seconds", "soon"), "messages[1].delay_seconds"),
        (message_with(1, "priority", 1001), "messages[1].priority"),
        (message_with(1, "priority", -1001), "messages[1].priority"),
        (message_with(1, "priority", 0.5), "messages[1].priority"),
        (message_with(1, "topic", "u"), "messages[1].topic"),
        (json!([Uuid::new_v4(), 1]), "messages[1]"),
        (json!(7), "messages[1]"),
    ] {
        let reply = ada.post(MESSAGES, &json!({"messages": [message(0), wrong]})).await;
        assert_eq!(reply.field(422), field, "{wrong}");
    }
    for (body, field) in [
        (json!({}), "messages"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": (0..1001).map(message).collect::<Vec<_>>()}), "messages"),
        (json!({"messages": [message(1)], "topic": "t"}), "topic"),
        (json!({"messages": message(1)}), "messages"),
        (json!([message(1)]), ""),
    ] {
        assert_eq!(ada.post(MESSAGES, &body).await.field(422), field);
    }
    ada.post_bytes(MESSAGES, "{\"messages\": [").await.problem(400);
    ada.post_bytes(MESSAGES, "").await.problem(400);
    ada.get("/api/v1/topics/t").await.problem(404);
}

#[tokio::test]
async fn every_wrong_message_of_a_request_is_named() {
    let (_app, ada) = app().await;
    let wrong =
        json!({"messages": [message_with(1, "priority", 5000), message(2), message_with(3, "delay_seconds", -5)]});
    let problem = ada.post(MESSAGES, &wrong).await.problem(422);
    let fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    assert_eq!(fields, ["messages[0].priority", "messages[2].delay_seconds"]);
}

#[tokio::test]
async fn a_payload_has_a_largest_size_and_a_greatest_depth() {
    let app = TestApp::with(&["--max-message=1KiB"]).await;
    let ada = app.user("ada").await;
    let text = |size: usize| Value::String("x".repeat(size - 2));
    publish(&ada, "t", &[message(text(1024))]).await;
    assert_eq!(
        ada.post(MESSAGES, &json!({"messages": [message(0), message(text(1025))]})).await.field(413),
        "messages[1].payload"
    );
    let nested = |levels: usize| {
        let payload = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        format!("{{\"messages\":[{{\"msg_uuid\":\"{}\",\"payload\":{payload}}}]}}", Uuid::new_v4())
    };
    ada.post_bytes(MESSAGES, nested(256)).await.ok(200);
    assert_eq!(ada.post_bytes(MESSAGES, nested(257)).await.field(422), "messages[0].payload");
    // Brackets in a text are none.
    publish(&ada, "t", &[message("[".repeat(300))]).await;
}

#[tokio::test]
async fn a_wish_that_cannot_be_fulfilled_is_refused() {
    let (_app, ada) = app().await;
    for (wrong, field) in [
        (json!({}), "consumer_id"),
        (json!({"consumer_id": ""}), "consumer_id"),
        (json!({"consumer_id": "x".repeat(129)}), "consumer_id"),
        (json!({"consumer_id": "a\0b"}), "consumer_id"),
        (json!({"consumer_id": "c", "max": 0}), "max"),
        (json!({"consumer_id": "c", "max": 1001}), "max"),
        (json!({"consumer_id": "c", "max": "all"}), "max"),
        (json!({"consumer_id": "c", "lease_seconds": 0}), "lease_seconds"),
        (json!({"consumer_id": "c", "lease_seconds": 43_201}), "lease_seconds"),
        (json!({"consumer_id": "c", "wait_seconds": -1}), "wait_seconds"),
        (json!({"consumer_id": "c", "wait_seconds": 21}), "wait_seconds"),
        (json!({"consumer_id": "c", "prefetch": 1}), "prefetch"),
    ] {
        assert_eq!(ada.post(LEASES, &wrong).await.field(422), field, "{wrong}");
    }
    ada.post_bytes(LEASES, "").await.problem(400);
}

#[tokio::test]
async fn what_is_said_of_a_lease_has_bounds() {
    let (_app, ada) = app().await;
    publish(&ada, "t", &[message(1)]).await;
    let held = lease(&ada, "t", 1).await;
    let many = json!({"msg_uuids": vec![Uuid::new_v4(); 1001]});
    for (what, wrong, field) in [
        ("ack", json!({"msg_uuids": []}), "msg_uuids"),
        ("ack", many, "msg_uuids"),
        ("ack", json!({"msg_uuids": ["x"]}), "msg_uuids[0]"),
        ("ack", json!({"delay_seconds": 1}), "delay_seconds"),
        ("nack", json!({"delay_seconds": -1}), "delay_seconds"),
        ("nack", json!({"delay_seconds": 604_801}), "delay_seconds"),
        ("extend", json!({}), "lease_seconds"),
        ("extend", json!({"lease_seconds": 0}), "lease_seconds"),
        ("extend", json!({"lease_seconds": 43_201}), "lease_seconds"),
    ] {
        assert_eq!(ada.post(&path(&held, what), &wrong).await.field(422), field, "{what} {wrong}");
    }
    assert_eq!(ada.post("/api/v1/topics/t/redrive", &json!({"msg_uuids": []})).await.field(422), "msg_uuids");
    assert_eq!(super::ack(&ada, &held).await, 1);
}

#[tokio::test]
async fn a_topic_has_a_name_of_plain_characters() {
    let (_app, ada) = app().await;
    let body = json!({"messages": [message(1)]});
    for name in ["gpu.telemetry", "a-b_c", "7", &"x".repeat(128)] {
        ada.post(&format!("/api/v1/topics/{name}/messages"), &body).await.ok(200);
    }
    for name in ["-a", ".a", "a%20b", "%C3%A9", "a%2Fb", &"x".repeat(129)] {
        assert_eq!(ada.post(&format!("/api/v1/topics/{name}/messages"), &body).await.field(422), "topic", "{name}");
        assert_eq!(ada.get(&format!("/api/v1/topics/{name}")).await.field(422), "topic", "{name}");
    }
}
