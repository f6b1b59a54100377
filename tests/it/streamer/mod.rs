//! The streamer: what it reads is what is published, once, whatever the source looks like and whoever is killed.

mod exporters;
mod files;
mod kills;
mod stored;

use std::path::{Path, PathBuf};

use chrono::Utc;
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

/// A consumer of what is published.
struct Queue(Client);

impl Queue {
    /// Takes messages that are there, and acks them, in the order in which they were published.
    async fn payloads(&self) -> Vec<Value> {
        let form = json!({"consumer_id": "test", "max": 100, "lease_seconds": 60, "wait_seconds": 1});
        let lease = self.0.post("/api/v1/topics/telemetry/leases", &form).await.ok(200);
        let messages = lease["messages"].as_array().unwrap();
        if !messages.is_empty() {
            let path = format!("/api/v1/leases/{}/ack", lease["lease_id"].as_str().unwrap());
            self.0.post(&path, &json!({})).await.ok(200);
        }
        messages.iter().map(|message| message["payload"].clone()).collect()
    }

    async fn take(&self) -> Vec<Value> {
        self.payloads().await.iter().flat_map(samples).collect()
    }

    /// Takes until there are this many samples.
    async fn samples(&self, count: usize) -> Vec<Value> {
        let mut taken = Vec::new();
        until(&format!("{count} samples are published"), async || {
            taken.extend(self.take().await);
            taken.len() >= count
        })
        .await;
        taken
    }

    /// Messages that nobody is done with.
    async fn left(&self) -> i64 {
        let topic = self.0.get("/api/v1/topics/telemetry").await.ok(200);
        assert_eq!((&topic["dead"], &topic["delayed"]), (&json!(0), &json!(0)));
        topic["ready"].as_i64().unwrap() + topic["in_flight"].as_i64().unwrap()
    }
}

/// The samples of a message.
fn samples(payload: &Value) -> Vec<Value> {
    match payload["samples"].as_array() {
        Some(samples) => samples.clone(),
        None => vec![payload.clone()],
    }
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
    let age = Utc::now() - last.parse::<chrono::DateTime<Utc>>().unwrap();
    assert!(age.num_seconds().abs() < 600, "the last sample is of {last}");
    untimed
}

/// How far a source was read, as the database has it.
async fn position(stores: &TestStores, client: &Client, source: &str) -> streamer_position::Model {
    let positions = StreamerRepository::new(stores.open().await.database);
    positions.position(client.workspace_id.parse().unwrap(), source, Utc::now()).await.unwrap()
}
