//! Merging changes nothing that is told, and what has expired is gone; what it was by the minute stays for longer.

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::support::{TestApp, until};
use crate::telemetry::{DAY, app, collected, entries, publish, sample, store, time, told};

/// A number that the database tells.
async fn number(app: &TestApp, sql: &str) -> i64 {
    let database = app.stores.open().await.database;
    let reader = database.reader();
    let statement = Statement::from_string(reader.get_database_backend(), sql);
    reader.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

const BLOCKS: &str = "SELECT CAST(count(*) AS bigint) FROM sample_blocks";

#[tokio::test]
async fn many_small_blocks_become_few_and_every_sample_stays() {
    let (app, ada) = app().await;
    let batches = 90;
    for batch in 0..batches {
        // Each overlaps with the one before, and now and then one comes late.
        let first = if batch % 20 == 19 { batch * 3 } else { batch * 90 };
        let both = ["POWER", "TEMP"].map(|metric| {
            (first..first + 100).map(|n| sample("GPU-1", metric, &time(DAY + n, 0), n)).collect::<Vec<_>>()
        });
        let [power, temperature] = both;
        publish(&ada, &[json!({"samples": power}), json!({"samples": temperature})]).await;
        collected(&ada).await;
    }
    until("blocks are merged", async || number(&app, BLOCKS).await < 2 * 40).await;
    let last_fresh = "SELECT CAST(count(*) AS bigint) FROM sample_blocks WHERE tier = 2 AND minutes IS NOT NULL";
    until("some are merged for good", async || number(&app, last_fresh).await >= 2).await;
    for metric in ["POWER", "TEMP"] {
        let found = told(&entries(&ada, "GPU-1", &format!("metric_name={metric}&limit=100000")).await);
        let mut seconds: Vec<i64> = (0..batches)
            .flat_map(|batch| {
                let first = if batch % 20 == 19 { batch * 3 } else { batch * 90 };
                first..first + 100
            })
            .collect();
        seconds.sort_unstable();
        seconds.dedup();
        let expected: Vec<_> = seconds.iter().map(|n| (time(DAY + n, 0), json!(n))).collect();
        assert_eq!(found, expected);
        let counted = told(&entries(&ada, "GPU-1", &format!("metric_name={metric}&step=1m&agg=count")).await);
        let mut minutes: Vec<(String, Value)> = Vec::new();
        for n in &seconds {
            let start = time(DAY + n / 60 * 60, 0);
            match minutes.last_mut().filter(|(last, _)| *last == start) {
                Some((_, count)) => *count = json!(count.as_i64().unwrap() + 1),
                None => minutes.push((start, json!(1))),
            }
        }
        assert_eq!(counted, minutes);
    }
    let overlapping = "SELECT CAST(count(*) AS bigint) FROM sample_blocks a JOIN sample_blocks b \
                       ON a.series_id = b.series_id AND a.id < b.id AND a.tier = 2 AND b.tier = 2 \
                       AND a.start_at <= b.end_at AND b.start_at <= a.end_at";
    assert_eq!(number(&app, overlapping).await, 0);
}

#[tokio::test]
async fn samples_expire_and_what_they_were_by_the_minute_stays() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let samples: Vec<Value> = (0..300).map(|n| sample("GPU-1", "TEMP", &time(DAY + n, 0), n)).collect();
    store(&ada, &samples).await;
    store(&ada, &[sample("GPU-1", "TEMP", &time(DAY + 400, 0), 1)]).await;
    let minutes = told(&entries(&ada, "GPU-1", "step=1m&agg=avg").await);
    let hours = told(&entries(&ada, "GPU-1", "step=1h&agg=last").await);
    let short = TestApp::over(app.stop().await, &["--telemetry-retention=1ms", "--collect-interval=10ms"]).await;
    let ada = ada.at(short.address);
    until("the samples are gone", async || entries(&ada, "GPU-1", "").await.is_empty()).await;
    assert_eq!(told(&entries(&ada, "GPU-1", "step=1m&agg=avg").await), minutes);
    assert_eq!(told(&entries(&ada, "GPU-1", "step=1h&agg=last").await), hours);
    assert_eq!(entries(&ada, "GPU-1", "step=10s").await, Vec::<Value>::new());
    // A minute counts where it begins.
    let cut = format!("step=1m&agg=count&start_time={}&end_time={}", time(DAY + 30, 0), time(DAY + 121, 0));
    let expected = [(time(DAY + 60, 0), json!(60)), (time(DAY + 120, 0), json!(60))];
    assert_eq!(told(&entries(&ada, "GPU-1", &cut).await), expected);
    assert_eq!(ada.get("/api/v1/gpus").await.ok(200)["gpus"].as_array().unwrap().len(), 1);
    let arguments = ["--telemetry-retention=1ms", "--telemetry-rollup-retention=1ms", "--collect-interval=10ms"];
    let shorter = TestApp::over(short.stop().await, &arguments).await;
    let ada = ada.at(shorter.address);
    until("all of it is gone", async || entries(&ada, "GPU-1", "step=1m").await.is_empty()).await;
    assert_eq!(number(&shorter, BLOCKS).await, 0);
    ada.get("/api/v1/gpus/GPU-1/telemetry").await.ok(200);
}
