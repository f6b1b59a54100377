//! Streamers and collectors are killed again and again, and what is stored is what was published: no sample more, none
//! fewer.
//!
//! `KILL_ROUNDS` says how often (4), `KILL_SEED` which dice are thrown (1), `KILL_PAIRS` how many streamers and
//! collectors there are (2 each); they read the file that `TEST_DCGM_CSV` names, or a made-up one.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::support::Process;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_samples_are_stored_as_were_published_whoever_is_killed() {
    let (rounds, seed) = (setting("KILL_ROUNDS", 4), setting("KILL_SEED", 1));
    let pairs = usize::try_from(setting("KILL_PAIRS", 2)).unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    let app = TestApp::with(&[QUEUE]).await;
    let ada = app.user("ada").await;
    let queue = Queue(ada.clone());
    // What a killed collector had comes back soon, and is not given up for it.
    let settings = json!({"lease_seconds": 2, "max_attempts": 1_000});
    ada.call("PUT", "/api/v1/topics/telemetry", &settings).await.ok(200);
    let path = std::env::var("TEST_DCGM_CSV").map_or_else(|_| file(&app.stores, 60, None), PathBuf::from);
    let source = path.to_str().unwrap();
    let streamer = streamer(source, &["--streamer-max-ready=20"]);
    let collector = ["--roles=collector", "--collect-interval=200ms"];
    let mut processes = Vec::new();
    for number in 0..2 * pairs {
        let arguments = if number < pairs { strs(&streamer) } else { collector.to_vec() };
        processes.push(Process::start(app.stores.clone(), &arguments).await);
    }
    let mut published = 0;
    for _ in 0..rounds {
        let more = published + rng.random_range(600..6_000);
        until("more is published", async || position(&app.stores, &ada, source).await.published >= more).await;
        let victims = [rng.random_range(0..pairs), rng.random_range(pairs..2 * pairs)];
        victims.iter().for_each(|victim| processes[*victim].kill());
        published = position(&app.stores, &ada, source).await.published;
        for victim in victims {
            processes[victim].restart().await;
        }
    }
    for streamer in &mut processes[..pairs] {
        streamer.terminate();
        assert!(streamer.ended().await.success());
    }
    let published = usize::try_from(position(&app.stores, &ada, source).await.published).unwrap();
    // What a killed collector had comes back when its lease is over.
    until("everything is collected", async || queue.left().await == 0).await;
    let mut expected = HashMap::new();
    for row in rows(&path).iter().cycle().take(published) {
        let key = (row["uuid"].to_string(), row["metric_name"].to_string());
        expected.entry(key).or_insert_with(Vec::new).push(row["value"].as_f64());
    }
    let found = stored(&ada).await;
    assert!(found == expected, "other samples are stored than were published");
    println!("{} kills (seed {seed}): {published} samples published and stored", 2 * rounds);
}

/// The values that there are of each metric of each GPU, oldest first.
async fn stored(client: &Client) -> HashMap<(String, String), Vec<Option<f64>>> {
    let mut values = HashMap::new();
    let gpus = client.get("/api/v1/gpus").await.ok(200);
    for gpu in gpus["gpus"].as_array().unwrap() {
        let path = format!("/api/v1/gpus/{}/telemetry", gpu["id"].as_str().unwrap());
        let lines = client.clone().with("accept", "application/x-ndjson").get(&path).await;
        assert_eq!(lines.status, 200, "{}", lines.text());
        for line in lines.text().lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            let key = (entry["uuid"].to_string(), entry["metric_name"].to_string());
            values.entry(key).or_insert_with(Vec::new).push(entry["value"].as_f64());
        }
    }
    values
}
