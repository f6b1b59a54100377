//! What is counted of GPU samples: those that are read, stored and refused, and how long they wait.

use serde_json::json;

use super::{ARGUMENTS, scrape, value};
use crate::support::{TestApp, TestStores, until};
use crate::telemetry::{collected, publish, sample, time};

/// A moment in 2026.
const SECOND: i64 = 1_793_923_200;

#[tokio::test]
async fn samples_that_are_stored_and_messages_that_are_not_are_counted() {
    let app = TestApp::with(&ARGUMENTS).await;
    let ada = app.user("ada").await;
    let samples: Vec<_> = (0..3).map(|second| sample("GPU-1", "power", &time(SECOND + second, 0), 1.5)).collect();
    publish(&ada, &[json!({"samples": samples}), json!("no sample"), sample("GPU-2", "power", &time(SECOND, 0), 2)])
        .await;
    collected(&ada).await;
    let lines = scrape(&app.client()).await;
    assert_eq!(value(&lines, "collector_samples_total"), Some(4.0));
    assert_eq!(value(&lines, "collector_refused_messages_total"), Some(1.0));
    assert_eq!(value(&lines, "collector_lag_seconds"), Some(0.0));
    assert_eq!(value(&lines, "queue_acked_total"), Some(2.0));
}

#[tokio::test]
async fn samples_that_nobody_collects_make_the_lag_grow() {
    let app = TestApp::with(&[&ARGUMENTS[..], &["--roles=api"]].concat()).await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    // Another workspace's topic of that name is not collected, so it is not waited for either.
    publish(&eve, &[sample("GPU-1", "power", &time(SECOND, 0), 1)]).await;
    let lines = scrape(&app.client()).await;
    assert_eq!(value(&lines, "collector_lag_seconds"), Some(0.0));
    publish(&ada, &[sample("GPU-1", "power", &time(SECOND, 0), 1)]).await;
    let other = TestApp::over(app.stores.clone(), &[&ARGUMENTS[..], &["--roles=api"]].concat()).await;
    let lines = scrape(&other.client()).await;
    assert!(value(&lines, "collector_lag_seconds") > Some(0.0));
    assert_eq!(value(&lines, "queue_messages{state=\"ready\",topic=\"telemetry\"}"), Some(2.0));
}

#[tokio::test]
async fn rows_that_are_read_and_rows_that_are_left_out_are_counted() {
    let stores = TestStores::new().await;
    let path = stores.folder().join("samples.csv");
    std::fs::write(&path, "metric_name,uuid,value\npower,GPU-1,1\npower,GPU-1,many\npower,,1\npower,GPU-1,2\n")
        .unwrap();
    let source = format!("--streamer-source={}", path.display());
    let app = TestApp::over(stores, &[&ARGUMENTS[..], &[&source, "--streamer-interval=1ms"]].concat()).await;
    app.user("ada").await;
    until("two rows are published and two left out", async || {
        let lines = scrape(&app.client()).await;
        value(&lines, "streamer_samples_total") >= Some(2.0)
            && value(&lines, "streamer_refused_rows_total") >= Some(2.0)
    })
    .await;
    // What it publishes at this moment would keep its tables from going.
    app.stop().await;
}
