//! GPU telemetry: what was published is stored once and told exactly, however it came.

mod entries;
mod kills;
mod messages;
mod orders;
mod pages;
mod runs;
mod steps;
mod upkeep;
mod views;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, TestApp, until};

/// A moment of 2026, as seconds since 1970, at which a day begins.
pub const DAY: i64 = 1_793_923_200;

/// A server whose first user owns the telemetry.
pub async fn app() -> (TestApp, Client) {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    (app, ada)
}

/// A moment that is so many microseconds after a second, as text.
pub fn time(second: i64, micros: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(second * 1_000_000 + micros).unwrap();
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// A sample of a GPU.
pub fn sample(gpu: &str, metric: &str, timestamp: &str, value: impl Into<Value>) -> Value {
    json!({
        "timestamp": timestamp, "metric_name": metric, "gpu_id": "0", "device": "nvidia0", "uuid": gpu,
        "model_name": "NVIDIA H100 80GB HBM3", "hostname": "host-1", "container": "", "pod": "", "namespace": "",
        "value": value.into(), "labels_raw": format!("UUID=\"{gpu}\""),
    })
}

/// Publishes messages with these payloads, and returns their ids.
pub async fn publish(client: &Client, payloads: &[Value]) -> Vec<String> {
    let ids: Vec<String> = payloads.iter().map(|_| Uuid::new_v4().to_string()).collect();
    let messages: Vec<Value> =
        ids.iter().zip(payloads).map(|(id, payload)| json!({"msg_uuid": id, "payload": payload})).collect();
    let answer = client.post("/api/v1/topics/telemetry/messages", &json!({"messages": messages})).await.ok(200);
    assert_eq!(answer["accepted"], payloads.len());
    ids
}

/// Waits until no message waits for the collector.
pub async fn collected(client: &Client) {
    until("everything is collected", async || {
        let topic = client.get("/api/v1/topics/telemetry").await.ok(200);
        topic["ready"] == 0 && topic["in_flight"] == 0 && topic["delayed"] == 0
    })
    .await;
}

/// Publishes samples in one message, and waits until they are stored.
pub async fn store(client: &Client, samples: &[Value]) {
    publish(client, &[json!({"samples": samples})]).await;
    collected(client).await;
}

/// The entries of a GPU.
pub async fn entries(client: &Client, gpu: &str, query: &str) -> Vec<Value> {
    let page = client.get(&format!("/api/v1/gpus/{gpu}/telemetry?{query}")).await.ok(200);
    assert_eq!(page["gpu_id"], gpu);
    page["entries"].as_array().unwrap().clone()
}

/// When entries are and what they say.
pub fn told(entries: &[Value]) -> Vec<(String, Value)> {
    entries.iter().map(|entry| (entry["timestamp"].as_str().unwrap().to_owned(), entry["value"].clone())).collect()
}

/// That entries tell this: means to the last digits but one, since a reader of JSON may round them, the rest exactly.
pub fn assert_told(entries: &[Value], expected: &[(String, Value)], what: &str) {
    let found = told(entries);
    assert_eq!(found.len(), expected.len(), "{what}");
    for ((at, value), (expected_at, expected)) in found.iter().zip(expected) {
        let close = match (value.as_f64(), expected.as_f64()) {
            (Some(value), Some(expected)) => (value - expected).abs() <= 1e-12 * expected.abs(),
            _ => value == expected,
        };
        assert!(at == expected_at && close, "{what}: {at} {value}, expected {expected_at} {expected}");
    }
}

/// Numbers that are the same in each run of a test and look like chance.
pub struct Chance(pub u64);

impl Chance {
    /// The next one, below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// The same things in another order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for place in (1..things.len()).rev() {
            let other = self.below(place as u64 + 1) as usize;
            things.swap(place, other);
        }
    }
}
