//! Collectors that are killed again and again: every sample is stored, and none twice.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, Process, TestStores, until};
use crate::telemetry::{DAY, app, collected, entries, sample, time};

/// Messages, and samples in each.
const MESSAGES: i64 = 300;
const SAMPLES: i64 = 20;

/// Publishes messages, each again until there was an answer.
async fn publish(client: &Client, messages: &[(Uuid, i64)]) -> bool {
    let messages: Vec<Value> = messages
        .iter()
        .map(|(id, number)| {
            let samples: Vec<Value> = (0..SAMPLES)
                .map(|n| sample("GPU-1", "TEMP", &time(DAY + number * SAMPLES + n, 0), number * SAMPLES + n))
                .collect();
            json!({"msg_uuid": id, "payload": {"samples": samples}})
        })
        .collect();
    let request = client.request(reqwest::Method::POST, "/api/v1/topics/telemetry/messages");
    let answer = request.body(json!({"messages": messages}).to_string()).send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_killed_again_and_again_stores_every_sample_once() {
    let mut server = Process::start(TestStores::new().await, &["--collect-interval=50ms"]).await;
    let ada = server.user("ada").await;
    // What a killed collector had comes back soon, and as often as it must.
    let settings = json!({"lease_seconds": 1, "max_attempts": 1000});
    ada.call("PUT", "/api/v1/topics/telemetry", &settings).await.ok(200);
    let messages: Vec<(Uuid, i64)> = (0..MESSAGES).map(|number| (Uuid::new_v4(), number)).collect();
    for (round, some) in messages.chunks(30).enumerate() {
        let mut client = ada.clone().at(server.address);
        let mut tried = 0;
        while !publish(&client, some).await {
            tried += 1;
            assert!(tried < 10);
            client = ada.clone().at(server.address);
        }
        if round % 2 == 0 {
            server.kill();
            server.restart().await;
        }
    }
    let ada = ada.at(server.address);
    until("everything is stored", async || {
        let topic = ada.get("/api/v1/topics/telemetry").await.ok(200);
        topic["ready"] == 0 && topic["in_flight"] == 0 && topic["delayed"] == 0
    })
    .await;
    let topic = ada.get("/api/v1/topics/telemetry").await.ok(200);
    assert_eq!((&topic["acked"], &topic["dead"]), (&json!(MESSAGES), &json!(0)), "{topic}");
    let found = entries(&ada, "GPU-1", "limit=100000").await;
    let values: Vec<i64> = found.iter().map(|entry| entry["value"].as_i64().unwrap()).collect();
    assert_eq!(values, (0..MESSAGES * SAMPLES).collect::<Vec<_>>());
    let counted = entries(&ada, "GPU-1", "step=1d&agg=count").await;
    assert_eq!(counted[0]["value"], MESSAGES * SAMPLES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collectors_that_work_at_once_store_every_sample_once() {
    let (app, ada) = app().await;
    let others = [app.replica().await, app.replica().await];
    let clients: Vec<Client> =
        std::iter::once(ada.clone()).chain(others.iter().map(|other| ada.clone().at(other.address))).collect();
    let messages: Vec<(Uuid, i64)> = (0..MESSAGES).map(|number| (Uuid::new_v4(), number)).collect();
    let publishing = messages.chunks(4).enumerate().map(|(place, some)| {
        let client = clients[place % clients.len()].clone();
        async move {
            // The same once more, as who had no answer does.
            assert!(publish(&client, some).await && publish(&client, some).await);
        }
    });
    futures_util::future::join_all(publishing).await;
    collected(&ada).await;
    for client in &clients {
        let found = entries(client, "GPU-1", "limit=100000").await;
        let values: Vec<i64> = found.iter().map(|entry| entry["value"].as_i64().unwrap()).collect();
        assert_eq!(values, (0..MESSAGES * SAMPLES).collect::<Vec<_>>());
        let counted = entries(client, "GPU-1", "step=1m&agg=count").await;
        assert!(counted.len() == 100 && counted.iter().all(|entry| entry["value"] == 60));
    }
    let topic = ada.get("/api/v1/topics/telemetry").await.ok(200);
    assert_eq!((&topic["acked"], &topic["dead"]), (&json!(MESSAGES), &json!(0)), "{topic}");
}
