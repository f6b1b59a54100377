//! The queue: what is published is delivered until it is acked, each time to one consumer alone.

mod dead;
mod fencing;
mod leasing;
mod publishing;
mod refusals;
mod replicas;
mod storage;
mod topics;
mod upkeep;
mod waiting;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, TestApp};

/// A server and a user of it.
async fn app() -> (TestApp, Client) {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    (app, ada)
}

/// A message with this payload.
fn message(payload: impl Into<Value>) -> Value {
    json!({"msg_uuid": Uuid::new_v4(), "payload": payload.into()})
}

/// A message with this payload and something else.
fn message_with(payload: impl Into<Value>, name: &str, value: impl Into<Value>) -> Value {
    let mut message = message(payload);
    message[name] = value.into();
    message
}

/// Publishes messages that are all new.
async fn publish(client: &Client, topic: &str, messages: &[Value]) {
    let path = format!("/api/v1/topics/{topic}/messages");
    let answer = client.post(&path, &json!({"messages": messages})).await.ok(200);
    assert_eq!(answer, json!({"accepted": messages.len(), "duplicates": 0}));
}

/// Leases up to so many messages, for half a minute.
async fn lease(client: &Client, topic: &str, max: usize) -> Value {
    lease_with(client, topic, &json!({"consumer_id": "c", "max": max})).await
}

/// Leases as it is said.
async fn lease_with(client: &Client, topic: &str, request: &Value) -> Value {
    client.post(&format!("/api/v1/topics/{topic}/leases"), request).await.ok(200)
}

/// The payloads of a lease.
fn payloads(lease: &Value) -> Vec<Value> {
    lease["messages"].as_array().unwrap().iter().map(|message| message["payload"].clone()).collect()
}

/// Where something is said of a lease.
fn path(lease: &Value, what: &str) -> String {
    format!("/api/v1/leases/{}/{what}", lease["lease_id"].as_str().unwrap())
}

/// Acks all of a lease.
async fn ack(client: &Client, lease: &Value) -> u64 {
    client.post(&path(lease, "ack"), &json!({})).await.ok(200)["acked"].as_u64().unwrap()
}

/// Numbers of a topic: ready, delayed, in flight, acked, dead.
async fn counts(client: &Client, topic: &str) -> [i64; 5] {
    let answer = client.get(&format!("/api/v1/topics/{topic}")).await.ok(200);
    ["ready", "delayed", "in_flight", "acked", "dead"].map(|name| answer[name].as_i64().unwrap())
}

/// Sets something of a topic.
async fn set(client: &Client, topic: &str, settings: &Value) -> Value {
    client.call("PUT", &format!("/api/v1/topics/{topic}"), settings).await.ok(200)
}
