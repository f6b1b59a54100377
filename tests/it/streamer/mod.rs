//! The streamer: what it reads is what is published, once, whatever the source looks like and whoever is killed.

mod exporters;
mod files;
mod kills;

use std::path::{Path, PathBuf};

use csv::StringRecord;
use runyard::repository::StreamerRepository;
use runyard::repository::entity::streamer_position;
use runyard::service::streamer::generator::{self, Plan};
use serde_json::{Value, json};

use crate::support::{Client, TestApp, TestStores, until};

/// The part of the server that leaves what is published where a test can look at it.
const QUEUE: &str = "--roles=api,queue";

/// A made-up file in the folder of the stores.
fn file(stores: &TestStores, gpus: u32, rows: Option<u64>) -> PathBuf {
    let mut text = Vec::new();
    generator::write(Plan { gpus, hosts: 2, rows, seed: 3 }, &mut text).unwrap();
    write(stores, "dcgm.csv", text)
}

fn write(stores: &TestStores, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = stores.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The rows of a file, without their times.
fn rows(path: &Path) -> Vec<Value> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let records = reader.records().map(Result::unwrap);
    records.map(|row| expected(&row)).collect()
}

fn expected(row: &StringRecord) -> Value {
    let text = |at: usize| if row[at].is_empty() { Value::Null } else { row[at].into() };
    json!({
        "metric_name": text(1), "gpu_id": text(2), "device": text(3), "uuid": text(4), "model_name": text(5),
        "hostname": text(6), "container": text(7), "pod": text(8), "namespace": text(9),
        "value": row[10].parse::<f64>().unwrap(), "labels_raw": text(11),
    })
}

/// Arguments of a streamer alone.
fn streamer(source: &str, more: &[&str]) -> Vec<String> {
    let mut arguments = vec!["--roles=streamer".to_owned(), format!("--streamer-source={source}")];
    arguments.extend(more.iter().map(ToString::to_string));
    if !more.iter().any(|argument| argument.starts_with("--streamer-interval")) {
        arguments.push("--streamer-interval=0s".to_owned());
    }
    arguments
}

fn strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// A streamer in this process.
async fn start(stores: &TestStores, source: &str, more: &[&str]) -> TestApp {
    TestApp::over(stores.clone(), &strs(&streamer(source, more))).await
}

/// Takes what is there, and acks it; the samples in the order in which they were published.
async fn take(client: &Client) -> Vec<Value> {
    let form = json!({"consumer_id": "test", "max": 100, "lease_seconds": 60, "wait_seconds": 1});
    let lease = client.post("/api/v1/topics/telemetry/leases", &form).await.ok(200);
    let messages = lease["messages"].as_array().unwrap();
    if !messages.is_empty() {
        let path = format!("/api/v1/leases/{}/ack", lease["lease_id"].as_str().unwrap());
        client.post(&path, &json!({})).await.ok(200);
    }
    messages.iter().flat_map(|message| samples(&message["payload"])).collect()
}

/// The samples of a message.
fn samples(payload: &Value) -> Vec<Value> {
    match payload["samples"].as_array() {
        Some(samples) => samples.clone(),
        None => vec![payload.clone()],
    }
}

/// Takes until there are this many samples.
async fn take_samples(client: &Client, count: usize) -> Vec<Value> {
    let mut taken = Vec::new();
    until(&format!("{count} samples are published"), async || {
        taken.extend(take(client).await);
        taken.len() >= count
    })
    .await;
    taken
}

/// The samples without their times, which must be of today, each after the one before it.
fn timeless(samples: Vec<Value>) -> Vec<Value> {
    let mut last = String::new();
    let untimed = samples.into_iter().map(|mut sample| {
        let time = sample.as_object_mut().unwrap().remove("timestamp").unwrap();
        let time = time.as_str().unwrap().to_owned();
        assert!(time > last, "{time} comes after {last}");
        last = time;
        sample
    });
    let untimed = untimed.collect();
    let age = chrono::Utc::now() - last.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!(age.num_seconds().abs() < 600, "the last sample is of {last}");
    untimed
}

/// How far a source was read, as the database has it.
async fn position(stores: &TestStores, client: &Client, source: &str) -> streamer_position::Model {
    let positions = StreamerRepository::new(stores.open().await.database);
    positions.position(client.workspace_id.parse().unwrap(), source, chrono::Utc::now()).await.unwrap()
}

/// Samples that are ready or with somebody, which nobody has acked.
async fn waiting(client: &Client) -> i64 {
    let topic = client.get("/api/v1/topics/telemetry").await.ok(200);
    topic["ready"].as_i64().unwrap() + topic["in_flight"].as_i64().unwrap()
}
