//! Publishing: a message is stored once within the window of its topic, and comes back byte for byte.

use serde_json::json;
use uuid::Uuid;

use super::{ack, app, counts, lease, message, message_with, payloads, publish, set};
use crate::support::until;

const MESSAGES: &str = "/api/v1/topics/t/messages";

#[tokio::test]
async fn a_payload_comes_back_byte_for_byte() {
    let (_app, ada) = app().await;
    let odd = [
        r#"{ "z":1,  "a" : 1e400, "a":12345678901234567890123, "n":"\u0000\ud800é 😀", "s":[ ] }"#,
        "null",
        " [1 , 2]".trim(),
        "\"text\"",
        "-0.0",
        "true",
        "{}",
    ];
    let messages: Vec<_> =
        odd.iter().map(|payload| format!(r#"{{"payload":{payload},"msg_uuid":"{}"}}"#, Uuid::new_v4())).collect();
    let body = format!(r#"{{"messages": [{}]}}"#, messages.join(","));
    assert_eq!(ada.post_bytes(MESSAGES, body).await.ok(200), json!({"accepted": 7, "duplicates": 0}));
    let lease = ada.post("/api/v1/topics/t/leases", &json!({"consumer_id": "c", "max": 10})).await;
    assert_eq!(lease.status, 200);
    let text = lease.text();
    for payload in odd {
        assert!(text.contains(&format!("\"payload\":{payload},\"attempts\":1")), "{payload}: {text}");
    }
}

#[tokio::test]
async fn a_message_is_a_duplicate_within_the_window_whether_it_was_acked_or_not() {
    let (_app, ada) = app().await;
    let (first, second) = (message(1), message(2));
    publish(&ada, "t", std::slice::from_ref(&first)).await;
    // Twice in one request, too.
    let mixed = json!({"messages": [first, second, second]});
    assert_eq!(ada.post(MESSAGES, &mixed).await.ok(200), json!({"accepted": 1, "duplicates": 2}));
    let leased = lease(&ada, "t", 10).await;
    assert_eq!(payloads(&leased), [json!(1), json!(2)]);
    assert_eq!(ada.post(MESSAGES, &mixed).await.ok(200), json!({"accepted": 0, "duplicates": 3}));
    assert_eq!(ack(&ada, &leased).await, 2);
    assert_eq!(ada.post(MESSAGES, &mixed).await.ok(200), json!({"accepted": 0, "duplicates": 3}));
    // On another topic it is another message.
    publish(&ada, "u", &[first]).await;
    assert_eq!(counts(&ada, "t").await, [0, 0, 0, 2, 0]);
}

#[tokio::test]
async fn a_message_is_new_again_after_the_window() {
    let (_app, ada) = app().await;
    set(&ada, "t", &json!({"dedup_seconds": 1})).await;
    let body = json!({"messages": [message(1)]});
    assert_eq!(ada.post(MESSAGES, &body).await.ok(200)["accepted"], 1);
    assert_eq!(ada.post(MESSAGES, &body).await.ok(200)["duplicates"], 1);
    until("it is new again", async || ada.post(MESSAGES, &body).await.ok(200)["accepted"] == 1).await;
    assert_eq!(counts(&ada, "t").await, [2, 0, 0, 0, 0]);
    assert_eq!(payloads(&lease(&ada, "t", 10).await), [json!(1), json!(1)]);
}

#[tokio::test]
async fn the_highest_priority_is_delivered_first_and_then_the_oldest() {
    let (_app, ada) = app().await;
    publish(&ada, "t", &[message("a"), message("b"), message_with("low", "priority", -1)]).await;
    publish(&ada, "t", &[message_with("high", "priority", 1), message("c")]).await;
    publish(&ada, "t", &[message_with("highest", "priority", 1000), message_with("lowest", "priority", -1000)]).await;
    assert_eq!(payloads(&lease(&ada, "t", 3).await), [json!("highest"), json!("high"), json!("a")]);
    // What comes later goes before what is there.
    publish(&ada, "t", &[message_with("urgent", "priority", 5)]).await;
    let rest = ["urgent", "b", "c", "low", "lowest"].map(|payload| json!(payload));
    assert_eq!(payloads(&lease(&ada, "t", 10).await), rest);
}

#[tokio::test]
async fn a_delayed_message_is_delivered_when_its_time_has_come() {
    let (_app, ada) = app().await;
    publish(&ada, "t", &[message_with("later", "delay_seconds", 1), message_with("far", "delay_seconds", 3600)]).await;
    publish(&ada, "t", &[message("now")]).await;
    assert_eq!(counts(&ada, "t").await[..2], [1, 2]);
    assert_eq!(payloads(&lease(&ada, "t", 10).await), [json!("now")]);
    let request = json!({"consumer_id": "c", "max": 10, "wait_seconds": 20});
    assert_eq!(payloads(&super::lease_with(&ada, "t", &request).await), [json!("later")]);
    assert_eq!(counts(&ada, "t").await, [0, 1, 2, 0, 0]);
}

#[tokio::test]
async fn a_publish_that_is_wrong_in_one_message_stores_none() {
    let (_app, ada) = app().await;
    let mut wrong = message(1);
    wrong["priority"] = json!(1001);
    let body = json!({"messages": [message(0), wrong]});
    assert_eq!(ada.post(MESSAGES, &body).await.field(422), "messages[1].priority");
    ada.get("/api/v1/topics/t").await.problem(404);
}

#[tokio::test]
async fn a_thousand_messages_go_in_one_request_and_come_in_their_order() {
    let (_app, ada) = app().await;
    let messages: Vec<_> = (0..1000).map(message).collect();
    publish(&ada, "t", &messages).await;
    let leased = lease(&ada, "t", 1000).await;
    assert_eq!(payloads(&leased), (0..1000).map(|n| json!(n)).collect::<Vec<_>>());
    assert_eq!(ack(&ada, &leased).await, 1000);
}
