//! What the GPUs did during a run.

use serde_json::{Value, json};

use crate::support::run;
use crate::telemetry::{DAY, app, sample, store, time};

#[tokio::test]
async fn a_run_tells_what_the_gpus_did_from_its_beginning_to_its_end() {
    let (_app, ada) = app().await;
    let mut samples = Vec::new();
    for (host, gpu, offset) in [("host-1", "GPU-1", 0), ("host-2", "GPU-2", 1_000)] {
        for metric in ["POWER", "TEMP"] {
            for n in 0..20 {
                let mut one = sample(gpu, metric, &time(DAY + n, 0), n + offset);
                one["hostname"] = json!(host);
                samples.push(one);
            }
        }
    }
    store(&ada, &samples).await;
    let mut body = run(None, "train");
    body["start_time"] = json!(time(DAY + 5, 0));
    body["end_time"] = json!(time(DAY + 10, 0));
    let id = ada.create(&json!([body])).await.remove(0);
    let metric = |name: &str, offset: i64| {
        json!({"metric_name": name, "min": 5.0 + offset as f64, "max": 10.0 + offset as f64, "avg": 7.5 + offset as f64,
               "last": 10.0 + offset as f64, "count": 6})
    };
    let gpu = |id: &str, host: &str, offset: i64| {
        json!({"id": id, "gpu_id": "0", "model_name": "NVIDIA H100 80GB HBM3", "hostname": host,
               "metrics": [metric("POWER", offset), metric("TEMP", offset)]})
    };
    let all = ada.get(&format!("/runs/{id}/gpus")).await.ok(200);
    let expected = json!({
        "run_id": id, "start_time": time(DAY + 5, 0), "end_time": time(DAY + 10, 0),
        "gpus": [gpu("GPU-1", "host-1", 0), gpu("GPU-2", "host-2", 1_000)],
    });
    assert_eq!(all, expected);
    let one = ada.get(&format!("/runs/{id}/gpus?host=host-2")).await.ok(200);
    assert_eq!(one["gpus"], json!([gpu("GPU-2", "host-2", 1_000)]));
    assert_eq!(ada.get(&format!("/runs/{id}/gpus?host=host-3")).await.ok(200)["gpus"], json!([]));
    assert_eq!(ada.get(&format!("/runs/{id}/gpus?hostname=host-2")).await.field(422), "hostname");
    ada.get("/runs/019aa000-0000-7000-8000-000000000000/gpus").await.problem(404);
    _app.user("bob").await.get(&format!("/runs/{id}/gpus")).await.problem(404);
}

#[tokio::test]
async fn a_run_that_has_not_ended_goes_on_until_now() {
    let (_app, ada) = app().await;
    let samples: Vec<Value> = (0..2_000).map(|n| sample("GPU-1", "TEMP", &time(DAY + n * 60, 0), n % 50)).collect();
    for part in samples.chunks(500) {
        store(&ada, part).await;
    }
    let mut body = run(None, "train");
    body["start_time"] = json!(time(DAY + 90, 0));
    let id = ada.create(&json!([body])).await.remove(0);
    let found = ada.get(&format!("/runs/{id}/gpus")).await.ok(200);
    let metric = &found["gpus"][0]["metrics"][0];
    assert_eq!((&metric["count"], &metric["last"], &metric["max"]), (&json!(1_998), &json!(49.0), &json!(49.0)));
    let end: chrono::DateTime<chrono::Utc> = found["end_time"].as_str().unwrap().parse().unwrap();
    assert!((chrono::Utc::now() - end).num_seconds() < 600);
}
