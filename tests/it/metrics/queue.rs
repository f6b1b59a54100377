//! What is counted of the queue: each call by the process that answered it, and what stands there by whoever looks.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{ARGUMENTS, scrape, value};
use crate::support::{Client, TestApp};

fn message(payload: &str) -> Value {
    json!({"msg_uuid": Uuid::new_v4(), "payload": payload})
}

/// Publishes, and says how many were new and how many not.
async fn publish(ada: &Client, messages: &[Value]) -> [u64; 2] {
    let answer = ada.post("/api/v1/topics/work/messages", &json!({"messages": messages})).await.ok(200);
    ["accepted", "duplicates"].map(|what| answer[what].as_u64().unwrap())
}

/// Leases up to so many messages, waiting for the first.
async fn lease(ada: &Client, max: usize, seconds: u64, payloads: &[&str]) -> Value {
    let request = json!({"consumer_id": "c", "max": max, "lease_seconds": seconds, "wait_seconds": 20});
    let lease = ada.post("/api/v1/topics/work/leases", &request).await.ok(200);
    let got: Vec<_> = lease["messages"].as_array().unwrap().iter().map(|message| message["payload"].clone()).collect();
    assert_eq!(got, payloads);
    lease
}

/// Says of one message of a lease what became of it.
async fn settle(ada: &Client, lease: &Value, what: &str, place: usize) {
    let path = format!("/api/v1/leases/{}/{what}", lease["lease_id"].as_str().unwrap());
    let mut body = json!({"msg_uuids": [lease["messages"][place]["msg_uuid"]]});
    if what == "nack" {
        body["delay_seconds"] = json!(0);
    }
    ada.post(&path, &body).await.ok(200);
}

#[tokio::test]
async fn a_known_sequence_of_calls_to_the_queue_is_counted() {
    let app = TestApp::with(&ARGUMENTS).await;
    let ada = app.user("ada").await;
    ada.call("PUT", "/api/v1/topics/work", &json!({"max_attempts": 2})).await.ok(200);
    let mut later = message("later");
    later["delay_seconds"] = json!(600);
    let first = [message("done"), message("bad"), message("held"), later];
    assert_eq!(publish(&ada, &first).await, [4, 0]);
    assert_eq!(publish(&ada, &first[..1]).await, [0, 1]);
    let three = lease(&ada, 3, 600, &["done", "bad", "held"]).await;
    settle(&ada, &three, "ack", 0).await;

    // One whose lease ends, one that is given back, and then given back too often.
    assert_eq!(publish(&ada, &[message("lost")]).await, [1, 0]);
    lease(&ada, 1, 1, &["lost"]).await;
    lease(&ada, 1, 600, &["lost"]).await;
    settle(&ada, &three, "nack", 1).await;
    let again = lease(&ada, 1, 600, &["bad"]).await;
    settle(&ada, &again, "nack", 0).await;
    assert_eq!(publish(&ada, &[message("new")]).await, [1, 0]);

    let lines = scrape(&app.client()).await;
    let count = |name: &str| value(&lines, &format!("queue_{name}_total{{topic=\"work\"}}"));
    assert_eq!(count("published"), Some(6.0));
    assert_eq!(count("duplicates"), Some(1.0));
    assert_eq!(count("delivered"), Some(6.0));
    assert_eq!(count("redelivered"), Some(2.0));
    assert_eq!(value(&lines, "queue_acked_total"), Some(1.0));
    assert_eq!(value(&lines, "queue_nacked_total"), Some(2.0));

    // Another process has counted none of it, and sees the same queue.
    let other = TestApp::over(app.stores.clone(), &ARGUMENTS).await;
    let others = scrape(&other.client()).await;
    assert_eq!(value(&others, "queue_published_total{topic=\"work\"}"), None);
    assert_eq!(value(&others, "queue_acked_total"), Some(0.0));
    for lines in [&lines, &others] {
        let state = |state: &str| value(lines, &format!("queue_messages{{state=\"{state}\",topic=\"work\"}}"));
        assert_eq!(["ready", "delayed", "in_flight", "dead"].map(state), [1.0, 1.0, 2.0, 1.0].map(Some));
        let oldest = value(lines, "queue_oldest_ready_seconds{topic=\"work\"}").unwrap();
        assert!(oldest > 0.0 && oldest < 300.0, "{oldest}");
    }
}
