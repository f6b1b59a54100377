//! Dead letters: what is leased too often is set aside, can be looked at, and is sent back.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{ack, app, counts, lease, lease_with, message, path, payloads, publish, set};
use crate::support::{Client, until};

/// Messages that have died on this topic.
async fn deaths(client: &Client, topic: &str, payloads: &[Value]) {
    set(client, topic, &json!({"max_attempts": 1})).await;
    let messages: Vec<_> = payloads.iter().cloned().map(message).collect();
    publish(client, topic, &messages).await;
    let held = lease(client, topic, payloads.len()).await;
    client.post(&path(&held, "nack"), &json!({})).await.ok(200);
}

async fn dead_letters(client: &Client, topic: &str, query: &str) -> Value {
    client.get(&format!("/api/v1/topics/{topic}/dead-letters?{query}")).await.ok(200)
}

#[tokio::test]
async fn a_message_whose_last_lease_ends_is_a_dead_letter() {
    let (_app, ada) = app().await;
    set(&ada, "t", &json!({"max_attempts": 2})).await;
    publish(&ada, "t", &[message(json!({"n": 1})), message("fine")]).await;
    let request = json!({"consumer_id": "c", "max": 1, "lease_seconds": 1, "wait_seconds": 20});
    let first = lease_with(&ada, "t", &request).await;
    assert_eq!(ack(&ada, &lease(&ada, "t", 1).await).await, 1);
    let second = lease_with(&ada, "t", &request).await;
    assert_eq!((payloads(&first), payloads(&second)), (vec![json!({"n": 1})], vec![json!({"n": 1})]));
    until("it is dead", async || counts(&ada, "t").await == [0, 0, 0, 1, 1]).await;
    assert_eq!(payloads(&lease(&ada, "t", 1).await), Vec::<Value>::new());
    ada.post(&path(&second, "ack"), &json!({})).await.problem(409);
    let dead = dead_letters(&ada, "t", "").await;
    let letter = &dead["items"][0];
    assert_eq!((&letter["payload"], &letter["attempts"]), (&json!({"n": 1}), &json!(2)));
    assert_eq!((&letter["reason"], &letter["msg_uuid"]), (&json!("max_attempts"), &first["messages"][0]["msg_uuid"]));
    assert_eq!(letter["dead_at"], second["lease_until"], "it died when its last lease ended");
}

#[tokio::test]
async fn dead_letters_are_listed_in_pieces() {
    let (_app, ada) = app().await;
    let all: Vec<Value> = (0..7).map(|n| json!(n)).collect();
    deaths(&ada, "t", &all).await;
    publish(&ada, "t", &[message("alive")]).await;
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = dead_letters(&ada, "t", &format!("limit=3{cursor}")).await;
        found.extend(page["items"].as_array().unwrap().iter().map(|letter| letter["payload"].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, all);
    for (query, field) in [("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=x", "cursor"), ("topic=u", "topic")]
    {
        assert_eq!(ada.get(&format!("/api/v1/topics/t/dead-letters?{query}")).await.field(422), field, "{query}");
    }
    ada.get("/api/v1/topics/nowhere/dead-letters").await.problem(404);
}

#[tokio::test]
async fn redriven_letters_are_ready_with_fresh_attempts() {
    let (_app, ada) = app().await;
    deaths(&ada, "t", &[json!(1), json!(2), json!(3)]).await;
    assert_eq!(counts(&ada, "t").await, [0, 0, 0, 0, 3]);
    // A claim has seen that nothing is ready, and must learn of it.
    assert_eq!(payloads(&lease(&ada, "t", 5).await), Vec::<Value>::new());
    let id = dead_letters(&ada, "t", "").await["items"][1]["msg_uuid"].clone();
    let redrive = "/api/v1/topics/t/redrive";
    let named = json!({"msg_uuids": [id, Uuid::new_v4()]});
    assert_eq!(ada.post(redrive, &named).await.ok(200), json!({"redriven": 1}));
    let again = lease(&ada, "t", 5).await;
    assert_eq!((payloads(&again), again["messages"][0]["attempts"].as_i64()), (vec![json!(2)], Some(1)));
    assert_eq!(ack(&ada, &again).await, 1);
    assert_eq!(ada.post_bytes(redrive, "").await.ok(200), json!({"redriven": 2}));
    assert_eq!(ada.post_bytes(redrive, "").await.ok(200), json!({"redriven": 0}));
    assert_eq!(payloads(&lease(&ada, "t", 5).await), [json!(1), json!(3)]);
    ada.post("/api/v1/topics/nowhere/redrive", &json!({})).await.problem(404);
}

#[tokio::test]
async fn a_purge_takes_everything_that_is_not_acked() {
    let (_app, ada) = app().await;
    deaths(&ada, "t", &[json!("dead")]).await;
    let kept = message("acked");
    publish(&ada, "t", std::slice::from_ref(&kept)).await;
    ack(&ada, &lease(&ada, "t", 1).await).await;
    publish(&ada, "t", &[message("held"), message("ready")]).await;
    let held = lease(&ada, "t", 1).await;
    let delayed = super::message_with("delayed", "delay_seconds", 60);
    publish(&ada, "t", std::slice::from_ref(&delayed)).await;
    publish(&ada, "u", &[message("elsewhere")]).await;
    assert_eq!(counts(&ada, "t").await, [1, 1, 1, 1, 1]);
    assert_eq!(ada.delete("/api/v1/topics/t/messages").await.ok(200), json!({"purged": 4}));
    assert_eq!(counts(&ada, "t").await, [0, 0, 0, 1, 0]);
    ada.post(&path(&held, "ack"), &json!({})).await.problem(409);
    let body = json!({"messages": [delayed, kept]});
    assert_eq!(ada.post("/api/v1/topics/t/messages", &body).await.ok(200), json!({"accepted": 0, "duplicates": 2}));
    assert_eq!(counts(&ada, "u").await, [1, 0, 0, 0, 0]);
    ada.delete("/api/v1/topics/nowhere/messages").await.problem(404);
}
